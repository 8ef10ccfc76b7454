"""The downloader of the examples as its users run it: its list, its directory, and what it asks a site for."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from pathlib import Path

from demo_files import DemoFiles
from program_process import Finished, Program

QUICKLY = ["--pause", "0.001", "--attempts", "3", "--timeout", "60"]


@dataclass(frozen=True)
class Download:
    """What a run has left, and what it had asked the site for."""

    finished: Finished
    directory: Path
    requests: dict[str, int]
    starts: dict[str, list[int]]

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.directory.iterdir() if not path.name.startswith(".")}

    @property
    def causes(self) -> dict[str, str]:
        """What stderr says of each URL, without the details."""
        reports = [message.split(": ", 1) for message in self.finished.messages]
        assert len({url for url, _ in reports}) == len(reports)
        return {url: cause.partition(" (")[0] for url, cause in reports}


def download(program: Program, site: DemoFiles, source: str | Path, *options: str | Path) -> Download:
    """Run the downloader to its end, into a directory `files`."""
    forget_requests(site)
    return left_by(program, site, program.run(source, "files", *QUICKLY, *options))


def left_by(program: Program, site: DemoFiles, finished: Finished) -> Download:
    assert program.directory is not None
    return Download(finished, program.directory / "files", dict(site.requests), dict(site.starts))


def forget_requests(site: DemoFiles) -> None:
    """Have the site forget what it was asked for by processes that have ended."""
    # What they had sent as they were killed is answered before this.
    with urllib.request.urlopen(site.base) as answer:
        answer.read()
    site.forget_requests()


def url_list(directory: Path, *urls: str) -> Path:
    path = directory / "urls.txt"
    path.write_text("".join(f"{url}\n" for url in urls), encoding="utf-8")
    return path
