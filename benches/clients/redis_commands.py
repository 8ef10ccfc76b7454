"""redis-py: a value set and read back, on a connection for each: `… AT_ONCE PORT`. Each of the two commands counts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

import redis.asyncio

from benches.clients.working import Operation, run
from benches.rows import WrongResult


def using(client: redis.asyncio.Redis, name: str) -> Operation:
    """Return what uses one client."""
    number = 0

    async def use() -> int:
        nonlocal number
        number += 1
        await client.set(name, number)
        if await client.get(name) != str(number).encode():
            raise WrongResult("another value came back")
        return 2

    return use


@contextlib.asynccontextmanager
async def connected(at_once: int, arguments: list[str]) -> AsyncIterator[Sequence[Operation]]:
    """Open the connections."""
    (port,) = arguments
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(redis.asyncio.Redis(host="127.0.0.1", port=int(port)))
            for _ in range(at_once)
        ]
        yield [using(client, f"key {number}") for number, client in enumerate(clients)]


if __name__ == "__main__":
    run(connected)
