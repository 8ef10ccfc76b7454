"""The link extractor of the examples, run against the demo site on both loops, and its parts on their own.

The extractor and the demo run as their users run them, as processes of their own: `python examples/link_extractor.py`
and `python -m ioxide examples/link_extractor.py`. The sites they meet are served by this process, from a thread.
"""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))

import demo  # noqa: E402
import link_extractor  # noqa: E402
from demo_site import DemoSite  # noqa: E402

Site = TypeVar("Site")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Run = Callable[[Coroutine[Any, Any, None]], None]

# A warning about something left open lands on stderr, where the tests expect nothing but failures.
PYTHON = [sys.executable, "-W", "always::ResourceWarning"]
LAUNCHERS = {"asyncio": PYTHON, "ioxide": [*PYTHON, "-m", "ioxide"]}
LOOP_NAMES = {"asyncio": "asyncio's _UnixSelectorEventLoop", "ioxide": "ioxide."}

# Time-outs that only a hang reaches.
PATIENCE = 100
PAGE_PATIENCE = ["--timeout", "60"]

HTML = {"Content-Type": "text/html; charset=utf-8"}


@contextmanager
def in_background(site: AbstractAsyncContextManager[Site]) -> Iterator[Site]:
    """Serve a site from a thread with a loop of asyncio's own, whichever loop is under test."""
    started: Future[tuple[Site, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        try:
            async with site as serving:
                started.set_result((serving, asyncio.get_running_loop(), stop))
                await stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    def run() -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        serving, loop, stop = started.result()
        try:
            yield serving
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join()


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    """Serve a site whose every path the handler answers; yields its scheme, host and port."""
    runner = web.ServerRunner(web.Server(handler, access_log=None))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def sending(answer: bytes, *, reset: bool = False) -> AsyncIterator[str]:
    """Serve a site that sends these bytes to whoever connects, and closes or resets the connection."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if reset:
            linger = struct.pack("ii", 1, 0)  # for no time: closing resets the connection
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@dataclass
class Extraction:
    """One run of the extractor as a process."""

    exit_code: int
    stdout: str
    stderr: str
    text: str

    @property
    def pairs(self) -> list[tuple[str, ...]]:
        """The lines of the output, split at their tabs."""
        assert self.text == "" or self.text.endswith("\n")
        return [tuple(line.split("\t")) for line in self.text.split("\n")[:-1]]

    @property
    def causes(self) -> dict[str, str]:
        """What stderr says of each URL, without the details."""
        reports = [line.split(": ", 1) for line in self.stderr.splitlines()]
        assert len({url for url, _ in reports}) == len(reports)
        return {url: cause.partition(" (")[0] for url, cause in reports}

    @property
    def summary(self) -> str:
        """The first line of the summary, with the time taken out."""
        words = self.stdout.splitlines()[0].split(" ")
        seconds = words.index("seconds") - 1
        assert float(words[seconds]) > 0
        return " ".join([*words[:seconds], "N", *words[seconds + 1 :]])


class Extractor:
    """Runs the extractor on one of the two loops, with its files in a directory of the test's own."""

    def __init__(self, loop_name: str, directory: Path) -> None:
        self.loop_name = loop_name
        self.urls = directory / "urls.txt"
        self.output = directory / "links.tsv"

    def command(self, urls: list[str], *options: str) -> list[str]:
        """Write the URL file and tell the command for it."""
        self.urls.write_text("".join(f"{url}\n" for url in urls), encoding="utf-8")
        return self.bare_command(str(self.urls), str(self.output), *options)

    def bare_command(self, *arguments: str) -> list[str]:
        return [*LAUNCHERS[self.loop_name], str(EXAMPLES / "link_extractor.py"), *arguments]

    def run(self, command: list[str]) -> Extraction:
        finished = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
        return self.extraction(finished.returncode, finished.stdout, finished.stderr)

    def extraction(self, exit_code: int, stdout: str, stderr: str) -> Extraction:
        text = self.output.read_bytes().decode("utf-8") if self.output.is_file() else ""
        return Extraction(exit_code, stdout, stderr, text)

    def __call__(self, urls: list[str], *options: str) -> Extraction:
        return self.run(self.command(urls, *PAGE_PATIENCE, *options))


@pytest.fixture(scope="module")
def site() -> Iterator[DemoSite]:
    with in_background(DemoSite()) as serving:
        yield serving


@pytest.fixture(params=sorted(LAUNCHERS))
def extractor(request: pytest.FixtureRequest, tmp_path: Path) -> Extractor:
    return Extractor(request.param, tmp_path)


@pytest.fixture(scope="module")
def crawls(site: DemoSite, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Extraction]:
    """Crawl the whole site on each loop, but for the page that nobody can wait for."""
    urls = [url for url in site.urls() if url != site.endless_url]
    return {name: Extractor(name, tmp_path_factory.mktemp(name))(urls) for name in LAUNCHERS}


@pytest.fixture(params=sorted(LAUNCHERS))
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
    assert len(crawl.stderr.splitlines()) == len(expected_failures)


def test_a_page_that_fails_leaves_no_links(crawl: Extraction, expected_failures: dict[str, str]) -> None:
    assert {page for page, _ in crawl.pairs} & expected_failures.keys() == set()


def test_some_failures_are_no_failure_of_the_run(crawl: Extraction) -> None:
    assert crawl.exit_code == 0


def test_the_summary_counts_pages_links_and_failures_by_cause(
    crawl: Extraction, site: DemoSite, expected_failures: dict[str, str]
) -> None:
    pages = len(site.urls()) - 1 - len(expected_failures)
    links = len(site.expected_links())
    assert crawl.summary.startswith(
        f"{pages} pages fetched, {links} links found, {len(expected_failures)} failures in N seconds on "
    )
    by_cause = [line.split(maxsplit=1) for line in crawl.stdout.splitlines()[1:]]
    assert {cause: int(number) for number, cause in by_cause} == Counter(expected_failures.values())
    numbers = [int(number) for number, _ in by_cause]
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_the_summary_names_the_loop_that_it_ran_on(crawls: dict[str, Extraction], name: str) -> None:
    assert f" seconds on {LOOP_NAMES[name]}" in crawls[name].stdout


def test_both_loops_write_the_same_lines(crawls: dict[str, Extraction]) -> None:
    assert sorted(crawls["asyncio"].pairs) == sorted(crawls["ioxide"].pairs)
    assert sorted(crawls["asyncio"].stderr.splitlines()) == sorted(crawls["ioxide"].stderr.splitlines())


def test_a_page_that_never_answers_times_out_and_the_next_is_fetched(extractor: Extractor, site: DemoSite) -> None:
    urls = [site.endless_url, ordinary_url(site)]
    done = extractor.run(extractor.command(urls, "--timeout", "3", "--concurrency", "1"))
    assert done.exit_code == 0
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
    command = extractor.command([])
    extractor.urls.write_bytes(f"\ufeff{url}\r\n\r\n   \n# {site.origin}/\n  # {site.origin}/\n#\n".encode())
    site.requests.clear()
    done = extractor.run(command)
    assert (done.exit_code, done.stderr) == (0, "")
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
    assert (done.exit_code, done.stderr) == (0, "")
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
    assert (done.exit_code, done.pairs) == (0, [(f"{origin}/next", f"{origin}/link")])
    # Python's later releases read such a section as a comment.
    assert done.causes in ({}, {f"{origin}/malformed": "malformed HTML"})


def test_a_server_that_does_not_speak_tls_is_a_failure(extractor: Extractor, site: DemoSite) -> None:
    url = f"https://127.0.0.1:{site.port}/"
    done = extractor([url])
    assert done.causes == {url: "TLS failed"}
    assert done.exit_code == 1


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
        done = extractor([ordinary_url(site)])
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
    urls = [f"{site.origin}/errors/404.html", ordinary_url(site), f"{site.origin}/"]
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


PAGE = "http://127.0.0.1/folder/page.html?q=1"


@pytest.mark.parametrize(
    ("html", "links"),
    [
        ('<a href="other.html">', ["http://127.0.0.1/folder/other.html"]),
        ('<a href="/other.html">', ["http://127.0.0.1/other.html"]),
        ('<a href="../../../other.html">', ["http://127.0.0.1/other.html"]),
        ('<a href="#part">', ["http://127.0.0.1/folder/page.html?q=1#part"]),
        ('<a href="?q=2">', ["http://127.0.0.1/folder/page.html?q=2"]),
        ('<a href="//example.org/x">', ["http://example.org/x"]),
        ('<a href="https://example.org">', ["https://example.org"]),
        ('<a href="mailto:a@example.org?subject=b&amp;cc=c">', ["mailto:a@example.org?subject=b&cc=c"]),
        ('<a href="mailto:a&#10;b&#9;c&#13;@example.org">', ["mailto:abc@example.org"]),
        ('<a href="javascript:go()"><a href="tel:+49">', ["javascript:go()", "tel:+49"]),
    ],
)
def test_a_link_is_made_absolute(html: str, links: list[str]) -> None:
    assert link_extractor.extract_links(PAGE, html) == links


@pytest.mark.parametrize(
    "tag",
    [
        '<a href="/x">',
        "<a href='/x'>",
        "<a href=/x>",
        "<A HREF=/x>",
        '<a\nclass="y"\n\thref\n=\n"/x"\n>',
        '<a href="/x"/>',
        '<a title="a > b" href="/x">',
        """<a title='href="/y"' href="/x">""",
        '<link href="/x">',
        '<area href="/x">',
        '<svg:a href="/x">',
        '<a href=" /x\n">',
        '<a href="/\nx\t">',
        '<a href="&#47;x">',
        '<a href="/x" href="/y">',
        '<a href="/x"><a href="/x">',
    ],
)
def test_an_href_is_found_however_it_is_written(tag: str) -> None:
    assert link_extractor.extract_links(PAGE, tag) == ["http://127.0.0.1/x"]


@pytest.mark.parametrize(
    "html",
    [
        "<a>",
        "<a href>",
        '<a href="">',
        '<a href=" \n">',
        '<a href="http://[::1/">',
        '<a href="//[x/">',
        '<a data-href="/x">',
        '<!-- <a href="/x"> -->',
        "<script>'<a href=\"/x\">'</script>",
        'text href="/x" text',
        '&lt;a href="/x"&gt;',
        '<base href="/x/">',
        "",
    ],
)
def test_what_is_no_link_is_left_out(html: str) -> None:
    assert link_extractor.extract_links(PAGE, html) == []


def test_a_link_that_cannot_be_parsed_does_not_cost_the_others() -> None:
    html = '<a href="/before"><a href="http://[/"><a href="/after">'
    assert link_extractor.extract_links(PAGE, html) == ["http://127.0.0.1/before", "http://127.0.0.1/after"]


def test_entities_in_links_are_decoded_and_other_ampersands_kept() -> None:
    html = '<a href="/?a=1&amp;b=&quot;2&quot;&c=3"><a href="/caf&eacute;/&#x65e5;">'
    assert link_extractor.extract_links(PAGE, html) == ['http://127.0.0.1/?a=1&b="2"&c=3', "http://127.0.0.1/café/日"]


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ('<base href="/other/">', "http://127.0.0.1/other/x"),
        ('<base href="other/">', "http://127.0.0.1/folder/other/x"),
        ("<BASE HREF='https://example.org/a/b'>", "https://example.org/a/x"),
        ('<base target="_top"><base href="/first/"><base href="/second/">', "http://127.0.0.1/first/x"),
        ('<base href="">', "http://127.0.0.1/folder/x"),
        ('<base href="http://[">', "http://127.0.0.1/folder/x"),
        ('<base href="data:text/plain,x">', "http://127.0.0.1/folder/x"),
        ('<!-- <base href="/other/"> -->', "http://127.0.0.1/folder/x"),
    ],
)
def test_links_are_relative_to_the_first_usable_base(base: str, link: str) -> None:
    for html in (f'{base}<a href="x">', f'<a href="x">{base}'):
        assert link_extractor.extract_links(PAGE, html) == [link]


