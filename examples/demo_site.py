"""A website on loopback that knows which links stand on which of its pages, for the link extractor to be run against.

Several hundred ordinary pages link to each other in every way in which HTML can write a link, and some fifty special
ones are what a crawler meets on the web: redirects and a redirect loop, errors, slow and endless answers, old encodings
and wrong ones, files that aren't HTML, connections that close midway.

What each page ought to yield is written beside the page, as the finished URL: neither an HTML parser nor a function
that joins URLs has a part in it. Everything follows from the port, so another process that knows the port knows the
same table.

    python examples/demo_site.py [--port N]

serves until it is interrupted and prints the list of its URLs as a URL file; a last line `# complete` ends the list.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from itertools import cycle
from types import TracebackType

from aiohttp import web

HOST = "127.0.0.1"
# Loopback too, but the site's port is not listened on here: a connection is refused.
REFUSING_HOST = "127.0.0.2"
END_OF_LIST = "# complete"

ORDINARY_PAGES = 600
PAGES_PER_SECTION = 20
LINKS_PER_PAGE = 8
SLOW_PAGES = 5
SLOWEST_ANSWER = 0.25

UTF_8 = "text/html; charset=utf-8"


class Delivery(Enum):
    """How a page's bytes reach the client."""

    WHOLE = "with their number in the header"
    GZIPPED = "compressed"
    IN_PIECES = "in chunks that cut tags and characters"
    CUT_SHORT = "half of the announced number, then the connection closes"
    CUT_IN_CHUNKS = "half of them in chunks, then the connection closes"
    UNANSWERED = "not at all: the connection closes"
    NEVER = "not before the site closes"


@dataclass(frozen=True)
class Anchor:
    """A piece of HTML, and the link that it makes; None when it only looks like a link."""

    markup: str
    link: str | None


@dataclass(frozen=True)
class Page:
    """What one path answers, and what an extractor has to make of it: `links`, or the cause of a `failure`."""

    path: str
    body: bytes = b""
    content_type: str = UTF_8
    status: int = 200
    location: str | None = None
    content_encoding: str | None = None
    delay: float = 0.0
    delivery: Delivery = Delivery.WHOLE
    links: frozenset[str] = frozenset()
    failure: str | None = None


def document(anchors: list[Anchor], head: str = "") -> str:
    """Write a page that holds these anchors, and around them what a parser has to see through."""
    paragraphs = "\n".join(f"<p>{anchor.markup}</p>" for anchor in anchors)
    return (
        f"<!DOCTYPE html>\n<html><head>{head}<title>A page of the demo site</title></head>\n<body>\n{paragraphs}\n"
        '<!-- <a href="/in-a-comment.html">not a link</a> -->\n'
        """<script>const text = '<a href="/in-a-script.html">not a link</a>';</script>\n"""
        '<p>This is no link: href="/in-the-text.html"</p>\n</body></html>\n'
    )


def links_of(anchors: list[Anchor]) -> frozenset[str]:
    """Tell which links these anchors make."""
    return frozenset(anchor.link for anchor in anchors if anchor.link is not None)


def html_page(path: str, anchors: list[Anchor], **changes: object) -> Page:
    """Make a page in UTF-8 that holds these anchors."""
    return Page(path, document(anchors).encode(), links=links_of(anchors), **changes)  # type: ignore[arg-type]


def failing_page(path: str, failure: str, **changes: object) -> Page:
    """Make a page that can't be used, though a link stands on it."""
    body = document([Anchor('<a href="/on-a-failed-page.html">lost</a>', None)]).encode()
    return Page(path, body, failure=failure, **changes)  # type: ignore[arg-type]


def ordinary_path(number: int) -> str:
    """Tell where an ordinary page stands."""
    return f"/section-{number // PAGES_PER_SECTION}/page-{number}.html"


