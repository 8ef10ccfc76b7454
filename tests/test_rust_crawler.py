"""The crawler that is written in Rust, on the demo site: what it fetches and stores, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from background_sites import HTML, answering, in_background
from crawler_process import Crawled, Outcome, walk
from demo_web import DemoWeb
from demo_web_pages import demo_pages

ROOT = Path(__file__).parent.parent
PATIENCE = 100  # seconds after which the crawler is taken for hung; nothing else depends on it
QUICKLY = ("--back-off", "0.001")


@pytest.fixture(scope="module")
def program() -> str:
    """The path of the crawler, which cargo builds if need be."""
    cargo = shutil.which("cargo")
    assert cargo is not None, "the examples in Rust are built by cargo, as ioxide is"
    command = [cargo, "build", "--quiet", "--package", "ioxide", "--example", "crawler", "--message-format", "json"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    artifacts = [message for message in messages if message["reason"] == "compiler-artifact"]
    return next(str(artifact["executable"]) for artifact in artifacts if artifact["target"]["name"] == "crawler")


@pytest.fixture(scope="module")
def site() -> Iterator[DemoWeb]:
    with in_background(DemoWeb(partial(demo_pages, endless=False))) as serving:
        yield serving


def crawl(program: str, url: str, directory: Path, depth: int, *options: str) -> subprocess.CompletedProcess[str]:
    command = [program, url, str(directory), str(depth), *QUICKLY, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize("depth", [0, 1, 3, 4, 99])
def test_every_url_ends_as_a_walk_of_the_table_says_and_at_its_depth(
    program: str, site: DemoWeb, tmp_path: Path, depth: int
) -> None:
    site.requests.clear()
    done = crawl(program, site.start_url, tmp_path / "pages", depth, "--retries", "0")
    expected = walk(site.table(), depth)
    crawled = Crawled(tmp_path / "pages")
    assert crawled.outcomes == expected
    crawled.check_files()
    keys = [(line["depth"], line["url"]) for line in crawled.lines]
    assert keys == sorted(set(keys))
    fetched = {url.removeprefix(site.origin) for url, outcome in expected.items() if outcome.kind != "refused"}
    # What a connection that was kept doesn't answer is asked for again on a new one.
    asked = Counter(site.requests)
    asked["/failing/unanswered.html"] = min(asked["/failing/unanswered.html"], 1)
    assert +asked == Counter({"/robots.txt", *fetched})
    assert site.requests["/failing/unanswered.html"] <= 2
    failed = {url: outcome.cause for url, outcome in expected.items() if outcome.kind == "failed"}
    told = dict(line.split(": ", 1) for line in done.stderr.splitlines())
    assert {url: cause.partition(" (")[0] for url, cause in told.items()} == failed
    assert done.returncode == (1 if failed else 0)


def test_links_and_redirects_are_those_of_the_table_in_its_spelling(
    program: str, site: DemoWeb, tmp_path: Path
) -> None:
    crawl(program, site.start_url, tmp_path / "pages", 99, "--retries", "0")
    pages = site.table()["pages"]
    for url, record in Crawled(tmp_path / "pages").records.items():
        if record["outcome"] != "refused":
            assert (record["links"], record["location"]) == (pages[url]["links"], pages[url]["location"])
            assert record["status"] == pages[url]["status"]


def test_what_fails_in_a_way_that_may_pass_is_tried_again(program: str, tmp_path: Path) -> None:
    asked: Counter[str] = Counter()

    async def answer(request: web.BaseRequest) -> web.Response:
        asked[request.path] += 1
        match request.path:
            case "/":
                return web.Response(text='<a href="/passing"><a href="/lasting"><a href="/gone">', headers=HTML)
            case "/passing" if asked[request.path] == 3:
                return web.Response(headers=HTML)
            case "/passing" | "/lasting":
                return web.Response(status=503)
            case _:
                return web.Response(status=404)

    with in_background(answering(answer)) as origin:
        done = crawl(program, f"{origin}/", tmp_path / "pages", 1, "--retries", "2")
    assert asked == Counter({"/robots.txt": 1, "/": 1, "/passing": 3, "/lasting": 3, "/gone": 1})
    assert Crawled(tmp_path / "pages").outcomes == {
        f"{origin}/": Outcome("page", 0),
        f"{origin}/passing": Outcome("page", 1),
        f"{origin}/lasting": Outcome("failed", 1, "status 503"),
        f"{origin}/gone": Outcome("failed", 1, "status 404"),
    }
    assert done.returncode == 1


def test_a_page_that_never_answers_times_out(program: str, tmp_path: Path) -> None:
    with in_background(DemoWeb()) as site:
        url = f"{site.origin}/failing/never.html"
        done = crawl(program, url, tmp_path / "pages", 0, "--timeout", "1", "--retries", "0")
    assert (done.returncode, done.stderr) == (1, f"{url}: timed out\n")


def test_pages_are_fetched_by_https_from_whom_the_system_trusts(program: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "trusted.pem"))

    class Site:
        async def __aenter__(self) -> str:
            self._runner = web.ServerRunner(web.Server(self._answer, access_log=None))
            await self._runner.setup()
            await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
            return f"https://localhost:{self._runner.addresses[0][1]}"

        async def __aexit__(self, *error: object) -> None:
            await self._runner.cleanup()

        async def _answer(self, request: web.BaseRequest) -> web.Response:
            if request.path == "/robots.txt":
                return web.Response(status=404)
            return web.Response(text='<a href="/other">', headers=HTML)

    with in_background(Site()) as origin:
        command = [program, f"{origin}/", str(tmp_path / "pages"), "1"]
        trusting = os.environ | {"SSL_CERT_FILE": str(tmp_path / "trusted.pem")}
        subprocess.run(command, env=trusting, timeout=PATIENCE, check=True)
        stranger = crawl(program, f"{origin}/", tmp_path / "none", 1)
    assert Crawled(tmp_path / "pages").outcomes == {
        f"{origin}/": Outcome("page", 0),
        f"{origin}/other": Outcome("page", 1),
    }
    assert Crawled(tmp_path / "none").outcomes == {f"{origin}/": Outcome("failed", 0, "TLS failed")}
    assert stranger.returncode == 1


def test_ctrl_c_finishes_what_is_under_way_and_begins_nothing_else(program: str, tmp_path: Path) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()
    asked = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        if request.path == "/slow":
            is_asked.set()
            while not may_answer.is_set():
                await asyncio.sleep(0.001)
        return web.Response(text='<a href="/slow"><a href="/other">', headers=HTML)

    with in_background(answering(answer)) as origin:
        command = [program, f"{origin}/", str(tmp_path / "pages"), "9", "--concurrency", "1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert is_asked.wait(PATIENCE)
                process.send_signal(signal.SIGINT)
                assert process.stderr is not None
                assert process.stderr.readline() == "interrupted; pages under way: 1\n"
                may_answer.set()
                output, _ = process.communicate(timeout=PATIENCE)
            finally:
                may_answer.set()
                process.kill()
    assert asked == ["/robots.txt", "/", "/slow"]
    assert output.startswith("2 pages, 0 redirects, 0 refused by robots.txt, 0 failed in ")
    assert process.returncode == 130
    assert set(Crawled(tmp_path / "pages").records) == {f"{origin}/", f"{origin}/slow"}


def test_a_directory_with_a_crawl_and_a_wrong_command_line_are_refused(
    program: str, site: DemoWeb, tmp_path: Path
) -> None:
    crawl(program, site.start_url, tmp_path, 0)
    again = crawl(program, site.start_url, tmp_path, 0)
    assert (again.returncode, again.stderr) == (1, f"crawler: {tmp_path}: there is a crawl already\n")
    for wrong in (
        ["mailto:we@example.org", "x", "0"],
        ["http://a/", "x", "-1"],
        ["http://a/", "x", "0", "--concurrency", "0"],
    ):
        assert subprocess.run([program, *wrong], capture_output=True, check=False).returncode == 2
