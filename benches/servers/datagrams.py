"""An echo of datagrams: `python -m benches.servers.datagrams LOOP udp echo DIRECTORY`."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

from benches.servers.serving import HOST, Request, Started, serve

ROOM = 4 << 20
"""For the datagrams that come while the load generator has the processor. Linux gives what it allows."""


class Echo(asyncio.DatagramProtocol):
    """Sends each datagram back to where it came from."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Send it back."""
        self.transport.sendto(data, addr)


async def start(request: Request) -> Started:
    """Bind."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setblocking(False)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
    receiver.bind((HOST, 0))
    address = f"{HOST}:{receiver.getsockname()[1]}"
    kept = await asyncio.get_running_loop().create_datagram_endpoint(Echo, sock=receiver)
    return Started(address, kept)


if __name__ == "__main__":
    serve(start)
