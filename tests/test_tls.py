"""Connections over TLS: data, flow control, what a transport tells of its TLS, closing, and ends that go wrong.

The certificates are of an authority that exists for these tests only. Where a peer has to misbehave it is a bare socket
with TLS driven by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import ioxide
import pytest
from recording_protocol import (
    RecordingProtocol,
    aborted,
    authority,
    connected,
    several_turns,
    tls_contexts,
)

Run = Callable[[Awaitable[Any]], Any]

MUCH = bytes(range(256)) * 16384


@pytest.fixture
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return tls_contexts()


@pytest.fixture
def server_context(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> ssl.SSLContext:
    return contexts[0]


@pytest.fixture
def client_context(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> ssl.SSLContext:
    return contexts[1]


Connect = Callable[..., contextlib.AbstractAsyncContextManager[tuple[RecordingProtocol, RecordingProtocol]]]


@pytest.fixture
def secured(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> Connect:
    """Connect two protocols over TLS: `(client, server)`."""

    def connect(*factories: Callable[[], RecordingProtocol], **options: Any) -> Any:
        client_options = {"ssl": client_context, "server_hostname": "localhost", **options}
        return connected(*factories, client_options=client_options, server_options={"ssl": server_context})

    return connect


class ManualPeer:
    """The other end of a TLS connection, which does only what a test tells it."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    async def flush(self) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, self.outgoing.read())

    async def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush()
                self.incoming.write(await asyncio.get_running_loop().sock_recv(self.sock, 1 << 16))
            else:
                await self.flush()
                return


