"""The link extractor of the examples as its users run it: a process of its own, on either loop.

`python examples/link_extractor.py` is asyncio's, `python -m ioxide examples/link_extractor.py` ioxide's.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

# A warning about something left open lands on stderr, where the tests expect nothing but failures.
PYTHON = [sys.executable, "-W", "always::ResourceWarning"]
LAUNCHERS = {"asyncio": PYTHON, "ioxide": [*PYTHON, "-m", "ioxide"]}
LOOP_NAMES = {"asyncio": "asyncio's _UnixSelectorEventLoop", "ioxide": "ioxide."}

# Time-outs that only a hang reaches.
PATIENCE = 100
PAGE_PATIENCE = ["--timeout", "60"]


@dataclass
class Extraction:
    """One run of the extractor as a process."""

    exit_code: int
    stdout: str
    stderr: str
    text: str

    @property
    def pairs(self) -> list[tuple[str, ...]]:
        """The lines of the output, split at their tabs."""
        assert self.text == "" or self.text.endswith("\n")
        return [tuple(line.split("\t")) for line in self.text.split("\n")[:-1]]

    @property
    def causes(self) -> dict[str, str]:
        """What stderr says of each URL, without the details."""
        reports = [line.split(": ", 1) for line in self.stderr.splitlines()]
        assert len({url for url, _ in reports}) == len(reports)
        return {url: cause.partition(" (")[0] for url, cause in reports}

    @property
    def summary(self) -> str:
        """The first line of the summary, with the time taken out."""
        words = self.stdout.splitlines()[0].split(" ")
        seconds = words.index("seconds") - 1
        assert float(words[seconds]) > 0
        return " ".join([*words[:seconds], "N", *words[seconds + 1 :]])


class Extractor:
    """Runs the extractor on one of the two loops, with its files in a directory of the test's own."""

    def __init__(self, loop_name: str, directory: Path) -> None:
        self.loop_name = loop_name
        self.urls = directory / "urls.txt"
        self.output = directory / "links.tsv"

    def command(self, urls: list[str], *options: str) -> list[str]:
        """Write the URL file and tell the command for it."""
        self.urls.write_text("".join(f"{url}\n" for url in urls), encoding="utf-8")
        return self.bare_command(str(self.urls), str(self.output), *options)

    def bare_command(self, *arguments: str) -> list[str]:
        return [*LAUNCHERS[self.loop_name], str(EXAMPLES / "link_extractor.py"), *arguments]

    def run(self, command: list[str]) -> Extraction:
        finished = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
        return self.extraction(finished.returncode, finished.stdout, finished.stderr)

    def extraction(self, exit_code: int, stdout: str, stderr: str) -> Extraction:
        text = self.output.read_bytes().decode("utf-8") if self.output.is_file() else ""
        return Extraction(exit_code, stdout, stderr, text)

    def __call__(self, urls: list[str], *options: str) -> Extraction:
        return self.run(self.command(urls, *PAGE_PATIENCE, *options))