@pytest.mark.parametrize(
    ("body", "header_charset", "text"),
    [
        ("é".encode(), None, "é"),
        ("é".encode("latin-1"), "iso-8859-1", "é"),
        (b'<meta charset="latin-1">\xe9', None, '<meta charset="latin-1">é'),
        (b"<META\nCHARSET=latin-1>\xe9", None, "<META\nCHARSET=latin-1>é"),
        ('<meta charset="latin-1">é'.encode(), "utf-8", '<meta charset="latin-1">é'),
        ('<!-- <meta charset="latin-1"> -->é'.encode(), None, '<!-- <meta charset="latin-1"> -->é'),
        (("x" * 1024 + '<meta charset="latin-1">é').encode(), None, "x" * 1024 + '<meta charset="latin-1">é'),
        ('<meta charset="utf-16le">é'.encode(), None, '<meta charset="utf-16le">é'),
        ('<meta charset=""><p>é'.encode(), None, '<meta charset=""><p>é'),
        ("é".encode("utf-16"), "utf-16", "é"),
        (b"", None, ""),
    ],
)
def test_a_page_is_decoded_by_header_then_meta_then_as_utf_8(
    body: bytes, header_charset: str | None, text: str
) -> None:
    assert link_extractor.decode(body, header_charset) == text


