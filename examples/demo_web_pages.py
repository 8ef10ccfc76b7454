"""The pages of the sites that `demo_web.py` serves, and what a crawler has to make of each.

The URL that a link means stands beside the link as it is written: no function that joins URLs has a part in it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

HTML = "text/html; charset=utf-8"
# Above what a crawler should want to have of one page.
LARGE = 6_000_000
SHORT_WAY_DELAY = 0.3

TREE_DEPTH = 4
TREE_BRANCHES = 3

# fmt: off
WORDS = [
    "loop", "task", "queue", "stream", "socket", "timer", "signal", "future", "lock", "event", "barrier", "worker",
    "frontier", "page", "link", "crawl", "graph", "depth", "river", "stone", "garden", "window", "letter", "number",
    "colour", "morning", "winter", "travel", "machine", "engine", "paper", "bridge", "island", "forest",
]
# fmt: on


class Delivery(Enum):
    """How a page's bytes reach the client."""

    WHOLE = "with their number in the header"
    IN_CHUNKS = "in chunks, without their number"
    CUT_SHORT = "half of the announced number, then the connection closes"
    UNANSWERED = "not at all: the connection closes"
    NEVER = "not before the site closes"


@dataclass(frozen=True)
class Page:
    """What one path answers, and what a crawler has to make of it.

    `links` has each link as it is written on the page, and the URL that it means, if it is one that can be fetched. A
    redirect has both in `location`.
    """

    path: str
    links: tuple[tuple[str, str | None], ...] = ()
    text: str = "A page of a site to crawl."
    status: int = 200
    content_type: str = HTML
    body: bytes | None = None
    location: tuple[str, str | None] | None = None
    delay: float = 0.0
    delivery: Delivery = Delivery.WHOLE
    failure: str | None = None
    allowed: bool = True

    def content(self) -> bytes:
        """Write the page: its own body, or its text with its links."""
        if self.body is not None:
            return self.body
        items = "".join(f'<li><a href="{written}">a link</a></li>\n' for written, _ in self.links)
        return (
            f"<!DOCTYPE html>\n<html><head><title>Page {self.path}</title></head>\n<body>\n"
            f"<p>{self.text}</p>\n<ul>\n{items}</ul>\n</body></html>\n"
        ).encode()

    def row(self) -> dict[str, Any]:
        """Tell what the table has of this page."""
        usable = self.failure is None and self.location is None
        return {
            "status": None if self.delivery in (Delivery.UNANSWERED, Delivery.NEVER) else self.status,
            "links": list(dict.fromkeys(url for _, url in self.links if url)) if usable else [],
            "location": self.location[1] if self.location else None,
            "failure": self.failure,
            "allowed": self.allowed,
        }


def within(origin: str, *paths: str) -> tuple[tuple[str, str | None], ...]:
    """Link to pages of this site by their paths, which are in the table's spelling."""
    return tuple((path, origin + path) for path in paths)


def demo_pages(origin: str, *, endless: bool = True) -> Iterator[Page]:
    """Make the demo site: everything that a crawler meets."""
    home = within(origin, "/tree/", "/spellings/", "/redirects/", "/private/", "/failing/", "/others.html", "/ways/")
    yield Page("/", home, text="The home page of a small website with everything that a crawler meets.")
    yield from tree_pages(origin)
    yield from spelled_pages(origin)
    yield from redirecting_pages(origin)
    yield from refused_pages(origin)
    yield from failing_pages(origin, endless=endless)
    yield from pages_with_two_ways(origin)
    elsewhere = (
        ("https://Example.org:443", "https://example.org/"),
        ("//example.org/path", "http://example.org/path"),
        ("http://example.org:80/#top", "http://example.org/"),
        ("http://example.org:8080/", "http://example.org:8080/"),
        ("mailto:we@example.org", None),
    )
    yield Page("/others.html", elsewhere + within(origin, "/"))


