"""The parts of the crawler of the examples by themselves: spellings of URLs, how busy workers are, a drawn graph."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import busyness
import pytest
from busyness import Busyness
from link_graph import MOST_NAMES, draw
from page_store import FAILED, PAGE, REDIRECT, Record
from url_spelling import one_spelling, origin_of, site_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("url", "spelling"),
    [
        ("http://example.org", "http://example.org/"),
        ("HTTP://Example.ORG/Path", "http://example.org/Path"),
        ("http://example.org:80/", "http://example.org/"),
        ("https://example.org:443/a", "https://example.org/a"),
        ("http://example.org:443/", "http://example.org:443/"),
        ("http://example.org/a/./b/../c/..", "http://example.org/a/"),
        ("http://example.org/../a", "http://example.org/a"),
        ("http://example.org/a//b", "http://example.org/a//b"),
        ("http://example.org/#top", "http://example.org/"),
        ("http://example.org?a=1#top", "http://example.org/?a=1"),
        ("http://example.org/%7e%41%c3%a9%2f", "http://example.org/~A%C3%A9%2F"),
        ("http://example.org/é b", "http://example.org/%C3%A9%20b"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://user:password@example.org/", "http://example.org/"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
    ],
)
def test_a_url_has_one_spelling_which_is_its_own(url: str, spelling: str) -> None:
    assert one_spelling(url) == spelling
    assert one_spelling(spelling) == spelling


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/path",
        "//example.org/",
        "mailto:we@example.org",
        "ftp://example.org/",
        "http://",
        "http:///path",
        "http://[::1/",
        "http://example.org:port/",
        "http://example.org:99999/",
        "http://two words/",
        "http://[::1]extra/",
        "javascript:void(0)",
    ],
)
def test_what_cannot_be_fetched_has_no_spelling(url: str) -> None:
    assert one_spelling(url) is None


def test_a_site_is_the_same_by_http_and_https_and_an_origin_is_not() -> None:
    assert site_of("http://example.org/a") == site_of("https://example.org/b") == "example.org"
    assert site_of("http://example.org:8080/") == "example.org:8080"
    assert origin_of("https://example.org/b?c") == "https://example.org"


class Clock:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(busyness.time, "perf_counter", lambda: self.now)


def test_the_share_is_that_of_the_time_until_the_last_url_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    busy = Busyness(2)
    busy.change(1, dry=True)  # the first URL: nothing else waits yet
    clock.now += 3  # one of two works
    busy.change(-1, dry=False)
    busy.change(1, dry=False)
    busy.change(1, dry=False)
    clock.now += 6  # both work
    busy.change(-1, dry=False)
    busy.change(1, dry=True)  # the last URL
    clock.now += 50  # what is left is no work for two
    busy.change(-1, dry=True)
    busy.change(-1, dry=True)
    assert busy.share() == pytest.approx((3 * 1 + 6 * 2) / (9 * 2))


def test_there_is_no_share_of_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    busy = Busyness(2)
    assert busy.share() is None
    busy.change(1, dry=True)
    clock.now += 1
    busy.change(-1, dry=True)
    assert busy.share() is None


def page(number: int, *links: int) -> Record:
    return Record(f"http://localhost/{number}", number, PAGE, links=[f"http://localhost/{link}" for link in links])


def test_a_graph_is_the_same_in_whatever_order_its_pages_came(tmp_path: Path) -> None:
    records = [page(0, 1, 2, 0, 7), page(1, 2), page(2, 0)]
    records.append(Record("http://localhost/a&b?<c>", 3, REDIRECT, location="http://localhost/0"))
    records.append(Record("http://localhost/d", 3, FAILED))
    draw(records, tmp_path / "one.svg")
    draw(records[::-1], tmp_path / "another.svg")
    text = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert (tmp_path / "another.svg").read_text(encoding="utf-8") == text
    drawing = ElementTree.fromstring(text)
    names = [element.text for element in drawing.iter(f"{SVG}tspan")]
    assert names == ["/0", "/1", "/2", "/a&b?<c>", "/d"]
    arrows = [path for path in drawing.iter(f"{SVG}path") if any("connection-start" in key for key in path.attrib)]
    assert len(arrows) == 5
    assert {path.name for path in tmp_path.iterdir()} == {"one.svg", "another.svg"}


def test_a_large_graph_has_no_names_and_an_empty_one_is_a_picture_too(tmp_path: Path) -> None:
    draw([page(number, number + 1) for number in range(MOST_NAMES + 1)], tmp_path / "large.svg")
    drawing = ElementTree.parse(tmp_path / "large.svg")
    assert {element.text for element in drawing.iter(f"{SVG}tspan")} == {None}
    draw([], tmp_path / "empty.svg")
    assert ElementTree.parse(tmp_path / "empty.svg").getroot().tag == f"{SVG}svg"
