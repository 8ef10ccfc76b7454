"""Where the crawler keeps what it fetched: a file for each page, and a manifest with a line for every URL.

    DEST/manifest.jsonl      a JSON object on each line; of two lines for one URL the later counts
    DEST/pages/NAME.page     `URL: …` and `Depth: …`, an empty line, and the page's text in UTF-8

A page's file gets its name when it is whole, and its line in the manifest after that: whenever the crawler is killed,
what the manifest lists is there.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from command_line import PARTLY_FAILED, WRONG_USE, ProgramError

PAGE = "page"
REDIRECT = "redirect"
REFUSED = "refused"  # by robots.txt
FAILED = "failed"

MANIFEST = "manifest.jsonl"
PAGES = "pages"
UNFINISHED = ".part"


@dataclass
class Record:
    """A line of the manifest: what became of a URL.

    The outcome is one of the four above. A page has `links`, each once and in the one spelling, and the name of its
    `file`; a redirect has the `location` it leads to; a failure has its `cause`.
    """

    url: str
    depth: int
    outcome: str = PAGE
    status: int | None = None
    links: list[str] = field(default_factory=list)
    file: str | None = None
    location: str | None = None
    cause: str | None = None
    fetched_at: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class StoredPage:
    """What a page's file holds."""

    url: str
    depth: int
    text: str


def file_name(url: str) -> str:
    """Name a page's file: a URL itself may be too long for a name, or differ from another in capitals only."""
    return hashlib.sha256(url.encode()).hexdigest()[:32] + ".page"


def read_manifest(directory: Path) -> dict[str, Record]:
    """Read what is known of each URL. A last line that was cut off doesn't count; its URL is fetched again."""
    try:
        lines = (directory / MANIFEST).read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    records = {}
    for number, line in enumerate(lines[:-1], start=1):
        try:
            record = Record(**json.loads(line))
        except (ValueError, TypeError):
            raise ProgramError(f"{directory / MANIFEST}, line {number}: not a line of a manifest") from None
        records[record.url] = record
    return records


def read_page(path: Path) -> StoredPage:
    """Read a page's file."""
    with path.open(encoding="utf-8", newline="") as file:
        url = file.readline().removeprefix("URL: ").rstrip("\n")
        depth = int(file.readline().removeprefix("Depth: "))
        file.readline()
        return StoredPage(url, depth, file.read())


def write_page(path: Path, page: StoredPage) -> None:
    """Write a page's file, which is whole when it gets its name."""
    unfinished = path.with_name(path.name + UNFINISHED)
    # A charset such as unicode_escape can put lone surrogates into a text, which UTF-8 has no bytes for.
    with unfinished.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.write(f"URL: {page.url}\nDepth: {page.depth}\n\n{page.text}")
    unfinished.replace(path)


class PageStore:
    """The directory, held by one crawler for as long as the `async with` block runs.

    `records` has what earlier runs left. What is added is written by one task at a time in a thread, together with
    what other tasks have brought meanwhile: many small pages cost few trips to the thread.
    """

    def __init__(self, directory: Path) -> None:
        self.records: dict[str, Record] = {}
        self._directory = directory
        self._pages = directory / PAGES
        self._manifest: IO[str]
        self._hold: int
        self._lock = asyncio.Lock()
        self._pending: list[tuple[Record, str | None]] = []
        self._failure: OSError | None = None

    async def __aenter__(self) -> PageStore:
        try:
            self._open()  # not in a thread: there is nothing else yet that it could hold up
        except OSError as error:
            raise ProgramError(f"cannot write to {self._directory}: {error.strerror}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._write_pending()
        finally:
            try:
                self._manifest.close()
            except OSError as close_error:
                self._failure = self._failure or close_error
            os.close(self._hold)
        self._check()

    async def add(self, record: Record, text: str | None = None) -> None:
        """Store what became of a URL, and the text if it is a page; both are in their files when this returns."""
        if text is not None:
            record.file = file_name(record.url)
        self._pending.append((record, text))
        # A cancelled task doesn't take along the write, which may hold what others brought.
        await asyncio.shield(self._write_pending())
        self._check()

    async def settle(self, records: Iterable[Record], depths: dict[str, int]) -> None:
        """Write the manifest anew, in order of depth and URL, and correct depths there and in the pages.

        Nothing may be added any more.
        """
        await asyncio.shield(self._settle(list(records), depths))
        self._check()

    def _open(self) -> None:
        self._pages.mkdir(parents=True, exist_ok=True)
        self._hold = os.open(self._directory, os.O_RDONLY)
        try:
            # Two crawlers in one directory would take turns at spoiling it. The lock ends with the process.
            fcntl.flock(self._hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            present = set(os.listdir(self._pages))
            for name in present:
                if name.endswith(UNFINISHED):
                    (self._pages / name).unlink()
            known = read_manifest(self._directory).values()
            self.records = {record.url: record for record in known if record.file is None or record.file in present}
            drop_unfinished_line(self._directory / MANIFEST)
            self._manifest = (self._directory / MANIFEST).open("a", encoding="utf-8")
        except BlockingIOError:
            os.close(self._hold)
            raise ProgramError(f"another crawler is writing to {self._directory}", WRONG_USE) from None
        except BaseException:
            os.close(self._hold)
            raise

    async def _write_pending(self) -> None:
        """Write what is pending. A failure is kept for `_check`: nobody may be waiting for this any more."""
        async with self._lock:
            if not self._pending or self._failure:
                return
            batch = self._pending
            self._pending = []
            try:
                await asyncio.to_thread(self._write, batch)
            except OSError as error:
                self._failure = error

    async def _settle(self, records: list[Record], depths: dict[str, int]) -> None:
        async with self._lock:
            try:
                await asyncio.to_thread(self._rewrite, records, depths)
            except OSError as error:
                self._failure = error

    def _write(self, batch: list[tuple[Record, str | None]]) -> None:
        for record, text in batch:
            if text is not None and record.file is not None:
                write_page(self._pages / record.file, StoredPage(record.url, record.depth, text))
        self._manifest.write("".join(manifest_line(record) for record, _ in batch))
        self._manifest.flush()

    def _rewrite(self, records: list[Record], depths: dict[str, int]) -> None:
        for record in records:
            depth = depths.get(record.url, record.depth)
            if depth != record.depth and record.file is not None:
                path = self._pages / record.file
                write_page(path, StoredPage(record.url, depth, read_page(path).text))
            record.depth = depth
        records.sort(key=lambda record: (record.depth, record.url))
        unfinished = self._directory / (MANIFEST + UNFINISHED)
        with unfinished.open("w", encoding="utf-8") as file:
            file.writelines(manifest_line(record) for record in records)
        unfinished.replace(self._directory / MANIFEST)

    def _check(self) -> None:
        if self._failure:
            reason = self._failure.strerror
            raise ProgramError(f"cannot write to {self._directory}: {reason}", PARTLY_FAILED) from self._failure


def manifest_line(record: Record) -> str:
    """Write a record as a line of the manifest."""
    return json.dumps(vars(record)) + "\n"


def drop_unfinished_line(path: Path) -> None:
    """Cut off what stands after the last line end, so that the next line is one of its own."""
    with suppress(FileNotFoundError):
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
