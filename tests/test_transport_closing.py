"""How a transport ends: closed, aborted, by its peer, with its loop or with the last reference to it.

It also says what a transport still answers after that, and what it tells of its socket before.
"""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import warnings
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from recording_protocol import RecordingProtocol, connected, drained, facing_a_socket, several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

TOO_MUCH = bytes(range(256)) * 4096


async def unowned(ours: socket.socket) -> RecordingProtocol:
    """Make a transport that the test itself has to close."""
    _, protocol = await asyncio.get_running_loop().create_connection(RecordingProtocol, sock=ours)
    return protocol


def test_close_tells_the_protocol_in_a_later_turn_and_once(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, _):
            assert not transport.is_closing()
            transport.close()
            assert transport.is_closing()
            assert protocol.calls == ["connection_made"]
            transport.close()
            assert await protocol.lost is None
            transport.close()
            await several_turns()
            assert protocol.calls == ["connection_made", "connection_lost"]
            assert transport.is_closing()

    run(main())


def test_close_sends_what_is_buffered_first(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, peer):
            transport.write(TOO_MUCH)
            transport.close()
            await several_turns()
            assert not protocol.lost.done()
            assert await drained(peer) == TOO_MUCH
            assert await protocol.lost is None

    run(main())


def test_a_closing_transport_reads_no_more(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, peer):
            transport.write(TOO_MUCH)
            peer.send(b"unheard")
            transport.close()
            # A socket that is closed with something unread resets its peer.
            with pytest.raises(ConnectionResetError):
                await drained(peer)
            await protocol.lost
            assert "data_received" not in protocol.calls

    run(main())


def test_close_in_data_received_ends_the_connection(run: Run) -> None:
    class Protocol(RecordingProtocol):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.write(b"goodbye")
            self.transport.close()

    async def main() -> None:
        async with facing_a_socket(Protocol) as (_, protocol, peer):
            peer.send(b"quit")
            assert await drained(peer) == b"goodbye"
            assert await protocol.lost is None

    run(main())


