"""What the servers among these programs have in common: listening on a port, and saying so, or why they can't."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
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


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the other side sees that it was cut off; what is still on the way is lost.

    `abort` alone closes at once, but the other side would take that for the regular end.
    """
    if not writer.is_closing():
        at_once = struct.pack("ii", 1, 0)  # linger, for no time
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()


async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> None:
    """Close a connection so that all that was written arrives, if the other side takes it before patience ends.

    A connection that is closed with something left to read is reset, and a reset can take away what the other side
    hasn't read yet. So we say that no more will come, and read until the other side says so, too.
    """
    try:
        async with asyncio.timeout(patience):
            writer.write_eof()
            while await reader.read(DEFAULT_LIMIT):
                pass
            writer.close()
            await writer.wait_closed()
    except OSError:
        pass  # it took too long, or the other side has reset the connection
    finally:
        writer.transport.abort()  # does nothing to a connection that is closed
