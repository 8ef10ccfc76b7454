"""The transports whose life is the standard library's, and whose work per message is native.

Each has two bases. The first, native one has the method that runs for every datagram or chunk, and does the common case
of it; everything else, and every case that isn't common, it leaves to the second, which is the running version's own.
`docs/decisions/004-datagrams-and-pipes.md` gives the reasons.
"""

from __future__ import annotations

from typing import Any

from ioxide._cpython import (
    SelectorDatagramTransport,
    UnixReadPipeTransport,
    UnixWritePipeTransport,
    logger,
)
from ioxide._ioxide import DatagramMethods, ReadPipeMethods, WritePipeMethods

__all__ = ["DatagramTransport", "ReadPipeTransport", "WritePipeTransport"]


class DatagramTransport(DatagramMethods, SelectorDatagramTransport):  # type: ignore[misc]
    """The transport of a datagram socket: UDP or Unix."""

    _sock: Any

    def __init__(self, loop: Any, sock: Any, *args: Any, **kwargs: Any) -> None:
        self._family = int(sock.family)
        super().__init__(loop, sock, *args, **kwargs)

    def _send_later(self, data: Any, addr: Any) -> None:
        """Buffer a datagram that the kernel had no room for, as the inherited method does when it finds that out."""
        sock: Any = self._sock
        self._sock = _FullSocket()
        try:
            SelectorDatagramTransport.sendto(self, data, addr)
        finally:
            self._sock = sock


class _FullSocket:
    """Has no room. It keeps the inherited method from sending, and auditing, a second time."""

    def send(self, data: Any) -> None:
        raise BlockingIOError

    def sendto(self, data: Any, addr: Any) -> None:
        raise BlockingIOError


class ReadPipeTransport(ReadPipeMethods, UnixReadPipeTransport):  # type: ignore[misc]
    """The transport of what can be read from: a pipe, a FIFO, a socket, a terminal."""

    def _end_reached(self) -> None:
        if self._loop.get_debug():
            logger.info("%r was closed by peer", self)
        self._closing = True
        self._loop._remove_reader(self._fileno)
        self._loop.call_soon(self._protocol.eof_received)
        self._loop.call_soon(self._call_connection_lost, None)


class WritePipeTransport(WritePipeMethods, UnixWritePipeTransport):  # type: ignore[misc]
    """The transport of what can be written to: a pipe, a FIFO, a socket, a terminal."""
