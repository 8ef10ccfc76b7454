"""The crawler of the examples, interrupted, killed and run again: nothing complete is lost, and the rest is fetched."""

from __future__ import annotations

import json
import random
import signal
import threading
from collections import Counter
from itertools import cycle
from pathlib import Path

import pytest
from aiohttp import web
from background_sites import HTML, answering, in_background
from crawler_process import Crawler, first_line
from demo_web import DemoWeb
from demo_web_pages import generated_pages
from program_process import LOOPS, Running

PAGES = 200
TIMES_KILLED = 10
# A killed run gets so far at most: eleven of them don't finish the site.
MOST_REQUESTS = 15


@pytest.fixture(params=LOOPS)
def crawler(request: pytest.FixtureRequest, tmp_path: Path) -> Crawler:
    return Crawler(request.param, tmp_path / "pages")


class KillingSite:
    """Answers for a generated site, and sends a signal to the crawler the moment it has asked often enough."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self._pages = {page.path: page for page in generated_pages("http://unused", PAGES, 0)}
        self._signal = signal.SIGKILL
        self._moment = 0
        self._process: Running | None = None
        self._started = threading.Event()

    def arm(self, moment: int, number: signal.Signals = signal.SIGKILL) -> None:
        self.requests.clear()
        self._moment = moment
        self._signal = number
        self._started.clear()

    def kill(self, process: Running) -> None:
        self._process = process
        self._started.set()

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.requests[request.path] += 1
        if self.requests.total() == self._moment:
            self._started.wait()
            assert self._process is not None
            self._process.send_signal(self._signal)
        page = self._pages.get(request.path)
        return web.Response(status=404) if page is None else web.Response(body=page.content(), headers=HTML)

    def content(self, path: str) -> str:
        return self._pages[path].content().decode()


def complete(directory: Path) -> dict[str, str]:
    """The pages that the manifest lists: their paths, and the names of their files."""
    lines = [line for line in (directory / "manifest.jsonl").read_text().splitlines(keepends=True) if line[-1] == "\n"]
    records = [json.loads(line) for line in lines]
    assert {record["outcome"] for record in records} <= {"page"}
    return {"/" + record["url"].split("/", 3)[3]: record["file"] for record in records}


def test_killed_at_ten_moments_it_loses_nothing_and_finishes_on_the_next_run(crawler: Crawler) -> None:
    chance = random.Random(crawler.program.loop_name)
    site = KillingSite()
    with in_background(answering(site.answer)) as origin:
        kept: dict[str, str] = {}
        for _, number in zip(range(TIMES_KILLED), cycle((signal.SIGINT, signal.SIGKILL)), strict=False):
            site.arm(chance.randint(2, MOST_REQUESTS), number)
            arguments = (f"{origin}/", crawler.directory, "9", "--concurrency", "4")
            with crawler.program.started(*arguments) as process:
                site.kill(process)
                done = process.finish()
            if number is signal.SIGINT:
                assert (done.exit_code, done.messages) == (130, ["crawler: interrupted"])
            else:
                assert done.exit_code == -number
            assert not kept.keys() & site.requests.keys()
            now = complete(crawler.directory) if (crawler.directory / "manifest.jsonl").exists() else {}
            assert kept.items() <= now.items()
            kept = now
            for path, name in kept.items():
                text = (crawler.directory / "pages" / name).read_bytes().decode()
                assert text.partition("\n\n")[2] == site.content(path)
        assert 0 < len(kept) < PAGES
        site.arm(0)
        crawled = crawler(f"{origin}/", 9, "--concurrency", "4")
        assert not kept.keys() & site.requests.keys()
        assert len(site.requests) == PAGES - len(kept) + 1
    crawled.check_files()
    assert len(crawled.records) == PAGES
    for url in crawled.records:
        assert crawled.text(url) == site.content(url.removeprefix(origin))


def test_a_crawl_that_is_done_is_not_done_again(crawler: Crawler) -> None:
    with in_background(DemoWeb(lambda origin: generated_pages(origin, 30, 0))) as site:
        before = crawler(site.start_url)
        site.requests.clear()
        done = crawler.run(site.start_url)
        assert first_line(done) == "30 stored, 0 redirected, 0 refused by robots.txt, 0 failed (30 known before)"
        assert not site.requests
    assert (crawler.crawled().lines, crawler.crawled().files) == (before.lines, before.files)


def test_a_second_run_goes_deeper_and_no_page_is_fetched_twice(crawler: Crawler) -> None:
    with in_background(DemoWeb(lambda origin: generated_pages(origin, 200, 0))) as site:
        shallow = crawler(site.start_url, 1)
        assert 1 < len(shallow.records) < 200
        crawler(site.start_url, 9)
        # Nor are the rules, which a site may have changed by now, taken from the run before.
        assert site.requests.pop("/robots.txt") == 2
        assert set(site.requests.values()) == {1}
        assert len(site.requests) == 200


def test_what_failed_or_was_refused_is_tried_again(crawler: Crawler) -> None:
    broken = True

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        if request.path == "/robots.txt":
            return web.Response(text=f"User-agent: *\nDisallow: {'/refused' if broken else ''}")
        status = 503 if broken and request.path == "/failing" else 200
        return web.Response(text='<a href="/failing"><a href="/refused">', status=status, headers=HTML)

    asked: list[str] = []
    with in_background(answering(answer)) as origin:
        assert crawler.run(f"{origin}/").messages == [f"{origin}/failing: status 503"]
        assert sorted(asked) == ["/", "/failing", "/robots.txt"]
        broken = False
        asked.clear()
        crawled = crawler(f"{origin}/")
    assert sorted(asked) == ["/failing", "/refused", "/robots.txt"]
    assert {outcome.kind for outcome in crawled.outcomes.values()} == {"page"}


def test_a_line_that_was_cut_off_counts_for_nothing(crawler: Crawler) -> None:
    with in_background(DemoWeb(lambda origin: generated_pages(origin, 5, 0))) as site:
        whole = crawler(site.start_url)
        manifest = crawler.directory / "manifest.jsonl"
        manifest.write_text(manifest.read_text()[:-20])
        site.requests.clear()
        crawled = crawler(site.start_url)
        cut_off = whole.lines[-1]["url"].removeprefix(site.origin)
        assert site.requests == Counter(["/robots.txt", cut_off])
    assert crawled.timeless_lines == whole.timeless_lines


def test_a_page_whose_file_is_gone_is_fetched_again_and_leavings_are_removed(crawler: Crawler) -> None:
    with in_background(DemoWeb(lambda origin: generated_pages(origin, 5, 0))) as site:
        whole = crawler(site.start_url)
        missing = whole.records[f"{site.origin}/page-3.html"]["file"]
        (crawler.directory / "pages" / missing).rename(crawler.directory / "pages" / f"{missing}.part")
        (crawler.directory / "manifest.jsonl.part").write_text("half of a line")
        site.requests.clear()
        crawled = crawler(site.start_url)
        assert site.requests == Counter(["/robots.txt", "/page-3.html"])
    crawled.check_files()
    assert crawled.files == whole.files


def test_depths_are_those_of_the_last_start_and_other_pages_stay(crawler: Crawler) -> None:
    pages = {"/": "/a", "/a": "/b", "/b": "/c", "/c": "/"}

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(text=f'<a href="{pages.get(request.path, "")}">', headers=HTML)

    with in_background(answering(answer)) as origin:
        first = crawler(f"{origin}/", 2)
        assert {url.removeprefix(origin): outcome.depth for url, outcome in first.outcomes.items()} == {
            "/": 0,
            "/a": 1,
            "/b": 2,
        }
        second = crawler(f"{origin}/b", 2)
    assert {url.removeprefix(origin): outcome.depth for url, outcome in second.outcomes.items()} == {
        "/b": 0,
        "/c": 1,
        "/a": 1,
        "/": 2,
    }
    second.check_files()
