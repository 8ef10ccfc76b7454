"""uvicorn with httptools as a task on the loop: it makes its own protocols and pauses its own transports.

httpx asks, so that each end is somebody else's code; a bare stream does where the shape of a packet matters.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from asgi_application import MEBIBYTE, Application, digest_of, mebibyte_in_pieces

Run = Callable[[Awaitable[Any]], Any]


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[tuple[uvicorn.Server, Application, str]]:
    """Run uvicorn as a task until the test is done: `(server, application, address)`."""
    application = Application()
    config = uvicorn.Config(application, host="127.0.0.1", port=0, http="httptools", lifespan="on", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        assert not serving.done()
        # uvicorn tells of its start by this attribute only.
        await asyncio.sleep(0)
    host, port = server.servers[0].sockets[0].getsockname()
    try:
        yield server, application, f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def visited() -> AsyncIterator[httpx.AsyncClient]:
    """Serve, and open a client of the server."""
    async with served() as (_, _, url), httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield client


def test_a_request_is_answered(run: Run) -> None:
    async def main() -> None:
        async with visited() as client:
            response = await client.get("/answer")
            assert (response.status_code, response.text) == (200, "http 1.1")
            assert response.headers["server"] == "uvicorn"

    run(main())


def test_the_application_is_told_of_its_start_and_its_end(run: Run) -> None:
    async def main() -> Application:
        async with served() as (_, application, _):
            assert application.life == ["startup"]
        return application

    assert run(main()).life == ["startup", "shutdown"]


def test_a_mebibyte_is_sent_and_digested(run: Run) -> None:
    async def main() -> None:
        async with visited() as client:
            for content in (MEBIBYTE, mebibyte_in_pieces()):
                response = await client.post("/digest", content=content)
                assert response.text == digest_of(MEBIBYTE)

    run(main())


def test_a_mebibyte_is_streamed_to_the_client(run: Run) -> None:
    async def main() -> None:
        async with visited() as client, client.stream("GET", "/stream") as response:
            assert b"".join([chunk async for chunk in response.aiter_bytes()]) == MEBIBYTE

    run(main())


def test_many_requests_run_at_once(run: Run) -> None:
    async def main() -> None:
        async with visited() as client:
            responses = await asyncio.gather(*(client.get("/answer") for _ in range(40)))
            assert [response.text for response in responses] == ["http 1.1"] * 40

    run(main())


def test_requests_that_come_in_one_packet_are_answered_in_turn(run: Run) -> None:
    async def main() -> None:
        async with served() as (_, _, url):
            port = int(url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            request = b"GET /answer HTTP/1.1\r\nHost: x\r\n\r\n"
            writer.write(request * 2 + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            answers = await reader.read()
            assert answers.count(b"HTTP/1.1 200 OK") == 3
            assert answers.count(b"http 1.1") == 3
            writer.close()
            await writer.wait_closed()

    run(main())


def test_an_application_that_raises_answers_with_an_error_and_the_next_request_works(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with visited() as client:
            assert (await client.get("/fail")).status_code == 500
            assert (await client.get("/answer")).status_code == 200

    run(main())
    assert "Exception in ASGI application" in caplog.text
    assert "LookupError: nothing there" in caplog.text


def test_a_shutdown_waits_for_the_request_that_is_being_answered(run: Run) -> None:
    async def main() -> None:
        async with served() as (server, application, url), httpx.AsyncClient(trust_env=False) as client:
            asking = asyncio.ensure_future(client.get(f"{url}/slow"))
            await application.entered.wait()
            server.should_exit = True
            while server.servers[0].is_serving():
                await asyncio.sleep(0)
            with pytest.raises(httpx.ConnectError):
                await client.get(f"{url}/answer")
            assert not asking.done()
            assert application.life == ["startup"]
            application.may_leave.set()
            assert (await asking).text == "at last"

    run(main())


def test_a_signal_shuts_the_server_down(run: Run) -> None:
    received = []

    async def main() -> None:
        async with served() as (server, application, _):
            signal.raise_signal(signal.SIGTERM)
            while server.servers[0].is_serving():
                await asyncio.sleep(0)
        assert application.life == ["startup", "shutdown"]

    # uvicorn handles the signal while it serves, and raises it again for whoever handled it before.
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        run(main())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]


COMMAND_LINE_APPLICATION = """
import asyncio

async def application(scope, receive, send):
    assert scope["type"] == "http"
    loop = type(asyncio.get_running_loop())
    body = f"{loop.__module__}.{loop.__name__}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.mark.parametrize(
    ("option", "name"),
    [("asyncio", "asyncio.unix_events._UnixSelectorEventLoop"), ("ioxide:new_event_loop", "ioxide._loop.Loop")],
    ids=["asyncio", "ioxide"],
)
def test_the_command_line_takes_the_loop(tmp_path: Path, option: str, name: str) -> None:
    (tmp_path / "web.py").write_text(COMMAND_LINE_APPLICATION)
    command = [sys.executable, "-m", "uvicorn", "--loop", option, "--port", "0", "--lifespan", "off"]
    with subprocess.Popen(
        [*command, "--app-dir", str(tmp_path), "web:application"], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"running on (http://[\d.:]+)", line):
                    break
            else:
                pytest.fail("".join(said))
            loops = {httpx.get(found[1], trust_env=False).text for _ in range(3)}
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
        finally:
            process.kill()
    assert loops == {name}
    assert "Finished server process" in rest
    assert "Traceback" not in rest