@pytest.mark.parametrize(
    "content", ["text/html; charset=latin-1", "text/html;CHARSET='latin-1'", "text/html; charset = latin-1; x=y"]
)
def test_the_older_meta_declares_a_charset_too(content: str) -> None:
    body = f'<meta http-equiv="Content-Type" content="{content}">é'.encode("latin-1")
    assert link_extractor.decode(body, None).endswith("é")


@pytest.mark.parametrize(
    ("body", "header_charset"),
    [
        (b"\xff", None),
        (b"\xe9", "utf-8"),
        (b"x", "no-such-charset"),
        (b"78", "hex"),
        (b'<meta charset="no-such-charset">', None),
        (b'<meta charset="utf-8\0">', None),
        (b"x", "utf-16"),
    ],
)
def test_what_cannot_be_decoded_is_a_failure(body: bytes, header_charset: str | None) -> None:
    with pytest.raises(link_extractor.PageError) as raised:
        link_extractor.decode(body, header_charset)
    assert raised.value.cause == "bad encoding"


@pytest.mark.parametrize(
    "url", ["http://a/", "https://a", "HTTP://a/", "http://a:80/?q#f", "http://[::1]/", "http://é/"]
)
def test_a_web_address_can_be_fetched(url: str) -> None:
    assert link_extractor.is_fetchable(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a",
        "/a",
        "//a/",
        "ftp://a/",
        "mailto:a@b",
        "http://",
        "http:a",
        "http://[a/",
        "http://a/b c",
        "http://a/\tb",
    ],
)
def test_what_is_no_web_address_cannot_be_fetched(url: str) -> None:
    assert not link_extractor.is_fetchable(url)


