"""A website on loopback that serves files, well and badly, for the downloader to be run against.

Most of its files are served as a good server does: with their length, an ETag and ranges. The others are what a
downloader meets on the web: no ranges, no ETag, no length, answers that end early, connections that are reset or fall
silent, servers that are busy for a while, files that change between two answers, names that stand for two files.

What ought to be on disk in the end is known here without asking: what a file holds follows from its name.

    python examples/demo_files.py [--port N]

serves until it is interrupted and prints the URL of the page that links to all files.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import html
import re
import socket
import struct
import sys
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import TracebackType
from urllib.parse import quote, unquote

from aiohttp import web
from demo_site import HOST, hang_up

PIECE = 16 * 1024
# Where answers are cut. A client may lose what it hadn't looked at yet, but its buffers are smaller than this.
CUT = 1_000_000
LONG = 2_500_000

CHECKSUMS = "SHA256SUMS"


class Tag(Enum):
    """What a file has for an ETag."""

    STRONG = '"{}"'
    WEAK = 'W/"{}"'
    NONE = ""


class Ending(Enum):
    """How an answer ends that doesn't send all of its file."""

    CLOSED = "the connection closes"
    RESET = "the connection is reset"
    SILENCE = "nothing more comes"


@dataclass(frozen=True)
class File:
    """A file, and how it is served. `failure` is the cause for which it can't be downloaded."""

    name: str
    size: int
    tag: Tag = Tag.STRONG
    ranges: bool = True
    has_length: bool = True
    heeds_if_range: bool = True
    refusals: int = 0  # so many requests are answered with the status below, before the first is served
    status: int = 200
    retry_after: str | None = None
    cut_at: int | None = None  # an answer ends after so many bytes, …
    cuts: int = sys.maxsize  # … but only so many of the answers do
    ending: Ending = Ending.CLOSED
    changes: bool = False  # the second request and later ones meet another version
    grows_by: int = 0  # what that version is longer by
    failure: str | None = None

    @property
    def path(self) -> str:
        """Where it stands on the site, as URLs write it."""
        return "/" + quote(self.name)

    def version_at(self, request_number: int) -> bytes:
        """Tell what it holds for the n-th request."""
        later = self.changes and request_number > 1
        return content_of(f"{self.name} {2 if later else 1}", self.size + (self.grows_by if later else 0))

    @property
    def final_version(self) -> bytes:
        """What it holds once it no longer changes."""
        return self.version_at(sys.maxsize)


@lru_cache(maxsize=256)
def content_of(seed: str, size: int) -> bytes:
    """Make up bytes that look random, the same ones for the same seed."""
    return hashlib.shake_128(seed.encode()).digest(size)


def well_served_files() -> list[File]:
    """List the files that a single request gets, of all sizes, and under names that URLs have to escape."""
    sizes = [0, 1, PIECE - 1, PIECE, PIECE + 1, *(20_000 * number for number in range(1, 21))]
    files = [File(f"file-{number:02}.bin", size) for number, size in enumerate(sizes)]
    return [*files, File("größe & co.txt", 2000), File("100%.txt", 100), File("archive.tar.gz", 50_000)]


def badly_served_files() -> list[File]:
    """List the files that can be had all the same."""
    return [
        File("cut-with-etag.bin", LONG, cut_at=CUT),
        File("cut-with-weak-etag.bin", LONG, tag=Tag.WEAK, cut_at=CUT),
        File("cut-without-etag.bin", LONG, tag=Tag.NONE, cut_at=CUT),
        File("cut-without-ranges.bin", LONG, ranges=False, cut_at=CUT, cuts=2),
        File("cut-without-length.bin", LONG, tag=Tag.NONE, has_length=False, ranges=False, cut_at=CUT, cuts=1),
        File("without-length.bin", 200_000, tag=Tag.NONE, has_length=False, ranges=False),
        File("reset.bin", LONG, cut_at=CUT, cuts=2, ending=Ending.RESET),
        File("unavailable.bin", 1000, refusals=2, status=503),
        File("too-many-requests.bin", 1000, refusals=1, status=429, retry_after="0"),
        File("changes.bin", LONG, cut_at=CUT, cuts=1, changes=True),
        File("grows.bin", LONG, tag=Tag.NONE, cut_at=CUT, cuts=1, changes=True, grows_by=5),
        File("changes-and-ignores-if-range.bin", LONG, heeds_if_range=False, cut_at=CUT, cuts=1, changes=True),
    ]


def unobtainable_files() -> list[File]:
    """List the files that can't be had."""
    return [
        File("missing.bin", 0, refusals=sys.maxsize, status=404, failure="status 404"),
        File("forbidden.bin", 0, refusals=sys.maxsize, status=403, failure="status 403"),
        File("out-of-order.bin", 0, refusals=sys.maxsize, status=500, failure="status 500"),
        File("never-whole.bin", LONG, ranges=False, cut_at=CUT, failure="connection closed early"),
        File("always-reset.bin", LONG, cut_at=0, ending=Ending.RESET, failure="connection closed early"),
    ]


