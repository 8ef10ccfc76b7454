"""What the servers among these programs have in common: listening on a port, and saying so, or why they can't."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from command_line import ProgramError

# What a stream buffers at most for reading is twice its limit. This is asyncio's own.
DEFAULT_LIMIT = 65536

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def listen(connected: Connected, host: str, port: int, limit: int = DEFAULT_LIMIT) -> asyncio.Server:
    """Call `connected` for every connection to this address, and print which one it is."""
    try:
        server = await asyncio.start_server(connected, host, port, limit=limit)
    except OSError as error:
        raise ProgramError(f"cannot listen on {host} port {port}: {reason_of(error)}") from error
    print(f"listening on {host} port {server.sockets[0].getsockname()[1]}", flush=True)
    return server


def reason_of(error: OSError) -> str:
    """Tell in the system's words what went wrong; asyncio puts more around them."""
    # Negative are the numbers of name resolution, which has texts of its own.
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__


def port_number(text: str) -> int:
    """Read a port from the command line; 0 lets the system choose one."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError
    return number
