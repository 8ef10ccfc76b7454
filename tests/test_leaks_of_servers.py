"""What a thousand servers leave, and the connections that they refuse or are closed with: no descriptor, no object."""

from __future__ import annotations

import asyncio
import functools
import socket
import sys
import warnings

import pytest
from leak_checks import in_batches, leaves_nothing
from recording_protocol import EchoProtocol, RecordingProtocol, aborted, serving

Loop = asyncio.AbstractEventLoop


def test_factories_that_fail_leave_nothing(loop: Loop) -> None:
    loop.set_debug(False)  # a report would keep the connection

    def fail() -> asyncio.Protocol:
        raise LookupError

    async def repeat(times: int) -> None:
        with warnings.catch_warnings():
            # asyncio forgets the socket of such a connection, and leaves it to the collector.
            warnings.simplefilter("ignore", ResourceWarning)
            async with serving(fail) as address:
                await in_batches(times, functools.partial(once, address))

    async def once(address: tuple[str, int]) -> None:
        _, protocol = await loop.create_connection(RecordingProtocol, *address)
        assert await protocol.lost is None
        with pytest.raises(LookupError):
            await loop.create_connection(fail, *address)

    leaves_nothing(loop, repeat)


def test_servers_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        server = await loop.create_server(EchoProtocol, "127.0.0.1", 0)
        server.close()
        await server.wait_closed()
        # One that never accepts.
        idle = await loop.create_server(EchoProtocol, "127.0.0.1", 0, start_serving=False)
        idle.close()
        with pytest.raises(OSError, match="in use"):
            await loop.create_server(EchoProtocol, *taken.getsockname())

    with socket.create_server(("127.0.0.1", 0)) as taken:
        leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_servers_that_are_cancelled_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        server = await loop.create_server(EchoProtocol, "127.0.0.1", 0)
        serving = asyncio.create_task(server.serve_forever())
        await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_servers_that_are_closed_before_their_clients_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        server = await loop.create_server(EchoProtocol, "127.0.0.1", 0)
        transport, protocol = await loop.create_connection(RecordingProtocol, *server.sockets[0].getsockname())
        transport.write(b"hello")
        await protocol.receives(5)
        server.close()
        if sys.version_info >= (3, 13):
            server.abort_clients()
        else:
            transport.close()
        await protocol.lost
        await server.wait_closed()
        await aborted(transport)

    leaves_nothing(loop, functools.partial(in_batches, once=once))
