"""A protocol that records what its transport tells it, and connections that have it at their ends, in TLS if need be.

The tests of transports share it: they wait for what a protocol was told instead of for time to pass, and compare the
calls with those asyncio makes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import trustme

P = TypeVar("P", bound=asyncio.BaseProtocol)


class RecordingProtocol(asyncio.Protocol):
    """Keeps every call in `calls` and every byte in `received`.

    `made`, `ended` and `lost` are futures of the three calls that come once; the result of `lost` is the exception that
    `connection_lost` was given. `keeps_open` is what `eof_received` answers.
    """

    transport: asyncio.Transport

    def __init__(self, *, keeps_open: bool = False) -> None:
        loop = asyncio.get_running_loop()
        self.keeps_open = keeps_open
        self.calls: list[str] = []
        self.received = bytearray()
        self.chunk_sizes: list[int] = []
        self.made: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()
        self.resumed = asyncio.Event()
        self._awaited: list[tuple[int, asyncio.Future[None]]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.calls.append("connection_made")
        self.transport = transport
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.calls.append("data_received")
        self.chunk_sizes.append(len(data))
        self.received += data
        for total, future in self._awaited:
            if len(self.received) >= total and not future.done():
                future.set_result(None)

    def eof_received(self) -> bool:
        self.calls.append("eof_received")
        self.ended.set_result(None)
        return self.keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("connection_lost")
        self.lost.set_result(exc)
        for total, future in self._awaited:
            if not future.done():
                future.set_exception(EOFError(f"lost after {len(self.received)} of {total} bytes: {exc!r}"))

    def pause_writing(self) -> None:
        self.calls.append("pause_writing")
        self.resumed.clear()

    def resume_writing(self) -> None:
        self.calls.append("resume_writing")
        self.resumed.set()

    async def receives(self, total: int) -> bytes:
        """Wait until `total` bytes have come since the connection was made, and return all of them."""
        if len(self.received) < total:
            future = asyncio.get_running_loop().create_future()
            self._awaited.append((total, future))
            await future
        return bytes(self.received)


class EchoProtocol(asyncio.Protocol):
    """Sends back what comes."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def several_turns() -> None:
    """Let the loop turn a few times, so that what must not happen has had its chance."""
    for _ in range(5):
        await asyncio.sleep(0)


async def aborted(transport: asyncio.Transport) -> None:
    """Abort `transport` and wait until its descriptor is closed, whatever its protocol is by now."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() != -1:
        transport.abort()
        while sock.fileno() != -1:
            await asyncio.sleep(0)


async def closed(server: asyncio.AbstractServer) -> None:
    """Close `server` and wait until it and its connections are gone."""
    # Before 3.12 only those wait for the connections who wait already when the server is closed.
    gone = asyncio.ensure_future(server.wait_closed())
    await asyncio.sleep(0)
    server.close()
    await gone


@contextlib.asynccontextmanager
async def serving(
    factory: Callable[[], asyncio.BaseProtocol] = EchoProtocol, host: str = "127.0.0.1", **options: Any
) -> AsyncIterator[tuple[str, int]]:
    """Serve echoes, or what `factory` makes, at the address that this yields."""
    server = await asyncio.get_running_loop().create_server(factory, host, 0, **options)
    try:
        yield server.sockets[0].getsockname()[:2]
    except BaseException:
        # The connections that a failed test leaves open would never be gone.
        server.close()
        raise
    await closed(server)


@contextlib.asynccontextmanager
async def facing_a_socket(
    factory: Callable[[], P], *, send_buffer: int | None = None
) -> AsyncIterator[tuple[asyncio.Transport, P, socket.socket]]:
    """Connect a transport to a bare socket, which does nothing of its own accord: `(transport, protocol, peer)`."""
    loop = asyncio.get_running_loop()
    ours, peer = socket.socketpair()
    peer.setblocking(False)
    if send_buffer is not None:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    with peer:
        transport, protocol = await loop.create_connection(factory, sock=ours)
        try:
            yield transport, protocol, peer
        finally:
            await aborted(transport)


@contextlib.asynccontextmanager
async def connected(
    client_factory: Callable[[], RecordingProtocol] = RecordingProtocol,
    server_factory: Callable[[], RecordingProtocol] = RecordingProtocol,
    *,
    client_options: Mapping[str, Any] = MappingProxyType({}),
    server_options: Mapping[str, Any] = MappingProxyType({}),
) -> AsyncIterator[tuple[RecordingProtocol, RecordingProtocol]]:
    """Connect two protocols over TCP: `(client, server)`."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[RecordingProtocol] = loop.create_future()

    def accept() -> RecordingProtocol:
        protocol = server_factory()
        accepted.set_result(protocol)
        return protocol

    listener = await loop.create_server(accept, "127.0.0.1", 0, **server_options)
    address = listener.sockets[0].getsockname()
    _, client = await loop.create_connection(client_factory, *address, **client_options)
    server = await accepted
    await server.made
    listener.close()
    try:
        yield client, server
    finally:
        await aborted(client.transport)
        await aborted(server.transport)


@functools.cache
def authority() -> trustme.CA:
    """Make an authority that exists for these tests only."""
    return trustme.CA()


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a context for a server on this machine and one for clients that trust it: `(server, client)`."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority().configure_trust(client)
    return server, client


async def drained(peer: socket.socket) -> bytes:
    """Read all that comes on `peer` until its other end closes."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while data := await loop.sock_recv(peer, 1 << 16):
        received += data
    return bytes(received)