def ordinary_anchors(origin: str, number: int) -> Iterator[Anchor]:
    """Link to other ordinary pages, each in the next of the ways in which HTML can write it."""
    own = origin + ordinary_path(number)
    authority = origin.removeprefix("http:")
    section, _, _ = ordinary_path(number).rpartition("/")
    sibling = ordinary_path(number - number % PAGES_PER_SECTION).rpartition("/")[2]
    ways = cycle(range(8))
    for step in range(1, LINKS_PER_PAGE + 1):
        path = ordinary_path((number * 31 + step * 97) % ORDINARY_PAGES)
        target = origin + path
        yield {
            0: Anchor(f'<a href="{path}">from the root</a>', target),
            1: Anchor(f'<a class=x href="..{path}">from here</a>', target),
            2: Anchor(f"<A HREF='{target}'>in full</A>", target),
            3: Anchor(f'<a href="{authority}{path}">without a scheme</a>', target),
            4: Anchor(f"<a href={path}#part-{step}>unquoted, to a part</a>", f"{target}#part-{step}"),
            5: Anchor(f'<a href="{path}?a={step}&amp;b=2">with a query</a>', f"{target}?a={step}&b=2"),
            6: Anchor(f'<a href="./../.{path}">with dots</a>', target),
            7: Anchor(f'<link rel=prefetch href="{path}"/>', target),
        }[next(ways)]
    yield Anchor(f'<a href="{sibling}">in the same section</a>', f"{origin}{section}/{sibling}")
    yield Anchor('<a href="#top">on this page</a>', f"{own}#top")
    yield Anchor('<a href="?print=1">this page, printed</a>', f"{own}?print=1")
    yield Anchor(f'<a href="mailto:page-{number}@example.org">write</a>', f"mailto:page-{number}@example.org")
    yield Anchor('<a href="/">home</a> and <a href="/">home</a> again', f"{origin}/")


def ordinary_pages(origin: str) -> Iterator[Page]:
    """Make the home page and the many pages that link to each other."""
    home = [Anchor(f'<a href="section-{number}/">{number}</a>', f"{origin}/section-{number}/") for number in range(30)]
    yield html_page("/", home)
    for number in range(ORDINARY_PAGES):
        yield html_page(ordinary_path(number), list(ordinary_anchors(origin, number)))


def odd_anchors(origin: str) -> list[Anchor]:
    """List anchors that are written oddly, and some that look like links and aren't."""
    return [
        Anchor("<A\n  TITLE='a > b'\n  HREF\n =\n '/upper-case.html'>", f"{origin}/upper-case.html"),
        Anchor("<a href=/unquoted.html>", f"{origin}/unquoted.html"),
        Anchor("""<a title="href='/in-a-title.html'" href='/say-"hello".html'>""", f'{origin}/say-"hello".html'),
        Anchor('<a href="  /with-blanks-around.html\n">', f"{origin}/with-blanks-around.html"),
        Anchor('<a href="/broken\n-across\t-lines.html">', f"{origin}/broken-across-lines.html"),
        Anchor('<a href="/with a blank.html">', f"{origin}/with a blank.html"),
        Anchor('<a href="/caf&eacute;&#x2F;men&#252;.html">', f"{origin}/café/menü.html"),
        Anchor('<a href="/first.html" href="/second.html">', f"{origin}/first.html"),
        Anchor('<img usemap="#map"><area shape=rect href="area.html">', f"{origin}/odd/area.html"),
        Anchor('<svg><a href="drawing.svg"/></svg>', f"{origin}/odd/drawing.svg"),
        Anchor('<a href="javascript:void(0)">', "javascript:void(0)"),
        Anchor('<a href="mailto:some&#10;one@example.org">', "mailto:someone@example.org"),
        Anchor('<a href="tel:+49-30-123456">', "tel:+49-30-123456"),
        Anchor('<a href="HTTPS://Example.org/Path">', "HTTPS://Example.org/Path"),
        Anchor('<a href="//example.org">', "http://example.org"),
        Anchor('<a href="http://[not-an-address/">', None),
        Anchor('<a href="">', None),
        Anchor('<a href="   ">', None),
        Anchor("<a href>", None),
        Anchor('<a data-href="/data.html" xhref="/x.html" title="href=/title.html">', None),
    ]


