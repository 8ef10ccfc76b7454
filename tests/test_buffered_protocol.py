"""BufferedProtocol: the transport reads into buffers that the protocol lends it.

What is recorded here is which buffer was asked for, how much of it was filled, and that the transport lets go of it
in between.
"""

from __future__ import annotations

import array
import asyncio
import ctypes
import mmap
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from recording_protocol import RecordingProtocol, facing_a_socket, serving, several_turns, tls_contexts

Run = Callable[[Awaitable[Any]], Any]


class LendingProtocol(asyncio.BufferedProtocol):
    """Lends one buffer of `size` bytes again and again and records what it got."""

    transport: asyncio.Transport

    def __init__(self, size: int = 1024) -> None:
        loop = asyncio.get_running_loop()
        self.buffer: Any = bytearray(size)
        self.calls: list[str] = []
        self.hints: list[int] = []
        self.sizes: list[int] = []
        self.received = bytearray()
        self.grown: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.calls.append("connection_made")
        self.transport = transport

    def get_buffer(self, sizehint: int) -> Any:
        self.hints.append(sizehint)
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.calls.append("buffer_updated")
        self.sizes.append(nbytes)
        self.received += memoryview(self.buffer).cast("B")[:nbytes]
        self.grown.set_result(None)
        self.grown = asyncio.get_running_loop().create_future()

    def eof_received(self) -> None:
        self.calls.append("eof_received")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("connection_lost")
        self.lost.set_result(exc)

    async def receives(self, total: int) -> bytes:
        """Wait until `total` bytes have come, and return all of them."""
        while len(self.received) < total:
            await self.grown
        return bytes(self.received)


