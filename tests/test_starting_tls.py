"""TLS on a connection that is there already: `start_tls` on both of its ends, and an accepted socket."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from recording_protocol import (
    RecordingProtocol,
    connected,
    several_turns,
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
