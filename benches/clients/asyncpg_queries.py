"""asyncpg: a query and its answer, on a connection for each: `… AT_ONCE PORT`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

import asyncpg  # type: ignore[import-untyped]

from benches.clients.working import Operation, run
from benches.rows import WrongResult


def querying(connection: asyncpg.Connection) -> Operation:
    """Return what asks one connection."""
    number = 0

    async def query() -> int:
        nonlocal number
        number += 1
        if await connection.fetchval("select $1::int + 1", number) != number + 1:
            raise WrongResult("the answer to another query came")
        return 1

    return query


@contextlib.asynccontextmanager
async def connected(at_once: int, arguments: list[str]) -> AsyncIterator[Sequence[Operation]]:
    """Open the connections."""
    (port,) = arguments
    async with contextlib.AsyncExitStack() as stack:
        operations = []
        for _ in range(at_once):
            connection = await asyncpg.connect(
                host="127.0.0.1", port=int(port), user="postgres", database="postgres", ssl=False
            )
            stack.push_async_callback(connection.close)
            operations.append(querying(connection))
        yield operations


if __name__ == "__main__":
    run(connected)