def test_appended_pages_do_not_mix(run: Run, tmp_path: Path) -> None:
    pages = {f"page-{number}": [f"link-{number}-{part}" * 50 for part in range(20)] for number in range(100)}

    async def append_all() -> None:
        async with link_extractor.LinkFile(tmp_path / "links") as link_file, asyncio.TaskGroup() as group:
            for page, links in pages.items():
                group.create_task(link_file.append(page, links))

    run(append_all())
    lines = (tmp_path / "links").read_text().splitlines()
    assert lines == [f"{page}\t{link}" for page, links in pages.items() for link in links]


def test_what_was_appended_is_in_the_file_at_once(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "links"

    async def append() -> None:
        async with link_extractor.LinkFile(path) as link_file:
            await link_file.append("page", ["link"])
            assert path.read_text() == "page\tlink\n"

    run(append())


def test_a_cancelled_append_still_writes_its_lines(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "links"

    async def cancel_all() -> None:
        async with link_extractor.LinkFile(path) as link_file:
            tasks = [asyncio.create_task(link_file.append(f"page-{number}", ["link"])) for number in range(3)]
            # One turn: all have begun, and the later ones wait for the first.
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            assert all(
                isinstance(result, asyncio.CancelledError)
                for result in await asyncio.gather(*tasks, return_exceptions=True)
            )

    run(cancel_all())
    assert path.read_text() == "page-0\tlink\npage-1\tlink\npage-2\tlink\n"


def test_an_append_to_a_full_disk_fails(run: Run) -> None:
    async def append() -> None:
        async with link_extractor.LinkFile(Path("/dev/full")) as link_file:
            await link_file.append("page", ["link"])

    with pytest.raises(link_extractor.OutputError, match="cannot write /dev/full: No space left on device") as raised:
        run(append())
    assert raised.value.exit_code == 1


def test_a_cancelled_append_to_a_full_disk_still_fails_the_file(run: Run) -> None:
    async def cancel() -> None:
        async with link_extractor.LinkFile(Path("/dev/full")) as link_file:
            task = asyncio.create_task(link_file.append("page", ["link"]))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with pytest.raises(link_extractor.OutputError, match="cannot write /dev/full: No space left on device"):
        run(cancel())


def test_a_link_that_utf_8_has_no_bytes_for_is_written_escaped(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "links"

    async def append() -> None:
        async with link_extractor.LinkFile(path) as link_file:
            await link_file.append("page", ["\ud800", "é"])

    run(append())
    assert path.read_text(encoding="utf-8") == "page\t\\ud800\npage\té\n"


def test_the_site_knows_its_table_by_its_port_alone(site: DemoSite) -> None:
    same = DemoSite(site.port)
    assert same.urls() == site.urls()
    assert same.expected_links() == site.expected_links()
    assert same.expected_failures() == site.expected_failures()


def run_demo(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "demo.py"), "--rounds", "1"]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False, env=os.environ | environment
    )


def test_the_demo_succeeds() -> None:
    done = run_demo({})
    assert (done.returncode, done.stderr) == (0, "")
    assert "  Both found the same, and just what the site's own table says." in done.stdout
    assert "(on ioxide." in done.stdout
    assert f"(on {LOOP_NAMES['asyncio']})" in done.stdout


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        (
            "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')",
            "ran on asyncio's _UnixSelectorEventLoop instead of ioxide.",
        ),
        ("raise SystemExit('no loop here')", "the extractor ended with exit code 1 and said:\nno loop here"),
    ],
    ids=["asyncio's loop", "no loop"],
)
def test_the_demo_fails_when_ioxide_does_not_run_the_loop(tmp_path: Path, program: str, complaint: str) -> None:
    package = tmp_path / "ioxide"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(program, encoding="utf-8")
    done = run_demo({"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith(f"demo: ioxide: {complaint}")


LINKS = [("page", "link-1"), ("page", "link-2")]
FAILURES = {"broken": "status 404"}


def checked_run(
    links: list[tuple[str, str]] = LINKS, failures: dict[str, str] = FAILURES, event_loop: str = "ioxide.Loop"
) -> None:
    run = demo.Run(event_loop=event_loop, seconds=1.0, pages=1, links=links, reports=failures)
    demo.check("ioxide", run, set(LINKS), FAILURES)


def test_the_demo_accepts_what_the_site_has_in_any_order() -> None:
    checked_run()
    checked_run(links=LINKS[::-1])


@pytest.mark.parametrize(
    ("difference", "complaint"),
    [
        ({"event_loop": "uvloop.Loop"}, "ran on uvloop.Loop instead of ioxide."),
        ({"links": LINKS[:1]}, "links not found: 1, such as .*link-2"),
        ({"links": [*LINKS, ("page", "link-3")]}, "links found that the site doesn't have: 1, such as .*link-3"),
        ({"links": [*LINKS, LINKS[0]]}, "links written twice: 1"),
        ({"failures": {}}, "failures not reported, or with another cause: 1, such as .*broken"),
        ({"failures": {"broken": "timed out"}}, "failures not reported, or with another cause: 1, such as .*404"),
        (
            {"failures": FAILURES | {"page": "bad URL"}},
            "failures reported that the site doesn't have: 1, such as .*URL",
        ),
    ],
    ids=["loop", "link lost", "link too many", "link twice", "failure lost", "another cause", "failure too many"],
)
def test_the_demo_refuses_any_difference(difference: dict[str, Any], complaint: str) -> None:
    with pytest.raises(demo.DemoError, match=f"^ioxide: {complaint}"):
        checked_run(**difference)


def test_a_site_on_a_taken_port_says_so_in_one_line(site: DemoSite) -> None:
    command = [sys.executable, str(EXAMPLES / "demo_site.py"), "--port", str(site.port)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"demo_site: cannot serve on port {site.port}: ")
    assert len(done.stderr.splitlines()) == 1
