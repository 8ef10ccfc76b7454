"""Ten thousand connections that are open at once, idle at first and then all with something to say.

The clients are bare sockets of another process, so that each process needs one descriptor for a connection.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from recording_protocol import several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

WANTED = 10_000
AT_LEAST = 2_000
# For what either process has open besides the connections.
SPARE = 100

# Connects in batches that fit into the queue of the server, waits for a line, and then expects an echo on each.
CLIENT = """
import resource, socket, sys

host, port, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
clients = []
while len(clients) < number:
    batch = [socket.create_connection((host, port)) for _ in range(min(50, number - len(clients)))]
    assert all(client.recv(1) == b"+" for client in batch), "not welcome"
    clients += batch
print("connected", len(clients), flush=True)
sys.stdin.readline()
for index, client in enumerate(clients):
    client.sendall(b"%08d" % index)
answered = sum(client.recv(8) == b"%08d" % index for index, client in enumerate(clients))
print("answered", answered, flush=True)
"""


class Counted:
    """How many connections there are and were, and what went wrong with any."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.open: set[EchoingProtocol] = set()
        self.seen = 0
        self.errors: list[Exception] = []
        self.all_lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def protocol(self) -> EchoingProtocol:
        """Make the protocol of one connection."""
        return EchoingProtocol(self)


class EchoingProtocol(asyncio.Protocol):
    """Greets with a plus sign, sends back what comes, and counts itself."""

    transport: asyncio.Transport

    def __init__(self, counted: Counted) -> None:
        self.counted = counted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.counted.open.add(self)
        self.counted.seen += 1
        transport.write(b"+")

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.counted.open.remove(self)
        if exc is not None:
            self.counted.errors.append(exc)
        if self.counted.seen == self.counted.expected and not self.counted.open:
            self.counted.all_lost.set_result(None)


@pytest.fixture
def number() -> Iterator[int]:
    """Raise the limit of descriptors as far as needed and allowed, and tell how many connections that gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = len(os.listdir("/proc/self/fd")) + SPARE
    allowed = needed + WANTED if hard == resource.RLIM_INFINITY else min(hard, needed + WANTED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
    yield min(WANTED, allowed - needed)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_thousands_of_idle_connections_are_kept_and_then_served(loop: Loop, run: Run, number: int) -> None:
    loop.set_debug(False)  # a traceback for each of their callbacks takes minutes
    assert number >= AT_LEAST, f"the limit of descriptors leaves room for {number} connections only"

    async def main() -> None:
        counted = Counted(number)
        server = await loop.create_server(counted.protocol, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        command = [sys.executable, "-c", CLIENT, host, str(port), str(number)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
            try:
                assert clients.stdin is not None
                assert clients.stdout is not None
                line = await loop.run_in_executor(None, clients.stdout.readline)
                assert line == f"connected {number}\n", f"not all of {number} connections were made"
                await several_turns()
                assert len(counted.open) == number, f"{len(counted.open)} of {number} connections are open"
                clients.stdin.write("go on\n")
                clients.stdin.flush()
                line = await loop.run_in_executor(None, clients.stdout.readline)
                assert line == f"answered {number}\n", f"not all of {number} connections were served"
                await counted.all_lost
                assert counted.errors == [], f"of {number} connections"
            finally:
                clients.kill()
        server.close()
        await server.wait_closed()

    run(main())
