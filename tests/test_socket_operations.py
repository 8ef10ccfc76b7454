"""What `sock_*` coroutines do at the edges: nothing to receive, a place that was taken, a buffer that is held."""

from __future__ import annotations

import asyncio
import ctypes
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two connected non-blocking sockets."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


def test_receiving_nothing_does_not_wait(run: Run, loop: Loop, pair: Pair) -> None:
    assert run(loop.sock_recv(pair[0], 0)) == b""
    assert run(loop.sock_recv_into(pair[0], bytearray())) == 0


def test_buffers_of_ctypes_are_filled_and_sent(run: Run, loop: Loop, pair: Pair) -> None:
    room = ctypes.create_string_buffer(10)
    run(loop.sock_sendall(pair[0], (ctypes.c_ubyte * 3)(1, 2, 3)))
    assert run(loop.sock_recv_into(pair[1], room)) == 3
    assert room.raw == b"\1\2\3" + bytes(7)


def test_an_operation_whose_place_was_taken_receives_nothing(run: Run, loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        ours, theirs = pair
        seen = loop.create_future()
        operation = asyncio.ensure_future(loop.sock_recv(ours, 10))
        await asyncio.sleep(0)
        theirs.send(b"data")

        def take_over() -> None:
            loop.add_reader(ours, lambda: seen.done() or seen.set_result(ours.recv(10)))

        # It runs in the turn that finds the socket ready, before the operation that was queued for it.
        loop.call_soon(take_over)
        assert await seen == b"data"
        assert not operation.done()
        loop.remove_reader(ours)
        operation.cancel()
        await asyncio.wait([operation])

    run(main())


def test_what_is_being_sent_cannot_be_resized(run: Run, loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        ours, theirs = pair
        data = bytearray(1 << 22)
        sending = asyncio.ensure_future(loop.sock_sendall(ours, data))
        await asyncio.sleep(0)
        with pytest.raises(BufferError):
            data.clear()
        received = 0
        while received < len(data):
            received += len(await loop.sock_recv(theirs, 1 << 20))
        await sending
        data.clear()

    run(main())
