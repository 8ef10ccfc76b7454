"""The sample extension in `examples/rust-extension`, as a program uses it."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import ioxide
import pytest
from rust_extension import build, load

fetching = load("fetching", build("examples/rust-extension"))


class Pages(http.server.BaseHTTPRequestHandler):
    """Answers with the path, or says that there is no such page."""

    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    """The address of a web server on a thread."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def loop_factory() -> Any:
    """Only ioxide's loops run Rust futures."""
    return ioxide.new_event_loop


def test_pages_are_fetched_beside_each_other(run: Any, site: str) -> None:
    async def main() -> list[bytes]:
        return await asyncio.gather(*(fetching.fetch(f"{site}/page/{number}") for number in range(10)))

    assert run(main()) == [f"/page/{number}".encode() for number in range(10)]


def test_what_goes_wrong_is_an_exception(run: Any, site: str) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="404"):
            await fetching.fetch(f"{site}/missing")
        with pytest.raises(ValueError, match="not an http URL"):
            await fetching.fetch("ftp://localhost/")
        with pytest.raises(ValueError, match="negative"):
            fetching.fetch(site, timeout=-1)

    run(main())


def test_a_server_that_does_not_answer_is_given_up(loop: Any, run: Any) -> None:
    closed = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        closed.set()

    async def main() -> None:
        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError):
            await fetching.fetch(f"http://127.0.0.1:{port}/", timeout=0.05)
        # The connection is closed with the future.
        await closed.wait()
        closed.clear()
        task = asyncio.create_task(fetching.fetch(f"http://127.0.0.1:{port}/"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()
        server.close()
        await server.wait_closed()

    run(main())


def test_words_are_counted_and_time_passes(loop: Any, run: Any) -> None:
    async def main() -> None:
        assert await fetching.count_words("a future that is ready") == 5
        began = loop.time()
        await fetching.sleep(0.01)
        assert loop.time() - began >= 0.01

    run(main())


def test_a_python_coroutine_is_called_until_it_has_enough(run: Any) -> None:
    seen = []

    async def see(number: int) -> bool:
        await asyncio.sleep(0)
        seen.append(number)
        return number < 3

    async def main() -> None:
        await fetching.every(0.0, see)

    run(main())
    assert seen == [0, 1, 2, 3]