class DemoFiles:
    """The site, served while the `async with` block runs; port 0 takes any free one.

    It counts what it is asked for: `requests` by path, `starts` with the offset that each answer of a path began at,
    `at_once` how many answers are being given, and `most_at_once` have been. `before_piece` is awaited before each
    piece of a file is sent, with the piece's size: whoever sets it can watch and hold up what the site sends.
    """

    # The first answer falls silent, which only a time-out ends: it isn't among the others.
    SILENT = File("silent.bin", LONG, cut_at=CUT, cuts=1, ending=Ending.SILENCE)

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.before_piece: Callable[[int], Awaitable[None]] | None = None
        self.files = [*well_served_files(), *badly_served_files(), *unobtainable_files()]
        self._by_path = {file.path: file for file in [*self.files, self.SILENT]}
        self._closing = asyncio.Event()
        self.forget_requests()

    def add(self, file: File) -> None:
        """Serve one file more, which the page doesn't link to."""
        self._by_path[file.path] = file

    def forget_requests(self) -> None:
        """Be as on the first day: nothing was asked for yet."""
        self.requests: Counter[str] = Counter()
        self.starts: defaultdict[str, list[int]] = defaultdict(list)
        self.most_at_once = 0
        self.at_once = 0

    @property
    def base(self) -> str:
        """The page that links to the files."""
        return f"http://{HOST}:{self.port}/"

    def url_of(self, file: File) -> str:
        """Tell where a file stands."""
        return self.base.rstrip("/") + file.path

    def expected_files(self) -> dict[str, bytes]:
        """Tell what has to be on disk when the files of the page have been downloaded."""
        return {file.name: file.final_version for file in self.files if file.failure is None}

    def expected_failures(self) -> dict[str, str]:
        """Tell the cause for each URL that can't be downloaded."""
        return {self.url_of(file): file.failure for file in self.files if file.failure is not None}

    async def __aenter__(self) -> DemoFiles:
        # A handler that waits for a client that has gone is cancelled.
        server = web.Server(self._answer, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(server)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, HOST, self.port, backlog=1024).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = "/" + quote(unquote(request.rel_url.raw_path)[1:])
        self.requests[path] += 1
        if path == "/":
            return web.Response(text=self._page(), content_type="text/html")
        if path == f"/{CHECKSUMS}":
            return web.Response(text=self.checksums())
        file = self._by_path.get(path)
        if file is None:
            return web.Response(status=404)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._serve(request, file, self.requests[path])
        except ConnectionError:  # the client has gone
            return hang_up(request, web.Response())
        finally:
            self.at_once -= 1

    def _page(self) -> str:
        links = [f'<a href="{quote(file.name)}">{html.escape(file.name)}</a>' for file in self.files]
        # What such pages hold besides: these aren't files below it.
        links += ['<a href="?C=N;O=D">by name</a>', '<a href="../">up</a>', '<a href="folder/">folder/</a>']
        links += [
            '<a href="https://example.org/file.bin">elsewhere</a>',
            f'<a href="{self.files[0].name}#top">again</a>',
        ]
        return "<!DOCTYPE html>\n<title>Files</title>\n" + "<br>\n".join(links)

    def checksums(self) -> str:
        """Write the checksums of all files as the command sha256sum does."""
        return "".join(
            f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in self.expected_files().items()
        )

    async def _serve(self, request: web.BaseRequest, file: File, number: int) -> web.StreamResponse:
        if number <= file.refusals:
            headers = {} if file.retry_after is None else {"Retry-After": file.retry_after}
            return web.Response(status=file.status, headers=headers)
        content = file.version_at(number)
        etag = file.tag.value.format(hashlib.md5(content).hexdigest())
        start = asked_start(request, file, etag)
        self.starts[file.path].append(start or 0)
        headers = {"ETag": etag} if etag else {}
        if start is not None:
            if start >= len(content):
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        response = web.StreamResponse(status=200 if start is None else 206, headers=headers)
        rest = memoryview(content)[start or 0 :]
        if file.has_length:
            response.content_length = len(rest)
        else:
            response.enable_chunked_encoding()
        await response.prepare(request)
        if file.cut_at is None or number - file.refusals > file.cuts or file.cut_at >= len(rest):
            await self._send(response, rest)
            return response
        await self._send(response, rest[: file.cut_at])
        return await self._end(request, response, file.ending)

    async def _send(self, response: web.StreamResponse, content: memoryview) -> None:
        for start in range(0, len(content), PIECE):
            piece = content[start : start + PIECE]
            if self.before_piece is not None:
                await self.before_piece(len(piece))
            await response.write(piece)

    async def _end(self, request: web.BaseRequest, response: web.StreamResponse, ending: Ending) -> web.StreamResponse:
        if ending is Ending.SILENCE:
            await self._closing.wait()
        if ending is Ending.RESET and request.transport is not None:
            linger = struct.pack("ii", 1, 0)  # for no time: closing resets the connection
            request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return hang_up(request, response)


def asked_start(request: web.BaseRequest, file: File, etag: str) -> int | None:
    """Tell at which offset the client wants to go on; None when it gets the whole file."""
    asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    condition = request.headers.get("If-Range", etag)
    if asked is None or not file.ranges or (file.heeds_if_range and condition != etag):
        return None
    return int(asked[1])


async def serve(port: int) -> None:
    """Serve the site for as long as nobody interrupts it."""
    async with DemoFiles(port) as site:
        print(site.base, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Serve files on loopback and print the URL of their list.")
    parser.add_argument("--port", metavar="N", type=int, default=0, help="any free one, if not given")
    port = parser.parse_args().port
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(port))
    except OSError as error:
        sys.exit(f"demo_files: cannot serve on port {port}: {error}")


if __name__ == "__main__":
    main()
