"""Websites of the tests' own, served from a thread, so that whoever asks can be another process on any loop.

The site of the examples is served by this, too: all that it takes is an asynchronous context manager.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

from aiohttp import web

Site = TypeVar("Site")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

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
