"""Writing to a transport: what may be written, what is buffered, and how the protocol is told to hold back.

A bare socket that reads nothing of its own accord is the peer, so that the transport's buffer fills when a test wants
it to.
"""

from __future__ import annotations

import array
import asyncio
import ctypes
import decimal
import logging
import math
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from recording_protocol import RecordingProtocol, connected, drained, facing_a_socket, several_turns

Run = Callable[[Awaitable[Any]], Any]

# More than the kernel takes between two ends of a socket pair whose send buffer is the smallest.
TOO_MUCH = bytes(range(256)) * 4096


def fill(transport: asyncio.Transport) -> int:
    """Write until bytes are left in the transport's buffer, and return how many were written in all."""
    total = 0
    while not transport.get_write_buffer_size():
        transport.write(bytes(4096))
        total += 4096
    return total


@pytest.mark.parametrize(
    "data",
    [b"bytes", bytearray(b"bytes"), memoryview(b"bytes"), memoryview(b"some bytes here")[5:10]],
    ids=["bytes", "bytearray", "memoryview", "slice"],
)
def test_bytes_of_each_kind_are_sent_at_once(run: Run, data: bytes) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, peer):
            transport.write(data)
            assert peer.recv(100) == b"bytes"
            assert transport.get_write_buffer_size() == 0

    run(main())


def test_a_view_of_wider_items_is_sent_byte_for_byte(run: Run) -> None:
    numbers = array.array("i", range(100))

    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, peer):
            transport.write(memoryview(numbers))
            assert peer.recv(1000) == numbers.tobytes()

    run(main())


@pytest.mark.parametrize("buffered", [False, True], ids=["at once", "buffered"])
def test_arrays_of_ctypes_are_sent_byte_for_byte(run: Run, buffered: bool) -> None:
    numbers = (ctypes.c_ubyte * 3)(1, 2, 3)

    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, peer):
            sent = fill(transport) if buffered else 0
            transport.write(memoryview(numbers))
            transport.writelines([b"", memoryview(numbers)])
            transport.close()
            received = await drained(peer)
            assert received[sent:] == bytes(numbers) * 2

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="before 3.12 asyncio copies what it can't send at once")
def test_a_view_can_be_released_before_it_is_sent(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, peer):
            with memoryview(TOO_MUCH) as view:
                transport.write(view)
            assert transport.get_write_buffer_size() > 0
            with memoryview(b"lines") as view:
                transport.writelines([view])
            transport.close()
            assert await drained(peer) == TOO_MUCH + b"lines"

    run(main())


def test_hundreds_of_pieces_go_to_the_kernel_at_once(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, peer):
            transport.writelines([b"x"] * 500)
            assert transport.get_write_buffer_size() == 0
            assert peer.recv(1000) == b"x" * 500

    run(main())


def test_a_view_that_is_not_contiguous_is_a_fatal_write_error(run: Run, reports: list[dict[str, Any]]) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, peer):
            transport.write(memoryview(b"abcdef")[::2])
            error = await protocol.lost
            assert type(error) is BufferError
            report = reports.pop()
            assert report == {
                "message": "Fatal write error on socket transport",
                "exception": error,
                "transport": transport,
                "protocol": protocol,
            }
            assert peer.recv(1) == b""

    run(main())


@pytest.mark.parametrize(
    ("data", "kind"), [("text", "str"), (None, "NoneType"), (1, "int"), ([b"x"], "list"), (array.array("b"), "array")]
)
def test_write_refuses_what_is_not_bytes_like(run: Run, data: Any, kind: str) -> None:
    bytes_like = "bytes, bytearray, or memoryview" if sys.version_info >= (3, 14) else "bytes-like"

    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, _):
            with pytest.raises(TypeError, match=f"^data argument must be a {bytes_like} object, not '{kind}"):
                transport.write(data)
            assert not transport.is_closing()

    run(main())


def test_writing_nothing_sends_nothing(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, peer):
            transport.write(b"")
            transport.write(bytearray())
            transport.writelines([])
            assert transport.get_write_buffer_size() == 0
            with pytest.raises(BlockingIOError):
                peer.recv(1)

    run(main())


def test_writelines_sends_the_pieces_in_order(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, peer):
            transport.writelines([b"a", bytearray(b"bc"), memoryview(b"def")])
            assert peer.recv(100) == b"abcdef"
            transport.writelines(bytes([letter]) for letter in b"ghi")
            assert peer.recv(100) == b"ghi"
            transport.writelines((b"", b"j", b""))
            assert peer.recv(100) == b"j"

    run(main())


def test_writelines_refuses_text_and_sends_nothing_of_the_rest(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, peer):
            with pytest.raises(TypeError, match="a bytes-like object"):
                transport.writelines([b"sent?", "text"])  # type: ignore[list-item]
            if sys.version_info < (3, 15):  # from then on what precedes the text stays in asyncio's buffer, unsent
                assert transport.get_write_buffer_size() == 0
            with pytest.raises(BlockingIOError):
                peer.recv(1)

    run(main())


