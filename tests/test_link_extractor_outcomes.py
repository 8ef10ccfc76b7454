"""What a run of the link extractor ends with: its exit code, and what it tells on stdout, stderr and a terminal."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from background_sites import HTML, answering, in_background
from demo_site import DemoSite
from extractor_process import PAGE_PATIENCE, Extractor
from program_process import LOOPS, PATIENCE


@pytest.fixture(scope="module")
def site() -> Iterator[DemoSite]:
    with in_background(DemoSite()) as serving:
        yield serving


@pytest.fixture(params=LOOPS)
def extractor(request: pytest.FixtureRequest, tmp_path: Path) -> Extractor:
    return Extractor(request.param, tmp_path)


def test_nothing_fetched_at_all_is_a_failure_of_the_run(extractor: Extractor, site: DemoSite) -> None:
    done = extractor([f"{site.origin}/errors/404.html", "no URL"])
    assert done.exit_code == 1
    assert done.summary.startswith("0 pages fetched, 0 links found, 2 failures in N seconds")
    assert done.causes == {f"{site.origin}/errors/404.html": "status 404", "no URL": "bad URL"}


def test_a_page_without_links_is_fetched_all_the_same(extractor: Extractor, site: DemoSite) -> None:
    done = extractor([f"{site.origin}/delivery/empty.html"])
    assert (done.exit_code, done.messages, done.text) == (0, [], "")
    assert done.summary.startswith("1 page fetched, 0 links found, 0 failures")


def test_a_run_without_failures_is_done(extractor: Extractor, site: DemoSite) -> None:
    done = extractor(site.healthy_urls()[:2])
    assert (done.exit_code, done.messages) == (0, [])


def test_a_url_file_that_cannot_be_used_is_told_in_one_line(extractor: Extractor, tmp_path: Path) -> None:
    not_text = tmp_path / "not-text"
    not_text.write_bytes(b"http://127.0.0.1/\xff\n")
    empty = tmp_path / "empty"
    empty.write_text("# nothing here\n\n")
    for extractor.urls, complaint in (
        (tmp_path / "missing", f"cannot read {tmp_path / 'missing'}: No such file or directory"),
        (tmp_path, f"cannot read {tmp_path}: Is a directory"),
        (not_text, f"cannot read {not_text}: not UTF-8 text"),
        (empty, f"no URLs in {empty}"),
    ):
        done = extractor.run()
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.messages == [f"link_extractor: {complaint}"]
        assert not extractor.output.exists()


def test_an_output_that_cannot_be_opened_is_told_in_one_line_and_nothing_is_fetched(
    extractor: Extractor, site: DemoSite, tmp_path: Path
) -> None:
    site.requests.clear()
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "missing" / "links", "No such file or directory")):
        extractor.output = path
        done = extractor(site.healthy_urls()[:1])
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.messages == [f"link_extractor: cannot open {path}: {reason}"]
    assert site.requests == {}


def test_a_full_disk_is_told_in_one_line(extractor: Extractor, site: DemoSite) -> None:
    extractor.output = Path("/dev/full")
    done = extractor(site.healthy_urls()[:50], "--concurrency", "10")
    assert done.exit_code == 1
    assert done.messages == ["link_extractor: cannot write /dev/full: No space left on device"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["urls.txt"],
        ["urls.txt", "links.tsv", "--concurrency", "0"],
        ["urls.txt", "links.tsv", "--concurrency", "many"],
        ["urls.txt", "links.tsv", "--timeout", "0"],
        ["urls.txt", "links.tsv", "--timeout", "-1"],
        ["urls.txt", "links.tsv", "--timeout", "nan"],
        ["urls.txt", "links.tsv", "--timeout", "inf"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_refused(extractor: Extractor, arguments: list[str]) -> None:
    done = extractor.program.run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: link_extractor.py ")


def test_a_progress_bar_is_drawn_on_a_terminal(extractor: Extractor, site: DemoSite) -> None:
    urls = [f"{site.origin}/errors/404.html", *site.healthy_urls()[:2]]
    extractor.write_urls(urls)
    finished, shown = extractor.program.run_on_a_terminal(extractor.urls, extractor.output, *PAGE_PATIENCE)
    assert finished.exit_code == 1
    assert "3/3" in shown
    assert "page" in shown
    assert f"{urls[0]}: status 404\r\n" in shown


def test_an_interrupt_keeps_what_was_fetched_and_ends_without_a_traceback(extractor: Extractor) -> None:
    asked_for = threading.Event()
    closing = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/endless":
            asked_for.set()
            await closing.wait()
        return web.Response(text='<a href="/link">', headers=HTML)

    @asynccontextmanager
    async def endless_site() -> AsyncIterator[str]:
        async with answering(answer) as origin:
            yield origin
            closing.set()

    with in_background(endless_site()) as origin:
        extractor.write_urls([f"{origin}/first", f"{origin}/endless"])
        with extractor.program.started(
            extractor.urls, extractor.output, "--concurrency", "1", *PAGE_PATIENCE
        ) as process:
            assert asked_for.wait(PATIENCE)
            process.send_signal(signal.SIGINT)
            done = extractor.extraction(process.finish())
    assert done.exit_code == 130
    assert done.messages == ["link_extractor: interrupted"]
    assert done.pairs == [(f"{origin}/first", f"{origin}/link")]
    assert done.summary.startswith("1 page fetched, 1 link found, 0 failures")
