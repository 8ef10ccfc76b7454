"""TLS over transports: handshakes, certificates, start_tls, shutting down, and what may go wrong in each.

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

import pytest
from recording_protocol import (
    RecordingProtocol,
    aborted,
    authority,
    connected,
    drained,
    serving,
    several_turns,
    tls_contexts,
)

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]

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


@pytest.mark.parametrize(
    ("trusting", "name", "message"),
    [
        ("the authority", "elsewhere.example", "Hostname mismatch"),
        ("nobody", "localhost", "unable to get local issuer certificate"),
        ("the machine's", "localhost", "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_that_does_not_verify_is_refused(
    loop: Loop,
    run: Run,
    client_context: ssl.SSLContext,
    server_context: ssl.SSLContext,
    trusting: str,
    name: str,
    message: str,
) -> None:
    loop.set_debug(False)  # in debug mode a connection that fails on the server's side is reported
    made: list[RecordingProtocol] = []

    def factory() -> RecordingProtocol:
        made.append(RecordingProtocol())
        return made[-1]

    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    contexts: dict[str, Any] = {"the authority": client_context, "nobody": nobody, "the machine's": True}

    async def main() -> None:
        async with serving(factory, ssl=server_context) as address:
            with pytest.raises(ssl.SSLCertVerificationError, match=message):
                await loop.create_connection(RecordingProtocol, *address, ssl=contexts[trusting], server_hostname=name)
        assert [protocol.calls for protocol in made] == [[]], "the server's protocol is told of no connection"

    run(main())


def test_the_host_is_the_name_to_verify_unless_another_is_given(
    loop: Loop, run: Run, client_context: ssl.SSLContext, server_context: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(ssl=server_context) as address:
            transport, protocol = await loop.create_connection(RecordingProtocol, *address, ssl=client_context)
            transport.write(b"hello")
            assert await protocol.receives(5) == b"hello"
            transport.close()
            await protocol.lost

    run(main())


@pytest.mark.parametrize("heard", [False, True])
def test_a_peer_that_leaves_during_the_handshake_resets_it(
    loop: Loop, run: Run, client_context: ssl.SSLContext, heard: bool
) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        peer.setblocking(False)
        connecting = asyncio.ensure_future(
            loop.create_connection(RecordingProtocol, sock=ours, ssl=client_context, server_hostname="x")
        )
        assert await loop.sock_recv(peer, 1 << 16 if heard else 1)
        peer.close()
        with pytest.raises(ConnectionResetError):
            await connecting

    run(main())


def test_a_peer_that_speaks_something_else_is_an_ssl_error(
    loop: Loop, run: Run, client_context: ssl.SSLContext
) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version.number"):
                await loop.create_connection(RecordingProtocol, sock=ours, ssl=client_context, server_hostname="x")

    run(main())


def test_a_handshake_that_takes_too_long_is_aborted(loop: Loop, run: Run, client_context: ssl.SSLContext) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            message = r"^SSL handshake is taking longer than 0.01 seconds: aborting the connection$"
            with pytest.raises(ConnectionAbortedError, match=message):
                await loop.create_connection(
                    RecordingProtocol, sock=ours, ssl=client_context, server_hostname="x", ssl_handshake_timeout=0.01
                )

    run(main())


def test_a_server_drops_a_client_that_does_not_shake_hands(
    loop: Loop, run: Run, server_context: ssl.SSLContext
) -> None:
    loop.set_debug(False)  # in debug mode a connection that fails on the server's side is reported

    async def main() -> None:
        async with serving(ssl=server_context, ssl_handshake_timeout=0.01) as address:
            with socket.create_connection(address) as silent:
                silent.setblocking(False)
                assert await drained(silent) == b""

    run(main())


def test_cancelling_a_handshake_closes_the_connection(loop: Loop, run: Run, client_context: ssl.SSLContext) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        peer.setblocking(False)
        with peer:
            connecting = asyncio.ensure_future(
                loop.create_connection(RecordingProtocol, sock=ours, ssl=client_context, server_hostname="x")
            )
            await loop.sock_recv(peer, 1 << 16)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            assert await drained(peer) == b""

    run(main())


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("seconds", [0, -1])
def test_timeouts_are_positive(loop: Loop, run: Run, client_context: ssl.SSLContext, name: str, seconds: int) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with ours, peer:
            options: dict[str, Any] = {"ssl": client_context, "server_hostname": "x", name: seconds}
            with pytest.raises(ValueError, match=f"^{name} should be a positive number, got {seconds}$"):
                await loop.create_connection(RecordingProtocol, sock=ours, **options)

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


def test_a_plain_connection_is_upgraded_on_both_sides(
    loop: Loop, run: Run, client_context: ssl.SSLContext, server_context: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with connected() as (client, server):
            client.transport.write(b"upgrade")
            await server.receives(7)
            secured = await asyncio.gather(
                loop.start_tls(server.transport, server, server_context, server_side=True),
                loop.start_tls(client.transport, client, client_context, server_hostname="localhost"),
            )
            server_tls, client_tls = secured
            assert server_tls is not None
            assert client_tls is not None
            assert client_tls.get_protocol() is client
            assert client_tls.get_extra_info("cipher") is not None
            client_tls.write(b" and go on")
            assert await server.receives(17) == b"upgrade and go on"
            server_tls.write(b"gladly")
            assert await client.receives(6) == b"gladly"
            client_tls.close()
            assert await client.lost is None
            assert await server.lost is None
            assert client.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]

    run(main())


def test_an_upgrade_to_an_unverified_certificate_loses_the_connection(
    loop: Loop, run: Run, client_context: ssl.SSLContext, server_context: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with connected() as (client, server):
            results = await asyncio.gather(
                loop.start_tls(server.transport, server, server_context, server_side=True),
                loop.start_tls(client.transport, client, client_context, server_hostname="elsewhere.example"),
                return_exceptions=True,
            )
            assert isinstance(results[0], OSError), "a reset, or what the alert of the client says"
            assert isinstance(results[1], ssl.SSLCertVerificationError)
            await several_turns()
            for protocol in (client, server):
                assert protocol.transport.is_closing()

    run(main())


def test_only_a_transport_of_the_loop_and_a_context_can_be_upgraded(
    loop: Loop, run: Run, client_context: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with connected() as (client, server):
            with pytest.raises(
                TypeError, match=r"^sslcontext is expected to be an instance of ssl.SSLContext, got None"
            ):
                await loop.start_tls(client.transport, client, None)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"^transport <.*> is not supported by start_tls\(\)$"):
                await loop.start_tls(asyncio.Transport(), client, client_context)
            client.transport.write(b"still plain")
            assert await server.receives(11) == b"still plain"

    run(main())


def test_an_accepted_socket_is_secured(
    loop: Loop, run: Run, client_context: ssl.SSLContext, server_context: ssl.SSLContext
) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        (client, client_side), (server, server_side) = await asyncio.gather(
            loop.create_connection(RecordingProtocol, sock=ours, ssl=client_context, server_hostname="localhost"),
            loop.connect_accepted_socket(RecordingProtocol, theirs, ssl=server_context, ssl_handshake_timeout=60),
        )
        client.write(b"hello")
        assert await server_side.receives(5) == b"hello"
        server.close()
        await asyncio.gather(client_side.lost, server_side.lost)

    run(main())
