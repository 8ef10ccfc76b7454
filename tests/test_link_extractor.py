"""The link extractor of the examples, run against the demo site and others: what it fetches, and what it writes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from background_sites import HTML, answering, in_background, sending
from demo_site import DemoSite
from extractor_process import Extraction, Extractor
from program_process import LOOPS


@pytest.fixture(scope="module")
def site() -> Iterator[DemoSite]:
    with in_background(DemoSite()) as serving:
        yield serving


@pytest.fixture(params=LOOPS)
def extractor(request: pytest.FixtureRequest, tmp_path: Path) -> Extractor:
    return Extractor(request.param, tmp_path)


@pytest.fixture(scope="module")
def crawls(site: DemoSite, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Extraction]:
    """Crawl the whole site on each loop, but for the page that nobody can wait for."""
    urls = [url for url in site.urls() if url != site.endless_url]
    return {name: Extractor(name, tmp_path_factory.mktemp(name))(urls) for name in LOOPS}


@pytest.fixture(params=LOOPS)
def crawl(request: pytest.FixtureRequest, crawls: dict[str, Extraction]) -> Extraction:
    return crawls[request.param]


@pytest.fixture
def expected_failures(site: DemoSite) -> dict[str, str]:
    return {url: cause for url, cause in site.expected_failures().items() if url != site.endless_url}


def ordinary_url(site: DemoSite) -> str:
    return f"{site.origin}/section-0/page-7.html"


def ordinary_links(site: DemoSite) -> set[tuple[str, str]]:
    return {pair for pair in site.expected_links() if pair[0] == ordinary_url(site)}


def test_the_links_are_exactly_those_of_the_site(crawl: Extraction, site: DemoSite) -> None:
    found = set(crawl.pairs)
    assert len(found) > 8000
    assert found - site.expected_links() == set()
    assert site.expected_links() - found == set()


def test_each_link_stands_on_one_whole_line(crawl: Extraction) -> None:
    assert {len(pair) for pair in crawl.pairs} == {2}
    assert len(set(crawl.pairs)) == len(crawl.pairs)


def test_each_failure_is_reported_with_its_cause_and_nothing_else(
    crawl: Extraction, expected_failures: dict[str, str]
) -> None:
    assert crawl.causes == expected_failures


def test_a_page_that_fails_leaves_no_links(crawl: Extraction, expected_failures: dict[str, str]) -> None:
    assert {page for page, _ in crawl.pairs} & expected_failures.keys() == set()


def test_a_run_with_failures_says_that_it_partly_failed(crawl: Extraction) -> None:
    assert crawl.exit_code == 1


def test_the_summary_counts_pages_links_and_failures_by_cause(
    crawl: Extraction, site: DemoSite, expected_failures: dict[str, str]
) -> None:
    pages = len(site.urls()) - 1 - len(expected_failures)
    links = len(site.expected_links())
    assert crawl.summary.startswith(
        f"{pages} pages fetched, {links} links found, {len(expected_failures)} failures in N seconds"
    )
    by_cause = [line.split(maxsplit=1) for line in crawl.stdout.splitlines()[1:]]
    assert {cause: int(number) for number, cause in by_cause} == Counter(expected_failures.values())
    numbers = [int(number) for number, _ in by_cause]
    assert numbers == sorted(numbers, reverse=True)


def test_both_loops_write_the_same_lines(crawls: dict[str, Extraction]) -> None:
    assert sorted(crawls["asyncio"].pairs) == sorted(crawls["ioxide"].pairs)
    assert sorted(crawls["asyncio"].messages) == sorted(crawls["ioxide"].messages)


def test_a_page_that_never_answers_times_out_and_the_next_is_fetched(extractor: Extractor, site: DemoSite) -> None:
    extractor.write_urls([site.endless_url, ordinary_url(site)])
    done = extractor.run("--timeout", "3", "--concurrency", "1")
    assert done.exit_code == 1
    assert done.causes == {site.endless_url: "timed out"}
    assert set(done.pairs) == ordinary_links(site)


def test_a_url_listed_twice_is_fetched_once(extractor: Extractor, site: DemoSite) -> None:
    url = ordinary_url(site)
    site.requests.clear()
    done = extractor([url, site.origin + "/", url, f"  {url}  "])
    assert site.requests == {"/section-0/page-7.html": 1, "/": 1}
    assert len(done.pairs) == len(set(done.pairs))
    assert done.summary.startswith("2 pages fetched")


def test_comments_blank_lines_and_foreign_line_ends_are_not_urls(extractor: Extractor, site: DemoSite) -> None:
    url = ordinary_url(site)
    extractor.urls.write_bytes(f"\ufeff{url}\r\n\r\n   \n# {site.origin}/\n  # {site.origin}/\n#\n".encode())
    site.requests.clear()
    done = extractor.run()
    assert (done.exit_code, done.messages) == (0, [])
    assert set(done.pairs) == ordinary_links(site)
    assert site.requests == {"/section-0/page-7.html": 1}


@pytest.mark.parametrize(("options", "bound"), [((), 100), (("--concurrency", "7"), 7), (("--concurrency", "1"), 1)])
def test_as_many_pages_are_fetched_at_a_time_as_asked_for(
    extractor: Extractor, options: tuple[str, ...], bound: int
) -> None:
    at_a_time: list[int] = []
    in_progress = 0
    all_there = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.Response:
        nonlocal in_progress
        in_progress += 1
        at_a_time.append(in_progress)
        if in_progress == bound:
            all_there.set()
        await all_there.wait()
        in_progress -= 1
        return web.Response(text='<a href="/">', headers=HTML)

    with in_background(answering(answer)) as origin:
        done = extractor([f"{origin}/{number}" for number in range(bound + 50)], *options)
    assert (done.exit_code, done.messages) == (0, [])
    assert len(done.pairs) == bound + 50
    assert max(at_a_time) == bound


def test_pages_are_written_as_they_arrive(extractor: Extractor) -> None:
    seen: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/second":
            seen.append(extractor.output.read_text())
        return web.Response(text='<a href="/link">', headers=HTML)

    with in_background(answering(answer)) as origin:
        done = extractor([f"{origin}/first", f"{origin}/second"], "--concurrency", "1")
    assert seen == [f"{origin}/first\t{origin}/link\n"]
    assert done.text == f"{seen[0]}{origin}/second\t{origin}/link\n"


def test_the_output_is_appended_to(extractor: Extractor, site: DemoSite) -> None:
    url = ordinary_url(site)
    extractor.output.write_text("an earlier line\n")
    once = extractor([url]).text
    twice = extractor([url]).text
    assert once.startswith("an earlier line\n")
    assert twice == once + once.removeprefix("an earlier line\n")


def test_an_unfinished_last_line_of_the_output_does_not_swallow_the_next(extractor: Extractor, site: DemoSite) -> None:
    extractor.output.write_text("cut off in the mid")
    done = extractor([ordinary_url(site)])
    assert done.pairs[0] == ("cut off in the mid",)
    assert set(done.pairs[1:]) == ordinary_links(site)


def test_pages_share_no_cookies(extractor: Extractor) -> None:
    cookies: list[str | None] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        response = web.Response(text="", headers=HTML)
        response.set_cookie("visits", "1", domain="example.org")
        response.set_cookie("seen", "yes")
        return response

    with in_background(answering(answer)) as origin:
        # By name, since clients keep no cookies of a bare address anyway.
        named = origin.replace("127.0.0.1", "localhost")
        assert extractor([f"{named}/1", f"{named}/2"], "--concurrency", "1").exit_code == 0
    assert cookies == [None, None]


@pytest.mark.parametrize(
    ("answer", "reset", "cause"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", False, "bad response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<p>x", False, "not HTML"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Le", False, "connection closed early"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n<p>",
            True,
            "connection closed early",
        ),
        (b"", True, "connection closed early"),
    ],
    ids=["not-http", "no-content-type", "closed-in-the-headers", "reset-in-the-body", "reset-at-once"],
)
def test_a_server_that_answers_nonsense_is_a_failure(
    extractor: Extractor, answer: bytes, reset: bool, cause: str
) -> None:
    with in_background(sending(answer, reset=reset)) as origin:
        done = extractor([f"{origin}/"])
    assert done.causes == {f"{origin}/": cause}
    assert (done.exit_code, done.text) == (1, "")


def test_markup_that_the_parser_refuses_does_not_stop_the_others(extractor: Extractor) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        text = "<![no-such-section[x]]>" if request.path == "/malformed" else '<a href="/link">'
        return web.Response(text=text, headers=HTML)

    with in_background(answering(answer)) as origin:
        done = extractor([f"{origin}/malformed", f"{origin}/next"], "--concurrency", "1")
    assert done.pairs == [(f"{origin}/next", f"{origin}/link")]
    # Python's later releases read such a section as a comment.
    assert done.causes in ({}, {f"{origin}/malformed": "malformed HTML"})
    assert done.exit_code == len(done.causes)


def test_a_server_that_does_not_speak_tls_is_a_failure(extractor: Extractor, site: DemoSite) -> None:
    url = f"https://127.0.0.1:{site.port}/"
    done = extractor([url])
    assert done.causes == {url: "TLS failed"}
    assert done.exit_code == 1
