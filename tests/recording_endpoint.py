"""A datagram protocol that records what its transport tells it, and endpoints that are gone at the end of a block.

The tests of datagrams share it: they wait for what a protocol was told instead of for time to pass.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

E = TypeVar("E", bound="RecordingEndpoint")

LOCAL = ("127.0.0.1", 0)


class RecordingEndpoint(asyncio.DatagramProtocol):
    """Keeps every call in `calls`, every datagram with its sender in `received`, and every error in `errors`.

    The result of `lost` is the exception that `connection_lost` was given.
    """

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.received: list[tuple[bytes, Any]] = []
        self.errors: list[Exception] = []
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._called = asyncio.Event()

    @property
    def data(self) -> list[bytes]:
        """What came, without the senders."""
        return [data for data, _ in self.received]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._record("connection_made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received.append((data, addr))
        self._record("datagram_received")

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)
        self._record("error_received")

    def pause_writing(self) -> None:
        self._record("pause_writing")

    def resume_writing(self) -> None:
        self._record("resume_writing")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)
        self._record("connection_lost")

    async def receives(self, number: int) -> list[tuple[bytes, Any]]:
        """Wait until so many datagrams have come since the beginning, and return all of them."""
        await self.until(lambda: len(self.received) >= number)
        return self.received

    async def fails(self, number: int = 1) -> list[Exception]:
        """Wait until so many errors have come since the beginning, and return all of them."""
        await self.until(lambda: len(self.errors) >= number)
        return self.errors

    async def is_told(self, call: str) -> None:
        """Wait until the transport has made this call."""
        await self.until(lambda: call in self.calls)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, which is asked again after every call."""
        while not condition():
            self._called.clear()
            await self._called.wait()

    def _record(self, call: str) -> None:
        self.calls.append(call)
        self._called.set()


@contextlib.asynccontextmanager
async def endpoint(
    factory: Callable[[], E] = RecordingEndpoint,  # type: ignore[assignment]
    local_addr: tuple[str, int] | str | None = None,
    **options: Any,
) -> AsyncIterator[tuple[asyncio.DatagramTransport, E]]:
    """Make an endpoint, on the loopback interface unless the options say otherwise: `(transport, protocol)`."""
    if local_addr is None and not options.keys() & {"sock", "remote_addr", "family"}:
        local_addr = LOCAL
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(factory, local_addr, **options)
    try:
        yield transport, protocol
    finally:
        if not protocol.lost.done():
            transport.abort()
            await protocol.lost


def udp_socket(family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    """Make a UDP socket that is bound to the loopback interface and doesn't block."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
    sock.setblocking(False)
    return sock


def unix_socket(path: str | bytes | None = None) -> socket.socket:
    """Make a Unix datagram socket that doesn't block, bound to a path unless that is `None`."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if path is not None:
        sock.bind(path)
    sock.setblocking(False)
    return sock
