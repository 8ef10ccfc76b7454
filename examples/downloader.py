"""Download many files at once, each into a file of its own, and resume what was interrupted.

Plain asyncio, with aiohttp for the files and tqdm for the progress bar. Nothing in here names an event loop, so the
same file runs on any of them:

    python examples/downloader.py https://example.org/pub/ files
    python -m ioxide examples/downloader.py urls.txt files --checksums SHA256SUMS

What is downloaded are the files below a page that the page links to, or those of a list: a file with one URL a line.
Each gets the last part of its URL for its name, and is left alone when it is there already. Two URLs can't have one
name, and a name can't begin with a dot: so do those of the temporary files.

A file that is still arriving is called .NAME.part. What has arrived when an answer ends early, or when the program is
interrupted or killed, is kept, and only the rest is asked for then, if the server tells by an ETag or a length that it
still has the same file. An answer that ends early, falls silent, or says that the server is busy or out of order is
asked for again, after a pause that grows.

A file that can't be downloaded is reported on stderr with its cause, and the others go on.

Exit code: 0 when all files are there; 1 when some aren't; 2 when a list can't be read, or the page, or the command line
is wrong; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import aiohttp
from command_line import DONE, PARTLY_FAILED, ProgramError, count, read_urls, run, seconds
from partial_file import FileError, PartialFile, Version, in_thread, sha256_of
from tqdm import tqdm
from web_pages import PageError, decode, extract_links, is_fetchable, page_error_of

# What is written in one go, at most.
PIECE = 256 * 1024

# Answers that another attempt may better, beside the server's errors.
BUSY = frozenset({408, 429})
PASSING_CAUSES = frozenset({"timed out", "connection closed early"})
LONGEST_PAUSE = 60.0

# Compressed on the way, a file would have another length than the server tells, and a range would mean something else.
UNCOMPRESSED = {"Accept-Encoding": "identity"}


class DownloadError(Exception):
    """A file that couldn't be downloaded: its message is the cause."""


class PassingError(DownloadError):
    """One that another attempt may not meet, after a pause of at least so many seconds."""

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


@dataclass
class Tally:
    """What a run has done so far; still right when the run is cut short."""

    downloaded: int = 0
    already_there: int = 0
    failed: int = 0
    received: int = 0
    expected: int = 0  # in bytes, as `received`: what answers have told that they bring

    def summary(self, seconds: float) -> str:
        """Tell the whole run in one line."""
        files = f"{self.downloaded} file{'' if self.downloaded == 1 else 's'}"
        return (
            f"{files} downloaded, {self.already_there} already there, {self.failed} failed: {self.received} bytes "
            f"in {seconds:.3f} seconds, {tqdm.format_sizeof(self.received / seconds)}B per second"
        )


