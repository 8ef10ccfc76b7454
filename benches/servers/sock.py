"""An echo by `sock_accept`, `sock_recv`, `sock_sendall`: `python -m benches.servers.sock LOOP tcp echo DIRECTORY`."""

from __future__ import annotations

import asyncio
import socket

from benches.servers.serving import BACKLOG, HOST, Request, Started, serve

SIZE = 64 * 1024


async def echo(connection: socket.socket) -> None:
    """Send back what comes."""
    loop = asyncio.get_running_loop()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := await loop.sock_recv(connection, SIZE):
            await loop.sock_sendall(connection, data)


async def accept(listener: socket.socket, tasks: set[asyncio.Task[None]]) -> None:
    """Start a task for each connection."""
    loop = asyncio.get_running_loop()
    while True:
        connection, _ = await loop.sock_accept(listener)
        task = loop.create_task(echo(connection))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def start(request: Request) -> Started:
    """Listen."""
    listener = socket.create_server((HOST, 0), backlog=BACKLOG)
    listener.setblocking(False)
    tasks: set[asyncio.Task[None]] = set()
    tasks.add(asyncio.get_running_loop().create_task(accept(listener, tasks)))
    return Started(f"{HOST}:{listener.getsockname()[1]}", tasks)


if __name__ == "__main__":
    serve(start)
