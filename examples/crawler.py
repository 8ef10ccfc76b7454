"""Crawl a website to a depth: fetch each page once, store it, and follow its links.

Plain asyncio, with aiohttp for the pages and tqdm for the progress bar. Nothing in here names an event loop, so the
same file runs on any of them:

    python examples/crawler.py http://localhost:8080/ pages 3
    python -m ioxide examples/crawler.py http://localhost:8080/ pages 3 --graph links.svg

The start page has depth 0, what it links to depth 1, and so on; a page's depth is that of the shortest way to it. A
redirect is no step: where it leads has the same depth. A page is fetched once, however many pages link to it and
however they spell its URL. Links to other sites aren't followed, and robots.txt is obeyed.

What is stored where stands in page_store.py. A second run with the same directory goes on where the first one was
interrupted or killed: it fetches what is missing, tries again what failed or was refused, and may go deeper.

Exit code: 0; 1 when a page failed, which is told on stderr with its cause, or when the directory can't be written to; 2
when the command line is wrong; 130 after Ctrl-C, with everything stored that had been fetched.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import itertools
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Never

import aiohttp
from busyness import Busyness
from command_line import DONE, PARTLY_FAILED, ProgramError, count, run, seconds
from link_graph import draw
from page_store import FAILED, PAGE, REDIRECT, REFUSED, PageStore, Record
from robots import Robots
from tqdm import tqdm
from url_spelling import one_spelling, site_of
from web_pages import HTML_TYPES, PageError, decode, extract_links, page_error_of, resolve
from yarl import URL

# How this crawler is called in its requests, and in a robots.txt.
NAME = "asyncio-crawler"

REDIRECTING = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 10


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    start: str
    directory: Path
    depth: int
    concurrency: int
    timeout: float
    most_bytes: int
    any_site: bool
    graph: Path | None


class Crawl:
    """One run: what is known of each URL, what waits to be fetched, and the workers that fetch it."""

    def __init__(self, options: Options, session: aiohttp.ClientSession, store: PageStore) -> None:
        self.busyness = Busyness(options.concurrency)
        # What failed or was refused before is tried again.
        known = store.records.items()
        self.records = {url: record for url, record in known if record.outcome in (PAGE, REDIRECT)}
        self.fetched: Counter[str] = Counter()
        self._options = options
        self._session = session
        self._store = store
        self._robots = Robots(session, NAME)
        self._site = site_of(options.start)
        # The least depth of all ways to a URL, and the least number of redirects in a row at the end of one.
        self.ways: dict[str, tuple[int, int]] = {}
        # The shallowest URL is next, and of these the one that was found first.
        self._frontier: asyncio.PriorityQueue[tuple[int, int, str]] = asyncio.PriorityQueue()
        self._order = itertools.count()

    async def run(self, progress: tqdm[Never]) -> None:
        """Fetch whatever is to be reached from the start and isn't known yet."""
        self._reach(self._options.start, 0, 0)
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work(progress)) for _ in range(self._options.concurrency)]
            await self._frontier.join()
            for worker in workers:
                worker.cancel()
        self._fail_endless_redirects()
        depths = {url: depth for url, (depth, _) in self.ways.items()}
        await self._store.settle({**self._store.records, **self.records}.values(), depths)

    def reached(self) -> list[Record]:
        """List what became of the URLs of this run, by their order of depth and URL."""
        records = (self.records[url] for url in self.ways if url in self.records)
        return sorted(records, key=lambda record: (record.depth, record.url))

    def wanted(self, url: str) -> bool:
        """Tell whether a URL is of a site to crawl."""
        return self._options.any_site or site_of(url) == self._site

    def _reach(self, url: str, depth: int, redirects: int) -> None:
        """Note a way to a URL. A new URL waits to be fetched; of a known one the way goes on, if it is shorter."""
        ways = [(url, depth, redirects)]
        while ways:
            url, depth, redirects = ways.pop()
            if depth > self._options.depth or redirects > MOST_REDIRECTS or not self.wanted(url):
                continue
            known = self.ways.get(url)
            best = (depth, redirects) if known is None else (min(depth, known[0]), min(redirects, known[1]))
            if best == known:
                continue
            self.ways[url] = best
            if url in self.records:
                ways += self._onward(self.records[url])
            elif known is None:
                self._frontier.put_nowait((depth, next(self._order), url))

    def _onward(self, record: Record) -> list[tuple[str, int, int]]:
        """List the ways on from a URL."""
        depth, redirects = self.ways[record.url]
        if record.location is not None:
            return [(record.location, depth, redirects + 1)]
        return [(link, depth + 1, 0) for link in record.links]

    async def _work(self, progress: tqdm[Never]) -> None:
        while True:
            _, _, url = await self._frontier.get()
            self.busyness.change(1, dry=self._frontier.empty())
            try:
                await self._visit(url)
            finally:
                self.busyness.change(-1, dry=self._frontier.empty())
                self._frontier.task_done()
            progress.total = self.fetched.total() + self._frontier.qsize()
            progress.update()

    async def _visit(self, url: str) -> None:
        """Fetch a URL, see where it leads, and store it."""
        record = Record(url, self.ways[url][0], fetched_at=datetime.now(UTC).isoformat(timespec="milliseconds"))
        begun = time.perf_counter()
        text = None
        try:
            text = await self._fetch(record)
        except PageError as error:
            record.outcome, record.cause = FAILED, error.cause
            tqdm.write(f"{url}: {error}", file=sys.stderr)
        record.seconds = round(time.perf_counter() - begun, 6)
        self.records[url] = record
        self.fetched[record.outcome] += 1
        for way in self._onward(record):
            self._reach(*way)
        await self._store.add(record, text)

    async def _fetch(self, record: Record) -> str | None:
        """Ask for a URL and fill in its record. Returns the text, if it is a page."""
        if not await self._robots.allows(record.url):
            record.outcome = REFUSED
            return None
        try:
            # The URL goes out in the very spelling it is known by.
            async with self._session.get(URL(record.url, encoded=True), allow_redirects=False) as response:
                record.status = response.status
                if response.status in REDIRECTING:
                    record.outcome, record.location = REDIRECT, location_of(response, record.url)
                    return None
                body, charset = await self._body(response), response.charset
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise page_error_of(error) from error
        text = decode(body, charset)
        spelled = (one_spelling(link) for link in extract_links(record.url, text))
        record.links = list(dict.fromkeys(link for link in spelled if link is not None))
        return text

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """Read a page, unless it isn't one or has more bytes than a page may have."""
        if not 200 <= response.status < 300:
            raise PageError(f"status {response.status}")
        if response.content_type not in HTML_TYPES:
            raise PageError("not HTML", response.content_type)
        body = bytearray()
        # The announced number is looked at first, but doesn't have to be there, or tell what it is unpacked.
        if (response.content_length or 0) <= self._options.most_bytes:
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > self._options.most_bytes:
                    break
            else:
                return bytes(body)
        raise PageError("too large", f"more than {self._options.most_bytes} bytes")

    def _fail_endless_redirects(self) -> None:
        """Make failures of the redirects that lead round in a circle, or further than redirects are followed."""
        endless = []
        for record in self.reached():
            followed, last = {record.url}, record
            while last.location in self.records and last.location not in followed:
                followed.add(last.location)
                last = self.records[last.location]
            if last.location is not None and self.wanted(last.location):
                endless.append(record)
        for record in endless:
            record.outcome, record.cause = FAILED, "too many redirects"
            tqdm.write(f"{record.url}: {record.cause}", file=sys.stderr)


