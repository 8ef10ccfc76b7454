"""httpx on the loop: it goes through anyio, which uses streams of its own over the loop's transports and sockets.

The server is aiohttp's, which test_aiohttp.py tests with its own client.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from aiohttp import web
from recording_protocol import tls_contexts

Run = Callable[[Awaitable[Any]], Any]

MEBIBYTE = bytes(range(256)) * 4096


async def answer(request: web.Request) -> web.Response:
    return web.json_response({"method": request.method, "path": request.path, "query": dict(request.query)})


async def echo(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    async for chunk in request.content.iter_any():
        await response.write(chunk)
    return response


async def redirect(_: web.Request) -> web.Response:
    raise web.HTTPFound("/answer?from=elsewhere")


async def remember(request: web.Request) -> web.Response:
    response = web.Response(text=request.cookies.get("name", "unknown"))
    response.set_cookie("name", "known")
    return response


async def never(_: web.Request) -> web.Response:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nothing sets that future")


@contextlib.asynccontextmanager
async def served(context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve all of the above and yield the address with its scheme."""
    application = web.Application()
    application.router.add_route("*", "/answer", answer)
    application.router.add_post("/echo", echo)
    application.router.add_get("/redirect", redirect)
    application.router.add_get("/remember", remember)
    application.router.add_get("/never", never)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def visited(**options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve, and open a client of the server."""
    async with served() as url, httpx.AsyncClient(base_url=url, trust_env=False, **options) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_request_is_answered(run: Run, method: str) -> None:
    async def main() -> None:
        async with visited() as client:
            response = await client.request(method, "/answer", params={"a": "1"})
            assert response.status_code == 200
            assert response.json() == {"method": method, "path": "/answer", "query": {"a": "1"}}

    run(main())


def test_a_mebibyte_is_streamed_both_ways(run: Run) -> None:
    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(MEBIBYTE), 10_000):
            yield MEBIBYTE[start : start + 10_000]

    async def main() -> None:
        async with visited() as client, client.stream("POST", "/echo", content=body()) as response:
            assert b"".join([chunk async for chunk in response.aiter_bytes()]) == MEBIBYTE

    run(main())


def test_redirects_and_cookies_are_followed(run: Run) -> None:
    async def main() -> None:
        async with visited(follow_redirects=True) as client:
            response = await client.get("/redirect")
            assert response.json()["query"] == {"from": "elsewhere"}
            assert [earlier.status_code for earlier in response.history] == [302]
            assert [(await client.get("/remember")).text for _ in range(2)] == ["unknown", "known"]

    run(main())


def test_requests_at_once_share_few_connections(run: Run) -> None:
    async def main() -> None:
        async with visited(limits=httpx.Limits(max_connections=3)) as client:
            responses = await asyncio.gather(*(client.get("/answer", params={"n": n}) for n in range(30)))
            assert [response.json()["query"] for response in responses] == [{"n": str(n)} for n in range(30)]

    run(main())


def test_a_response_that_never_comes_times_out(run: Run) -> None:
    async def main() -> None:
        async with visited(timeout=httpx.Timeout(10, read=0.01)) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/never")
            assert (await client.get("/answer")).status_code == 200

    run(main())


def test_a_cancelled_request_leaves_the_client_usable(run: Run) -> None:
    async def main() -> None:
        async with visited() as client:
            waiting = asyncio.ensure_future(client.get("/never"))
            assert (await client.get("/answer")).status_code == 200
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert (await client.get("/answer")).status_code == 200

    run(main())


def test_requests_go_over_tls(loop: asyncio.AbstractEventLoop, run: Run) -> None:
    loop.set_debug(False)  # in debug mode a connection that fails on the server's side is reported
    server_context, client_context = tls_contexts()

    async def main() -> None:
        async with served(server_context) as url:
            async with httpx.AsyncClient(base_url=url, verify=client_context, trust_env=False) as client:
                assert (await client.get("/answer")).json()["path"] == "/answer"
                response = await client.post("/echo", content=MEBIBYTE)
                assert response.content == MEBIBYTE
            stranger = ssl.create_default_context()
            async with httpx.AsyncClient(base_url=url, verify=stranger, trust_env=False) as client:
                with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.get("/answer")

    run(main())


def test_a_refused_connection_is_a_connect_error(run: Run) -> None:
    async def main() -> None:
        async with served() as url:
            pass
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.ConnectError, match="All connection attempts failed"):
                await client.get(url)

    run(main())
