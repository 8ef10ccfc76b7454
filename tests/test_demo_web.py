"""The website that crawlers are tested on: what it serves is what its table says, and its spellings are the one."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.robotparser import RobotFileParser

import pytest
from background_sites import in_background
from crawler_process import walk
from demo_web import DemoWeb
from demo_web_pages import generated_pages
from program_process import LOOPS, Program
from url_spelling import one_spelling
from web_pages import extract_links, resolve

UNANSWERED = ("/failing/unanswered.html", "/failing/never.html")


@pytest.fixture(scope="module")
def site() -> Iterator[DemoWeb]:
    with in_background(DemoWeb()) as serving:
        yield serving


def ask(url: str) -> tuple[HTTPResponse, bytes]:
    """Ask for a URL in just this spelling, by a client of Python's own."""
    authority, slash, path = url.removeprefix("http://").partition("/")
    connection = HTTPConnection(authority)
    try:
        connection.request("GET", slash + path)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def on_site(table: dict[str, Any], url: str) -> bool:
    return str(url).startswith(table["start"])


def test_the_table_has_every_url_of_the_site_that_is_linked_to(site: DemoWeb) -> None:
    table = site.table()
    for row in table["pages"].values():
        for url in (*row["links"], row["location"]):
            assert url is None or not on_site(table, url) or url in table["pages"]


def test_every_page_but_the_secret_one_is_reached_from_the_start(site: DemoWeb) -> None:
    table = site.table()
    assert table["pages"].keys() - walk(table, 99).keys() == {f"{site.origin}/private/unlinked.html"}


def test_every_url_of_the_table_is_in_the_one_spelling(site: DemoWeb) -> None:
    for url, row in site.table()["pages"].items():
        for spelling in (url, *row["links"], *filter(None, [row["location"]])):
            assert one_spelling(spelling) == spelling


def test_every_page_answers_as_the_table_says(site: DemoWeb) -> None:
    for url, row in site.table()["pages"].items():
        if url.removeprefix(site.origin) in UNANSWERED:
            assert row["status"] is None
            continue
        try:
            response, body = ask(url)
        except HTTPException:
            assert row["failure"] == "connection closed early"
            continue
        assert response.status == row["status"]
        if row["location"] is not None:
            location = resolve(url, response.headers["Location"])
            assert location is not None
            assert one_spelling(location) == row["location"]
        elif row["failure"] is None:
            links = [one_spelling(link) for link in extract_links(url, body.decode())]
            assert list(dict.fromkeys(filter(None, links))) == row["links"]


def test_a_connection_closes_without_an_answer(site: DemoWeb) -> None:
    with pytest.raises((HTTPException, ConnectionResetError)):
        ask(f"{site.origin}/failing/unanswered.html")


def test_any_spelling_of_a_path_is_answered_and_counted_as_one(site: DemoWeb) -> None:
    site.requests.clear()
    for path in ("target.html", "%74arget.html", "x/../target.html", "./target.html"):
        response, _ = ask(f"{site.origin}/spellings/{path}")
        assert response.status == 200
    assert site.requests == {"/spellings/target.html": 4}


def test_the_rules_refuse_what_the_table_does_not_allow(site: DemoWeb) -> None:
    table = site.table()
    _, body = ask(table["robots"])
    rules = RobotFileParser()
    rules.parse(body.decode().splitlines())
    assert {url: rules.can_fetch("any-crawler", url) for url in table["pages"]} == {
        url: row["allowed"] for url, row in table["pages"].items()
    }
    assert not rules.can_fetch("a-crawler-that-nobody-likes", table["start"])


@pytest.mark.parametrize("pages", [1, 7, 300])
def test_all_pages_of_a_generated_site_are_reached(pages: int) -> None:
    rows = {page.path: page for page in generated_pages("", pages, 0)}
    assert len(rows) == pages
    seen, waiting = {"/"}, deque(["/"])
    while waiting:
        links = {written for written, _ in rows[waiting.popleft()].links}
        assert links <= rows.keys()
        waiting += links - seen
        seen |= links
    assert seen == rows.keys()


@pytest.fixture(params=LOOPS)
def program(request: pytest.FixtureRequest) -> Program:
    return Program("demo_web", request.param)


def test_the_program_writes_its_table_before_it_prints_where_to_start(program: Program, tmp_path: Path) -> None:
    with program.started("--table", tmp_path / "table.json") as process:
        start = process.line()
        table = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
        assert table["start"] == start
        assert f"{start}failing/never.html" in table["pages"]
        with urllib.request.urlopen(start) as response:
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        done = process.finish()
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{start}\n", "")


def test_the_program_leaves_out_the_endless_page_when_asked_to(program: Program, tmp_path: Path) -> None:
    with program.started("--no-endless", "--table", tmp_path / "table.json") as process:
        start = process.line()
    table = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert f"{start}failing/never.html" not in table["pages"]
    assert f"{start}failing/404.html" in table["pages"]


def test_the_program_generates_a_site_with_a_latency(program: Program, tmp_path: Path) -> None:
    with program.started("--pages", "50", "--latency", "0.05", "--table", tmp_path / "table.json") as process:
        start = process.line()
        begun = time.monotonic()
        ask(start)
        assert time.monotonic() - begun >= 0.05
    assert len(json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))["pages"]) == 50


def test_a_port_that_is_taken_is_told_in_one_line(program: Program, site: DemoWeb) -> None:
    done = program.run("--port", site.origin.rpartition(":")[2])
    assert done.exit_code == 1
    assert done.stderr.startswith("demo_web: cannot serve: ")
    assert done.stderr.count("\n") == 1
