"""websockets, server and client, on the loop: echoes, large messages, pings, and the closing handshake."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from recording_protocol import tls_contexts
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

Run = Callable[[Awaitable[Any]], Any]
Handler = Callable[[ServerConnection], Awaitable[None]]

LARGE = bytes(range(256)) * 16384


async def echo(connection: ServerConnection) -> None:
    """Send every message back until the client closes."""
    async for message in connection:
        await connection.send(message)


@contextlib.asynccontextmanager
async def served(handler: Handler = echo, **options: Any) -> AsyncIterator[tuple[Server, str]]:
    """Serve `handler` and yield the server and its address without the scheme."""
    async with serve(handler, "127.0.0.1", 0, max_size=None, **options) as server:
        host, port = next(iter(server.sockets)).getsockname()
        yield server, f"{host}:{port}"


@contextlib.asynccontextmanager
async def visited(handler: Handler = echo, **options: Any) -> AsyncIterator[ClientConnection]:
    """Serve `handler` and connect to it."""
    async with served(handler) as (_, address), connect(f"ws://{address}", max_size=None, **options) as client:
        yield client


def test_text_and_bytes_are_echoed(run: Run) -> None:
    async def main() -> None:
        async with visited() as client:
            for message in ("grüße", b"\x00\xff", "", b""):
                await client.send(message)
                assert await client.recv() == message

    run(main())


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_large_message_is_echoed(run: Run, compression: str | None) -> None:
    async def main() -> None:
        async with visited(compression=compression) as client:
            received, _ = await asyncio.gather(client.recv(), client.send(LARGE))
            assert received == LARGE

    run(main())


def test_a_message_in_fragments_arrives_whole(run: Run) -> None:
    async def main() -> None:
        async with visited() as client:
            await client.send([LARGE[start : start + 65536] for start in range(0, 1 << 20, 65536)])
            assert await client.recv() == LARGE[: 1 << 20]

    run(main())


def test_messages_keep_their_order_when_the_reader_is_slower(run: Run) -> None:
    async def pour(connection: ServerConnection) -> None:
        for number in range(2000):
            await connection.send(f"{number} " + "x" * 1000)

    async def main() -> None:
        async with visited(pour) as client:
            assert [int(str(message).split()[0]) async for message in client] == list(range(2000))

    run(main())


def test_a_ping_is_answered(run: Run) -> None:
    async def main() -> None:
        async with visited() as client:
            answered = await client.ping(b"there?")
            assert await answered >= 0

    run(main())


def test_the_client_closes_with_a_code_and_a_reason(run: Run) -> None:
    closed = []

    async def note(connection: ServerConnection) -> None:
        await connection.wait_closed()
        closed.append((connection.close_code, connection.close_reason))

    async def main() -> None:
        async with visited(note) as client:
            await client.close(4001, "enough")
            assert (client.close_code, client.close_reason) == (4001, "enough")
            with pytest.raises(ConnectionClosedError):
                await client.send("too late")

    run(main())
    assert closed == [(4001, "enough")]


def test_the_server_closes_when_its_handler_returns(run: Run) -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.send("bye")

    async def main() -> None:
        async with visited(leave) as client:
            assert await client.recv() == "bye"
            with pytest.raises(ConnectionClosedOK):
                await client.recv()
            assert client.close_code == 1000

    run(main())


def test_a_closing_server_tells_its_clients(run: Run) -> None:
    async def main() -> None:
        async with served() as (server, address), connect(f"ws://{address}") as client:
            server.close()
            with pytest.raises(ConnectionClosedOK):
                await client.recv()
            assert client.close_code == 1001
            await server.wait_closed()

    run(main())


def test_a_handshake_can_be_refused(run: Run) -> None:
    def refuse(connection: ServerConnection, _: Any) -> Any:
        return connection.respond(403, "not today\n")

    async def main() -> None:
        async with served(process_request=refuse) as (_, address):
            with pytest.raises(InvalidStatus, match="HTTP 403"):
                await connect(f"ws://{address}")

    run(main())


def test_many_clients_are_echoed_at_once(run: Run) -> None:
    async def main() -> None:
        async with served() as (_, address):

            async def ask(number: int) -> str | bytes:
                async with connect(f"ws://{address}") as client:
                    await client.send(str(number))
                    return await client.recv()

            assert await asyncio.gather(*map(ask, range(20))) == [str(number) for number in range(20)]

    run(main())


def test_messages_go_over_tls(run: Run) -> None:
    server_context, client_context = tls_contexts()

    async def talk(address: str) -> None:
        async with connect(f"wss://{address}", ssl=client_context, max_size=None) as client:
            received, _ = await asyncio.gather(client.recv(), client.send(LARGE))
            assert received == LARGE

    async def main() -> None:
        async with served(ssl=server_context) as (_, address):
            await asyncio.gather(talk(address), talk(address))

    run(main())
