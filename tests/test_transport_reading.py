"""What a transport tells its protocol, in which order and in which context, and how reading is paused.

The peer is a bare socket wherever the moment at which something arrives matters.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import socket
import sys
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from recording_protocol import RecordingProtocol, aborted, connected, facing_a_socket, several_turns

Run = Callable[[Awaitable[Any]], Any]

# Before, what each callback runs in is a copy of what was current when it was scheduled.
connections_have_a_context = sys.version_info >= (3, 15)

where: contextvars.ContextVar[str] = contextvars.ContextVar("where", default="nowhere")

LARGEST_CHUNK = 256 * 1024


class ContextProtocol(RecordingProtocol):
    """Notes the value of `where` in each call, and sets it in the calls that `sets` names."""

    def __init__(self, sets: dict[str, str] | None = None) -> None:
        super().__init__()
        self.sets = sets or {}
        self.seen: list[tuple[str, str]] = []

    def note(self, call: str) -> None:
        self.seen.append((call, where.get()))
        if call in self.sets:
            where.set(self.sets[call])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.note("connection_made")
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.note("data_received")
        super().data_received(data)

    def eof_received(self) -> bool:
        self.note("eof_received")
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.note("connection_lost")
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self.note("pause_writing")
        super().pause_writing()

    def resume_writing(self) -> None:
        self.note("resume_writing")
        super().resume_writing()


def test_a_protocol_is_told_of_connection_data_end_and_loss_in_this_order(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (_, protocol, peer):
            peer.send(b"words")
            peer.close()
            assert await protocol.lost is None
            assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]
            assert protocol.received == b"words"

    run(main())


def test_create_connection_returns_after_connection_made_and_before_any_data(run: Run) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            peer.send(b"already there")
            _, protocol = await asyncio.get_running_loop().create_connection(RecordingProtocol, sock=ours)
            assert protocol.calls == ["connection_made"]
            await protocol.receives(13)
            await aborted(protocol.transport)

    run(main())


def test_data_received_gets_bytes(run: Run) -> None:
    kinds = []

    class Protocol(RecordingProtocol):
        def data_received(self, data: bytes) -> None:
            kinds.append(type(data))
            super().data_received(data)

    async def main() -> None:
        async with facing_a_socket(Protocol) as (_, protocol, peer):
            peer.send(b"abc")
            await protocol.receives(3)

    run(main())
    assert kinds == [bytes]


def test_large_data_arrives_whole_and_in_chunks_of_at_most_256_kib(run: Run) -> None:
    data = bytes(range(256)) * 16384

    async def main() -> None:
        async with connected() as (client, server):
            client.transport.write(data)
            assert await server.receives(len(data)) == data
            assert max(server.chunk_sizes) <= LARGEST_CHUNK
            assert len(server.chunk_sizes) >= len(data) // LARGEST_CHUNK

    run(main())


def test_one_event_delivers_all_that_has_arrived_up_to_the_largest_chunk(run: Run) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            for word in (b"one ", b"two ", b"three"):
                peer.send(word)
            _, protocol = await asyncio.get_running_loop().create_connection(RecordingProtocol, sock=ours)
            await protocol.receives(13)
            assert protocol.chunk_sizes == [13]
            await aborted(protocol.transport)

    run(main())


def test_nothing_is_delivered_while_reading_is_paused(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, peer):
            assert transport.is_reading()
            transport.pause_reading()
            assert not transport.is_reading()
            peer.send(b"wait")
            await several_turns()
            assert protocol.calls == ["connection_made"]
            transport.resume_reading()
            assert transport.is_reading()
            assert await protocol.receives(4) == b"wait"

    run(main())


def test_pausing_and_resuming_twice_is_the_same_as_once(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, peer):
            transport.resume_reading()
            transport.pause_reading()
            transport.pause_reading()
            peer.send(b"wait")
            await several_turns()
            assert protocol.received == b""
            transport.resume_reading()
            transport.resume_reading()
            assert await protocol.receives(4) == b"wait"

    run(main())


def test_a_protocol_may_pause_reading_in_connection_made(run: Run) -> None:
    class Protocol(RecordingProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.pause_reading()

    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            peer.send(b"early")
            transport, protocol = await asyncio.get_running_loop().create_connection(Protocol, sock=ours)
            await several_turns()
            assert protocol.calls == ["connection_made"]
            assert not transport.is_reading()
            transport.resume_reading()
            assert await protocol.receives(5) == b"early"
            await aborted(transport)

    run(main())


def test_a_protocol_may_pause_reading_in_data_received(run: Run) -> None:
    class Protocol(RecordingProtocol):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()

    async def main() -> None:
        async with facing_a_socket(Protocol) as (transport, protocol, peer):
            peer.send(b"first")
            await protocol.receives(5)
            peer.send(b"second")
            await several_turns()
            assert protocol.received == b"first"
            transport.resume_reading()
            assert await protocol.receives(11) == b"firstsecond"

    run(main())


def test_the_end_of_a_paused_connection_is_told_after_it_resumes(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, peer):
            transport.pause_reading()
            peer.send(b"last")
            peer.close()
            await several_turns()
            assert protocol.calls == ["connection_made"]
            transport.resume_reading()
            assert await protocol.lost is None
            assert protocol.received == b"last"

    run(main())


def test_pausing_and_resuming_a_closing_transport_does_nothing(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, peer):
            transport.close()
            assert not transport.is_reading()
            transport.pause_reading()
            transport.resume_reading()
            peer.send(b"too late")
            assert await protocol.lost is None
            assert protocol.calls == ["connection_made", "connection_lost"]
            transport.pause_reading()
            transport.resume_reading()
            assert not transport.is_reading()

    run(main())


def test_a_new_protocol_gets_what_comes_from_then_on(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, first, peer):
            second = RecordingProtocol()
            peer.send(b"one")
            await first.receives(3)
            assert transport.get_protocol() is first
            transport.set_protocol(second)
            assert transport.get_protocol() is second
            peer.send(b"two")
            assert await second.receives(3) == b"two"
            peer.close()
            assert await second.lost is None
            assert second.calls == ["data_received", "eof_received", "connection_lost"]
            assert first.calls == ["connection_made", "data_received"]

    run(main())


def test_a_protocol_may_be_replaced_in_data_received(run: Run) -> None:
    class Greeting(RecordingProtocol):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.successor = RecordingProtocol()
            self.transport.set_protocol(self.successor)

    async def main() -> None:
        async with facing_a_socket(Greeting) as (_, first, peer):
            peer.send(b"hello")
            await first.receives(5)
            peer.send(b"body")
            assert await first.successor.receives(4) == b"body"
            assert first.received == b"hello"

    run(main())


def test_a_lost_transport_has_let_go_of_its_protocol(run: Run) -> None:
    async def main() -> tuple[asyncio.Transport, weakref.ref[RecordingProtocol]]:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, _):
            transport.close()
            await protocol.lost
            return transport, weakref.ref(protocol)

    transport, protocol = run(main())
    gc.collect()
    assert transport.get_protocol() is None
    assert protocol() is None


def test_each_call_sees_the_context_in_which_the_connection_was_created(run: Run) -> None:
    async def main() -> None:
        where.set("caller")
        async with facing_a_socket(ContextProtocol) as (_, protocol, peer):
            where.set("changed since")
            peer.send(b"data")
            await protocol.receives(4)
            peer.close()
            await protocol.lost
            expected = ["connection_made", "data_received", "eof_received", "connection_lost"]
            assert protocol.seen == [(call, "caller") for call in expected]

    run(main())


def test_the_calls_of_a_server_see_the_context_in_which_it_was_created(run: Run) -> None:
    seen_by_factory = []

    class Server(ContextProtocol):
        def __init__(self) -> None:
            seen_by_factory.append(where.get())
            super().__init__()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        protocols: list[Server] = []

        def accept() -> Server:
            protocols.append(Server())
            return protocols[-1]

        where.set("server")
        async with await loop.create_server(accept, "127.0.0.1", 0) as server:
            where.set("client")
            _, client = await loop.create_connection(RecordingProtocol, *server.sockets[0].getsockname())
            client.transport.write(b"data")
            client.transport.close()
            await client.lost
            while not protocols:
                await asyncio.sleep(0)
            await protocols[0].lost
            assert {value for _, value in protocols[0].seen} == {"server"}

    run(main())
    assert seen_by_factory == ["server"]


def test_what_a_connection_sets_is_not_seen_by_the_next_one(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        protocols: list[ContextProtocol] = []

        def accept() -> ContextProtocol:
            protocols.append(ContextProtocol({"connection_made": "inside", "data_received": "inside"}))
            return protocols[-1]

        async with await loop.create_server(accept, "127.0.0.1", 0) as server:
            for number in range(2):
                _, client = await loop.create_connection(RecordingProtocol, *server.sockets[0].getsockname())
                client.transport.write(b"data")
                client.transport.close()
                await client.lost
                while len(protocols) == number:
                    await asyncio.sleep(0)
                await protocols[number].lost
        assert protocols[0].seen[0] == ("connection_made", "nowhere")
        assert protocols[1].seen == protocols[0].seen

    run(main())


def test_data_received_sees_what_connection_made_sets_where_connections_have_a_context(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(lambda: ContextProtocol({"connection_made": "inside"})) as (_, protocol, peer):
            peer.send(b"data")
            await protocol.receives(4)
            expected = "inside" if connections_have_a_context else "nowhere"
            assert protocol.seen == [("connection_made", "nowhere"), ("data_received", expected)]

    run(main())


def test_what_data_received_sets_is_seen_by_the_calls_of_reading_after_it(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(lambda: ContextProtocol({"data_received": "inside"})) as (_, protocol, peer):
            for total in (1, 2):
                peer.send(b"x")
                await protocol.receives(total)
            peer.close()
            await protocol.lost
            assert protocol.seen[1:] == [
                ("data_received", "nowhere"),
                ("data_received", "inside"),
                ("eof_received", "inside"),
                ("connection_lost", "inside"),
            ]

    run(main())


def test_after_resuming_data_received_sees_the_context_of_the_connection_or_else_of_who_resumed(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(ContextProtocol) as (transport, protocol, peer):
            transport.pause_reading()
            where.set("resumed here")
            transport.resume_reading()
            where.set("changed since")
            peer.send(b"data")
            await protocol.receives(4)
            expected = "nowhere" if connections_have_a_context else "resumed here"
            assert protocol.seen[-1] == ("data_received", expected)

    run(main())


def test_connection_lost_sees_the_context_of_the_connection_or_else_of_who_closed(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(ContextProtocol) as (transport, protocol, _):
            where.set("closed here")
            transport.close()
            where.set("changed since")
            await protocol.lost
            expected = "nowhere" if connections_have_a_context else "closed here"
            assert protocol.seen[-1] == ("connection_lost", expected)

    run(main())


def test_resume_writing_sees_the_context_of_the_connection_or_else_of_the_write(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(ContextProtocol, send_buffer=4096) as (transport, protocol, peer):
            where.set("written here")
            transport.write(bytes(1 << 20))
            where.set("changed since")
            while transport.get_write_buffer_size():
                await asyncio.get_running_loop().sock_recv(peer, 1 << 16)
            expected = "nowhere" if connections_have_a_context else "written here"
            assert protocol.seen[1:] == [("pause_writing", "written here"), ("resume_writing", expected)]

    run(main())