def test_a_buffered_protocol_is_told_of_connection_data_end_and_loss(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(LendingProtocol) as (_, protocol, peer):
            peer.send(b"words")
            peer.close()
            assert await protocol.lost is None
            assert protocol.calls == ["connection_made", "buffer_updated", "eof_received", "connection_lost"]
            assert protocol.received == b"words"

    run(main())


def test_get_buffer_is_asked_before_each_read_with_no_hint(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(LendingProtocol) as (_, protocol, peer):
            await several_turns()
            assert protocol.hints == []
            peer.send(b"one")
            await protocol.receives(3)
            peer.send(b"two")
            await protocol.receives(6)
            assert protocol.hints == [-1, -1]
            assert protocol.sizes == [3, 3]

    run(main())


def test_data_larger_than_the_buffer_comes_in_pieces_of_its_size(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(lambda: LendingProtocol(10)) as (_, protocol, peer):
            peer.send(bytes(range(25)))
            assert await protocol.receives(25) == bytes(range(25))
            assert protocol.sizes == [10, 10, 5]

    run(main())


def test_a_large_buffer_is_filled_beyond_what_data_received_gets_at_once(run: Run) -> None:
    data = bytes(range(256)) * 2048

    async def main() -> None:
        async with facing_a_socket(lambda: LendingProtocol(1 << 20)) as (transport, protocol, peer):
            transport.pause_reading()
            await asyncio.get_running_loop().sock_sendall(peer, data[:100_000])
            transport.resume_reading()
            assert await protocol.receives(100_000) == data[:100_000]
            assert protocol.sizes == [100_000]
            sending = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(peer, data[100_000:]))
            assert await protocol.receives(len(data)) == data
            await sending

    run(main())


@pytest.mark.parametrize("kind", ["memoryview", "slice", "array", "mmap"])
def test_any_writable_buffer_can_be_lent(run: Run, kind: str) -> None:
    owner = bytearray(b"-" * 16)
    lent: dict[str, Any] = {
        "memoryview": memoryview(owner),
        "slice": memoryview(owner)[4:12],
        "array": array.array("b", bytes(16)),
        "mmap": mmap.mmap(-1, 16),
    }

    async def main() -> None:
        async with facing_a_socket(LendingProtocol) as (_, protocol, peer):
            protocol.buffer = lent[kind]
            peer.send(b"abcdef")
            await protocol.receives(6)
            assert bytes(lent[kind][:6]) == b"abcdef" or lent[kind][:6].tobytes() == b"abcdef"

    run(main())
    if kind == "slice":
        assert owner == b"----abcdef------"


def test_the_transport_lets_go_of_the_buffer_before_buffer_updated(run: Run) -> None:
    class Growing(LendingProtocol):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            self.buffer += b"more room"
            self.buffer.clear()
            self.buffer += bytes(4)

    async def main() -> None:
        async with facing_a_socket(Growing) as (_, protocol, peer):
            peer.send(b"one")
            await protocol.receives(3)
            peer.send(b"second")
            assert await protocol.receives(9) == b"onesecond"
            assert protocol.sizes == [3, 4, 2]

    run(main())


def test_pausing_and_resuming_holds_back_get_buffer_too(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(LendingProtocol) as (transport, protocol, peer):
            transport.pause_reading()
            peer.send(b"wait")
            await several_turns()
            assert protocol.hints == []
            transport.resume_reading()
            assert await protocol.receives(4) == b"wait"

    run(main())


def test_a_transport_changes_from_data_received_to_a_buffer_and_back(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, first, peer):
            peer.send(b"one")
            await first.receives(3)
            second = LendingProtocol()
            transport.set_protocol(second)
            peer.send(b"two")
            assert await second.receives(3) == b"two"
            third = RecordingProtocol()
            transport.set_protocol(third)
            peer.send(b"three")
            assert await third.receives(5) == b"three"
            assert (first.calls, second.calls) == (["connection_made", "data_received"], ["buffer_updated"])

    run(main())


def test_a_protocol_may_be_replaced_in_buffer_updated(run: Run) -> None:
    class Greeting(LendingProtocol):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            self.successor = RecordingProtocol()
            self.transport.set_protocol(self.successor)

    async def main() -> None:
        async with facing_a_socket(lambda: Greeting(5)) as (_, first, peer):
            peer.send(b"hello, the rest")
            await first.receives(5)
            assert await first.successor.receives(10) == b", the rest"

    run(main())


@pytest.mark.parametrize("size", [100, 1 << 16, 1 << 20])
def test_a_buffer_is_filled_with_what_tls_deciphers(run: Run, size: int) -> None:
    server_context, client_context = tls_contexts()
    data = bytes(range(256)) * 1024

    def factory() -> LendingProtocol:
        protocol = LendingProtocol()
        # asyncio fills slices of what is lent, which for a bytearray would be copies.
        protocol.buffer = memoryview(bytearray(size))
        return protocol

    async def main() -> None:
        async with serving(ssl=server_context) as address:
            transport, protocol = await asyncio.get_running_loop().create_connection(
                factory, *address, ssl=client_context, server_hostname="localhost"
            )
            transport.write(data)
            assert await protocol.receives(len(data)) == data
            assert max(protocol.sizes) <= size
            transport.close()
            assert await protocol.lost is None
            assert set(protocol.calls[1:-2]) == {"buffer_updated"}

    run(main())


def test_only_subclasses_of_buffered_protocol_are_asked_for_a_buffer(run: Run) -> None:
    class Both(RecordingProtocol):
        def get_buffer(self, sizehint: int) -> bytearray:
            raise AssertionError("not a BufferedProtocol")

    async def main() -> None:
        async with facing_a_socket(Both) as (_, protocol, peer):
            peer.send(b"data")
            assert await protocol.receives(4) == b"data"

    run(main())


class Failing(LendingProtocol):
    """Gets its buffer from `answer`, which may raise."""

    answer: Callable[[], Any]

    def get_buffer(self, sizehint: int) -> Any:
        return self.answer()


async def lost_with(answer: Callable[[], Any]) -> tuple[Failing, asyncio.Transport, Exception | None]:
    """Let a connection be lost over the buffer that `answer` gives."""
    async with facing_a_socket(Failing) as (transport, protocol, peer):
        protocol.answer = answer
        peer.send(b"data")
        error = await protocol.lost
        assert protocol.calls == ["connection_made", "connection_lost"]
        return protocol, transport, error


def test_an_exception_in_get_buffer_is_reported_and_loses_the_connection(
    run: Run, reports: list[dict[str, Any]]
) -> None:
    raised = ValueError("no buffer")

    def refuse() -> None:
        raise raised

    protocol, transport, error = run(lost_with(refuse))
    assert error is raised
    message = "Fatal error: protocol.get_buffer() call failed."
    assert reports.pop() == {"message": message, "exception": raised, "transport": transport, "protocol": protocol}


def test_an_empty_buffer_is_an_error(run: Run, reports: list[dict[str, Any]]) -> None:
    protocol, transport, error = run(lost_with(bytearray))
    assert type(error) is RuntimeError
    assert str(error) == "get_buffer() returned an empty buffer"
    message = "Fatal error: protocol.get_buffer() call failed."
    assert reports.pop() == {"message": message, "exception": error, "transport": transport, "protocol": protocol}


def test_something_without_a_length_is_no_buffer(run: Run, reports: list[dict[str, Any]]) -> None:
    _, _, error = run(lost_with(lambda: None))
    assert type(error) is TypeError
    report = reports.pop()
    assert report["message"] == "Fatal error: protocol.get_buffer() call failed."
    assert report["exception"] is error


@pytest.mark.parametrize("lent", [b"read-only", "text", [1, 2]], ids=["bytes", "str", "list"])
def test_a_buffer_that_cannot_be_written_is_a_fatal_read_error(
    run: Run, reports: list[dict[str, Any]], lent: Any
) -> None:
    protocol, transport, error = run(lost_with(lambda: lent))
    assert type(error) is TypeError
    message = "Fatal read error on socket transport"
    assert reports.pop() == {"message": message, "exception": error, "transport": transport, "protocol": protocol}


def test_an_exception_in_buffer_updated_is_reported_and_loses_the_connection(
    run: Run, reports: list[dict[str, Any]]
) -> None:
    raised = ValueError("can't use it")

    class Refusing(LendingProtocol):
        def buffer_updated(self, nbytes: int) -> None:
            raise raised

    async def main() -> None:
        async with facing_a_socket(Refusing) as (transport, protocol, peer):
            peer.send(b"data")
            assert await protocol.lost is raised
            message = "Fatal error: protocol.buffer_updated() call failed."
            assert reports.pop() == {
                "message": message,
                "exception": raised,
                "transport": transport,
                "protocol": protocol,
            }
            assert peer.recv(1) == b""

    run(main())


def test_a_buffer_of_ctypes_is_filled(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(LendingProtocol) as (_, protocol, peer):
            protocol.buffer = ctypes.create_string_buffer(64)
            peer.send(b"some bytes")
            assert await protocol.receives(10) == b"some bytes"

    run(main())


def test_the_protocol_that_get_buffer_has_set_is_told(run: Run) -> None:
    class Replacing(LendingProtocol):
        def get_buffer(self, sizehint: int) -> Any:
            self.transport.set_protocol(other[0])
            other[0].buffer = self.buffer
            return self.buffer

    other: list[LendingProtocol] = []

    async def main() -> None:
        async with facing_a_socket(Replacing) as (_, protocol, peer):
            other.append(LendingProtocol())
            peer.send(b"some bytes")
            assert await other[0].receives(10) == b"some bytes"
            assert "buffer_updated" not in protocol.calls
            protocol.transport.set_protocol(protocol)

    run(main())