def test_writelines_sends_more_pieces_than_one_call_of_the_system_takes(run: Run) -> None:
    pieces = [number.to_bytes(4) for number in range(20_000)]

    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, _, peer):
            transport.writelines(pieces)
            assert transport.get_write_buffer_size() > 0
            transport.close()
            assert await drained(peer) == b"".join(pieces)

    run(main())


def test_what_is_written_while_the_buffer_is_not_empty_keeps_its_order(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, _, peer):
            transport.write(TOO_MUCH)
            transport.write(b"then a write, ")
            transport.writelines([b"then ", b"lines, "])
            transport.write(b"then another")
            transport.close()
            assert await drained(peer) == TOO_MUCH + b"then a write, then lines, then another"

    run(main())


def test_the_write_buffer_holds_what_the_peer_does_not_take(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, peer):
            transport.write(TOO_MUCH)
            left = transport.get_write_buffer_size()
            assert 0 < left < len(TOO_MUCH)
            assert f"bufsize={left}>" in repr(transport)
            await several_turns()
            assert transport.get_write_buffer_size() == left
            received = b""
            while transport.get_write_buffer_size():
                received += await loop.sock_recv(peer, 1 << 16)
            assert protocol.calls == ["connection_made", "pause_writing", "resume_writing"]
            transport.close()
            assert received + await drained(peer) == TOO_MUCH

    run(main())


def test_pause_writing_is_called_inside_the_write_that_passes_the_limit(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, _):
            transport.set_write_buffer_limits(high=100_000)
            fill(transport)
            transport.write(bytes(100_000 - transport.get_write_buffer_size()))
            assert transport.get_write_buffer_size() == 100_000
            assert protocol.calls == ["connection_made"], "as much as the limit is not too much"
            transport.write(b"x")
            assert protocol.calls == ["connection_made", "pause_writing"]
            transport.write(b"x")
            assert protocol.calls == ["connection_made", "pause_writing"], "told once"

    run(main())


def test_resume_writing_is_called_once_the_buffer_is_down_to_the_low_limit(run: Run) -> None:
    sizes = []

    class Protocol(RecordingProtocol):
        def resume_writing(self) -> None:
            sizes.append(self.transport.get_write_buffer_size())
            super().resume_writing()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with facing_a_socket(Protocol, send_buffer=4096) as (transport, protocol, peer):
            transport.set_write_buffer_limits(high=200_000, low=50_000)
            transport.write(TOO_MUCH)
            while not protocol.resumed.is_set():
                assert "resume_writing" not in protocol.calls
                await loop.sock_recv(peer, 1 << 12)
            assert protocol.calls == ["connection_made", "pause_writing", "resume_writing"]
            # The turn before, more than the low limit was left; one turn sends no more than the socket's buffer takes.
            assert 0 < sizes[0] <= 50_000

    run(main())


def test_writelines_counts_towards_the_limits(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, peer):
            transport.writelines([TOO_MUCH[:300_000], TOO_MUCH[300_000:]])
            assert transport.get_write_buffer_size() > transport.get_write_buffer_limits()[1]
            # Some releases tell the protocol in `writelines` already, others in the next `write` or `drain` only.
            transport.write(b".")
            assert protocol.calls == ["connection_made", "pause_writing"]
            transport.close()
            assert await drained(peer) == TOO_MUCH + b"."

    run(main())


def test_a_protocol_may_write_in_resume_writing(run: Run) -> None:
    class Protocol(RecordingProtocol):
        def resume_writing(self) -> None:
            super().resume_writing()
            if self.calls.count("resume_writing") == 1:
                self.transport.write(TOO_MUCH)
            else:
                self.transport.close()

    async def main() -> None:
        async with facing_a_socket(Protocol, send_buffer=4096) as (transport, protocol, peer):
            transport.write(TOO_MUCH)
            assert await drained(peer) == TOO_MUCH * 2
            assert await protocol.lost is None
            assert protocol.calls[1:] == ["pause_writing", "resume_writing"] * 2 + ["connection_lost"]

    run(main())


