"""What a thousand endpoints of datagrams and ends of pipes leave: no descriptor, no object, no memory."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import socket
import warnings
from pathlib import Path
from typing import IO, Any

import pytest
from leak_checks import in_batches, leaves_nothing

Loop = asyncio.AbstractEventLoop


def opened(descriptor: int, mode: str) -> IO[bytes]:
    """Make a file of a descriptor."""
    return os.fdopen(descriptor, mode, buffering=0)


class Endpoint(asyncio.DatagramProtocol):
    """Keeps what comes, and tells of its end."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.received: asyncio.Future[tuple[bytes, Any]] = loop.create_future()
        self.error: asyncio.Future[Exception] = loop.create_future()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received.set_result((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.error.set_result(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


class WriteEnd(asyncio.BaseProtocol):
    """Tells of the end of a pipe that is written to."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


class ReadEnd(asyncio.Protocol):
    """Keeps what comes out of a pipe, and tells of its end."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


def test_udp_endpoints_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        transport, endpoint = await loop.create_datagram_endpoint(Endpoint, ("127.0.0.1", 0))
        peer_transport, peer = await loop.create_datagram_endpoint(Endpoint, ("127.0.0.1", 0))
        address = transport.get_extra_info("sockname")
        peer_transport.sendto(b"hello", address)
        assert await endpoint.received == (b"hello", peer_transport.get_extra_info("sockname"))
        transport.close()
        peer_transport.abort()
        await endpoint.lost
        await peer.lost

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_udp_endpoints_that_are_connected_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        server_transport, server = await loop.create_datagram_endpoint(Endpoint, ("127.0.0.1", 0))
        address = server_transport.get_extra_info("sockname")
        transport, client = await loop.create_datagram_endpoint(Endpoint, remote_addr=address)
        transport.sendto(b"hello")
        assert await server.received == (b"hello", transport.get_extra_info("sockname"))
        server_transport.close()
        await server.lost
        transport.sendto(b"nobody there")
        assert isinstance(await client.error, ConnectionRefusedError)
        transport.close()
        await client.lost

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_unix_datagrams_leave_nothing(loop: Loop, tmp_path: Path) -> None:
    async def repeat(times: int) -> None:
        path.unlink(missing_ok=True)
        for _ in range(times):
            await once()

    async def once() -> None:
        transport, endpoint = await loop.create_datagram_endpoint(Endpoint, str(path), family=socket.AF_UNIX)
        sender, sending = await loop.create_datagram_endpoint(Endpoint, remote_addr=str(path), family=socket.AF_UNIX)
        sender.sendto(b"hello")
        assert (await endpoint.received)[0] == b"hello"
        sender.close()
        transport.close()
        await endpoint.lost
        await sending.lost

    path = tmp_path / "socket"
    leaves_nothing(loop, repeat)


def test_endpoints_that_fail_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        with pytest.raises(OSError, match="in use"):
            await loop.create_datagram_endpoint(Endpoint, taken.getsockname())
        with pytest.raises(FileNotFoundError):
            await loop.create_datagram_endpoint(Endpoint, remote_addr="/nonexistent/socket", family=socket.AF_UNIX)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_endpoints_that_are_cancelled_while_they_are_made_leave_nothing(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        for number in range(times):
            task = asyncio.ensure_future(loop.create_datagram_endpoint(Endpoint, ("127.0.0.1", 0)))
            for _ in range(number % 5):
                await asyncio.sleep(0)
            task.cancel()
            try:
                transport, endpoint = await task
            except asyncio.CancelledError:
                continue
            transport.close()
            await endpoint.lost

    leaves_nothing(loop, repeat)


def test_pipes_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        reading, writing = os.pipe()
        _, reader = await loop.connect_read_pipe(ReadEnd, opened(reading, "rb"))
        transport, writer = await loop.connect_write_pipe(WriteEnd, opened(writing, "wb"))
        transport.write(b"hello")
        transport.close()
        await writer.lost
        await reader.lost
        assert reader.received == b"hello"

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_pipes_whose_reader_leaves_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        reading, writing = os.pipe()
        read_transport, reader = await loop.connect_read_pipe(ReadEnd, opened(reading, "rb"))
        transport, writer = await loop.connect_write_pipe(WriteEnd, opened(writing, "wb"))
        read_transport.pause_reading()
        transport.write(bytes(1 << 17))
        assert transport.get_write_buffer_size() > 0
        read_transport.close()
        await reader.lost
        assert isinstance(await writer.lost, BrokenPipeError)

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_pipes_that_are_refused_leave_nothing(loop: Loop, tmp_path: Path) -> None:
    async def once() -> None:
        with path.open("rb") as file, pytest.raises(ValueError, match="only"):
            await loop.connect_read_pipe(ReadEnd, file)
        with path.open("ab") as file, pytest.raises(ValueError, match="only"):
            await loop.connect_write_pipe(WriteEnd, file)

    path = tmp_path / "regular"
    path.touch()
    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_pipes_that_are_forgotten_open_leave_nothing_but_a_warning(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(times):
                reading, writing = os.pipe()
                transport, _ = await loop.connect_read_pipe(ReadEnd, opened(reading, "rb"))
                # What the loop waits for isn't forgotten.
                transport.pause_reading()
                os.close(writing)
                del transport, _
            gc.collect()
        assert {warning.category for warning in caught} == {ResourceWarning}
        assert sum(str(warning.message).startswith("unclosed transport") for warning in caught) == times

    leaves_nothing(loop, repeat)