def test_close_in_connection_made_ends_the_connection_before_it_reads(run: Run) -> None:
    class Protocol(RecordingProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            transport.close()

    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            peer.send(b"early")
            _, protocol = await asyncio.get_running_loop().create_connection(Protocol, sock=ours)
            assert await protocol.lost is None
            assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_abort_drops_what_is_buffered(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, peer):
            transport.write(TOO_MUCH)
            transport.abort()
            assert transport.is_closing()
            assert transport.get_write_buffer_size() == 0
            assert "connection_lost" not in protocol.calls
            assert await protocol.lost is None
            assert len(await drained(peer)) < len(TOO_MUCH)

    run(main())


def test_abort_cuts_a_flushing_close_short(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, peer):
            transport.write(TOO_MUCH)
            transport.close()
            transport.abort()
            transport.abort()
            assert await protocol.lost is None
            assert protocol.calls.count("connection_lost") == 1
            assert len(await drained(peer)) < len(TOO_MUCH)

    run(main())


@pytest.mark.parametrize("answer", [None, False, 0])
def test_the_end_of_the_peer_closes_a_transport_whose_protocol_does_not_keep_it(run: Run, answer: Any) -> None:
    class Protocol(RecordingProtocol):
        def eof_received(self) -> Any:
            super().eof_received()
            return answer

    async def main() -> None:
        async with facing_a_socket(Protocol) as (transport, protocol, peer):
            peer.shutdown(socket.SHUT_WR)
            await protocol.ended
            assert transport.is_closing()
            assert await drained(peer) == b""
            assert await protocol.lost is None

    run(main())


def test_a_protocol_that_keeps_the_transport_open_may_write_after_the_end_of_its_peer(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(lambda: RecordingProtocol(keeps_open=True)) as (transport, protocol, peer):
            peer.shutdown(socket.SHUT_WR)
            await protocol.ended
            await several_turns()
            assert not transport.is_closing()
            assert protocol.calls == ["connection_made", "eof_received"], "the end is told once"
            transport.write(b"still here")
            transport.close()
            assert await drained(peer) == b"still here"
            assert await protocol.lost is None

    run(main())


def test_what_was_buffered_at_the_end_of_the_peer_is_sent_before_closing(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, peer):
            transport.write(TOO_MUCH)
            peer.shutdown(socket.SHUT_WR)
            await protocol.ended
            assert await drained(peer) == TOO_MUCH
            assert await protocol.lost is None

    run(main())


def test_a_transport_is_one_of_asyncio_and_can_be_weakly_referenced(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, _):
            assert isinstance(transport, asyncio.Transport)
            assert weakref.ref(transport)() is transport
            assert {transport: "hashable"}[transport] == "hashable"

    run(main())


def test_a_transport_tells_of_its_socket(run: Run) -> None:
    async def main() -> None:
        async with connected() as (client, server):
            for transport, other in ((client.transport, server.transport), (server.transport, client.transport)):
                assert transport.get_extra_info("peername") == other.get_extra_info("sockname")
                assert transport.get_extra_info("sockname")[0] == "127.0.0.1"
                assert transport.get_extra_info("nothing of the kind") is None
                assert transport.get_extra_info("nothing of the kind", "default") == "default"
                assert transport.get_extra_info("sslcontext") is None
                sock = transport.get_extra_info("socket")
                assert sock.getsockname() == transport.get_extra_info("sockname")
                assert sock.getpeername() == transport.get_extra_info("peername")
                assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)

    run(main())


def test_the_socket_of_a_transport_takes_options_and_refuses_to_block(run: Run) -> None:
    async def main() -> None:
        async with connected() as (client, _):
            sock = client.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert sock.fileno() > 2
            assert sock.gettimeout() == 0
            sock.setblocking(False)
            with pytest.raises(ValueError, match="transport sockets cannot be blocking"):
                sock.setblocking(True)
            with pytest.raises(ValueError, match="only 0 timeout is allowed on transport sockets"):
                sock.settimeout(1)
            for refused in ("close", "recv", "send", "accept", "detach"):
                assert not hasattr(sock, refused)
            with sock.dup() as copy:
                assert copy.getpeername() == sock.getpeername()

    run(main())


def test_the_socket_of_a_transport_can_be_shut_down(run: Run) -> None:
    async def main() -> None:
        async with connected() as (client, server):
            client.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
            assert await server.lost is None
            assert await client.lost is None

    run(main())


def test_a_socket_given_to_a_transport_is_made_non_blocking_and_closed_with_it(run: Run) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            protocol = await unowned(ours)
            assert ours.gettimeout() == 0
            assert ours.fileno() == protocol.transport.get_extra_info("socket").fileno()
            protocol.transport.close()
            assert ours.fileno() != -1, "it is closed after connection_lost"
            await protocol.lost
            await several_turns()
            assert ours.fileno() == -1

    run(main())


def test_a_lost_transport_still_answers(run: Run) -> None:
    async def main() -> None:
        async with connected() as (client, _):
            transport = client.transport
            names = [transport.get_extra_info(name) for name in ("sockname", "peername", "socket")]
            transport.close()
            await client.lost
            await several_turns()
            assert [transport.get_extra_info(name) for name in ("sockname", "peername", "socket")] == names
            assert transport.get_extra_info("socket").fileno() == -1
            assert transport.is_closing()
            assert not transport.is_reading()
            assert transport.get_write_buffer_size() == 0
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            assert transport.can_write_eof()
            transport.set_write_buffer_limits(10)
            transport.write_eof()
            transport.abort()

    run(main())


def test_an_idle_transport_says_in_its_repr_what_it_waits_for(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, _, _):
            number = transport.get_extra_info("socket").fileno()
            await several_turns()
            assert re.fullmatch(rf"<\w+ fd={number} read=polling write=<idle, bufsize=0>>", repr(transport))
            transport.pause_reading()
            assert re.fullmatch(rf"<\w+ fd={number} read=idle write=<idle, bufsize=0>>", repr(transport))
            transport.write(TOO_MUCH)
            size = transport.get_write_buffer_size()
            assert re.fullmatch(rf"<\w+ fd={number} read=idle write=<polling, bufsize={size}>>", repr(transport))

    run(main())


def test_a_closed_transport_says_so_in_its_repr(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, _):
            number = transport.get_extra_info("socket").fileno()
            transport.close()
            assert re.match(rf"<\w+ closing fd={number} ", repr(transport))
            await protocol.lost
            await several_turns()
            assert re.fullmatch(rf"<\w+ closed fd={number}>", repr(transport))

    run(main())


def test_a_closed_descriptor_is_not_watched_when_its_number_is_used_again(run: Run) -> None:
    async def main() -> None:
        for round_number in range(20):
            async with facing_a_socket(RecordingProtocol) as (transport, protocol, peer):
                word = b"%d" % round_number
                peer.send(word)
                assert await protocol.receives(len(word)) == word
                transport.close()
                await protocol.lost

    run(main())


def test_a_paused_transport_that_nobody_holds_warns_and_closes_its_descriptor(run: Run) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            peer.setblocking(False)
            protocol = await unowned(ours)
            protocol.transport.pause_reading()
            calls = protocol.calls
            await several_turns()
            del protocol, ours
            gc.collect()
            assert calls == ["connection_made"]
            assert peer.recv(1) == b""
        # The socket may warn as well, when it is finalized before its transport.
        assert any(str(warning.message).startswith("unclosed transport <") for warning in caught)
        assert {warning.category for warning in caught} == {ResourceWarning}

    run(main())


def test_a_reading_transport_lives_without_a_reference_to_it(run: Run) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            protocol = weakref.ref(await unowned(ours))
            del ours
            gc.collect()
            held = protocol()
            assert held is not None
            peer.send(b"heard")
            assert await held.receives(5) == b"heard"
            held.transport.close()
            await held.lost

    run(main())


def test_a_transport_outlives_its_loop_only_to_refuse(loop: Loop) -> None:
    ours, peer = socket.socketpair()
    with peer:
        peer.setblocking(False)
        protocol = loop.run_until_complete(unowned(ours))
        transport = protocol.transport
        loop.close()
        assert protocol.calls == ["connection_made"], "closing the loop doesn't tell the protocols"
        assert not transport.is_closing()
        assert transport.get_extra_info("socket").fileno() == ours.fileno() != -1
        assert re.fullmatch(rf"<\w+ fd={ours.fileno()}>", repr(transport))
        transport.write(b"sent at once")
        assert peer.recv(100) == b"sent at once"
        with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
            transport.close()
        assert transport.is_closing()
        ours.close()
        assert peer.recv(1) == b""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del transport, protocol
        gc.collect()
    assert [str(warning.message)[:20] for warning in caught] == ["unclosed transport <"]


def test_a_transport_aborted_after_its_loop_closed_refuses_as_well(loop: Loop) -> None:
    ours, peer = socket.socketpair()
    with peer:
        protocol = loop.run_until_complete(unowned(ours))
        loop.close()
        with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
            protocol.transport.abort()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del protocol, ours
        gc.collect()
    assert any(str(warning.message).startswith("unclosed transport <") for warning in caught)
