"""A website on loopback for crawlers to be run against, with a table of what stands on which page.

Its pages form a tree with links across it and back, and around that stands what a crawler meets: one URL in many
spellings, redirects and loops of them, parts that robots.txt refuses, links to other sites, a short way to a page that
is slower than the long one, and pages that fail in every way. With `--pages N` it is another site instead: N ordinary
pages, each answered after a latency.

    python examples/demo_web.py [--port N] [--table FILE] [--pages N [--latency SECONDS]]

prints the URL to start from and serves until it is interrupted. `--table` writes the table as JSON, before the URL is
printed:

    {"start": URL, "robots": URL, "pages": {URL: {"status": 200, "links": [URL, ...], "location": null or URL,
                                                  "failure": null or a cause, "allowed": true or false}, ...}}

Every URL of the table has one spelling: no fragment, scheme and host in small letters, no default port, no dot
segments, and nothing percent-encoded that needn't be. Whatever of the site is linked to is in the table; other sites
are there as links only, and nobody has to reach them. `location` is where a redirect leads. A page with a `failure`
yields no links. One that isn't `allowed` must not be asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web
from command_line import count, seconds
from demo_web_pages import Delivery, Page, demo_pages, generated_pages
from yarl import URL

ADDRESS = "127.0.0.1"
# By name, for only a name can be spelled in small letters and in capitals.
HOST = "localhost"

ROBOTS = """\
# The first rule that fits, and the longest one, are the same here: crawlers differ in which of the two counts.
User-agent: *
Allow: /private/open.html
Disallow: /private/
Disallow: /redirects/refused

User-agent: a-crawler-that-nobody-likes
Disallow: /
"""


class DemoWeb:
    """The site, served while the `async with` block runs; port 0 takes any free one.

    `make_pages` is given the site's origin, which ends in the port. Within the block `table()` tells what stands where,
    and `requests` counts what was asked for, by path and query in the table's spelling.
    """

    def __init__(self, make_pages: Callable[[str], Iterable[Page]] = demo_pages, port: int = 0) -> None:
        self.requests: Counter[str] = Counter()
        self._make_pages = make_pages
        self._port = port
        self._pages: dict[str, Page] = {}
        self._closing = asyncio.Event()

    @property
    def origin(self) -> str:
        """The site's scheme, host and port, with no slash at the end."""
        return f"http://{HOST}:{self._port}"

    @property
    def start_url(self) -> str:
        """The page from which all others are reached."""
        return f"{self.origin}/"

    def table(self) -> dict[str, Any]:
        """Tell what stands on each page, as the file of `--table` does."""
        pages = {self.origin + page.path: page.row() for page in self._pages.values()}
        return {"start": self.start_url, "robots": f"{self.origin}/robots.txt", "pages": pages}

    async def __aenter__(self) -> DemoWeb:
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None))
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, ADDRESS, self._port, backlog=1024).start()
            self._port = self._runner.addresses[0][1]
            self._pages = {page.path: page for page in self._make_pages(self.origin)}
        except BaseException:
            await self._runner.cleanup()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        # The client's own spelling of the path, made the table's: a server answers all of them.
        path = URL(f"http://{HOST}{request.raw_path}").raw_path_qs
        self.requests[path] += 1
        if path == "/robots.txt":
            return web.Response(text=ROBOTS)
        page = self._pages.get(path)
        if page is None:
            return web.Response(status=404)
        if page.delay:
            await asyncio.sleep(page.delay)
        headers = {"Content-Type": page.content_type}
        if page.location is not None:
            headers["Location"] = page.location[0]
        match page.delivery:
            case Delivery.WHOLE:
                return web.Response(body=page.content(), status=page.status, headers=headers)
            case Delivery.IN_CHUNKS | Delivery.CUT_SHORT:
                return await self._answer_in_parts(request, page, headers)
            case Delivery.NEVER:
                await self._closing.wait()
        return hang_up(request, web.Response())

    async def _answer_in_parts(
        self, request: web.BaseRequest, page: Page, headers: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        content = page.content()
        half = len(content) // 2
        if page.delivery is Delivery.IN_CHUNKS:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(content)
        await response.prepare(request)
        await response.write(content[:half])
        if page.delivery is Delivery.CUT_SHORT:
            return hang_up(request, response)
        await response.write(content[half:])
        return response


def hang_up(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """Close the client's connection once it has what was sent so far; nothing of the response follows."""
    if request.transport is not None:
        request.transport.close()
    return response


async def serve(web_site: DemoWeb, table: Path | None) -> None:
    """Serve the site for as long as nobody interrupts it."""
    async with web_site as site:
        if table is not None:
            table.write_text(json.dumps(site.table(), indent=1) + "\n", encoding="utf-8")
        print(site.start_url, flush=True)
        await asyncio.Event().wait()


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Serve a site to crawl on loopback and print the URL to start from.")
    parser.add_argument("--port", metavar="N", type=int, default=0, help="any free one, if not given")
    parser.add_argument("--table", metavar="FILE", type=Path, help="write what stands on which page, as JSON")
    parser.add_argument("--pages", metavar="N", type=count, help="a generated site of this many pages instead")
    parser.add_argument("--latency", metavar="SECONDS", type=seconds, default=0.0, help="of each generated page")
    parser.add_argument("--no-endless", action="store_true", help="leave out the page that is never answered")
    return parser.parse_args()


def main() -> None:
    """Read the command line and serve."""
    arguments = parse_arguments()

    def make_pages(origin: str) -> Iterator[Page]:
        if arguments.pages:
            return generated_pages(origin, arguments.pages, arguments.latency)
        return demo_pages(origin, endless=not arguments.no_endless)

    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(DemoWeb(make_pages, arguments.port), arguments.table))
    except OSError as error:
        sys.exit(f"demo_web: cannot serve: {error}")


if __name__ == "__main__":
    main()
