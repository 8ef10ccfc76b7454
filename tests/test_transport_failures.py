"""What becomes of a connection when a callback raises or the peer resets it.

Each failure has one way out: the exact exception in `connection_lost`, a report to the exception handler, or out of
`run_forever`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import select
import socket
import struct
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from recording_protocol import (
    RecordingProtocol,
    connected,
    drained,
    facing_a_socket,
    serving,
    several_turns,
    tls_contexts,
)

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]

TOO_MUCH = bytes(1 << 20)


def raising_in(callback: str, error: BaseException) -> type[RecordingProtocol]:
    """Make a protocol whose `callback` records the call and then raises `error`."""

    def fail(self: RecordingProtocol, *arguments: Any) -> None:
        getattr(RecordingProtocol, callback)(self, *arguments)
        raise error

    return type("Raising", (RecordingProtocol,), {callback: fail})


def reset(peer: socket.socket) -> None:
    """Close `peer` so that the other end of the connection is reset."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@contextlib.asynccontextmanager
async def facing_a_tcp_socket() -> AsyncIterator[tuple[RecordingProtocol, socket.socket]]:
    """Connect a transport to a bare socket over TCP, which alone knows resets: `(protocol, peer)`."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        transport, protocol = await loop.create_connection(RecordingProtocol, *listener.getsockname())
        peer, _ = await loop.sock_accept(listener)
    with peer:
        yield protocol, peer
        transport.abort()
        await protocol.lost
        await several_turns()


@pytest.mark.parametrize("callback", ["data_received", "eof_received"])
@pytest.mark.parametrize("error", [ValueError("raised"), asyncio.CancelledError()], ids=["exception", "cancelled"])
def test_an_exception_while_reading_is_reported_and_loses_the_connection(
    run: Run, reports: Reports, callback: str, error: BaseException
) -> None:
    async def main() -> None:
        async with facing_a_socket(raising_in(callback, error)) as (transport, protocol, peer):
            peer.send(b"data")
            peer.shutdown(socket.SHUT_WR)
            assert await protocol.lost is error
            assert protocol.calls[-2:] == [callback, "connection_lost"]
            assert reports.pop() == {
                "message": f"Fatal error: protocol.{callback}() call failed.",
                "exception": error,
                "transport": transport,
                "protocol": protocol,
            }

    run(main())


def test_an_exception_in_data_received_drops_what_is_buffered(run: Run, reports: Reports) -> None:
    async def main() -> None:
        error = ValueError("raised")
        async with facing_a_socket(raising_in("data_received", error), send_buffer=4096) as (transport, protocol, peer):
            transport.write(TOO_MUCH)
            peer.send(b"data")
            assert await protocol.lost is error
            assert len(await drained(peer)) < len(TOO_MUCH)
            assert [report["exception"] for report in reports] == [error]
            reports.clear()

    run(main())


@pytest.mark.parametrize("callback", ["data_received", "eof_received"])
def test_an_os_error_while_reading_loses_the_connection_without_a_report(run: Run, callback: str) -> None:
    error = OSError("raised by the protocol")

    async def main() -> None:
        async with facing_a_socket(raising_in(callback, error)) as (_, protocol, peer):
            peer.send(b"data")
            peer.shutdown(socket.SHUT_WR)
            assert await protocol.lost is error

    run(main())


def test_an_exception_in_connection_made_is_reported_and_the_connection_stays(run: Run, reports: Reports) -> None:
    error = ValueError("raised")

    async def main() -> None:
        async with facing_a_socket(raising_in("connection_made", error)) as (_, protocol, peer):
            report = reports.pop()
            assert report["message"].startswith("Exception in callback ")
            assert report["exception"] is error
            assert isinstance(report["handle"], asyncio.Handle)
            peer.send(b"data")
            assert await protocol.receives(4) == b"data"

    run(main())


@pytest.mark.parametrize("buffered", [b"", TOO_MUCH], ids=["nothing buffered", "buffered"])
def test_an_exception_in_connection_lost_is_reported_and_the_descriptor_closed(
    run: Run, reports: Reports, buffered: bytes
) -> None:
    error = ValueError("raised")

    async def main() -> None:
        protocol_class = raising_in("connection_lost", error)
        async with facing_a_socket(protocol_class, send_buffer=4096) as (transport, protocol, peer):
            transport.write(buffered)
            transport.close()
            assert await drained(peer) == buffered
            await protocol.lost
            assert transport.get_extra_info("socket").fileno() == -1
            report = reports.pop()
            assert report["message"].startswith("Exception in callback ")
            assert report["exception"] is error

    run(main())


@pytest.mark.parametrize("callback", ["pause_writing", "resume_writing"])
def test_an_exception_in_flow_control_is_reported_and_the_connection_stays(
    run: Run, reports: Reports, callback: str
) -> None:
    error = ValueError("raised")

    async def main() -> None:
        async with facing_a_socket(raising_in(callback, error), send_buffer=4096) as (transport, protocol, peer):
            transport.write(TOO_MUCH)
            transport.close()
            assert await drained(peer) == TOO_MUCH
            assert await protocol.lost is None
            assert protocol.calls[1:] == ["pause_writing", "resume_writing", "connection_lost"]
            message = f"protocol.{callback}() failed"
            expected = {"message": message, "exception": error, "transport": transport, "protocol": protocol}
            assert reports.pop() == expected

    run(main())


@pytest.mark.parametrize("callback", ["connection_made", "data_received", "eof_received"])
def test_an_exception_over_tls_is_reported_and_loses_the_connection(
    loop: Loop, run: Run, reports: Reports, callback: str
) -> None:
    loop.set_debug(False)  # in debug mode a connection that fails on the server's side is reported, too
    server_context, client_context = tls_contexts()
    error = ValueError("raised")

    class Farewell(RecordingProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.write(b"hello and goodbye")
            self.transport.close()

    async def main() -> None:
        async with serving(Farewell, ssl=server_context) as address:
            connecting = loop.create_connection(
                raising_in(callback, error), *address, ssl=client_context, server_hostname="localhost"
            )
            if callback == "connection_made":
                with pytest.raises(ValueError, match="raised") as caught:
                    await connecting
                assert caught.value is error
            else:
                _, protocol = await connecting
                assert await protocol.lost is error
                assert protocol.calls[-2:] == [callback, "connection_lost"]
            # asyncio words the message by the layer that noticed.
            assert [report["exception"] for report in reports] == [error]
            assert reports.pop().keys() == {"message", "exception", "transport", "protocol"}

    run(main())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_data_received_comes_out_of_the_loop_which_can_run_again(
    loop: Loop, kind: type[BaseException]
) -> None:
    ours, peer = socket.socketpair()
    with peer:
        connecting = loop.create_connection(raising_in("data_received", kind("now")), sock=ours)
        transport, protocol = loop.run_until_complete(connecting)
        peer.send(b"data")
        with pytest.raises(kind, match="now"):
            loop.run_forever()
        assert not loop.is_running()
        assert protocol.calls == ["connection_made", "data_received"]
        assert not transport.is_closing()
        transport.close()
        assert loop.run_until_complete(protocol.lost) is None
        loop.run_until_complete(several_turns())


@pytest.mark.parametrize("debug", [False, True])
def test_a_factory_that_raises_in_a_server_is_reported_in_debug_mode_only(
    loop: Loop, reports: Reports, debug: bool
) -> None:
    called = asyncio.Event()

    def refuse() -> asyncio.Protocol:
        called.set()
        raise ValueError("no protocol today")

    async def main() -> None:
        server = await loop.create_server(refuse, "127.0.0.1", 0)
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, server.sockets[0].getsockname())
            await called.wait()
            await several_turns()
            if debug:
                report = reports.pop()
                assert report["message"] == "Error on transport creation for incoming connection"
                assert repr(report["exception"]) == "ValueError('no protocol today')"
                assert report.keys() == {"message", "exception"}
                del report
            assert reports == []
            gc.collect()
            assert await drained(client) == b"", "the refused connection is closed"
        server.close()
        await server.wait_closed()

    loop.set_debug(debug)
    # The accepted socket may be left to its finalizer, which warns.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop.run_until_complete(main())


def test_a_factory_that_raises_in_a_client_fails_create_connection(run: Run) -> None:
    error = ValueError("no protocol today")

    def refuse() -> asyncio.Protocol:
        raise error

    async def main() -> None:
        ours, peer = socket.socketpair()
        with ours, peer:
            with pytest.raises(ValueError, match="no protocol today") as caught:
                await asyncio.get_running_loop().create_connection(refuse, sock=ours)
            assert caught.value is error

    run(main())


def test_a_reset_while_reading_is_told_as_connection_reset_error(run: Run) -> None:
    async def main() -> None:
        async with facing_a_tcp_socket() as (protocol, peer):
            reset(peer)
            error = await protocol.lost
            assert type(error) is ConnectionResetError
            assert error.args == (errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_a_reset_while_writing_is_told_as_connection_reset_error(run: Run) -> None:
    async def main() -> None:
        async with facing_a_tcp_socket() as (protocol, peer):
            protocol.transport.pause_reading()
            while not protocol.transport.get_write_buffer_size():
                protocol.transport.write(TOO_MUCH)
            reset(peer)
            error = await protocol.lost
            assert type(error) is ConnectionResetError
            assert error.errno == errno.ECONNRESET
            assert protocol.transport.get_write_buffer_size() == 0

    run(main())


def test_a_reset_found_by_write_is_told_as_connection_reset_error(run: Run) -> None:
    async def main() -> None:
        async with facing_a_tcp_socket() as (protocol, peer):
            protocol.transport.pause_reading()
            reset(peer)
            poll = select.poll()
            poll.register(protocol.transport.get_extra_info("socket").fileno(), 0)
            poll.poll()
            protocol.transport.write(b"x")
            assert protocol.transport.is_closing()
            assert not protocol.lost.done()
            error = await protocol.lost
            assert type(error) is ConnectionResetError

    run(main())


def test_writing_to_a_peer_that_is_gone_is_told_as_broken_pipe_error(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, peer):
            transport.pause_reading()
            peer.close()
            transport.write(b"x")
            error = await protocol.lost
            assert type(error) is BrokenPipeError
            assert error.args == (errno.EPIPE, os.strerror(errno.EPIPE))
            transport.write(b"ignored")

    run(main())


def test_a_reset_before_the_end_could_be_written_loses_the_connection(run: Run, reports: Reports) -> None:
    async def main() -> None:
        async with facing_a_tcp_socket() as (protocol, peer):

            def between_the_data_and_the_end() -> None:
                RecordingProtocol.resume_writing(protocol)
                reset(peer)

            protocol.resume_writing = between_the_data_and_the_end  # type: ignore[method-assign]
            protocol.transport.set_write_buffer_limits(high=0)
            while not protocol.transport.get_write_buffer_size():
                protocol.transport.write(TOO_MUCH)
            protocol.transport.write_eof()
            while not protocol.resumed.is_set():
                with contextlib.suppress(BlockingIOError):
                    peer.recv(len(TOO_MUCH))
                await asyncio.sleep(0)
            assert type(await protocol.lost) is ConnectionResetError
            # The end that couldn't be written is a report of its own, or none.
            assert [report["exception"].errno for report in reports] in ([errno.ENOTCONN], [])
            reports.clear()

    run(main())


def test_a_connection_lost_by_a_reset_is_lost_once(run: Run) -> None:
    async def main() -> None:
        async with facing_a_tcp_socket() as (protocol, peer):
            reset(peer)
            await protocol.lost
            protocol.transport.write(b"x")
            protocol.transport.close()
            protocol.transport.abort()
            await several_turns()
            assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_a_closed_server_leaves_its_connections_alone(run: Run) -> None:
    async def main() -> None:
        # `connected` closes the server before it yields.
        async with connected() as (client, server):
            await several_turns()
            client.transport.write(b"question")
            assert await server.receives(8) == b"question"
            server.transport.write(b"answer")
            assert await client.receives(6) == b"answer"

    run(main())
