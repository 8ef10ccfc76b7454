"""What programs do besides talking: `… AT_ONCE subprocess|to_thread|getaddrinfo [NAME]`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

from benches.clients.working import Operation, run
from benches.rows import WrongResult


async def subprocess() -> int:
    """Start a program that does nothing, and wait for it."""
    process = await asyncio.create_subprocess_exec("/bin/true")
    if await process.wait() != 0:
        raise WrongResult(f"/bin/true ended with status {process.returncode}")
    return 1


async def to_thread() -> int:
    """Call a function in a thread."""
    if await asyncio.to_thread(abs, -1) != 1:
        raise WrongResult("something else was returned")
    return 1


def resolving(name: str) -> Operation:
    """Return what resolves a name."""
    loop = asyncio.get_running_loop()

    async def getaddrinfo() -> int:
        found = await loop.getaddrinfo(name, 80, family=socket.AF_INET, type=socket.SOCK_STREAM)
        if [address for *_, address in found] != [("127.0.0.1", 80)]:
            raise WrongResult(f"{name} became {found}")
        return 1

    return getaddrinfo


@contextlib.asynccontextmanager
async def doing(at_once: int, arguments: list[str]) -> AsyncIterator[Sequence[Operation]]:
    """Choose by the first argument."""
    match arguments:
        case ["subprocess"]:
            yield [subprocess] * at_once
        case ["to_thread"]:
            yield [to_thread] * at_once
        case ["getaddrinfo", name]:
            yield [resolving(name)] * at_once
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    run(doing)
