"""websockets, server and clients on one loop: `… AT_ONCE LENGTH`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from benches.clients.working import Operation, run
from benches.rows import WrongResult


async def echo(connection: ServerConnection) -> None:
    """Send back what comes."""
    async for message in connection:
        await connection.send(message)


def talking(connection: ClientConnection, message: bytes) -> Operation:
    """Return what sends a message and awaits it."""

    async def talk() -> int:
        await connection.send(message)
        if await connection.recv() != message:
            raise WrongResult("something else came back")
        return 1

    return talk


@contextlib.asynccontextmanager
async def echoing(at_once: int, arguments: list[str]) -> AsyncIterator[Sequence[Operation]]:
    """Open the connections, which aren't compressed: it is the loop that is measured."""
    (length,) = arguments
    async with serve(echo, "127.0.0.1", 0, compression=None) as server, contextlib.AsyncExitStack() as stack:
        port = next(iter(server.sockets)).getsockname()[1]
        uri = f"ws://127.0.0.1:{port}/"
        connections = [
            await stack.enter_async_context(connect(uri, compression=None, proxy=None)) for _ in range(at_once)
        ]
        yield [
            talking(connection, number.to_bytes(2, "big") * (int(length) // 2))
            for number, connection in enumerate(connections)
        ]


if __name__ == "__main__":
    run(echoing)
