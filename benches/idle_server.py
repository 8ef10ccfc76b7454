"""An echo server on one loop: `python -m benches.idle_server LOOP`. Prints its port, and serves until it is killed."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

from benches import loops


class Echo(asyncio.Protocol):
    """Sends back what it receives."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport, as every protocol does."""
        self.transport = cast(asyncio.Transport, transport)  # the peers' own aren't asyncio's to isinstance

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


async def main() -> None:
    """Serve."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Not `serve_forever`: rloop's ceases to listen there.
    await loop.create_future()


if __name__ == "__main__":
    loops.new_event_loop(sys.argv[1]).run_until_complete(main())
