"""hypercorn as a task on the loop: HTTP/1.1, HTTP/2 and WebSockets over asyncio's streams, plain and with TLS.

Where uvicorn brings protocols of its own, hypercorn reads and writes by `asyncio.start_server`. httpx and
websockets ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import hypercorn
import pytest
from asgi_application import MEBIBYTE, Application, digest_of, mebibyte_in_pieces
from hypercorn.asyncio import serve
from recording_protocol import tls_contexts
from server_programs import write_certificate
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

Run = Callable[[Awaitable[Any]], Any]


@dataclass
class Served:
    """hypercorn while it serves."""

    application: Application
    port: int
    serving: asyncio.Future[None]
    shutdown: asyncio.Event = field(default_factory=asyncio.Event)

    def address(self, scheme: str) -> str:
        return f"{scheme}://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def served(**options: Any) -> AsyncIterator[Served]:
    """Run hypercorn as a task until the test is done."""
    application = Application()
    shutdown = asyncio.Event()
    config = hypercorn.Config.from_mapping({"errorlog": logging.getLogger("hypercorn"), **options})
    # The socket listens before hypercorn knows of it, so that nobody has to wait for its start.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config.bind = [f"fd://{listener.detach()}"]
    serving = asyncio.ensure_future(serve(application, config, shutdown_trigger=shutdown.wait))
    try:
        yield Served(application, port, serving, shutdown)
    finally:
        shutdown.set()
        await serving


async def nobody_listens(port: int) -> None:
    """Connect to `port` until it is refused: nothing else tells that a server has stopped to listen."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # the server stopped with this one in its backlog
        writer.close()
        await writer.wait_closed()


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    """The options by which hypercorn serves with TLS."""
    certificate, key = write_certificate(tmp_path)
    return {"certfile": str(certificate), "keyfile": str(key)}


@contextlib.asynccontextmanager
async def visited(options: dict[str, str], *, http2: bool) -> AsyncIterator[httpx.AsyncClient]:
    """Serve, and open a client of the server that speaks the given version only."""
    async with (
        served(**options) as server,
        httpx.AsyncClient(
            base_url=server.address("https" if options else "http"),
            http1=not http2,
            http2=http2,
            verify=tls_contexts()[1] if options else False,
            trust_env=False,
        ) as client,
    ):
        yield client


@pytest.fixture(params=["plain", "tls"])
def options(request: pytest.FixtureRequest) -> dict[str, str]:
    """Nothing, then the options for TLS."""
    return request.getfixturevalue("certificate") if request.param == "tls" else {}


both_versions = pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])


@both_versions
def test_a_request_is_answered(run: Run, options: dict[str, str], http2: bool) -> None:
    async def main() -> None:
        async with visited(options, http2=http2) as client:
            for _ in range(3):
                response = await client.get("/answer")
                assert response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
                assert response.text == f"{client.base_url.scheme} {'2' if http2 else '1.1'}"

    run(main())


@both_versions
def test_a_mebibyte_is_sent_and_digested(run: Run, options: dict[str, str], http2: bool) -> None:
    async def main() -> None:
        async with visited(options, http2=http2) as client:
            for content in (MEBIBYTE, mebibyte_in_pieces()):
                response = await client.post("/digest", content=content)
                assert response.text == digest_of(MEBIBYTE)

    run(main())


@both_versions
def test_a_mebibyte_is_streamed_to_the_client(run: Run, options: dict[str, str], http2: bool) -> None:
    async def main() -> None:
        async with visited(options, http2=http2) as client, client.stream("GET", "/stream") as response:
            assert b"".join([chunk async for chunk in response.aiter_bytes()]) == MEBIBYTE

    run(main())


@both_versions
def test_many_requests_run_at_once(run: Run, options: dict[str, str], http2: bool) -> None:
    async def main() -> None:
        async with visited(options, http2=http2) as client:
            responses = await asyncio.gather(*(client.post("/digest", content=str(n).encode()) for n in range(40)))
            digests = [digest_of(str(n).encode()) for n in range(40)]
            assert [response.text for response in responses] == digests

    run(main())


def test_streams_of_one_connection_share_it(run: Run) -> None:
    async def main() -> None:
        async with served() as server, httpx.AsyncClient(http1=False, http2=True, trust_env=False) as client:
            url = server.address("http")
            slow = asyncio.ensure_future(client.get(f"{url}/slow"))
            await server.application.entered.wait()
            # The later request is answered while the earlier one waits, on the only connection that there may be.
            assert (await client.get(f"{url}/answer")).text == "http 2"
            assert not slow.done()
            server.application.may_leave.set()
            assert (await slow).text == "at last"

    run(main())


def test_an_application_that_raises_answers_with_an_error_and_the_next_request_works(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with visited({}, http2=False) as client:
            assert (await client.get("/fail")).status_code == 500
            assert (await client.get("/answer")).status_code == 200

    run(main())
    assert "LookupError: nothing there" in caplog.text


def test_the_application_is_told_of_a_client_that_leaves(run: Run) -> None:
    async def main() -> None:
        async with served() as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /forever HTTP/1.1\r\nHost: x\r\n\r\n")
            await server.application.entered.wait()
            writer.close()
            await writer.wait_closed()
            await server.application.disconnected.wait()
            assert await reader.read() == b""

    run(main())


def test_a_websocket_echoes_and_closes(run: Run) -> None:
    async def main() -> None:
        async with served() as server, connect(server.address("ws") + "/talk", max_size=None) as client:
            for message in ("grüße", b"\x00\xff", MEBIBYTE):
                await client.send(message)
                assert await client.recv() == message
            await client.send("enough")
            with pytest.raises(ConnectionClosedOK):
                await client.recv()
            assert client.close_code == 1000

    run(main())


def test_a_websocket_echoes_over_tls(run: Run, certificate: dict[str, str]) -> None:
    _, context = tls_contexts()

    async def main() -> None:
        async with (
            served(**certificate) as server,
            connect(server.address("wss") + "/talk", max_size=None, ssl=context) as client,
        ):
            received, _ = await asyncio.gather(client.recv(), client.send(MEBIBYTE))
            assert received == MEBIBYTE

    run(main())


def test_the_application_is_told_of_its_start_and_its_end(run: Run) -> None:
    async def main() -> Application:
        async with served() as server, httpx.AsyncClient(trust_env=False) as client:
            await client.get(server.address("http") + "/answer")
            assert server.application.life == ["startup"]
        return server.application

    assert run(main()).life == ["startup", "shutdown"]


@both_versions
def test_a_shutdown_waits_for_the_request_that_is_being_answered(run: Run, http2: bool) -> None:
    async def main() -> None:
        async with served() as server, httpx.AsyncClient(http1=not http2, http2=http2, trust_env=False) as client:
            url = server.address("http")
            asking = asyncio.ensure_future(client.get(f"{url}/slow"))
            await server.application.entered.wait()
            server.shutdown.set()
            await nobody_listens(server.port)
            assert not asking.done()
            assert server.application.life == ["startup"]
            server.application.may_leave.set()
            assert (await asking).text == "at last"
            await server.serving
            assert server.application.life == ["startup", "shutdown"]

    run(main())