def tree_pages(origin: str) -> Iterator[Page]:
    """Make a tree; each page links to its children, to its parent, to itself and across to a page of another branch."""

    def subtree(path: str, depth: int) -> Iterator[Page]:
        children = [f"{path}{branch}/" for branch in range(TREE_BRANCHES)] if depth < TREE_DEPTH else []
        parent = "/" if depth == 0 else path[: path.rindex("/", 0, -1) + 1]
        across = "/tree/" + "".join(f"{TREE_BRANCHES - 1 - int(step)}/" for step in path.split("/")[2:-1])
        written = [(f"{branch}/", origin + child) for branch, child in enumerate(children)]
        up = ("../", origin + parent)
        links = (*written, up, ("#top", origin + path), (across, origin + across))
        yield Page(path, links, text=f"A {WORDS[len(path) % len(WORDS)]} at depth {depth} of the tree.")
        for child in children:
            yield from subtree(child, depth + 1)

    return subtree("/tree/", 0)


def spelled_pages(origin: str) -> Iterator[Page]:
    """Make pages that are linked to in many spellings, and some whose URLs only look like the same."""
    target = f"{origin}/spellings/target.html"
    spellings = (
        "target.html",
        "target.html#part",
        "target.html#other-part",
        "./target.html",
        "../spellings/./target.html",
        "/spellings/elsewhere/../target.html",
        "/../spellings/target.html",
        "%74arget.html",
        "/spellings/target%2Ehtml",
        origin.replace("http://localhost", "HTTP://LocalHost") + "/spellings/target.html",
        origin.removeprefix("http:") + "/spellings/target.html",
    )
    accents = ("caf%c3%a9.html", "caf%C3%A9.html", "café.html")
    others = ("target.html?page=1", "target.html?page=2", "Target.html", "a%2Fb.html", "a/b.html")
    links = [(spelling, target) for spelling in spellings]
    links += [(accent, f"{origin}/spellings/caf%C3%A9.html") for accent in accents]
    links += [(other, f"{origin}/spellings/{other}") for other in others]
    # Without a slash at the end it is the same page's address only when there is no path at all.
    links.append((origin, f"{origin}/"))
    yield Page("/spellings/", tuple(links))
    yield Page("/spellings/caf%C3%A9.html", within(origin, "/spellings/target.html"), text="A café in Göttingen.")
    for path in ("target.html", *others):
        yield Page(f"/spellings/{path}", within(origin, "/spellings/"))


def redirecting_pages(origin: str) -> Iterator[Page]:
    """Make redirects: to one page, through each other, round in circles, and to where there is nothing."""
    own = f"{origin}/redirects/"
    redirects: list[tuple[str, int, str, str | None, str | None]] = [
        ("permanent", 301, "landing/", f"{own}landing/", None),
        ("temporary", 302, f"{own}landing/#part", f"{own}landing/", None),
        ("see-other", 303, "/redirects/x/../permanent", f"{own}permanent", None),
        ("kept-temporary", 307, "see-other", f"{own}see-other", None),
        ("kept-permanent", 308, "./kept-temporary", f"{own}kept-temporary", None),
        ("to-nothing", 302, "/failing/404.html", f"{origin}/failing/404.html", None),
        ("to-refused", 302, "/private/secret.html", f"{origin}/private/secret.html", None),
        ("to-another-site", 302, "https://example.org/", "https://example.org/", None),
        ("loop", 302, "loop-back", f"{own}loop-back", "too many redirects"),
        ("loop-back", 302, "loop", f"{own}loop", "too many redirects"),
        ("into-the-loop", 301, "loop", f"{own}loop", "too many redirects"),
        ("to-itself", 302, "to-itself", f"{own}to-itself", "too many redirects"),
        ("to-mail", 302, "mailto:site@example.org", None, "bad redirect"),
        ("to-nonsense", 302, "http://[nonsense/", None, "bad redirect"),
    ]
    names = [f"/redirects/{name}" for name, *_ in redirects]
    yield Page("/redirects/", within(origin, *names, "/redirects/landing/", "/redirects/refused"))
    yield Page("/redirects/landing/", (("next.html", f"{own}landing/next.html"),), text="Where redirects end.")
    yield Page("/redirects/landing/next.html", within(origin, "/"))
    for name, status, written, meant, failure in redirects:
        yield Page(f"/redirects/{name}", status=status, location=(written, meant), failure=failure)
    yield Page("/redirects/refused", status=302, location=("landing/", f"{own}landing/"), allowed=False)