@pytest.mark.parametrize(
    ("arguments", "low", "high"),
    [
        ({}, 16 * 1024, 64 * 1024),
        ({"high": 1000}, 250, 1000),
        ({"low": 1000}, 1000, 4000),
        ({"high": 1000, "low": 10}, 10, 1000),
        ({"high": 7, "low": 7}, 7, 7),
        ({"high": 0}, 0, 0),
        ({"low": 0}, 0, 0),
        ({"high": 2**70}, 2**68, 2**70),
        ({"high": math.inf, "low": 5}, 5, math.inf),
        ({"high": 10.5}, 2.0, 10.5),
        ({"low": 2.5}, 2.5, 10.0),
        ({"high": decimal.Decimal("7.5")}, decimal.Decimal(1), decimal.Decimal("7.5")),
    ],
)
def test_the_limits_of_the_write_buffer_follow_from_what_is_given(
    run: Run, arguments: dict[str, Any], low: Any, high: Any
) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, _):
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            transport.set_write_buffer_limits(high=3, low=2)
            transport.set_write_buffer_limits(**arguments)
            assert transport.get_write_buffer_limits() == (low, high)

    run(main())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"high": 1, "low": 2}, r"high \(1\) must be >= low \(2\) must be >= 0"),
        ({"high": -1}, r"high \(-1\) must be >= low \(-1\) must be >= 0"),
        ({"low": -1}, r"high \(-4\) must be >= low \(-1\) must be >= 0"),
        ({"high": 1.5, "low": 2}, r"high \(1.5\) must be >= low \(2\) must be >= 0"),
        ({"high": math.nan}, r"high \(nan\) must be >= low \(nan\) must be >= 0"),
    ],
)
def test_impossible_limits_are_refused_and_change_nothing(run: Run, arguments: dict[str, float], message: str) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, _):
            with pytest.raises(ValueError, match=f"^{message}$"):
                transport.set_write_buffer_limits(**arguments)
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)

    run(main())


def test_a_limit_without_end_never_pauses(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, peer):
            transport.set_write_buffer_limits(high=math.inf, low=0)
            transport.write(TOO_MUCH)
            transport.write(TOO_MUCH)
            transport.close()
            assert await drained(peer) == TOO_MUCH * 2
            assert await protocol.lost is None
            assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_lowering_the_limit_below_what_is_buffered_pauses_at_once(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, _):
            fill(transport)
            assert protocol.calls == ["connection_made"]
            transport.set_write_buffer_limits(high=0)
            assert protocol.calls == ["connection_made", "pause_writing"]

    run(main())


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on asyncio keeps what was written without a copy")
def test_changing_a_bytearray_after_writing_it_changes_nothing(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, _, peer):
            data = bytearray(TOO_MUCH)
            transport.write(data)
            data[:] = b"overwritten"
            transport.close()
            assert await drained(peer) == TOO_MUCH

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="before 3.12 asyncio copies what it can't send at once")
def test_a_bytearray_is_sent_without_a_copy(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, _, peer):
            data = bytearray(TOO_MUCH)
            transport.write(data)
            with pytest.raises(BufferError):
                data.clear()
            data[-5:] = b"later"
            transport.close()
            assert await drained(peer) == TOO_MUCH[:-5] + b"later"
            data.clear()

    run(main())


def test_after_write_eof_the_peer_reads_the_end_and_may_still_send(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, peer):
            assert transport.can_write_eof() is True
            transport.write(b"request")
            transport.write_eof()
            assert await drained(peer) == b"request"
            assert not transport.is_closing()
            peer.send(b"response")
            assert await protocol.receives(8) == b"response"

    run(main())


def test_write_eof_waits_for_the_buffer_to_be_sent(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, peer):
            transport.write(TOO_MUCH)
            transport.write_eof()
            assert await drained(peer) == TOO_MUCH
            peer.send(b"thanks")
            assert await protocol.receives(6) == b"thanks"

    run(main())


def test_nothing_can_be_written_after_write_eof(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, _):
            transport.write_eof()
            transport.write_eof()
            with pytest.raises(RuntimeError, match=r"^Cannot call write\(\) after write_eof\(\)$"):
                transport.write(b"x")
            with pytest.raises(RuntimeError, match=r"^Cannot call write(lines)?\(\) after write_eof\(\)$"):
                transport.writelines([b"x"])

    run(main())


def test_both_ends_may_close_their_half_in_turn(run: Run) -> None:
    def patient() -> RecordingProtocol:
        return RecordingProtocol(keeps_open=True)

    async def main() -> None:
        async with connected(patient, patient) as (client, server):
            client.transport.write(b"question")
            client.transport.write_eof()
            await server.ended
            await several_turns()
            assert not server.transport.is_closing()
            assert server.received == b"question"
            server.transport.write(b"answer")
            server.transport.write_eof()
            await client.ended
            assert client.received == b"answer"
            client.transport.close()
            server.transport.close()
            assert await client.lost is None
            assert await server.lost is None

    run(main())


def test_writing_to_a_closed_transport_is_ignored_and_the_fifth_time_logged(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, peer):
            transport.close()
            with caplog.at_level(logging.WARNING, "asyncio"):
                for _ in range(4):
                    transport.write(b"x")
                await protocol.lost
                assert caplog.messages == []
                transport.write(b"x")
                transport.write(b"x")
            assert caplog.messages == ["socket.send() raised exception."] * 2
            assert peer.recv(1) == b""

    run(main())


def test_what_is_written_while_closing_flushes_the_buffer_is_sent_too(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, _, peer):
            transport.write(TOO_MUCH)
            transport.close()
            transport.write(b"afterthought")
            assert await drained(peer) == TOO_MUCH + b"afterthought"

    run(main())


def test_tcp_sends_small_writes_without_delay(run: Run) -> None:
    async def main() -> None:
        async with connected() as (client, server):
            for protocol in (client, server):
                sock = protocol.transport.get_extra_info("socket")
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0

    run(main())
