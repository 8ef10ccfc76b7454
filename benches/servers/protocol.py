"""A protocol: `python -m benches.servers.protocol LOOP tcp|tls|unix echo|up|down DIRECTORY`."""

from __future__ import annotations

import asyncio
from typing import cast

from benches.servers.serving import BLOCK, PATTERN, Request, Started, listen, serve


class Connection(asyncio.Protocol):
    """What the three have in common."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = cast(asyncio.Transport, transport)  # not every peer's is asyncio's to isinstance


class Echo(Connection):
    """Sends back what it receives."""

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


class Up(Connection):
    """Counts, and acknowledges each block."""

    def __init__(self) -> None:
        self.received = 0

    def data_received(self, data: bytes) -> None:
        """Count."""
        blocks = (self.received + len(data)) // BLOCK - self.received // BLOCK
        self.received += len(data)
        if blocks:
            self.transport.write(b"." * blocks)


class Down(Connection):
    """Sends the blocks that it is asked for, no faster than they are taken."""

    def __init__(self) -> None:
        self.owed = 0
        self.is_paused = False

    def data_received(self, data: bytes) -> None:
        """Note what was asked for."""
        self.owed += len(data) * BLOCK
        self.send()

    def pause_writing(self) -> None:
        """Wait."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self.is_paused = False
        self.send()

    def send(self) -> None:
        """Send until the transport has enough."""
        while self.owed and not self.is_paused:
            self.owed -= len(PATTERN)
            self.transport.write(PATTERN)


PROTOCOLS = {"echo": Echo, "up": Up, "down": Down}


async def start(request: Request) -> Started:
    """Listen."""
    return await listen(PROTOCOLS[request.mode], request)


if __name__ == "__main__":
    serve(start)