@dataclass
class Downloader:
    """Downloads files into a directory, and keeps the tally.

    `attempts` is after how many that got no further a file is given up, `pause` how long to wait after the first.
    """

    session: aiohttp.ClientSession
    directory: Path
    checksums: dict[str, str]
    attempts: int
    pause: float
    tally: Tally
    progress: tqdm[Any]

    async def download_all(self, urls: list[str], concurrency: int) -> None:
        """Download files, so many at a time."""
        files = self._named(urls)
        waiting = iter(files.items())  # shared: each worker takes the next file when it is done with its last

        async def work() -> None:
            for name, url in waiting:
                try:
                    await self.download(name, url)
                except (DownloadError, FileError) as error:
                    self._report(url, error)

        async with asyncio.TaskGroup() as workers:
            for _ in range(min(concurrency, len(files))):
                workers.create_task(work())

    async def download(self, name: str, url: str) -> None:
        """Download one file, unless it is there."""
        checksum = self.checksums.get(name)
        async with PartialFile(self.directory, name) as file:
            # Looked for only now that nobody else can be writing it.
            if await in_thread(file.path.is_file) and (checksum is None or await sha256_of(file.path) == checksum):
                await file.start(None)
                self.tally.already_there += 1
                return
            await self._fetch_checked(url, file, checksum)
            await file.finish()
        self.tally.downloaded += 1

    def _named(self, urls: list[str]) -> dict[str, str]:
        """Find a name for each URL: no two of them may write to one file."""
        files: dict[str, str] = {}
        for url in urls:
            try:
                taken_by = files.setdefault(name_of(url), url)
                if taken_by != url:
                    raise DownloadError(f"its file would have the name of {taken_by}")
            except DownloadError as error:
                self._report(url, error)
        return files

    def _report(self, url: str, cause: Exception) -> None:
        self.tally.failed += 1
        tqdm.write(f"{url}: {cause}", file=sys.stderr)

    async def _fetch_checked(self, url: str, file: PartialFile, checksum: str | None) -> None:
        """Fetch what is missing of a file, and compare its checksum if there is one."""
        for something_was_there in (file.size > 0, False):
            await self._fetch_whole(url, file)
            if checksum is None or await file.sha256() == checksum:
                return
            await file.start(None)
            # What a former run has left may be of another version, though the server's answer didn't show it.
            if not something_was_there:
                raise DownloadError("checksum differs")

    async def _fetch_whole(self, url: str, file: PartialFile) -> None:
        """Fetch what is missing of a file, in as many attempts as it takes while they get further."""
        failures = 0
        furthest = file.size
        while True:
            try:
                if await self._fetch_rest(url, file):
                    return
            except PassingError as error:
                failures = 0 if file.size > furthest else failures + 1
                furthest = max(furthest, file.size)
                if failures == self.attempts:
                    raise
                pause = max(pause_after(failures, self.pause), error.pause)
                await asyncio.sleep(min(pause, LONGEST_PAUSE))

    async def _fetch_rest(self, url: str, file: PartialFile) -> bool:
        """Ask once for what is missing. False when what was there has turned out useless, and is no longer there."""
        if file.version is not None and file.version.url != url:
            await file.start(None)
        if file.is_whole:
            return True
        asked_range = range_after(file)
        try:
            async with self.session.get(url, headers=UNCOMPRESSED | asked_range) as response:
                check_status(response, resuming=bool(asked_range))
                version = version_of(response, url)
                if response.status == 200:
                    await file.start(version)
                elif not continues(response, file, version):
                    await file.start(None)
                    return False
                await self._receive(response, file)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # What aiohttp had received and we hadn't yet read is lost with the connection. It's asked for again.
            cause = page_error_of(error)
            if cause.cause in PASSING_CAUSES:
                raise PassingError(cause.cause) from error
            raise DownloadError(str(cause)) from error
        if file.version and file.version.length not in (None, file.size):
            raise PassingError("connection closed early")
        return True

    async def _receive(self, response: aiohttp.ClientResponse, file: PartialFile) -> None:
        """Write what an answer brings, as it comes."""
        expected = response.content_length or 0
        received = 0
        self._expect(expected)
        try:
            async for piece in response.content.iter_chunked(PIECE):
                await file.write(piece)
                received += len(piece)
                self.tally.received += len(piece)
                self.progress.update(len(piece))
        finally:
            self._expect(received - expected)

    def _expect(self, change: int) -> None:
        """Let the progress bar end at what is expected by now."""
        self.tally.expected += change
        self.progress.total = self.tally.expected


def pause_after(failures: int, first_pause: float) -> float:
    """Tell how long to wait after so many failures in a row: from the second on, about twice as long after each.

    Some of it is left to chance, so that clients which were turned away together don't come back together.
    """
    return first_pause * 2.0 ** min(max(failures - 1, 0), 10) * random.uniform(0.5, 1)


def range_after(file: PartialFile) -> dict[str, str]:
    """Ask for what comes after the bytes that are there, unless the file is another one by now."""
    if not file.size or file.version is None or not file.version.is_known:
        return {}
    headers = {"Range": f"bytes={file.size}-"}
    etag = file.version.etag
    if etag and not etag.startswith("W/"):  # a weak one may stand for several versions, and isn't allowed here
        headers["If-Range"] = etag
    return headers


def check_status(response: aiohttp.ClientResponse, *, resuming: bool) -> None:
    """Raise for an answer that brings nothing."""
    status = response.status
    if status >= 500 or status in BUSY:
        pause = response.headers.get("Retry-After", "")  # in seconds; the other way to write it is a date
        raise PassingError(f"status {status}", float(pause) if re.fullmatch("[0-9]{1,9}", pause) else 0.0)
    if status != 200 and not (resuming and status in (206, 416)):
        raise DownloadError(f"status {status}")


def version_of(response: aiohttp.ClientResponse, url: str) -> Version:
    """Note which version of the file an answer is of."""
    length = response.content_length
    if response.status != 200:
        _, _, total = response.headers.get("Content-Range", "").rpartition("/")
        length = int(total) if total.isdecimal() else None
    return Version(url, response.headers.get("ETag"), response.headers.get("Last-Modified"), length)