@contextlib.asynccontextmanager
async def facing_a_manual_peer(
    client_context: ssl.SSLContext, server_context: ssl.SSLContext, **options: Any
) -> AsyncIterator[tuple[RecordingProtocol, ManualPeer]]:
    """Connect a protocol to a peer that has shaken hands and does nothing further."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    peer = ManualPeer(theirs, server_context)
    with theirs:
        connecting = asyncio.get_running_loop().create_connection(
            RecordingProtocol, sock=ours, ssl=client_context, server_hostname="localhost", **options
        )
        (transport, protocol), _ = await asyncio.gather(connecting, peer.handshake())
        yield protocol, peer
        await aborted(transport)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_data_goes_both_ways(run: Run, secured: Connect, client_context: ssl.SSLContext, version: Any) -> None:
    client_context.maximum_version = version

    async def main() -> None:
        async with secured() as (client, server):
            assert client.calls == ["connection_made"]
            client.transport.write(b"question")
            assert await server.receives(8) == b"question"
            server.transport.writelines([b"an", bytearray(b"sw"), memoryview(b"er")])
            assert await client.receives(6) == b"answer"
            assert client.transport.get_extra_info("cipher")[1] == version.name.replace("_", ".")

    run(main())


def test_closing_ends_both_sides_with_eof_and_loss(run: Run, secured: Connect) -> None:
    async def main() -> None:
        async with secured() as (client, server):
            client.transport.write(b"last words")
            client.transport.close()
            assert client.transport.is_closing()
            assert await client.lost is None
            assert await server.lost is None
            assert client.calls == ["connection_made", "eof_received", "connection_lost"]
            assert server.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]
            assert server.received == b"last words"

    run(main())


def test_much_data_goes_both_ways_at_once_under_flow_control(run: Run, secured: Connect) -> None:
    async def main() -> None:
        async with secured() as (client, server):
            for protocol in (client, server):
                sock = protocol.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
                # The first write fills the transport below; what follows it counts towards the limits.
                protocol.transport.write(MUCH[: 2 << 20])
                protocol.transport.write(MUCH[2 << 20 :])
                assert protocol.calls == ["connection_made", "pause_writing"]
                assert protocol.transport.get_write_buffer_size() > 512 * 1024
            received = await asyncio.gather(client.receives(len(MUCH)), server.receives(len(MUCH)))
            assert list(received) == [MUCH, MUCH]
            for protocol in (client, server):
                await protocol.resumed.wait()
                assert protocol.transport.get_write_buffer_size() == 0

    run(main())


def test_closing_sends_what_is_buffered_first(run: Run, secured: Connect) -> None:
    async def main() -> None:
        async with secured() as (client, server):
            client.transport.write(MUCH[:100_000])
            client.transport.close()
            assert await server.lost is None
            assert server.received == MUCH[:100_000]

    run(main())


def test_aborting_ends_both_sides(run: Run, secured: Connect) -> None:
    async def main() -> None:
        async with secured() as (client, server):
            client.transport.abort()
            assert await client.lost is None
            assert client.calls == ["connection_made", "connection_lost"]
            # Session tickets that nobody read turn the end into a reset.
            assert isinstance(await server.lost, ConnectionResetError | None)

    run(main())


def test_a_transport_tells_of_its_tls(run: Run, secured: Connect, client_context: ssl.SSLContext) -> None:
    async def main() -> None:
        async with secured() as (client, server):
            tell = client.transport.get_extra_info
            assert isinstance(client.transport, asyncio.Transport)
            assert tell("sslcontext") is client_context
            assert isinstance(tell("ssl_object"), ssl.SSLObject)
            assert tell("cipher") == tell("ssl_object").cipher()
            assert tell("compression", "default") is None
            assert ("DNS", "localhost") in tell("peercert")["subjectAltName"]
            assert server.transport.get_extra_info("peercert") is None
            assert tell("peername") == server.transport.get_extra_info("sockname")
            assert tell("socket").getsockname() == tell("sockname")
            assert tell("nothing of the kind", "default") == "default"
            assert client.transport.can_write_eof() is False
            assert client.transport.get_write_buffer_limits() == (128 * 1024, 512 * 1024)
            client.transport.set_write_buffer_limits(high=1000)
            assert client.transport.get_write_buffer_limits() == (250, 1000)
            with pytest.raises(NotImplementedError):
                client.transport.write_eof()
            for wrong in ("text", None):
                with pytest.raises(TypeError, match=r"^data: expecting a bytes-like instance, got (str|NoneType)$"):
                    client.transport.write(wrong)  # type: ignore[arg-type]

    run(main())


def test_the_transport_below_is_the_loops_own(run: Run, loop: asyncio.AbstractEventLoop, secured: Connect) -> None:
    expected = "SocketTransport" if isinstance(loop, ioxide.Loop) else "_SelectorSocketTransport"

    async def main() -> None:
        async with secured() as ends:
            for protocol in ends:
                below = protocol.transport._ssl_protocol._transport  # type: ignore[attr-defined]
                assert type(below).__name__ == expected

    run(main())


def test_a_protocol_of_their_choice_is_agreed_on(
    run: Run, secured: Connect, client_context: ssl.SSLContext, server_context: ssl.SSLContext
) -> None:
    client_context.set_alpn_protocols(["h3", "http/1.1"])
    server_context.set_alpn_protocols(["h2", "http/1.1"])

    async def main() -> None:
        async with secured() as pair:
            for protocol in pair:
                tls = protocol.transport.get_extra_info("ssl_object")
                assert tls.selected_alpn_protocol() == "http/1.1"

    run(main())


def test_a_server_may_ask_for_the_clients_certificate(
    run: Run,
    secured: Connect,
    client_context: ssl.SSLContext,
    server_context: ssl.SSLContext,
) -> None:
    authority().issue_cert("client.example").configure_cert(client_context)
    authority().configure_trust(server_context)
    server_context.verify_mode = ssl.CERT_REQUIRED

    async def main() -> None:
        async with secured() as (_, server):
            assert ("DNS", "client.example") in server.transport.get_extra_info("peercert")["subjectAltName"]

    run(main())


def test_a_peer_that_does_not_answer_the_shutdown_is_left_after_the_timeout(
    run: Run, client_context: ssl.SSLContext, server_context: ssl.SSLContext
) -> None:
    async def main() -> None:
        timeout = {"ssl_shutdown_timeout": 0.01}
        async with facing_a_manual_peer(client_context, server_context, **timeout) as (protocol, _):
            protocol.transport.close()
            error = await protocol.lost
            assert type(error) is TimeoutError
            assert str(error) == "SSL shutdown timed out"

    run(main())


def test_an_end_without_a_shutdown_is_an_end(
    run: Run, client_context: ssl.SSLContext, server_context: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with facing_a_manual_peer(client_context, server_context) as (protocol, peer):
            peer.tls.write(b"cut off")
            await peer.flush()
            peer.sock.shutdown(socket.SHUT_RDWR)
            assert await protocol.lost is None
            assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]

    run(main())


def test_a_record_that_was_tampered_with_loses_the_connection(
    run: Run, client_context: ssl.SSLContext, server_context: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with facing_a_manual_peer(client_context, server_context) as (protocol, peer):
            await several_turns()
            peer.tls.write(b"secret")
            record = bytearray(peer.outgoing.read())
            record[-1] ^= 1
            peer.sock.send(record)
            assert isinstance(await protocol.lost, ssl.SSLError)
            assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_writing_to_a_closed_connection_is_ignored_and_logged(
    run: Run, secured: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with secured() as (client, server):
            client.transport.close()
            await client.lost
            with caplog.at_level(logging.WARNING, "asyncio"):
                for _ in range(6):
                    client.transport.write(b"x")
            assert set(caplog.messages) == {"SSL connection is closed"}
            await server.lost
            assert server.received == b""

    run(main())


def test_reading_can_be_paused(run: Run, secured: Connect) -> None:
    async def main() -> None:
        async with secured() as (client, server):
            client.transport.pause_reading()
            assert not client.transport.is_reading()
            server.transport.write(MUCH)
            await several_turns()
            assert client.received == b""
            client.transport.resume_reading()
            assert await client.receives(len(MUCH)) == MUCH

    run(main())
