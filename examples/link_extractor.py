"""Fetch many pages at once and write down every link they hold.

Plain asyncio, with aiohttp for the pages, aiofiles for the output and tqdm for the progress bar. Nothing in here names
an event loop, so the same file runs on any of them:

    python examples/link_extractor.py urls.txt links.tsv
    python -m ioxide examples/link_extractor.py urls.txt links.tsv

`urls.txt` has one URL a line; blank lines and lines that start with `#` don't count, and a URL that is listed twice is
fetched once. Each link is appended to `links.tsv` as `page<TAB>link`, where the page is the URL as listed and the link
is absolute. A link that a page repeats is written once. A page that can't be used is reported on stderr with its cause,
and the others go on.

Exit code: 0; 1 when a page couldn't be used, or the output not be written; 2 when a file can't be opened or the command
line is wrong; 130 after Ctrl-C, with everything written that had been fetched.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import aiofiles
import aiohttp
from command_line import DONE, PARTLY_FAILED, WRONG_USE, ProgramError, count, read_urls, run, seconds
from tqdm import tqdm
from web_pages import HTML_TYPES, PageError, decode, extract_links, is_fetchable, page_error_of


@dataclass
class Tally:
    """What a run has done so far; still right when the run is cut short."""

    started: bool = False  # not before the output could be opened
    fetched: int = 0
    links: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def summary(self, seconds: float) -> str:
        """Tell the whole run in one line, then the failures by cause, the most frequent first."""
        pages, links, failures = (
            f"{number} {noun}{'' if number == 1 else 's'}"
            for number, noun in ((self.fetched, "page"), (self.links, "link"), (self.failures.total(), "failure"))
        )
        lines = [f"{pages} fetched, {links} found, {failures} in {seconds:.3f} seconds"]
        by_cause = sorted(self.failures.items(), key=lambda item: (-item[1], item[0]))
        lines += [f"{count:6}  {cause}" for cause, count in by_cause]
        return "\n".join(lines)


async def fetch(session: aiohttp.ClientSession, url: str) -> tuple[str, str]:
    """Fetch one page: the URL at which redirects ended, and the text found there."""
    if not is_fetchable(url):
        raise PageError("bad URL")
    try:
        async with session.get(url) as response:
            if response.status >= 400:
                raise PageError(f"status {response.status}")
            if response.content_type not in HTML_TYPES:
                raise PageError("not HTML", response.content_type)
            body = await response.read()
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise page_error_of(error) from error
    return str(response.url), decode(body, response.charset)


async def links_of(session: aiohttp.ClientSession, url: str) -> list[str]:
    """Fetch one page and list its links."""
    return extract_links(*await fetch(session, url))


class LinkFile:
    """The output file, which any number of tasks append to.

    Only the task that holds the lock writes, and it writes what the others have brought meanwhile too: lines of
    different pages never mix, and many small pages cost few writes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._lock = asyncio.Lock()
        self._pending: list[str] = []
        self._failure: OSError | None = None

    async def __aenter__(self) -> LinkFile:
        try:
            # A former run may have been cut off in the middle of a line, which then must not swallow our first.
            if await asyncio.to_thread(ends_mid_line, self._path):
                self._pending.append("\n")
            # A charset such as unicode_escape can put lone surrogates into a link, which UTF-8 has no bytes for.
            self._file = await aiofiles.open(self._path, "a", encoding="utf-8", errors="backslashreplace", newline="\n")
        except OSError as error:
            raise ProgramError(f"cannot open {self._path}: {error.strerror}", WRONG_USE) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._write_pending()
        finally:
            try:
                await self._file.close()
            except OSError as close_error:
                self._failure = self._failure or close_error
        self._check()

    async def append(self, page: str, links: list[str]) -> None:
        """Append a page's links; they are in the file when this returns."""
        self._pending += [f"{page}\t{link}\n" for link in links]
        # A cancelled page doesn't take along the write, which may hold other pages' lines.
        await asyncio.shield(self._write_pending())
        self._check()

    async def _write_pending(self) -> None:
        """Write what is pending. A failure is kept for `_check`: nobody may be waiting for this any more."""
        async with self._lock:
            if not self._pending or self._failure:
                return
            text = "".join(self._pending)
            self._pending.clear()
            try:
                await self._file.write(text)
                await self._file.flush()
            except OSError as error:
                self._failure = error

    def _check(self) -> None:
        if self._failure:
            raise ProgramError(f"cannot write {self._path}: {self._failure.strerror}", PARTLY_FAILED) from self._failure


def ends_mid_line(path: Path) -> bool:
    """Tell whether the last line of an existing file lacks its end."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


async def extract(urls: list[str], output: Path, concurrency: int, timeout: float, tally: Tally) -> None:
    """Fetch every page, `concurrency` of them at a time, and append their links to the output."""
    waiting = iter(urls)  # shared: each worker takes the next URL when it is done with its last

    async def work() -> None:
        for url in waiting:
            try:
                links = await links_of(session, url)
            except PageError as error:
                tally.failures[error.cause] += 1
                tqdm.write(f"{url}: {error}", file=sys.stderr)
            else:
                tally.fetched += 1
                tally.links += len(links)
                await link_file.append(url, links)
            progress.update()

    async with (
        LinkFile(output) as link_file,
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout),
            connector=aiohttp.TCPConnector(limit=concurrency),
            # With cookies, what a page says could depend on which was fetched before it.
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session,
    ):
        tally.started = True
        with tqdm(total=len(urls), unit="page", file=sys.stderr, disable=None) as progress:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(concurrency, len(urls))):
                    workers.create_task(work())


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Fetch pages at once and append their links to a file.")
    parser.add_argument("urls", metavar="URLS_FILE", type=Path, help="one URL a line; # starts a comment line")
    parser.add_argument("output", metavar="OUTPUT_FILE", type=Path, help="lines of page<TAB>link are appended here")
    parser.add_argument("--concurrency", metavar="N", type=count, default=100, help="pages at a time (default: 100)")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=seconds, default=30.0, help="time for one page (default: 30)"
    )
    return parser.parse_args()


async def main(arguments: argparse.Namespace) -> int:
    """Extract, tell what was done, be it cut short, and return the exit code."""
    urls = read_urls(arguments.urls)
    tally = Tally()
    start = time.perf_counter()
    try:
        await extract(urls, arguments.output, arguments.concurrency, arguments.timeout, tally)
    finally:
        if tally.started:
            print(tally.summary(time.perf_counter() - start))
    return PARTLY_FAILED if tally.failures else DONE


if __name__ == "__main__":
    sys.exit(run("link_extractor", main(parse_arguments())))