def continues(response: aiohttp.ClientResponse, file: PartialFile, version: Version) -> bool:
    """Tell whether an answer to the question for the rest brings just that, of the same version."""
    if response.status != 206 or file.version is None or not file.version.continues(version):
        return False
    return response.headers.get("Content-Range", "").startswith(f"bytes {file.size}-")


async def files_below(base: str, timeout: float) -> list[str]:
    """List the files below a page that the page links to."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as session,
            session.get(base) as response,
        ):
            if response.status != 200:
                raise PageError(f"status {response.status}")
            page_url = str(response.url)
            links = extract_links(page_url, decode(await response.read(), response.charset))
    except PageError as error:
        raise ProgramError(f"cannot read {base}: {error}") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ProgramError(f"cannot read {base}: {page_error_of(error)}") from error
    folder = urljoin(page_url, ".")
    urls = dict.fromkeys(urldefrag(link)[0] for link in links)
    files = [url for url in urls if url.startswith(folder) and not urlsplit(url).path.endswith("/")]
    if not files:
        raise ProgramError(f"no files below {base} are linked there")
    return files


def name_of(url: str) -> str:
    """Tell what a URL's file is to be called here."""
    if not is_fetchable(url):
        raise DownloadError("bad URL")
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    if not name:
        raise DownloadError("no file name in the URL")
    if name.startswith(".") or "/" in name or not name.isprintable():
        raise DownloadError(f"bad file name {name!r}")
    return name


def read_checksums(path: Path | None) -> dict[str, str]:
    """Read SHA-256 checksums by file name, from what the command sha256sum writes."""
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ProgramError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ProgramError(f"cannot read {path}: not UTF-8 text") from None
    checksums = {}
    for number, line in enumerate(lines, 1):
        entry = re.fullmatch("([0-9a-fA-F]{64}) [ *](.+)", line)
        if entry is None:
            raise ProgramError(f"{path}, line {number}: not a SHA-256 checksum and a name")
        checksums[entry[2].rpartition("/")[2]] = entry[1].lower()
    return checksums


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Download many files at once, and resume what was interrupted.")
    parser.add_argument("source", metavar="BASE_OR_LIST", help="a page that links to files, or a file of URLs")
    parser.add_argument("directory", metavar="DEST", type=Path, help="where the files go; made if it isn't there")
    parser.add_argument("--concurrency", metavar="N", type=count, default=16, help="files at a time (default: 16)")
    parser.add_argument("--checksums", metavar="FILE", type=Path, help="what sha256sum wrote, to check the files by")
    parser.add_argument(
        "--attempts", metavar="N", type=count, default=5, help="give up after so many that got no further (default: 5)"
    )
    parser.add_argument(
        "--pause", metavar="SECONDS", type=seconds, default=0.5, help="before the second attempt (default: 0.5)"
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=seconds, default=30.0, help="time without any bytes (default: 30)"
    )
    return parser.parse_args()


async def main(arguments: argparse.Namespace) -> int:
    """Download, tell what was done, be it cut short, and return the exit code."""
    checksums = read_checksums(arguments.checksums)
    if is_fetchable(arguments.source):
        urls = await files_below(arguments.source, arguments.timeout)
    else:
        urls = read_urls(Path(arguments.source))
    try:
        arguments.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProgramError(f"cannot make {arguments.directory}: {error.strerror}") from error

    tally = Tally()
    start = time.perf_counter()
    session = aiohttp.ClientSession(
        # However long a file takes, while something comes.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=arguments.timeout, sock_read=arguments.timeout),
        connector=aiohttp.TCPConnector(limit=arguments.concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )
    # A total of 0 bytes, which grows as the answers tell what they will bring.
    progress = tqdm(total=0, unit="B", unit_scale=True, file=sys.stderr, disable=None)
    try:
        async with session:
            with progress:
                downloader = Downloader(
                    session, arguments.directory, checksums, arguments.attempts, arguments.pause, tally, progress
                )
                await downloader.download_all(urls, arguments.concurrency)
    finally:
        print(tally.summary(time.perf_counter() - start))
    return PARTLY_FAILED if tally.failed else DONE


if __name__ == "__main__":
    sys.exit(run("downloader", main(parse_arguments())))
