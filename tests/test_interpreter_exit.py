"""What is left open when the interpreter ends: nothing of it may print a traceback or change the exit code."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, socket, sys
if sys.argv[1] == "ioxide":
    import ioxide
    factory = ioxide.new_event_loop
else:
    factory = asyncio.SelectorEventLoop

class Keeper(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

async def connect():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Keeper, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    transport, _ = await loop.create_connection(Keeper, *address)
    await asyncio.sleep(0)
    return server, transport

"""

ENDINGS = {
    "the loop closed": "with asyncio.Runner(loop_factory=factory) as runner:\n    runner.run(connect())",
    "the loop open and kept": "loop = factory()\nkept = loop.run_until_complete(connect())",
    "the loop open and forgotten": "factory().run_until_complete(connect())",
    "a timer and a reader pending": (
        "loop = factory()\nkept = loop.run_until_complete(connect())\n"
        "loop.call_later(60, print)\nloop.add_reader(socket.socketpair()[0].detach(), print)"
    ),
}


@pytest.mark.parametrize("loop", ["asyncio", "ioxide"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_that_ends_with_open_connections_prints_nothing(loop: str, ending: str) -> None:
    command = [sys.executable, "-c", PROGRAM + ENDINGS[ending], loop]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")
