"""What the servers have in common: starting, and saying so."""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from benches import loops
from benches.worker import report

HOST = "127.0.0.1"
BACKLOG = 4096
"""How many connections may wait to be accepted; asyncio's own 100 is for programs that aren't benchmarked."""

PATTERN = bytes(range(256)) * 256
"""What a client of the mode `down` expects, over and over. It is sent in pieces of this size."""
BLOCK = 1 << 20
"""What is acknowledged, or asked for, with one byte."""


@dataclass(frozen=True)
class Request:
    """What a server is asked to be: `tcp`, `tls`, `unix` or `udp`, what it does, and where its files are."""

    protocol: str
    mode: str
    directory: Path

    @property
    def unix_path(self) -> str:
        """Where the Unix socket goes."""
        path = self.directory / "server"
        path.unlink(missing_ok=True)
        return str(path)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The certificate, if the protocol asks for one."""
        if self.protocol != "tls":
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "certificate.pem", self.directory / "key.pem")
        return context


@dataclass(frozen=True)
class Started:
    """Where a server listens, and whatever has to be kept for it to go on."""

    address: str
    kept: object


def serve(start: Callable[[Request], Awaitable[Started]]) -> None:
    """Run the server that the command line asks for: `LOOP PROTOCOL MODE DIRECTORY`."""
    name, protocol, mode, directory = sys.argv[1:]
    loop = loops.new_event_loop(name)
    started = []

    async def started_on_loop() -> Started:
        return await start(Request(protocol, mode, Path(directory)))

    def begin() -> dict[str, str]:
        started.append(loop.run_until_complete(started_on_loop()))
        return {"address": started[0].address}

    gc.collect()
    gc.freeze()
    report(begin)
    if started:
        loop.run_forever()


def name_of(server: asyncio.Server) -> str:
    """Say where a server listens."""
    place = server.sockets[0].getsockname()
    return place if isinstance(place, str) else f"{place[0]}:{place[1]}"


async def listen(factory: Callable[[], asyncio.BaseProtocol], request: Request) -> Started:
    """Listen with a protocol."""
    loop = asyncio.get_running_loop()
    if request.protocol == "unix":
        path = request.unix_path
        return Started(path, await loop.create_unix_server(factory, path, backlog=BACKLOG))
    server = await loop.create_server(factory, HOST, 0, backlog=BACKLOG, ssl=request.tls)
    return Started(name_of(server), server)
