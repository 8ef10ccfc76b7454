"""Handshakes of TLS that are refused, broken off, too slow or cancelled, and the names that they verify."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from recording_protocol import (
    RecordingProtocol,
    drained,
    serving,
    tls_contexts,
)

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]


@pytest.fixture
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return tls_contexts()


@pytest.fixture
def server_context(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> ssl.SSLContext:
    return contexts[0]


@pytest.fixture
def client_context(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> ssl.SSLContext:
    return contexts[1]


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
