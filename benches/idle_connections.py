"""Measures what an idle connection costs: the memory of a server process with 10,000 of them, loop beside loop.

Each loop runs an echo server in a fresh process. This process opens the connections, reads the server's resident memory
before and after, and then talks to every connection once. Rounds are interleaved; the table shows medians.

    python benches/idle_connections.py [--connections N] [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys

LOOPS = ("asyncio", "uvloop", "ioxide")

SERVER = """
import asyncio, sys

class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

name = sys.argv[1]
factory = asyncio.SelectorEventLoop if name == "asyncio" else __import__(name).new_event_loop
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""


def resident_kilobytes(process: int) -> int:
    """Read how much memory a process has in use."""
    with open(f"/proc/{process}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def connect(port: int, count: int) -> list[socket.socket]:
    """Open connections and make sure that the server has accepted each: it echoes one byte."""
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    talk(connections)
    return connections


def talk(connections: list[socket.socket]) -> None:
    """Send a byte on each connection and read it back."""
    for connection in connections:
        connection.send(b".")
    for connection in connections:
        if connection.recv(1) != b".":
            raise SystemExit("a connection was lost")


def measure(loop: str, count: int) -> float:
    """Return how many bytes each connection adds to the server's memory."""
    server = subprocess.Popen([sys.executable, "-c", SERVER, loop], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        for connection in connect(port, 10):
            connection.close()
        before = resident_kilobytes(server.pid)
        connections = connect(port, count)
        after = resident_kilobytes(server.pid)
        talk(connections)
        for connection in connections:
            connection.close()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    return (after - before) * 1024 / count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    figures: dict[str, list[float]] = {loop: [] for loop in LOOPS}
    for _ in range(arguments.rounds):
        for loop in LOOPS:
            figures[loop].append(measure(loop, arguments.connections))
    uvloop = statistics.median(figures["uvloop"])
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"bytes per idle connection, {arguments.connections} of them, CPython {version}, {os.uname().release}")
    for loop, values in figures.items():
        median = statistics.median(values)
        spread = f"{min(values):.0f} to {max(values):.0f}"
        print(f"{loop:8} {median:6.0f}  ({spread})  {median / uvloop:.2f} of uvloop's")


if __name__ == "__main__":
    main()