def location_of(response: aiohttp.ClientResponse, url: str) -> str:
    """Tell where a redirect leads, in the one spelling."""
    location = resolve(url, response.headers.get("Location", ""))
    spelled = one_spelling(location) if location else None
    if spelled is None:
        raise PageError("bad redirect", response.headers.get("Location", "without a location"))
    return spelled


def summary(crawl: Crawl, options: Options, seconds: float) -> str:
    """Tell what a run did: what became of its URLs, the failures by cause, and how busy the workers were."""
    reached = crawl.reached()
    total = Counter(record.outcome for record in reached)
    before = len(reached) - crawl.fetched.total()
    lines = [
        f"{total[PAGE]} stored, {total[REDIRECT]} redirected, {total[REFUSED]} refused by robots.txt, "
        f"{total[FAILED]} failed ({before} known before) in {seconds:.3f} seconds"
    ]
    causes = Counter(record.cause for record in reached if record.cause is not None)
    lines += [f"{number:6}  {cause}" for cause, number in sorted(causes.items(), key=lambda item: (-item[1], item[0]))]
    share = crawl.busyness.share()
    if share is not None:
        lines.append(
            f"{share:.1%} of {options.concurrency} workers busy, {time.process_time():.3f} seconds of CPU time"
        )
    return "\n".join(lines)


async def crawl(options: Options) -> int:
    """Crawl, tell what was done however it ended, and draw the graph."""
    begun = time.perf_counter()
    async with (
        PageStore(options.directory) as store,
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=options.timeout),
            connector=aiohttp.TCPConnector(limit=options.concurrency),
            # With cookies, what a page says could depend on which was fetched before it.
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": NAME},
        ) as session,
    ):
        this = Crawl(options, session, store)
        try:
            with tqdm(unit="page", file=sys.stderr, disable=None) as progress:
                await this.run(progress)
        finally:
            print(summary(this, options, time.perf_counter() - begun))
    reached = this.reached()
    if options.graph is not None:
        if sys.stderr.isatty():  # thousands of pages take a while
            print(f"drawing {len(reached)} URLs", file=sys.stderr)
        try:
            await asyncio.to_thread(draw, reached, options.graph)
        except OSError as error:
            raise ProgramError(f"cannot write {options.graph}: {error.strerror}", PARTLY_FAILED) from error
    return PARTLY_FAILED if any(record.outcome == FAILED for record in reached) else DONE


def depth(text: str) -> int:
    """Read a depth from the command line: 0 is the start page alone."""
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def start_url(text: str) -> str:
    """Read the URL to start from."""
    spelled = one_spelling(text)
    if spelled is None:
        raise argparse.ArgumentTypeError(f"not an http or https URL: {text!r}")
    return spelled


def graph_file(text: str) -> Path:
    """Read where the graph goes. Only who wants one needs the library that draws it."""
    if importlib.util.find_spec("igraph") is None:
        raise argparse.ArgumentTypeError("needs the library igraph, which isn't installed")
    return Path(text)


def parse_arguments() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Crawl a website: fetch each page once and store it.")
    add = parser.add_argument
    add("start", metavar="URL", type=start_url, help="the page to start from")
    add("directory", metavar="DEST", type=Path, help="the directory for what is fetched; it may have an earlier run's")
    add("depth", metavar="DEPTH", type=depth, help="how many links to go from the start page")
    add("--concurrency", metavar="N", type=count, default=20, help="pages at a time (default: 20)")
    add("--timeout", metavar="SECONDS", type=seconds, default=30.0, help="time for one page (default: 30)")
    add("--most-bytes", metavar="N", type=count, default=5_000_000, help="of one page (default: 5000000)")
    add("--any-site", action="store_true", help="follow links to other sites, too")
    add(
        "--graph",
        metavar="FILE",
        type=graph_file,
        help="draw the pages (blue), redirects (yellow), refused (grey), failed (red) as SVG",
    )
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(run("crawler", crawl(parse_arguments())))
