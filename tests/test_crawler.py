"""The crawler of the examples on the demo site: what it fetches, what it stores, and that both loops do the same."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from background_sites import HTML, answering, in_background
from crawler_process import Crawled, Crawler, Outcome, first_line, walk
from demo_web import DemoWeb
from demo_web_pages import demo_pages
from program_process import LOOPS, Finished

SVG = "{http://www.w3.org/2000/svg}"


@dataclass
class Crawl:
    """One crawl of the whole site, and what the site was asked for."""

    done: Finished
    crawled: Crawled
    requests: Counter[str]
    graph: str


@pytest.fixture(scope="module")
def site() -> Iterator[DemoWeb]:
    with in_background(DemoWeb(partial(demo_pages, endless=False))) as serving:
        yield serving


@pytest.fixture(scope="module")
def crawls(site: DemoWeb, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Crawl]:
    """Crawl the whole site on each loop, in development mode, where whatever is left open is told."""
    crawls = {}
    for name in LOOPS:
        directory = tmp_path_factory.mktemp(name)
        crawler = Crawler(name, directory / "pages", development_mode=True)
        site.requests.clear()
        done = crawler.run(site.start_url, 99, "--graph", directory / "graph.svg")
        graph = (directory / "graph.svg").read_text(encoding="utf-8")
        crawls[name] = Crawl(done, crawler.crawled(), site.requests.copy(), graph)
    return crawls


@pytest.fixture(params=LOOPS)
def crawl(request: pytest.FixtureRequest, crawls: dict[str, Crawl]) -> Crawl:
    return crawls[request.param]


@pytest.fixture(params=LOOPS)
def crawler(request: pytest.FixtureRequest, tmp_path: Path) -> Crawler:
    return Crawler(request.param, tmp_path / "pages")


def test_every_url_ends_as_the_table_of_the_site_says_and_at_its_depth(crawl: Crawl, site: DemoWeb) -> None:
    expected = walk(site.table(), 99)
    assert len(expected) > 150
    assert {outcome.kind for outcome in expected.values()} == {"page", "redirect", "refused", "failed"}
    assert crawl.crawled.outcomes == expected


def test_each_url_is_asked_for_once_however_it_is_spelled(crawl: Crawl, site: DemoWeb) -> None:
    outcomes = walk(site.table(), 99)
    fetched = {url.removeprefix(site.origin) for url, outcome in outcomes.items() if outcome.kind != "refused"}
    # aiohttp itself asks again when a connection that it kept closes without an answer.
    asked = Counter(crawl.requests)
    asked["/failing/unanswered.html"] = min(asked["/failing/unanswered.html"], 1)
    assert asked == Counter({"/robots.txt", *fetched})


def test_the_links_and_redirects_are_those_of_the_table_in_its_spelling(crawl: Crawl, site: DemoWeb) -> None:
    pages = site.table()["pages"]
    for url, record in crawl.crawled.records.items():
        if record["outcome"] != "refused":
            assert (record["links"], record["location"]) == (pages[url]["links"], pages[url]["location"])
            assert record["status"] == pages[url]["status"]


def test_each_page_is_stored_whole_in_a_file_of_its_own(crawl: Crawl, site: DemoWeb) -> None:
    crawl.crawled.check_files()
    assert "<p>A café in Göttingen.</p>" in crawl.crawled.text(f"{site.origin}/spellings/caf%C3%A9.html")
    for url, outcome in crawl.crawled.outcomes.items():
        if outcome.kind == "page":
            assert crawl.crawled.text(url).endswith("</body></html>\n")


def test_the_manifest_lists_each_url_once_by_depth_and_with_its_time(crawl: Crawl) -> None:
    keys = [(line["depth"], line["url"]) for line in crawl.crawled.lines]
    assert keys == sorted(set(keys))
    assert all(line["seconds"] >= 0 and line["fetched_at"].endswith("+00:00") for line in crawl.crawled.lines)


def test_both_loops_leave_the_same(crawls: dict[str, Crawl]) -> None:
    by_asyncio, by_ioxide = crawls["asyncio"], crawls["ioxide"]
    assert by_asyncio.crawled.files == by_ioxide.crawled.files
    assert by_asyncio.crawled.timeless_lines == by_ioxide.crawled.timeless_lines
    assert by_asyncio.graph == by_ioxide.graph
    assert sorted(by_asyncio.done.messages) == sorted(by_ioxide.done.messages)


def test_failures_are_told_with_their_cause_and_make_the_exit_code_1(crawl: Crawl, site: DemoWeb) -> None:
    failed = {url: outcome.cause for url, outcome in walk(site.table(), 99).items() if outcome.kind == "failed"}
    told = dict(line.split(": ", 1) for line in crawl.done.messages)
    assert {url: cause.partition(" (")[0] for url, cause in told.items()} == failed
    assert crawl.done.exit_code == 1


def test_the_summary_counts_outcomes_and_causes(crawl: Crawl, site: DemoWeb) -> None:
    outcomes = walk(site.table(), 99).values()
    kinds = Counter(outcome.kind for outcome in outcomes)
    assert first_line(crawl.done) == (
        f"{kinds['page']} stored, {kinds['redirect']} redirected, {kinds['refused']} refused by robots.txt, "
        f"{kinds['failed']} failed (0 known before)"
    )
    by_cause = [line.split(maxsplit=1) for line in crawl.done.stdout.splitlines()[1:-1]]
    causes = Counter(outcome.cause for outcome in outcomes if outcome.cause)
    assert {cause: int(number) for number, cause in by_cause} == causes


def test_the_summary_tells_how_busy_the_workers_were(crawl: Crawl) -> None:
    share, rest = crawl.done.stdout.splitlines()[-1].split("% of 20 workers busy, ")
    assert 0 < float(share) <= 100
    assert float(rest.removesuffix(" seconds of CPU time")) > 0


def test_the_graph_has_every_url_and_an_arrow_for_every_link_between_them(crawl: Crawl, site: DemoWeb) -> None:
    records = crawl.crawled.records
    drawing = ElementTree.fromstring(crawl.graph)
    names = Counter(element.text for element in drawing.iter(f"{SVG}tspan"))
    assert names == Counter(url.removeprefix(site.origin) for url in records)
    leading = {url: [line["location"]] if line["location"] else line["links"] for url, line in records.items()}
    arrows = [(url, target) for url, targets in leading.items() for target in targets if target in records]
    lines = [path for path in drawing.iter(f"{SVG}path") if "connection-start" in "".join(path.attrib)]
    assert len(lines) == sum(url != target for url, target in arrows)


@pytest.mark.parametrize("depth", [1, 4])
def test_a_crawl_ends_at_its_depth_by_the_shortest_ways(crawler: Crawler, site: DemoWeb, depth: int) -> None:
    # The slow short way at depth 2 decides what is reached at depth 4, and is found after the long one.
    crawler.run(site.start_url, depth)
    assert crawler.crawled().outcomes == walk(site.table(), depth)


def test_the_start_may_be_spelled_oddly_and_be_a_redirect(crawler: Crawler, site: DemoWeb) -> None:
    odd = site.origin.replace("http://localhost", "HTTP://LOCALHOST") + "/x/../redirects/permanent#top"
    crawled = crawler(odd, 0)
    assert crawled.outcomes == {
        f"{site.origin}/redirects/permanent": Outcome("redirect", 0),
        f"{site.origin}/redirects/landing/": Outcome("page", 0),
    }


@pytest.mark.parametrize(("options", "bound"), [((), 20), (("--concurrency", "1"), 1)])
def test_as_many_pages_are_fetched_at_a_time_as_asked_for(
    crawler: Crawler, options: tuple[str, ...], bound: int
) -> None:
    at_a_time: list[int] = []
    in_progress = 0
    all_there = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.Response:
        nonlocal in_progress
        if request.path in ("/", "/robots.txt"):
            links = "".join(f'<a href="/{number}">' for number in range(bound + 30))
            return web.Response(text=links, headers=HTML)
        in_progress += 1
        at_a_time.append(in_progress)
        if in_progress == bound:
            all_there.set()
        await all_there.wait()
        in_progress -= 1
        return web.Response(headers=HTML)

    with in_background(answering(answer)) as origin:
        crawled = crawler(f"{origin}/", 1, *options)
    assert len(crawled.records) == bound + 31
    assert max(at_a_time) == bound


def test_progress_is_shown_on_a_terminal_only(crawler: Crawler, site: DemoWeb, tmp_path: Path) -> None:
    arguments = (f"{site.origin}/tree/", crawler.directory, "1", "--graph", tmp_path / "graph.svg")
    _, shown = crawler.program.run_on_a_terminal(*arguments)
    assert "5/5 [" in shown
    assert shown.endswith("drawing 5 URLs\r\n")
    assert crawler(f"{site.origin}/tree/", 1).records


def test_other_sites_are_crawled_when_asked_for(crawler: Crawler, tmp_path: Path) -> None:
    async def answer_there(request: web.BaseRequest) -> web.Response:
        there.append(request.path)
        return web.Response(text='<a href="/more">', headers=HTML)

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(text=f'<a href="{other}/page"><a href="/same">', headers=HTML)

    there: list[str] = []
    with in_background(answering(answer_there)) as other, in_background(answering(answer)) as origin:
        crawler(f"{origin}/", 2)
        assert there == []
        crawled = crawler(f"{origin}/", 2, "--any-site")
    # Each site is asked for its own rules, here a page of HTML that has none.
    assert Counter(there) == Counter({"/robots.txt": 1, "/page": 1, "/more": 1})
    assert crawled.outcomes == {
        f"{origin}/": Outcome("page", 0),
        f"{origin}/same": Outcome("page", 1),
        f"{other}/page": Outcome("page", 1),
        f"{other}/more": Outcome("page", 2),
    }