def redirecting_pages(origin: str) -> Iterator[Page]:
    """Make redirects that lead somewhere, nowhere, and round in a circle."""
    # Relative links are relative to where the redirects end.
    landing = [Anchor('<a href="next.html">', f"{origin}/redirects/landing/next.html")]
    yield html_page("/redirects/landing/", landing)
    for path, status, location in (
        ("/redirects/temporary", 302, "landing/"),
        ("/redirects/permanent", 301, f"{origin}/redirects/temporary"),
        ("/redirects/see-other", 303, "/redirects/permanent"),
        ("/redirects/kept-permanent", 308, "/redirects/landing/"),
    ):
        yield Page(path, status=status, location=location, links=links_of(landing))
    for path, location, failure in (
        ("/redirects/loop", "/redirects/back-to-loop", "too many redirects"),
        ("/redirects/back-to-loop", "/redirects/loop", "too many redirects"),
        ("/redirects/to-itself", "/redirects/to-itself", "too many redirects"),
        ("/redirects/to-nothing", "/errors/404.html", "status 404"),
        ("/redirects/to-mail", "mailto:site@example.org", "bad redirect"),
        ("/redirects/to-nonsense", "http://[nonsense/", "bad redirect"),
    ):
        yield Page(path, status=302, location=location, failure=failure)


def encoded_pages(origin: str) -> Iterator[Page]:
    """Make pages in several encodings, told in several ways, and some that can't be decoded."""
    cafe = [Anchor('<a href="/café.html">', f"{origin}/café.html")]
    japanese = [Anchor('<a href="/日本語.html">', f"{origin}/日本語.html")]
    russian = [Anchor('<a href="/привет.html">', f"{origin}/привет.html")]
    for name, anchors, encoding, content_type, head in (
        ("latin-1", cafe, "latin-1", "text/html; charset=ISO-8859-1", ""),
        ("quoted-charset", cafe, "latin-1", 'text/html;charset="latin1"', ""),
        ("meta", japanese, "shift_jis", "text/html", "<meta charset=shift_jis>"),
        (
            "old-meta",
            russian,
            "windows-1251",
            "text/html",
            '<META HTTP-EQUIV="content-type" CONTENT="text/html; charset=windows-1251">',
        ),
        ("header-before-meta", japanese, "utf-8", UTF_8, '<meta charset="latin-1">'),
        ("late-meta", cafe, "utf-8", "text/html", f'<!-- {"x" * 1024} --><meta charset="latin-1">'),
        ("undeclared", russian, "utf-8", "application/xhtml+xml", ""),
        ("utf-16-header", japanese, "utf-16", "text/html; charset=utf-16", ""),
        ("utf-16-meta", cafe, "utf-8", "text/html", '<meta charset="utf-16">'),
    ):
        body = document(anchors, head).encode(encoding)
        yield Page(f"/encodings/{name}.html", body, content_type, links=links_of(anchors))
    for name, content_type in (
        ("undecodable", UTF_8),
        ("undeclared-latin-1", "text/html"),
        ("unknown-charset", "text/html; charset=no-such-charset"),
        ("not-a-charset", "text/html; charset=base64"),
    ):
        body = document(cafe).encode("latin-1")
        yield Page(f"/encodings/{name}.html", body, content_type, failure="bad encoding")
    unicode_path = "/ünïcode.html"
    yield html_page(unicode_path, [Anchor('<a href="#top">', f"{origin}/%C3%BCn%C3%AFcode.html#top")])