def refused_pages(origin: str) -> Iterator[Page]:
    """Make a directory that robots.txt refuses, all but one page of it."""
    yield Page("/private/", within(origin, "/private/unlinked.html"), allowed=False)
    yield Page("/private/secret.html", within(origin, "/private/unlinked.html"), allowed=False)
    yield Page("/private/unlinked.html", allowed=False)
    yield Page("/private/open.html", within(origin, "/private/secret.html", "/"))


def failing_pages(origin: str, *, endless: bool) -> Iterator[Page]:
    """Make pages that can't be used, though a link stands on each, and one page that links to all of them."""
    undecodable = '<a href="/failing/café.html">'.encode("latin-1")
    large = b'<a href="/failing/on-a-large-page.html">' + b"x" * LARGE
    pages = [
        *(Page(f"/failing/{code}.html", status=code, failure=f"status {code}") for code in (404, 410, 500, 503)),
        Page("/failing/notes.txt", content_type="text/plain", failure="not HTML"),
        Page("/failing/picture.png", content_type="image/png", body=b"\x89PNG\r\n\x1a\n", failure="not HTML"),
        Page("/failing/undecodable.html", body=undecodable, failure="bad encoding"),
        Page("/failing/unknown-charset.html", content_type="text/html; charset=no-such", failure="bad encoding"),
        Page("/failing/large.html", body=large, failure="too large"),
        Page("/failing/large-in-chunks.html", body=large, delivery=Delivery.IN_CHUNKS, failure="too large"),
        Page("/failing/cut-short.html", delivery=Delivery.CUT_SHORT, failure="connection closed early"),
        Page("/failing/unanswered.html", delivery=Delivery.UNANSWERED, failure="connection closed early"),
    ]
    if endless:
        pages.append(Page("/failing/never.html", delivery=Delivery.NEVER, failure="timed out"))
    # One that is fine among them: a crawler has to come through.
    pages.append(Page("/failing/fine.html", within(origin, "/private/open.html"), delivery=Delivery.IN_CHUNKS))
    yield Page("/failing/", within(origin, *(page.path for page in pages)))
    yield from pages


def pages_with_two_ways(origin: str) -> Iterator[Page]:
    """Make a page to which a slow short way and a quick long way lead, so that the long one is often found first."""
    yield Page("/ways/", within(origin, "/ways/short.html", "/ways/long-1.html"))
    yield Page("/ways/short.html", within(origin, "/ways/end.html"), delay=SHORT_WAY_DELAY)
    yield Page("/ways/long-1.html", within(origin, "/ways/long-2.html"))
    yield Page("/ways/long-2.html", within(origin, "/ways/long-3.html"))
    yield Page("/ways/long-3.html", within(origin, "/ways/end.html"))
    yield Page("/ways/end.html", within(origin, "/ways/beyond-1.html"))
    yield Page("/ways/beyond-1.html", within(origin, "/ways/beyond-2.html"))
    yield Page("/ways/beyond-2.html", within(origin, "/"))


def generated_pages(origin: str, pages: int, latency: float) -> Iterator[Page]:
    """Make a site of equal pages: each links to ten that come after it, so that all are reached, and to some others."""

    def path(number: int) -> str:
        return f"/page-{number}.html" if number else "/"

    for number in range(pages):
        chance = random.Random(number)
        children = range(10 * number + 1, min(10 * number + 11, pages))
        others = chance.sample(range(pages), min(10, pages))
        text = " ".join(chance.choices(WORDS, k=200)).capitalize() + "."
        targets = (path(target) for target in dict.fromkeys((*children, *others)))
        yield Page(path(number), within(origin, *targets), text=text, delay=latency)
