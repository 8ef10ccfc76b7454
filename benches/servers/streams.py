"""Streams: `python -m benches.servers.streams LOOP tcp|tls|unix read|readline|up|down DIRECTORY`."""

from __future__ import annotations

import asyncio

from benches.servers.serving import BACKLOG, BLOCK, HOST, PATTERN, Request, Started, name_of, serve

LIMIT = 1 << 20
"""The longest line, for lines of 256 KiB fit into no smaller buffer."""
SIZE = 64 * 1024


async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes."""
    while data := await reader.read(SIZE):
        writer.write(data)
        await writer.drain()
    writer.close()


async def readline(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back line by line."""
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Count, and acknowledge each block."""
    received = 0
    while data := await reader.read(SIZE):
        blocks = (received + len(data)) // BLOCK - received // BLOCK
        received += len(data)
        if blocks:
            writer.write(b"." * blocks)
            await writer.drain()
    writer.close()


async def down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the blocks that are asked for, no faster than they are taken."""
    while asked := await reader.read(SIZE):
        for _ in range(len(asked) * BLOCK // len(PATTERN)):
            writer.write(PATTERN)
            await writer.drain()
    writer.close()


HANDLERS = {"read": read, "readline": readline, "up": up, "down": down}


async def start(request: Request) -> Started:
    """Listen."""
    handler = HANDLERS[request.mode]
    if request.protocol == "unix":
        path = request.unix_path
        return Started(path, await asyncio.start_unix_server(handler, path, limit=LIMIT, backlog=BACKLOG))
    server = await asyncio.start_server(handler, HOST, 0, limit=LIMIT, backlog=BACKLOG, ssl=request.tls)
    return Started(name_of(server), server)


if __name__ == "__main__":
    serve(start)
