"""The crawler of the examples as its users run it, what it leaves in its directory, and what it ought to leave.

The expectation is walked out of a demo site's table: neither the crawler's code nor its order has a part in it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from program_process import Finished, Program

# What differs between two runs on the same site.
TIMES = ("fetched_at", "seconds")


class Outcome(NamedTuple):
    """What becomes of a URL: page, redirect, refused or failed, at which depth, and why it failed."""

    kind: str
    depth: int
    cause: str | None = None


def walk(table: dict[str, Any], depth: int) -> dict[str, Outcome]:
    """Walk through a site's table, breadth first; a redirect's target is at the depth of the redirect."""
    outcomes: dict[str, Outcome] = {}
    level = [table["start"]]
    for here in range(depth + 1):
        below = []
        for url in level:  # it grows by the targets of redirects
            row = table["pages"].get(url)
            if row is None or url in outcomes:
                continue
            if not row["allowed"]:
                outcomes[url] = Outcome("refused", here)
                continue
            if row["location"] is not None:
                level.append(row["location"])
            kind = "failed" if row["failure"] else "redirect" if row["location"] else "page"
            outcomes[url] = Outcome(kind, here, row["failure"])
            below += row["links"]
        level = below
    return outcomes


class Crawled:
    """A directory that the crawler has written to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lines = [json.loads(line) for line in (directory / "manifest.jsonl").read_text().splitlines()]
        self.records: dict[str, dict[str, Any]] = {line["url"]: line for line in self.lines}

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return {url: Outcome(line["outcome"], line["depth"], line["cause"]) for url, line in self.records.items()}

    @property
    def files(self) -> dict[str, str]:
        """The text of every page's file, by the file's name."""
        return {path.name: path.read_bytes().decode() for path in (self.directory / "pages").iterdir()}

    @property
    def timeless_lines(self) -> list[dict[str, Any]]:
        return [{key: value for key, value in line.items() if key not in TIMES} for line in self.lines]

    def text(self, url: str) -> str:
        """The page that is stored for a URL, once its file says that it is that page at that depth."""
        record = self.records[url]
        head = f"URL: {url}\nDepth: {record['depth']}\n\n"
        content = (self.directory / "pages" / record["file"]).read_bytes().decode()
        assert content.startswith(head)
        return content.removeprefix(head)

    def check_files(self) -> None:
        """Each page of the manifest has a file, and each file is a page's."""
        names = {self.records[url]["file"] for url, outcome in self.outcomes.items() if outcome.kind == "page"}
        assert {path.name for path in self.directory.iterdir()} == {"manifest.jsonl", "pages"}
        assert self.files.keys() == names
        for url, outcome in self.outcomes.items():
            if outcome.kind == "page":
                self.text(url)


class Crawler:
    """Runs the crawler on one of the two loops, with a directory of the test's own."""

    def __init__(self, loop_name: str, directory: Path, *, development_mode: bool = False) -> None:
        self.program = Program("crawler", loop_name, development_mode=development_mode)
        self.directory = directory

    def run(self, url: str, depth: int = 99, *options: str | Path) -> Finished:
        return self.program.run(url, self.directory, str(depth), *options)

    def __call__(self, url: str, depth: int = 99, *options: str | Path) -> Crawled:
        """Crawl a site on which nothing fails."""
        done = self.run(url, depth, *options)
        assert (done.exit_code, done.messages) == (0, [])
        return self.crawled()

    def crawled(self) -> Crawled:
        return Crawled(self.directory)


def first_line(done: Finished) -> str:
    """The first line of a crawl's summary, without the time."""
    counts, _, seconds = done.stdout.splitlines()[0].partition(" in ")
    assert float(seconds.removesuffix(" seconds")) > 0
    return counts
