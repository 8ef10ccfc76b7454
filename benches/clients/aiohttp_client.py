"""aiohttp's client: `… AT_ONCE ADDRESS LENGTH`, the length being the body's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

import aiohttp

from benches.clients.working import Operation, run
from benches.rows import WrongResult


@contextlib.asynccontextmanager
async def getting(at_once: int, arguments: list[str]) -> AsyncIterator[Sequence[Operation]]:
    """Share one session."""
    address, length = arguments
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:

        async def get() -> int:
            async with session.get(f"http://{address}/") as response:
                body = await response.read()
            if response.status != 200 or len(body) != int(length):
                raise WrongResult(f"status {response.status} with {len(body)} bytes")
            return 1

        yield [get] * at_once


if __name__ == "__main__":
    run(getting)
