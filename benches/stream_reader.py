"""Coordination, continued: `StreamReader`, without a socket behind it.

A reader either finds what it wants in its buffer, or waits for it: then each message is fed by a callback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from benches.coordination import within
from benches.in_process import Table, check

table = Table("coordination", __name__)

LINE = b"x" * 63 + b"\n"
BUFFERED = 100
"""How many lines the buffer is given at once."""

Read = Callable[[asyncio.StreamReader], Awaitable[bytes]]


async def from_buffer(read: Read, count: int) -> int:
    """Read lines that are in the buffer already."""
    reader = asyncio.StreamReader(limit=2**20)
    batches = -(-count // BUFFERED)
    for _ in range(batches):
        reader.feed_data(LINE * BUFFERED)
        for _ in range(BUFFERED):
            check(await read(reader) == LINE, "a line is wrong")
    reader.feed_eof()
    check(await reader.read() == b"" and reader.at_eof(), "something is left over")
    return batches * BUFFERED


async def as_it_arrives(read: Read, count: int) -> int:
    """Read lines of which each arrives when it is waited for."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**20)
    for _ in range(count):
        loop.call_soon(reader.feed_data, LINE)
        check(await read(reader) == LINE, "a line is wrong")
    return count


@table("StreamReader.readline buffered", quick=True)
@within
async def readline(count: int) -> int:
    """Read by line."""
    return await from_buffer(lambda reader: reader.readline(), count)


@table("StreamReader.readexactly buffered")
@within
async def readexactly(count: int) -> int:
    """Read by length."""
    return await from_buffer(lambda reader: reader.readexactly(len(LINE)), count)


@table("StreamReader.readuntil buffered")
@within
async def readuntil(count: int) -> int:
    """Read by separator."""
    return await from_buffer(lambda reader: reader.readuntil(b"x\n"), count)


@table("StreamReader.readline arriving")
@within
async def readline_arriving(count: int) -> int:
    """Wait for each line."""
    return await as_it_arrives(lambda reader: reader.readline(), count)


@table("StreamReader.readexactly arriving")
@within
async def readexactly_arriving(count: int) -> int:
    """Wait for so many bytes."""
    return await as_it_arrives(lambda reader: reader.readexactly(len(LINE)), count)


@table("StreamReader.read arriving")
@within
async def read_arriving(count: int) -> int:
    """Wait for whatever comes."""
    return await as_it_arrives(lambda reader: reader.read(4096), count)


ROWS = table.rows
