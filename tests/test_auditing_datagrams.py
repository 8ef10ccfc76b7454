"""Auditors (`sys.addaudithook`) hear of each datagram that goes to an address, once, and may forbid it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from typing import Any

from conftest import LOOP_FACTORIES

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]
HANG = 100  # seconds after which a process is taken for hung; nothing else depends on it


AUDITED = """
    import asyncio, socket, sys, tempfile
    import ioxide

    events = []
    refusal = None

    def hook(event, arguments):
        if event == "socket.sendto":
            events.append((type(arguments[0]).__name__, arguments[1]))
            if refusal is not None:
                raise refusal

    async def main():
        global refusal
        loop = asyncio.get_running_loop()
        directory = tempfile.TemporaryDirectory()
        name = directory.name + "/socket"
        lost = loop.create_future()

        class Endpoint(asyncio.DatagramProtocol):
            def error_received(self, exc):
                print("error_received", repr(exc))

            def connection_lost(self, exc):
                if exc is not None:
                    print("connection_lost", repr(exc))
                    lost.set_result(None)

        def show(what):
            print(what, [(kind, address == name or address) for kind, address in events])
            events.clear()

        with socket.socket(type=socket.SOCK_DGRAM) as peer, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
            peer.bind(("127.0.0.1", 0))
            full.bind(name)
            sys.addaudithook(hook)
            transport, _ = await loop.create_datagram_endpoint(Endpoint, ("127.0.0.1", 0))
            transport.sendto(b"data", ("127.0.0.1", 9))
            show("numeric")
            transport.sendto(b"data", ("localhost", 9))
            show("a name")
            transport.sendto(bytes(1 << 17), ("127.0.0.1", 9))
            show("too long")
            connected, _ = await loop.create_datagram_endpoint(Endpoint, remote_addr=peer.getsockname())
            connected.sendto(b"data")
            show("connected")
            connected.close()
            unix, _ = await loop.create_datagram_endpoint(Endpoint, family=socket.AF_UNIX)
            while not unix.get_write_buffer_size():
                events.clear()
                unix.sendto(b"data", name)
            show("buffered")
            unix.abort()
            refusal = PermissionError("by the hook")
            transport.sendto(b"data", ("127.0.0.1", 9))
            show("an error of the system")
            refusal = RuntimeError("by the hook")
            loop.set_exception_handler(lambda _, context: print(context["message"], repr(context["exception"])))
            transport.sendto(b"data", ("127.0.0.1", 9))
            refusal = None
            show("another error")
            await lost
        directory.cleanup()

    with asyncio.Runner(loop_factory=FACTORY) as runner:
        runner.run(main())
"""


def test_auditors_hear_of_a_datagram_once_and_may_forbid_it(loop_factory: Callable[[], Loop]) -> None:
    factory = "ioxide.new_event_loop" if loop_factory is LOOP_FACTORIES["ioxide"] else "asyncio.SelectorEventLoop"
    program = textwrap.dedent(AUDITED).replace("FACTORY", factory)
    command = [sys.executable, "-Werror", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "numeric [('socket', ('127.0.0.1', 9))]",
        "a name [('socket', ('localhost', 9))]",
        "error_received OSError(90, 'Message too long')",
        "too long [('socket', ('127.0.0.1', 9))]",
        "connected []",
        "buffered [('socket', True)]",
        "error_received PermissionError('by the hook')",
        "an error of the system [('socket', ('127.0.0.1', 9))]",
        "Fatal write error on datagram transport RuntimeError('by the hook')",
        "another error [('socket', ('127.0.0.1', 9))]",
        "connection_lost RuntimeError('by the hook')",
    ]
