"""What a run of the link extractor ends with: its exit code, and what it tells on stdout, stderr and a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import termios
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from background_sites import HTML, answering, in_background
from demo_site import DemoSite
from extractor_process import LAUNCHERS, PAGE_PATIENCE, PATIENCE, Extractor


@pytest.fixture(scope="module")
def site() -> Iterator[DemoSite]:
    with in_background(DemoSite()) as serving:
        yield serving


@pytest.fixture(params=sorted(LAUNCHERS))
def extractor(request: pytest.FixtureRequest, tmp_path: Path) -> Extractor:
    return Extractor(request.param, tmp_path)


def test_nothing_fetched_at_all_is_a_failure_of_the_run(extractor: Extractor, site: DemoSite) -> None:
    done = extractor([f"{site.origin}/errors/404.html", "no URL"])
    assert done.exit_code == 1
    assert done.summary.startswith("0 pages fetched, 0 links found, 2 failures in N seconds")
    assert done.causes == {f"{site.origin}/errors/404.html": "status 404", "no URL": "bad URL"}


def test_a_file_without_urls_is_a_failure_of_the_run(extractor: Extractor) -> None:
    done = extractor(["# nothing here"])
    assert (done.exit_code, done.stderr, done.text) == (1, "", "")
    assert done.summary.startswith("0 pages fetched, 0 links found, 0 failures")


def test_a_page_without_links_is_fetched_all_the_same(extractor: Extractor, site: DemoSite) -> None:
    done = extractor([f"{site.origin}/delivery/empty.html"])
    assert (done.exit_code, done.stderr, done.text) == (0, "", "")
    assert done.summary.startswith("1 page fetched, 0 links found, 0 failures")


def test_a_url_file_that_cannot_be_read_is_told_in_one_line(extractor: Extractor, tmp_path: Path) -> None:
    not_text = tmp_path / "not-text"
    not_text.write_bytes(b"http://127.0.0.1/\xff\n")
    for path, reason in (
        (tmp_path / "missing", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (not_text, "not UTF-8 text"),
    ):
        done = extractor.run(extractor.bare_command(str(path), str(extractor.output)))
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == f"link_extractor: cannot read {path}: {reason}\n"
        assert not extractor.output.exists()


def test_an_output_that_cannot_be_opened_is_told_in_one_line_and_nothing_is_fetched(
    extractor: Extractor, site: DemoSite, tmp_path: Path
) -> None:
    site.requests.clear()
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "missing" / "links", "No such file or directory")):
        extractor.output = path
        done = extractor(site.healthy_urls()[:1])
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == f"link_extractor: cannot open {path}: {reason}\n"
    assert site.requests == {}


def test_a_full_disk_is_told_in_one_line(extractor: Extractor, site: DemoSite) -> None:
    extractor.output = Path("/dev/full")
    done = extractor(site.healthy_urls()[:50], "--concurrency", "10")
    assert done.exit_code == 1
    assert done.stderr == "link_extractor: cannot write /dev/full: No space left on device\n"


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
    done = extractor.run(extractor.bare_command(*arguments))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: link_extractor.py ")


def test_no_progress_bar_is_drawn_into_a_file(extractor: Extractor, site: DemoSite) -> None:
    assert extractor(site.healthy_urls()[:30]).stderr == ""


def test_a_progress_bar_is_drawn_on_a_terminal(extractor: Extractor, site: DemoSite) -> None:
    urls = [f"{site.origin}/errors/404.html", *site.healthy_urls()[:2]]
    terminal, end_for_process = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        command = extractor.command(urls, *PAGE_PATIENCE)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=end_for_process) as process:
            os.close(end_for_process)
            shown = b""
            try:
                while piece := screen.read(4096):
                    shown += piece
            except OSError:
                pass  # EIO: the process has closed its end
            process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert b"3/3" in shown
    assert b"page" in shown
    assert f"{urls[0]}: status 404\r\n".encode() in shown


@contextmanager
def interruptible_children() -> Iterator[None]:
    """Have children take SIGINT as from a terminal, even where this process was started with it ignored."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


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
        command = extractor.command([f"{origin}/first", f"{origin}/endless"], "--concurrency", "1", *PAGE_PATIENCE)
        with (
            interruptible_children(),
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process,
        ):
            assert asked_for.wait(PATIENCE)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=PATIENCE)
        done = extractor.extraction(process.returncode, stdout, stderr)
    assert done.exit_code == 130
    assert done.stderr == "link_extractor: interrupted\n"
    assert done.pairs == [(f"{origin}/first", f"{origin}/link")]
    assert done.summary.startswith("1 page fetched, 1 link found, 0 failures")
