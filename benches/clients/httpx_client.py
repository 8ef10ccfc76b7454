"""httpx: `… AT_ONCE ADDRESS LENGTH`, the length being the body's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

import httpx

from benches.clients.working import Operation, run
from benches.rows import WrongResult


@contextlib.asynccontextmanager
async def getting(at_once: int, arguments: list[str]) -> AsyncIterator[Sequence[Operation]]:
    """Share one client."""
    address, length = arguments
    async with httpx.AsyncClient(trust_env=False) as client:

        async def get() -> int:
            response = await client.get(f"http://{address}/")
            if response.status_code != 200 or len(response.content) != int(length):
                raise WrongResult(f"status {response.status_code} with {len(response.content)} bytes")
            return 1

        yield [get] * at_once


if __name__ == "__main__":
    run(getting)
