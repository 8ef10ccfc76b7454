"""What a thousand operations on sockets and look-ups of names leave, whether they end, fail or are cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from leak_checks import in_batches, leaves_nothing

Loop = asyncio.AbstractEventLoop
Start = Callable[[Loop, socket.socket], Awaitable[Any]]

LONG = b"x" * (1 << 20)
# The C library keeps freed memory back for each thread, which looks like growth until all of them have their share. So
# look-ups, which have threads, are made few at a time.
FEW = 2


@contextlib.contextmanager
def pair(kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two sockets that are connected and don't block."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


@contextlib.contextmanager
def bound() -> Iterator[socket.socket]:
    """Give a socket for datagrams that doesn't block."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        yield sock


def test_receiving_and_sending_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        with pair() as (ours, theirs):
            buffer = bytearray(10)
            receiving = asyncio.create_task(receive(theirs))
            await loop.sock_sendall(ours, LONG)
            await receiving
            waiting = asyncio.create_task(loop.sock_recv_into(theirs, buffer))
            await asyncio.sleep(0)
            await loop.sock_sendall(ours, memoryview(b"hello"))
            assert await waiting == 5
            assert buffer[:5] == b"hello"
            theirs.close()
            with pytest.raises(BrokenPipeError):
                await loop.sock_sendall(ours, b"hello")

    async def receive(sock: socket.socket) -> None:
        total = 0
        while total < len(LONG):
            total += len(await loop.sock_recv(sock, 1 << 16))

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_accepting_and_connecting_leave_nothing(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            await in_batches(times, functools.partial(once, listening))

    async def once(listening: socket.socket) -> None:
        accepting = asyncio.create_task(loop.sock_accept(listening))
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, listening.getsockname())
            accepted, _ = await accepting
            accepted.close()
        with socket.socket() as client:
            client.setblocking(False)
            with pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(client, refusing.getsockname())

    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))  # and doesn't listen
        leaves_nothing(loop, repeat)


def test_datagrams_on_sockets_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        with bound() as ours, bound() as theirs:
            buffer = bytearray(10)
            receiving = asyncio.create_task(loop.sock_recvfrom(theirs, 100))
            await asyncio.sleep(0)
            assert await loop.sock_sendto(ours, b"hello", theirs.getsockname()) == 5
            assert await receiving == (b"hello", ours.getsockname())
            receiving_into = asyncio.create_task(loop.sock_recvfrom_into(theirs, buffer))
            await asyncio.sleep(0)
            assert await loop.sock_sendto(ours, b"again", theirs.getsockname()) == 5
            assert await receiving_into == (5, ours.getsockname())

    leaves_nothing(loop, functools.partial(in_batches, once=once))


CANCELLED: dict[str, tuple[Start, socket.SocketKind]] = {
    "recv": (lambda loop, sock: loop.sock_recv(sock, 10), socket.SOCK_STREAM),
    "recv_into": (lambda loop, sock: loop.sock_recv_into(sock, bytearray(10)), socket.SOCK_STREAM),
    "recvfrom": (lambda loop, sock: loop.sock_recvfrom(sock, 10), socket.SOCK_DGRAM),
    "recvfrom_into": (lambda loop, sock: loop.sock_recvfrom_into(sock, bytearray(10)), socket.SOCK_DGRAM),
    "sendall": (lambda loop, sock: loop.sock_sendall(sock, LONG), socket.SOCK_STREAM),
}


@pytest.mark.parametrize("operation", CANCELLED)
def test_operations_that_are_cancelled_leave_nothing(loop: Loop, operation: str) -> None:
    async def once() -> None:
        for turns in range(3):
            with pair(kind) as (ours, _):
                task = asyncio.ensure_future(start(loop, ours))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    start, kind = CANCELLED[operation]
    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_accepting_and_connecting_that_are_cancelled_leave_nothing(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        for number in range(times):
            with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, contextlib.ExitStack() as stack:
                listening.setblocking(False)
                accepting = asyncio.ensure_future(loop.sock_accept(listening))
                for _ in range(number % 3):
                    await asyncio.sleep(0)
                accepting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await accepting
                # The queue of a server that doesn't accept has room for one connection: the next one has to wait.
                clients = [stack.enter_context(socket.socket()) for _ in range(2)]
                for client in clients:
                    client.setblocking(False)
                await loop.sock_connect(clients[0], listening.getsockname())
                connecting = asyncio.ensure_future(loop.sock_connect(clients[1], listening.getsockname()))
                for _ in range(number % 3):
                    await asyncio.sleep(0)
                connecting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await connecting

    leaves_nothing(loop, repeat)


def test_operations_that_are_never_awaited_leave_nothing(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        with pair() as (ours, _):
            for _ in range(times):
                loop.sock_recv(ours, 10).close()
                loop.sock_sendall(ours, b"hello").close()

    leaves_nothing(loop, repeat)


def test_files_that_are_sent_by_sockets_leave_nothing(loop: Loop, tmp_path: Path) -> None:
    async def once() -> None:
        with pair() as (ours, theirs), path.open("rb") as file:
            assert await loop.sock_sendfile(ours, file) == 1000
            assert len(await loop.sock_recv(theirs, 2000)) == 1000
            with long_path.open("rb") as file:
                sending = asyncio.create_task(loop.sock_sendfile(ours, file, fallback=False))
                await asyncio.sleep(0)
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending

    path = tmp_path / "content"
    path.write_bytes(bytes(1000))
    long_path = tmp_path / "long"
    long_path.write_bytes(LONG)
    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_look_ups_of_addresses_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        assert await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert await loop.getaddrinfo("127.0.0.1", 80)
        assert await loop.getaddrinfo(None, "http")
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("localhost", 80, flags=socket.AI_NUMERICHOST)

    leaves_nothing(loop, functools.partial(in_batches, once=once, at_once=FEW))


def test_look_ups_of_names_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        assert await loop.getnameinfo(("127.0.0.1", 80), flags) == ("127.0.0.1", "80")
        with pytest.raises(socket.gaierror):
            await loop.getnameinfo(("127.0.0.1", 80), 1 << 30)

    leaves_nothing(loop, functools.partial(in_batches, once=once, at_once=FEW))


def test_look_ups_that_are_cancelled_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        for start in (
            functools.partial(loop.getaddrinfo, "localhost", 80),
            functools.partial(loop.getnameinfo, ("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV),
        ):
            for turns in range(3):
                task = asyncio.ensure_future(start())
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    leaves_nothing(loop, functools.partial(in_batches, once=once, at_once=FEW))
