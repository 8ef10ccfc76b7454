"""The crawler of the examples where things go wrong: pages, robots.txt, the directory, the command line."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from background_sites import HTML, answering, in_background, sending
from crawler_process import Crawler, Outcome, first_line
from demo_web import DemoWeb
from program_process import LOOPS, Program


@pytest.fixture(params=LOOPS)
def crawler(request: pytest.FixtureRequest, tmp_path: Path) -> Crawler:
    return Crawler(request.param, tmp_path / "pages")


@pytest.fixture(scope="module")
def site() -> Iterator[DemoWeb]:
    with in_background(DemoWeb()) as serving:
        yield serving


def linking(*paths: str) -> web.Response:
    return web.Response(text="".join(f'<a href="{path}">' for path in paths), headers=HTML)


def test_a_page_that_never_answers_times_out(crawler: Crawler, site: DemoWeb) -> None:
    url = f"{site.origin}/failing/never.html"
    done = crawler.run(url, 0, "--timeout", "2")
    assert (done.exit_code, done.messages) == (1, [f"{url}: timed out"])
    assert crawler.crawled().outcomes == {url: Outcome("failed", 0, "timed out")}


def test_a_site_that_refuses_connections_is_a_failure(crawler: Crawler) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and doesn't listen
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        done = crawler.run(url)
    assert (done.exit_code, done.messages) == (1, [f"{url}: connection refused (asked for robots.txt)"])
    assert crawler.crawled().outcomes == {url: Outcome("failed", 0, "connection refused")}
    assert first_line(done) == "0 stored, 0 redirected, 0 refused by robots.txt, 1 failed (0 known before)"


def test_a_server_that_speaks_no_http_is_a_failure(crawler: Crawler) -> None:
    with in_background(sending(b"SSH-2.0-OpenSSH_9.6\r\n")) as origin:
        done = crawler.run(f"{origin}/")
    assert done.exit_code == 1
    assert crawler.crawled().outcomes == {f"{origin}/": Outcome("failed", 0, "bad response")}


def test_nothing_is_fetched_of_a_site_whose_robots_file_fails(crawler: Crawler) -> None:
    asked = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.Response(status=503)

    with in_background(answering(answer)) as origin:
        done = crawler.run(f"{origin}/")
    assert (done.exit_code, done.messages) == (1, [f"{origin}/: status 503 (asked for robots.txt)"])
    assert asked == ["/robots.txt"]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("User-agent: asyncio-crawler\nDisallow: /b\n\nUser-agent: *\nDisallow: /", {"/a": "page", "/b": "refused"}),
        ("User-agent: another\nDisallow: /", {"/a": "page", "/b": "page"}),
        ("\ufeffUser-agent: *\r\nDisallow: /b\r\n", {"/a": "page", "/b": "refused"}),
        ("<html>not rules at all", {"/a": "page", "/b": "page"}),
    ],
    ids=["for-this-one", "for-another", "for-all-with-byte-order-mark", "nonsense"],
)
def test_the_rules_of_a_robots_file_are_obeyed(crawler: Crawler, rules: str, expected: dict[str, str]) -> None:
    asked = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.Response(text=rules) if request.path == "/robots.txt" else linking("/a", "/b")

    with in_background(answering(answer)) as origin:
        crawled = crawler(f"{origin}/", 1)
    kinds = {url.removeprefix(origin): outcome.kind for url, outcome in crawled.outcomes.items()}
    assert kinds == {"/": "page"} | expected
    assert sorted(asked) == sorted(["/robots.txt", *(path for path, kind in kinds.items() if kind == "page")])


def test_a_redirect_that_has_no_end_is_followed_ten_times(crawler: Crawler) -> None:
    asked = []

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/robots.txt":
            return web.Response(status=404)
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": f"{request.path}x"})

    with in_background(answering(answer)) as origin:
        done = crawler.run(f"{origin}/")
    assert done.exit_code == 1
    paths = ["/" + "x" * number for number in range(11)]
    assert asked == paths
    assert crawler.crawled().outcomes == {origin + path: Outcome("failed", 0, "too many redirects") for path in paths}


def test_a_page_of_more_bytes_than_allowed_is_too_large_packed_or_not(crawler: Crawler) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/":
            return linking("/fits", "/packed")
        response = web.Response(body=b"x" * (100_000 if request.path == "/packed" else 1000), headers=HTML)
        if request.path == "/packed":
            response.enable_compression(web.ContentCoding.gzip)
        return response

    with in_background(answering(answer)) as origin:
        done = crawler.run(f"{origin}/", 1, "--most-bytes", "1000")
    assert done.messages == [f"{origin}/packed: too large (more than 1000 bytes)"]
    assert crawler.crawled().text(f"{origin}/fits") == "x" * 1000


def test_text_that_utf_8_has_no_bytes_for_is_stored_escaped(crawler: Crawler) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=rb"<p>\ud800\r\n", headers={"Content-Type": "text/html; charset=unicode_escape"})

    with in_background(answering(answer)) as origin:
        crawled = crawler(f"{origin}/", 0)
    assert crawled.text(f"{origin}/") == "<p>\\ud800\r\n"


def test_a_directory_that_cannot_be_written_to_ends_the_run(crawler: Crawler, site: DemoWeb) -> None:
    crawler.directory.write_text("a file")
    site.requests.clear()
    done = crawler.run(site.start_url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.messages == [f"crawler: cannot write to {crawler.directory}: Not a directory"]
    assert not site.requests


def test_a_page_that_cannot_be_stored_ends_the_run(crawler: Crawler, site: DemoWeb) -> None:
    url = f"{site.origin}/tree/"
    crawler(url, 0)
    manifest = crawler.directory / "manifest.jsonl"
    [name] = crawler.crawled().files
    # Where the page is to go there is a directory now, which nothing can replace.
    manifest.write_text("")
    (crawler.directory / "pages" / name).unlink()
    (crawler.directory / "pages" / name).mkdir()
    done = crawler.run(url, 1, "--concurrency", "1")
    assert done.exit_code == 1
    assert done.messages == [f"crawler: cannot write to {crawler.directory}: Is a directory"]
    assert manifest.read_text() == ""


def test_only_one_crawler_writes_to_a_directory(crawler: Crawler, site: DemoWeb) -> None:
    crawler.directory.mkdir()
    hold = os.open(crawler.directory, os.O_RDONLY)
    try:
        fcntl.flock(hold, fcntl.LOCK_EX)
        done = crawler.run(site.start_url)
    finally:
        os.close(hold)
    assert (done.exit_code, done.messages) == (2, [f"crawler: another crawler is writing to {crawler.directory}"])
    assert crawler(f"{site.origin}/tree/", 0).outcomes == {f"{site.origin}/tree/": Outcome("page", 0)}


@pytest.mark.parametrize("line", ["not JSON", json.dumps({"url": "http://localhost/", "colour": "red"})])
def test_a_manifest_of_something_else_is_left_alone(crawler: Crawler, site: DemoWeb, line: str) -> None:
    crawler.directory.mkdir()
    manifest = crawler.directory / "manifest.jsonl"
    manifest.write_text(line + "\n")
    done = crawler.run(site.start_url)
    assert (done.exit_code, done.messages) == (2, [f"crawler: {manifest}, line 1: not a line of a manifest"])
    assert manifest.read_text() == line + "\n"


def test_a_graph_that_cannot_be_written_is_told_at_the_end(crawler: Crawler, site: DemoWeb) -> None:
    graph = crawler.directory / "nowhere" / "graph.svg"
    done = crawler.run(f"{site.origin}/tree/", 0, "--graph", graph)
    assert (done.exit_code, done.messages) == (1, [f"crawler: cannot write {graph}: No such file or directory"])
    assert len(crawler.crawled().files) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "the following arguments are required: URL, DEST, DEPTH"),
        (("ftp://example.org/", "pages", "1"), "argument URL: not an http or https URL: 'ftp://example.org/'"),
        (("http://[x/", "pages", "1"), "argument URL: not an http or https URL: 'http://[x/'"),
        (("http://localhost/", "pages", "-1"), "argument DEPTH: invalid depth value: '-1'"),
        (("http://localhost/", "pages", "1", "--concurrency", "0"), "argument --concurrency: invalid count value: '0'"),
        (("http://localhost/", "pages", "1", "--timeout", "nan"), "argument --timeout: invalid seconds value: 'nan'"),
    ],
    ids=["nothing", "scheme", "no-url", "depth", "concurrency", "timeout"],
)
def test_wrong_use_is_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    # Before there is a loop, so on one of them.
    done = Program("crawler", "asyncio", tmp_path).run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == f"crawler.py: error: {complaint}"
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_option() -> None:
    done = Program("crawler", "asyncio").run("--help")
    assert done.exit_code == 0
    for option in ("--concurrency", "--timeout", "--most-bytes", "--any-site", "--graph", "URL", "DEST", "DEPTH"):
        assert option in done.stdout
