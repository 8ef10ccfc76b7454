"""asyncio.Server: starting and stopping to serve, waiting for the end, and the connections it has accepted.

Which addresses a server listens on is in test_creating_servers.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import socket
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from recording_protocol import RecordingProtocol, several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

waits_for_connections = sys.version_info >= (3, 12)
# Bug-fix releases of several versions began to.
serve_forever_closes_connections = "close_clients" in inspect.getsource(asyncio.Server.serve_forever)


class Accepting:
    """A factory of protocols that hands out the first one it makes."""

    def __init__(self) -> None:
        self.first: asyncio.Future[RecordingProtocol] = asyncio.get_running_loop().create_future()

    def __call__(self) -> RecordingProtocol:
        protocol = RecordingProtocol()
        if not self.first.done():
            self.first.set_result(protocol)
        return protocol


@contextlib.asynccontextmanager
async def serving_a_client() -> AsyncIterator[tuple[asyncio.Server, RecordingProtocol, RecordingProtocol]]:
    """Let a server accept one connection: `(server, client, accepted)`."""
    loop = asyncio.get_running_loop()
    accepting = Accepting()
    server = await loop.create_server(accepting, "127.0.0.1", 0)
    _, client = await loop.create_connection(RecordingProtocol, *server.sockets[0].getsockname())
    accepted = await accepting.first
    await accepted.made
    yield server, client, accepted
    client.transport.close()
    await client.lost
    await accepted.lost
    server.close()
    await server.wait_closed()


async def is_refused(address: tuple[str, int]) -> bool:
    """Say whether nobody listens at `address`."""
    with socket.socket() as client:
        client.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(client, address)
        except ConnectionRefusedError:
            return True
        # A server that is closed between accepting and making the transport would drop the connection halfway.
        await several_turns()
    return False


def test_a_server_knows_its_loop_and_its_sockets(loop: Loop, run: Run) -> None:
    async def main() -> None:
        server = await loop.create_server(RecordingProtocol, "127.0.0.1", 0)
        assert isinstance(server, asyncio.AbstractServer)
        assert server.get_loop() is loop
        assert server.is_serving()
        assert type(server.sockets) is tuple
        (listening,) = server.sockets
        assert not hasattr(listening, "accept"), "a TransportSocket, which only looks"
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        assert repr(server) == f"<Server sockets=({listening!r},)>"
        server.close()
        assert server.sockets == ()
        assert repr(server) == "<Server sockets=()>"
        assert not server.is_serving()
        await server.wait_closed()

    run(main())


def test_a_closed_server_refuses_connections_at_once(loop: Loop, run: Run) -> None:
    async def main() -> None:
        server = await loop.create_server(RecordingProtocol, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        server.close()
        assert await is_refused(address)
        server.close()
        await server.wait_closed()
        await server.wait_closed()

    run(main())


def test_a_server_is_a_context_that_closes_it(loop: Loop, run: Run) -> None:
    async def main() -> None:
        async with await loop.create_server(RecordingProtocol, "127.0.0.1", 0) as server:
            address = server.sockets[0].getsockname()
            assert server.is_serving()
            assert not await is_refused(address)
        assert not server.is_serving()
        assert await is_refused(address)

    run(main())


def test_closing_a_server_leaves_its_connections_open(run: Run) -> None:
    async def main() -> None:
        async with serving_a_client() as (server, client, accepted):
            server.close()
            await several_turns()
            client.transport.write(b"question")
            assert await accepted.receives(8) == b"question"
            accepted.transport.write(b"answer")
            assert await client.receives(6) == b"answer"

    run(main())


def test_wait_closed_waits_for_the_connections_where_asyncio_does(run: Run) -> None:
    async def main() -> None:
        async with serving_a_client() as (server, client, _):
            server.close()
            waiting = asyncio.ensure_future(server.wait_closed())
            await several_turns()
            assert waiting.done() is not waits_for_connections
            client.transport.close()
            await waiting

    run(main())


def test_who_waits_before_a_server_is_closed_is_told_when_its_connections_are_gone(run: Run) -> None:
    async def main() -> None:
        async with serving_a_client() as (server, client, accepted):
            waiting = [asyncio.ensure_future(server.wait_closed()) for _ in range(2)]
            await several_turns()
            server.close()
            await several_turns()
            assert not any(waiter.done() for waiter in waiting)
            client.transport.close()
            assert await asyncio.gather(*waiting) == [None, None]
            assert accepted.lost.done()

    run(main())


def test_who_waits_for_a_server_without_connections_is_told_when_it_is_closed(loop: Loop, run: Run) -> None:
    async def main() -> None:
        server = await loop.create_server(RecordingProtocol, "127.0.0.1", 0)
        waiting = asyncio.ensure_future(server.wait_closed())
        await several_turns()
        assert not waiting.done()
        server.close()
        await waiting

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="before 3.13 asyncio waits for forgotten transports, too")
def test_a_transport_that_was_forgotten_is_not_waited_for(loop: Loop, run: Run) -> None:
    made: list[asyncio.BaseTransport] = []
    complete = loop.create_future()

    class Forgotten(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            # A transport that reads is held by the loop.
            transport.pause_reading()  # type: ignore[attr-defined]
            made.append(transport)
            if len(made) == 2:
                complete.set_result(None)

    async def main() -> None:
        server = await loop.create_server(Forgotten, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        with socket.create_connection(address), socket.create_connection(address):
            await complete
            await several_turns()
            server.close()
            waiting = asyncio.ensure_future(server.wait_closed())
            made.pop()
            gc.collect()
            await several_turns()
            assert not waiting.done()
            made.pop()
            gc.collect()
            await waiting

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(main())
    # Their sockets may warn as well.
    assert sum(str(warning.message).startswith("unclosed transport <") for warning in caught) == 2
    assert {warning.category for warning in caught} == {ResourceWarning}


def test_cancelling_one_who_waits_leaves_the_others_waiting(run: Run) -> None:
    async def main() -> None:
        async with serving_a_client() as (server, client, _):
            impatient, patient = (asyncio.ensure_future(server.wait_closed()) for _ in range(2))
            await several_turns()
            impatient.cancel()
            server.close()
            await several_turns()
            assert impatient.cancelled()
            assert not patient.done()
            client.transport.close()
            await patient

    run(main())


def test_serve_forever_starts_serving_and_ends_when_cancelled(loop: Loop, run: Run) -> None:
    async def main() -> None:
        server = await loop.create_server(RecordingProtocol, "127.0.0.1", 0, start_serving=False)
        address = server.sockets[0].getsockname()
        assert await is_refused(address)
        serving = asyncio.ensure_future(server.serve_forever())
        await several_turns()
        assert server.is_serving()
        assert not await is_refused(address)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert not server.is_serving()
        assert server.sockets == ()
        assert await is_refused(address)

    run(main())


def test_closing_a_server_cancels_serve_forever(loop: Loop, run: Run) -> None:
    async def main() -> None:
        server = await loop.create_server(RecordingProtocol, "127.0.0.1", 0)
        serving = asyncio.ensure_future(server.serve_forever())
        await several_turns()
        server.close()
        with pytest.raises(asyncio.CancelledError):
            await serving

    run(main())


def test_a_cancelled_serve_forever_waits_for_the_connections_where_wait_closed_does(run: Run) -> None:
    async def main() -> None:
        async with serving_a_client() as (server, client, _):
            serving = asyncio.ensure_future(server.serve_forever())
            await several_turns()
            serving.cancel()
            await several_turns()
            assert not server.is_serving()
            assert serving.done() is (serve_forever_closes_connections or not waits_for_connections)
            client.transport.close()
            with pytest.raises(asyncio.CancelledError):
                await serving

    run(main())


def test_serve_forever_is_refused_twice_and_when_closed(loop: Loop, run: Run) -> None:
    async def main() -> None:
        server = await loop.create_server(RecordingProtocol, "127.0.0.1", 0)
        serving = asyncio.ensure_future(server.serve_forever())
        await several_turns()
        with pytest.raises(RuntimeError, match=r"^server <Server .*> is already being awaited on serve_forever\(\)$"):
            await server.serve_forever()
        server.close()
        with pytest.raises(asyncio.CancelledError):
            await serving
        with pytest.raises(RuntimeError, match=r"^server <Server sockets=\(\)> is closed$"):
            await server.serve_forever()

    run(main())


def test_a_server_accepts_while_earlier_connections_are_open(loop: Loop, run: Run) -> None:
    async def main() -> None:
        made: list[RecordingProtocol] = []

        class Counted(RecordingProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                made.append(self)
                if len(made) == 10:
                    complete.set_result(None)

        complete = loop.create_future()
        server = await loop.create_server(Counted, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        clients = [(await loop.create_connection(RecordingProtocol, *address))[1] for _ in range(10)]
        await complete
        for client in clients:
            client.transport.close()
        await asyncio.gather(*(protocol.lost for protocol in clients + made))
        server.close()
        await server.wait_closed()

    run(main())


def test_a_connection_that_is_over_before_it_is_accepted_is_still_told(loop: Loop, run: Run) -> None:
    async def main() -> None:
        accepting = Accepting()
        server = await loop.create_server(accepting, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            client.sendall(b"in and out")
        protocol = await accepting.first
        assert await protocol.lost is None
        assert protocol.received == b"in and out"
        assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]
        server.close()
        await server.wait_closed()

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="close_clients and abort_clients came with 3.13")
@pytest.mark.parametrize("call", ["close_clients", "abort_clients"])
def test_a_server_ends_the_connections_it_has_accepted(run: Run, call: str) -> None:
    async def main() -> None:
        async with serving_a_client() as (server, client, accepted):
            server.close()
            waiting = asyncio.ensure_future(server.wait_closed())
            await several_turns()
            assert not waiting.done()
            getattr(server, call)()
            assert accepted.transport.is_closing()
            await waiting
            assert await accepted.lost is None
            assert await client.lost is None

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="close_clients and abort_clients came with 3.13")
def test_close_clients_sends_what_is_buffered_and_abort_clients_does_not(run: Run) -> None:
    async def main() -> None:
        for call, everything in (("close_clients", True), ("abort_clients", False)):
            async with serving_a_client() as (server, client, accepted):
                client.transport.pause_reading()
                written = 0
                while not accepted.transport.get_write_buffer_size():
                    accepted.transport.write(bytes(1 << 20))
                    written += 1 << 20
                getattr(server, call)()
                client.transport.resume_reading()
                assert await client.lost is None
                assert (len(client.received) == written) is everything

    run(main())
