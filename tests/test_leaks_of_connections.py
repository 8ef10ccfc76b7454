"""What a thousand connections leave, however they end: no descriptor, no object, no memory."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import socket
import ssl
import warnings
from pathlib import Path
from typing import Any

import pytest
from leak_checks import in_batches, leaves_nothing
from recording_protocol import (
    EchoProtocol,
    RecordingProtocol,
    aborted,
    closed,
    connected,
    facing_a_socket,
    serving,
    several_turns,
    tls_contexts,
)

Loop = asyncio.AbstractEventLoop
Reports = list[dict[str, Any]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes."""
    while data := await reader.read(100):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say something to an echo server, hear it, and leave."""
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.write_eof() if writer.can_write_eof() else writer.close()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def ask(transport: asyncio.BaseTransport, protocol: RecordingProtocol) -> None:
    """Say something to an echo server, hear it, and leave."""
    assert isinstance(transport, asyncio.Transport)
    transport.write(b"hello")
    assert await protocol.receives(5) == b"hello"
    transport.close()
    assert await protocol.lost is None


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return tls_contexts()


def test_tcp_connections_leave_nothing(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        async with serving() as address:
            await in_batches(times, functools.partial(once, address))

    async def once(address: tuple[str, int]) -> None:
        await ask(*await loop.create_connection(RecordingProtocol, *address))

    leaves_nothing(loop, repeat)


def test_tcp_streams_leave_nothing(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        await in_batches(times, functools.partial(once, server.sockets[0].getsockname()))
        await closed(server)

    async def once(address: tuple[str, int]) -> None:
        await talk(*await asyncio.open_connection(*address))

    leaves_nothing(loop, repeat)


def test_connections_over_unix_sockets_leave_nothing(loop: Loop, tmp_path: Path) -> None:
    async def repeat(times: int) -> None:
        path.unlink(missing_ok=True)
        server = await loop.create_unix_server(EchoProtocol, path)
        await in_batches(times, once)
        await closed(server)

    async def once() -> None:
        await ask(*await loop.create_unix_connection(RecordingProtocol, str(path)))

    path = tmp_path / "socket"
    leaves_nothing(loop, repeat)


def test_streams_over_unix_sockets_leave_nothing(loop: Loop, tmp_path: Path) -> None:
    async def repeat(times: int) -> None:
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(echo, path)
        await in_batches(times, once)
        await closed(server)

    async def once() -> None:
        await talk(*await asyncio.open_unix_connection(path))

    path = tmp_path / "socket"
    leaves_nothing(loop, repeat)


def test_connections_that_are_aborted_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        async with connected() as (client, server):
            client.transport.write(bytes(1 << 20))
            server.transport.pause_reading()
            server.transport.abort()
            await server.lost
            await client.lost

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_tls_connections_leave_nothing(loop: Loop, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def repeat(times: int) -> None:
        async with serving(ssl=contexts[0]) as address:
            await in_batches(times, functools.partial(once, address))

    async def once(address: tuple[str, int]) -> None:
        options: dict[str, Any] = {"ssl": contexts[1], "server_hostname": "localhost"}
        await ask(*await loop.create_connection(RecordingProtocol, *address, **options))

    leaves_nothing(loop, repeat)


def test_tls_connections_that_fail_leave_nothing_but_their_report(
    loop: Loop, reports: Reports, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    # A server that isn't what the client expects, and a client that speaks no TLS.
    async def repeat(times: int) -> None:
        async with serving(ssl=contexts[0]) as address:
            await in_batches(times, functools.partial(once, address))
        reports.clear()

    async def once(address: tuple[str, int]) -> None:
        options: dict[str, Any] = {"ssl": contexts[1], "server_hostname": "somebody.invalid"}
        with pytest.raises(ssl.SSLCertVerificationError):
            await loop.create_connection(RecordingProtocol, *address, **options)
        transport, protocol = await loop.create_connection(RecordingProtocol, *address)
        transport.write(b"GET / HTTP/1.0\r\n\r\n")
        await protocol.lost

    leaves_nothing(loop, repeat)


def test_upgrades_to_tls_leave_nothing(loop: Loop, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def once() -> None:
        async with connected() as (client, server):
            upgraded = await asyncio.gather(
                loop.start_tls(server.transport, server, contexts[0], server_side=True),
                loop.start_tls(client.transport, client, contexts[1], server_hostname="localhost"),
            )
            for transport in upgraded:
                assert transport is not None
            secured = upgraded[1]
            assert isinstance(secured, asyncio.Transport)
            secured.write(b"hello")
            assert await server.receives(5) == b"hello"
            secured.close()
            await client.lost
            await server.lost

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_connections_that_are_refused_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(RecordingProtocol, *refusing.getsockname())
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*refusing.getsockname())
        with pytest.raises(FileNotFoundError):
            await loop.create_unix_connection(RecordingProtocol, "/nonexistent/socket")

    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))  # and doesn't listen
        leaves_nothing(loop, functools.partial(in_batches, once=once))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_connections_that_are_cancelled_while_they_are_made_leave_nothing(
    loop: Loop, contexts: tuple[ssl.SSLContext, ssl.SSLContext], secure: bool
) -> None:
    loop.set_debug(False)  # in debug mode a connection that fails on the server's side is reported

    async def connect(address: tuple[str, int]) -> None:
        options: dict[str, Any] = {"ssl": contexts[1], "server_hostname": "localhost"} if secure else {}
        transport, _ = await loop.create_connection(RecordingProtocol, *address, **options)
        await aborted(transport)

    async def repeat(times: int) -> None:
        async with serving(ssl=contexts[0] if secure else None) as address:
            for number in range(times):
                task = asyncio.create_task(connect(address))
                # Wherever it is by then: in the look-up, in connecting, in the handshake, or through.
                for _ in range(number % 8):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    leaves_nothing(loop, repeat)


def test_transports_that_are_forgotten_open_leave_nothing_but_a_warning(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        peers = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(times):
                ours, peer = socket.socketpair()
                peers.append(peer)
                transport, _ = await loop.create_connection(RecordingProtocol, sock=ours)
                # What the loop waits for isn't forgotten.
                transport.pause_reading()
                del ours, transport, _
            gc.collect()
        for peer in peers:
            assert peer.recv(1) == b""
            peer.close()
        assert {warning.category for warning in caught} == {ResourceWarning}
        # Of a socket that is collected before its transport there is another one.
        assert sum(str(warning.message).startswith("unclosed transport") for warning in caught) == times

    leaves_nothing(loop, repeat)


def test_files_that_are_sent_leave_nothing(loop: Loop, tmp_path: Path) -> None:
    async def once() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, peer):
            with path.open("rb") as file:
                assert await loop.sendfile(transport, file) == 1000
                assert await loop.sendfile(transport, file, fallback=False) == 1000
            transport.close()
            await several_turns()
            assert len(peer.recv(3000)) == 2000

    path = tmp_path / "content"
    path.write_bytes(bytes(1000))
    leaves_nothing(loop, functools.partial(in_batches, once=once))