def pages_with_base(origin: str) -> Iterator[Page]:
    """Make pages whose links are relative to something else than their own URL."""
    deep = [
        Anchor('<a href="before.html">', f"{origin}/elsewhere/deep/before.html"),
        Anchor('<base href="/elsewhere/deep/index.html">', None),
        Anchor('<a href="../after.html">', f"{origin}/elsewhere/after.html"),
        Anchor('<a href="#part">', f"{origin}/elsewhere/deep/index.html#part"),
        Anchor('<base href="/a-second-base-does-not-count/">', None),
        Anchor('<a href="/from-the-root.html">', f"{origin}/from-the-root.html"),
    ]
    other_site = [
        Anchor("<BASE HREF=https://example.org/a/b>", None),
        Anchor('<a href="c">', "https://example.org/a/c"),
        Anchor('<a href="//example.com/d">', "https://example.com/d"),
    ]
    bad = [Anchor('<base href="http://[bad/">', None), Anchor('<a href="e">', f"{origin}/base/e")]
    script = [Anchor('<base href="javascript:x">', None), Anchor('<a href="f">', f"{origin}/base/f")]
    for name, anchors in (("deep", deep), ("other-site", other_site), ("bad", bad), ("script", script)):
        yield html_page(f"/base/{name}.html", anchors)


def oddly_delivered_pages(origin: str) -> Iterator[Page]:
    """Make pages that are fine once they have arrived, however slowly or in however many pieces."""
    many = [Anchor(f'<a href="/größe/{number}.html">', f"{origin}/größe/{number}.html") for number in range(200)]
    # More than what a client buffers before it stops to read.
    many.append(Anchor("Ein Fülltext. " * 20_000, None))
    one = [Anchor('<a href="/one.html">', f"{origin}/one.html")]
    yield html_page("/delivery/gzipped.html", many, delivery=Delivery.GZIPPED)
    yield html_page("/delivery/in-pieces.html", many, delivery=Delivery.IN_PIECES)
    yield html_page("/delivery/large.html", many)
    yield Page("/delivery/empty.html")
    yield html_page("/odd/anchors.html", odd_anchors(origin))
    for number in range(1, SLOW_PAGES + 1):
        yield html_page(f"/slow/{number}.html", one, delay=SLOWEST_ANSWER * number / SLOW_PAGES)


def failing_pages() -> Iterator[Page]:
    """Make the pages that can't be used, redirects and encodings apart."""
    for status in (400, 404, 410, 500, 503):
        yield failing_page(f"/errors/{status}.html", f"status {status}", status=status)
    for name, content_type in (("notes.txt", "text/plain"), ("picture.png", "image/png")):
        yield failing_page(f"/files/{name}", "not HTML", content_type=content_type)
    yield failing_page("/delivery/cut-short.html", "connection closed early", delivery=Delivery.CUT_SHORT)
    yield failing_page("/delivery/cut-in-chunks.html", "connection closed early", delivery=Delivery.CUT_IN_CHUNKS)
    yield failing_page("/delivery/unanswered.html", "connection closed early", delivery=Delivery.UNANSWERED)
    yield failing_page("/delivery/not-gzip.html", "bad response", content_encoding="gzip")
    yield failing_page("/delivery/never.html", "timed out", delivery=Delivery.NEVER)


