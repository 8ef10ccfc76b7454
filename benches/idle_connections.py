"""What idle connections cost a server: each loop runs an echo server in a fresh process, and this process connects.

Each connection talks once before memory is read and once after, so that all of them are known to be there.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator

from benches import processes
from benches.rows import MEASURED_CORE, Sample, WrongResult

PATIENCE = 60.0
"""Seconds after which a server that doesn't answer has lost something."""
BATCH = 100
"""How many connections are opened before their first answers are awaited: they fit into the server's backlog."""


def memory_per_connection(count: int, loop: str, _seconds: float) -> Sample:
    """Measure how many bytes each connection adds to the server's resident memory."""
    with serving(loop) as (process, port):
        with connected(port, 10):
            pass
        before = processes.resident_memory(process)
        with connected(port, count) as connections:
            size = processes.resident_memory(process) - before
            talk(connections)
        return Sample(size / count, {"peak_memory": processes.peak_memory(process)})


def peak_memory_of_server(count: int, loop: str, _seconds: float) -> Sample:
    """Measure the most memory that a server ever takes that has so many connections at once."""
    with serving(loop) as (process, port), connected(port, count) as connections:
        talk(connections)
        return Sample(processes.peak_memory(process))


@contextlib.contextmanager
def serving(loop: str) -> Iterator[tuple[int, int]]:
    """Run the server, and give its process and its port."""
    with processes.start(processes.python(MEASURED_CORE, "benches.idle_server", loop)) as server:
        assert server.stdout is not None
        try:
            port = server.stdout.readline()
            if not port:
                raise WrongResult("the server didn't start")
            yield server.pid, int(port)
        finally:
            server.kill()


@contextlib.contextmanager
def connected(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Open connections that the server has answered, and reset them at the end: closing would leave them waiting."""
    with contextlib.ExitStack() as stack:
        connections: list[socket.socket] = []
        while len(connections) < count:
            batch = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
                for _ in range(min(BATCH, count - len(connections)))
            ]
            talk(batch)
            connections += batch
        yield connections
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def talk(connections: list[socket.socket]) -> None:
    """Send a byte on each connection and read it back."""
    for connection in connections:
        connection.sendall(b".")
    for connection in connections:
        try:
            answer = connection.recv(2)
        except OSError as error:
            raise WrongResult(f"a connection was lost: {error}") from error
        if answer != b".":
            raise WrongResult(f"a connection answered {answer!r}")
