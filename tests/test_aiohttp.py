"""aiohttp, server and client, on the loop: requests, bodies both ways, websockets, kept connections, TLS.

What is measured is the loop: aiohttp writes through transports, pauses them and upgrades them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from recording_protocol import tls_contexts

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

MEBIBYTE = bytes(range(256)) * 4096


async def greet(request: web.Request) -> web.Response:
    return web.Response(text=f"hello {request.query.get('name', 'you')}")


async def sum_up(request: web.Request) -> web.Response:
    numbers = (await request.json())["numbers"]
    return web.json_response({"sum": sum(numbers)})


async def digest(request: web.Request) -> web.Response:
    state = hashlib.sha256()
    async for chunk in request.content.iter_chunked(1 << 14):
        state.update(chunk)
    return web.Response(text=state.hexdigest())


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for start in range(0, len(MEBIBYTE), 10_000):
        await response.write(MEBIBYTE[start : start + 10_000])
    await response.write_eof()
    return response


async def peer(request: web.Request) -> web.Response:
    assert request.transport is not None
    return web.json_response(request.transport.get_extra_info("peername"))


async def fail(_: web.Request) -> web.Response:
    raise web.HTTPConflict(text="somebody else was first")


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type == aiohttp.WSMsgType.TEXT:
            await socket.send_str(message.data.upper())
        elif message.type == aiohttp.WSMsgType.BINARY:
            await socket.send_bytes(message.data[::-1])
    return socket


@contextlib.asynccontextmanager
async def served(**options: Any) -> AsyncIterator[str]:
    """Serve all of the above and yield the address without its scheme."""
    application = web.Application()
    application.router.add_get("/", greet)
    application.router.add_post("/sum", sum_up)
    application.router.add_post("/digest", digest)
    application.router.add_get("/stream", stream)
    application.router.add_get("/peer", peer)
    application.router.add_get("/fail", fail)
    application.router.add_get("/talk", talk)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, **options).start()
    try:
        yield f"{runner.addresses[0][0]}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def visited(**options: Any) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """Serve, and open a session with the server: `(session, address)`."""
    async with served() as address, aiohttp.ClientSession(**options) as session:
        yield session, f"http://{address}"


def test_a_page_is_fetched(run: Run) -> None:
    async def main() -> None:
        async with visited() as (session, url), session.get(url, params={"name": "loop"}) as response:
            assert response.status == 200
            assert response.content_type == "text/plain"
            assert await response.text() == "hello loop"

    run(main())


def test_json_is_posted_and_answered(run: Run) -> None:
    async def main() -> None:
        numbers = {"numbers": list(range(1000))}
        async with visited() as (session, url), session.post(f"{url}/sum", json=numbers) as response:
            assert await response.json() == {"sum": 499500}

    run(main())


def test_a_mebibyte_is_streamed_up(run: Run) -> None:
    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(MEBIBYTE), 7_000):
            yield MEBIBYTE[start : start + 7_000]

    async def main() -> None:
        async with visited() as (session, url), session.post(f"{url}/digest", data=body()) as response:
            assert await response.text() == hashlib.sha256(MEBIBYTE).hexdigest()

    run(main())


def test_a_mebibyte_is_streamed_down(run: Run) -> None:
    async def main() -> None:
        async with visited() as (session, url), session.get(f"{url}/stream") as response:
            received = b"".join([chunk async for chunk in response.content.iter_any()])
            assert received == MEBIBYTE

    run(main())


def test_an_error_status_comes_with_its_text(run: Run) -> None:
    async def main() -> None:
        async with visited() as (session, url), session.get(f"{url}/fail") as response:
            assert (response.status, await response.text()) == (409, "somebody else was first")

    run(main())


def test_a_connection_is_kept_for_the_next_request(run: Run) -> None:
    async def main() -> None:
        async with visited() as (session, url):
            ports = set()
            for _ in range(5):
                async with session.get(f"{url}/peer") as response:
                    ports.add((await response.json())[1])
            assert len(ports) == 1
            async with session.get(f"{url}/peer", headers={"Connection": "close"}) as response:
                assert (await response.json())[1] in ports
            async with session.get(f"{url}/peer") as response:
                assert (await response.json())[1] not in ports

    run(main())


def test_many_requests_run_at_once(run: Run) -> None:
    async def main() -> None:
        async with visited() as (session, url):

            async def ask(number: int) -> str:
                async with session.get(url, params={"name": str(number)}) as response:
                    return await response.text()

            answers = await asyncio.gather(*(ask(number) for number in range(50)))
            assert answers == [f"hello {number}" for number in range(50)]

    run(main())


def test_a_websocket_talks_and_closes(run: Run) -> None:
    async def main() -> None:
        async with visited() as (session, url), session.ws_connect(f"{url}/talk") as socket:
            await socket.send_str("quiet")
            assert await socket.receive_str() == "QUIET"
            await socket.send_bytes(MEBIBYTE)
            assert await socket.receive_bytes() == MEBIBYTE[::-1]
            await socket.ping()
            assert await socket.close()
            assert socket.close_code == aiohttp.WSCloseCode.OK

    run(main())


def test_a_page_is_fetched_over_tls(loop: asyncio.AbstractEventLoop, run: Run) -> None:
    loop.set_debug(False)  # in debug mode a connection that fails on the server's side is reported
    server_context, client_context = tls_contexts()

    async def main() -> None:
        async with served(ssl_context=server_context) as address, aiohttp.ClientSession() as session:
            for _ in range(3):
                async with session.get(f"https://{address}", ssl=client_context) as response:
                    assert await response.text() == "hello you"
            async with session.post(f"https://{address}/digest", data=MEBIBYTE, ssl=client_context) as response:
                assert await response.text() == hashlib.sha256(MEBIBYTE).hexdigest()
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(f"https://{address}")

    run(main())


def test_a_request_that_takes_too_long_times_out_and_the_next_works(run: Run) -> None:
    async def main() -> None:
        blocked = asyncio.Event()

        async def block(_: web.Request) -> web.Response:
            await blocked.wait()
            return web.Response()

        application = web.Application()
        application.router.add_get("/", block)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as session:
            with pytest.raises(TimeoutError):
                await session.get(url, timeout=aiohttp.ClientTimeout(total=0.01))
            blocked.set()
            async with session.get(url) as response:
                assert response.status == 200
        await runner.cleanup()

    run(main())


def test_a_refused_connection_is_the_clients_error(loop: Loop, run: Run) -> None:
    async def main() -> None:
        async with served() as address:
            pass
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError, match="Connect call failed"):
                await session.get(f"http://{address}")

    run(main())
