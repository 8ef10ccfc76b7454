"""The ends of pipes, with protocols that record what they are told, and that are gone at the end of a block."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import tty
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

from recording_protocol import RecordingProtocol

E = TypeVar("E", bound="PipeEnd")


class PipeEnd(RecordingProtocol):
    """A recording protocol for a transport that only reads or only writes."""

    transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("connection_made")
        self.transport = transport
        self.made.set_result(None)


def opened(descriptor: int, mode: str) -> Any:
    """Make a file of a descriptor, without a buffer."""
    return os.fdopen(descriptor, mode, buffering=0)


def pipe() -> tuple[Any, Any]:
    """Make a pipe: `(its reading end, its writing end)`."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.set_blocking(reading, False)
    return opened(reading, "rb"), opened(writing, "wb")


@contextlib.asynccontextmanager
async def reading(file: Any, factory: Callable[[], E] = PipeEnd) -> AsyncIterator[tuple[Any, E]]:  # type: ignore
    """Read from a pipe by a transport: `(transport, protocol)`."""
    transport, protocol = await asyncio.get_running_loop().connect_read_pipe(factory, file)
    try:
        yield transport, protocol
    finally:
        transport.close()
        await protocol.lost


@contextlib.asynccontextmanager
async def writing(file: Any, factory: Callable[[], E] = PipeEnd) -> AsyncIterator[tuple[Any, E]]:  # type: ignore
    """Write to a pipe by a transport: `(transport, protocol)`."""
    transport, protocol = await asyncio.get_running_loop().connect_write_pipe(factory, file)
    try:
        yield transport, protocol
    finally:
        # The standard library's transport may be aborted once only.
        if not transport.is_closing() or (transport.get_write_buffer_size() and not protocol.lost.done()):
            transport.abort()
        await protocol.lost


def fill(file: Any) -> int:
    """Write to a pipe until it is full, and return how many bytes that took."""
    written = 0
    size = 1 << 16
    while size:
        try:
            written += os.write(file.fileno(), bytes(size))
        except BlockingIOError:
            size //= 2
    return written


def emptied(file: Any) -> bytes:
    """Read what there is in a pipe."""
    data = bytearray()
    with contextlib.suppress(BlockingIOError):
        while more := os.read(file.fileno(), 1 << 16):
            data += more
    return bytes(data)


def terminal() -> tuple[Any, Any]:
    """Make a pseudo-terminal that passes on every byte as it is: `(its master, its slave)`."""
    master, slave = os.openpty()
    tty.setraw(slave)
    return opened(master, "r+b"), opened(slave, "r+b")


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Make two connected TCP sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    return ours, theirs


def reset(sock: socket.socket) -> None:
    """Close a TCP socket so that its peer's connection is reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def sources(tmp_path: Path) -> dict[str, Callable[[], tuple[Any, Any]]]:
    """Return what makes each kind of pipe: `(what is read from, what is written to)`."""

    def fifo() -> tuple[Any, Any]:
        os.mkfifo(tmp_path / "fifo")
        reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        return opened(reading, "rb"), opened(os.open(tmp_path / "fifo", os.O_WRONLY), "wb")

    def pair() -> tuple[Any, Any]:
        ours, theirs = socket.socketpair()
        return ours, opened(theirs.detach(), "wb")

    return {"pipe": pipe, "FIFO": fifo, "socket": pair, "master": terminal, "slave": lambda: terminal()[::-1]}
