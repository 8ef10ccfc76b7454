"""Connects, has a message echoed, closes: `… AT_ONCE protocol|streams tcp|tls ADDRESS…`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import cast

from benches.clients.working import Operation, run
from benches.rows import WrongResult

MESSAGE = bytes(range(64))


class Visit(asyncio.Protocol):
    """Sends a message, and closes when it has come back."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.received = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(MESSAGE)

    def data_received(self, data: bytes) -> None:
        """Close, once everything is there."""
        self.received += data
        if len(self.received) >= len(MESSAGE):
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell."""
        if exc is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(exc)


def check(received: bytes) -> None:
    """Compare."""
    if received != MESSAGE:
        raise WrongResult(f"{received!r} came back")


@contextlib.asynccontextmanager
async def connecting(at_once: int, arguments: list[str]) -> AsyncIterator[Sequence[Operation]]:
    """Take turns at the addresses."""
    kind, protocol, *addresses = arguments
    loop = asyncio.get_running_loop()
    ports = itertools.cycle(int(address.rpartition(":")[2]) for address in addresses)
    host = addresses[0].rpartition(":")[0]
    context = None
    if protocol == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE

    async def by_protocol() -> int:
        _, visit = await loop.create_connection(Visit, host, next(ports), ssl=context)
        await visit.ended
        check(visit.received)
        return 1

    async def by_streams() -> int:
        reader, writer = await asyncio.open_connection(host, next(ports), ssl=context)
        writer.write(MESSAGE)
        check(await reader.readexactly(len(MESSAGE)))
        writer.close()
        await writer.wait_closed()
        return 1

    yield [by_protocol if kind == "protocol" else by_streams] * at_once


if __name__ == "__main__":
    run(connecting)