class DemoSite:
    """The site, served while the `async with` block runs; port 0 takes any free one.

    The tables (`urls`, `expected_links`, `expected_failures`) are there from the start when the port is given, and
    within the block otherwise. `requests` counts what was asked for, by path.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: Counter[str] = Counter()
        self._pages: dict[str, Page] = {}
        self._closing = asyncio.Event()
        if port:
            self._build(port)
        else:
            self.port = 0

    @property
    def origin(self) -> str:
        """The site's scheme, host and port, with no slash at the end."""
        return f"http://{HOST}:{self.port}"

    @property
    def endless_url(self) -> str:
        """The page that is never answered: whoever asks for it waits for as long as his time-out lets him."""
        return f"{self.origin}/delivery/never.html"

    def urls(self) -> list[str]:
        """List the URL of every page, then those that can't even be asked for."""
        return [self.origin + path for path in self._pages] + list(self._unreachable())

    def healthy_urls(self) -> list[str]:
        """List the URLs of the pages that neither fail nor make the client wait."""
        return [self.origin + page.path for page in self._pages.values() if not (page.failure or page.delay)]

    def expected_links(self) -> set[tuple[str, str]]:
        """Pair every URL that can be used with each link that stands there."""
        return {(self.origin + page.path, link) for page in self._pages.values() for link in page.links}

    def expected_failures(self) -> dict[str, str]:
        """Tell the cause for each URL that can't be used."""
        failing = {self.origin + page.path: page.failure for page in self._pages.values() if page.failure}
        return failing | self._unreachable()

    def _unreachable(self) -> dict[str, str]:
        return {
            f"http://{REFUSING_HOST}:{self.port}/": "connection refused",
            f"{self.origin}:twice/": "bad URL",
            "http://[broken/": "bad URL",
            "ftp://example.org/file.html": "bad URL",
            "//example.org/no-scheme.html": "bad URL",
            "http://two..dots.example/": "bad URL",
        }

    async def __aenter__(self) -> DemoSite:
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None))
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, HOST, self.port, backlog=1024)
            await site.start()
            if not self.port:
                self._build(self._runner.addresses[0][1])
            self._refusing = socket.socket()
            # Bound and not listening: nobody else can listen there as long as the site runs.
            self._refusing.bind((REFUSING_HOST, self.port))
        except BaseException:
            await self._runner.cleanup()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._refusing.close()
        await self._runner.cleanup()

    def _build(self, port: int) -> None:
        self.port = port
        pages = [
            *failing_pages(),
            *oddly_delivered_pages(self.origin),
            *redirecting_pages(self.origin),
            *encoded_pages(self.origin),
            *pages_with_base(self.origin),
            *ordinary_pages(self.origin),
        ]
        self._pages = {page.path: page for page in pages}

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests[request.path] += 1
        page = self._pages.get(request.path)
        if page is None:
            return web.Response(status=404)
        if page.delay:
            await asyncio.sleep(page.delay)
        headers = {"Content-Type": page.content_type}
        if page.location is not None:
            headers["Location"] = page.location
        if page.content_encoding is not None:
            headers["Content-Encoding"] = page.content_encoding
        match page.delivery:
            case Delivery.WHOLE | Delivery.GZIPPED:
                response = web.Response(body=page.body, status=page.status, headers=headers)
                if page.delivery is Delivery.GZIPPED:
                    response.enable_compression(web.ContentCoding.gzip)
                return response
            case Delivery.IN_PIECES:
                return await self._answer_in_pieces(request, page, headers)
            case Delivery.NEVER:
                await self._closing.wait()
            case Delivery.CUT_SHORT | Delivery.CUT_IN_CHUNKS:
                return await self._answer_half(request, page, headers)
        return hang_up(request, web.Response())

    async def _answer_in_pieces(
        self, request: web.BaseRequest, page: Page, headers: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        size = 1009  # prime: the pieces end at every place of a line in turn
        for start in range(0, len(page.body), size):
            await response.write(page.body[start : start + size])
        return response

    async def _answer_half(self, request: web.BaseRequest, page: Page, headers: dict[str, str]) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        if page.delivery is Delivery.CUT_IN_CHUNKS:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(page.body)
        await response.prepare(request)
        await response.write(page.body[: len(page.body) // 2])
        return hang_up(request, response)


def hang_up(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """Close the client's connection once it has what was sent so far; nothing of the response follows."""
    if request.transport is not None:
        request.transport.close()
    return response


async def serve(port: int) -> None:
    """Serve the site for as long as nobody interrupts it."""
    async with DemoSite(port) as site:
        print(*site.urls(), END_OF_LIST, sep="\n", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Serve the demo site on loopback and print its URLs.")
    parser.add_argument("--port", metavar="N", type=int, default=0, help="any free one, if not given")
    port = parser.parse_args().port
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(port))
    except OSError as error:
        sys.exit(f"demo_site: cannot serve on port {port}: {error}")


if __name__ == "__main__":
    main()
