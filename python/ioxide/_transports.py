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
)
from ioxide._ioxide import DatagramMethods, ReadPipeMethods, WritePipeMethods

__all__ = ["DatagramTransport", "ReadPipeTransport", "WritePipeTransport"]


class DatagramTransport(DatagramMethods, SelectorDatagramTransport):  # type: ignore[misc]
    """The transport of a datagram socket: UDP or Unix."""

    def __init__(self, loop: Any, sock: Any, *args: Any, **kwargs: Any) -> None:
        self._family = int(sock.family)
        super().__init__(loop, sock, *args, **kwargs)


class ReadPipeTransport(ReadPipeMethods, UnixReadPipeTransport):  # type: ignore[misc]
    """The transport of what can be read from: a pipe, a FIFO, a socket, a terminal."""


class WritePipeTransport(WritePipeMethods, UnixWritePipeTransport):  # type: ignore[misc]
    """The transport of what can be written to: a pipe, a FIFO, a socket, a terminal."""
