"""An echo by buffered protocol: `python -m benches.servers.buffered_protocol LOOP tcp|tls|unix echo DIRECTORY`."""

from __future__ import annotations

import asyncio
from typing import cast

from benches.servers.serving import Request, Started, listen, serve

SIZE = 64 * 1024


class Echo(asyncio.BufferedProtocol):
    """Sends back what was read into its buffer."""

    transport: asyncio.Transport
    # One for all: what was read is copied before anything else is read.
    buffer = memoryview(bytearray(SIZE))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Send it back. A transport may keep what it is given, and the buffer is read into again: hence the copy."""
        self.transport.write(bytes(self.buffer[:nbytes]))


async def start(request: Request) -> Started:
    """Listen."""
    return await listen(Echo, request)


if __name__ == "__main__":
    serve(start)
