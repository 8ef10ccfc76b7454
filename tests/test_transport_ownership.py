"""Who owns the descriptor of a transport: the transport itself, the socket it was given, or the one it is asked for.

There is one owner at any time. What goes wrong while the owner changes, or after the program closed a socket that it
had given away, neither loses the descriptor nor touches a file that has its number by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import ioxide
import pytest
from conftest import LoopFactory, open_descriptors
from recording_protocol import RecordingProtocol, connected, several_turns

Run = Callable[[Awaitable[Any]], Any]

AUDITED_PROGRAM = """
import sys
sys.path[:] = {path!r}
import asyncio, os, ioxide

def refuse_one_socket(event, arguments):
    global is_armed
    if is_armed and event == "socket.__new__":
        is_armed = False
        raise {error}

class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        accepted.set_result(transport)

    def data_received(self, data):
        self.transport.write(data)

async def main():
    global accepted, is_armed
    accepted = asyncio.get_running_loop().create_future()
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    transport = await accepted
    is_armed = True
    try:
        transport.get_extra_info("socket")
    except {error}:
        pass
    is_armed = False
    writer.write(b"hello")
    print(await reader.readexactly(5))
    print(transport.get_extra_info("socket").getpeername() == writer.get_extra_info("sockname"))
    transport.close()
    print(await reader.read())
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()

is_armed = False
sys.addaudithook(refuse_one_socket)
before = len(os.listdir("/proc/self/fd"))
loop = {factory}()
loop.run_until_complete(main())
loop.close()
print(len(os.listdir("/proc/self/fd")) - before)
"""


class Cycle:
    """A factory of protocols that knows them all, so that a server makes a cycle with its transports."""

    def __init__(self, number: int) -> None:
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.number = number
        self.made: list[asyncio.Protocol] = []

    def __call__(self) -> asyncio.Protocol:
        return PartOfCycle(self)


class PartOfCycle(asyncio.Protocol):
    """A protocol that holds its transport, of which it has asked for the socket, too."""

    def __init__(self, cycle: Cycle) -> None:
        self.cycle = cycle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket")
        self.transport = transport
        self.cycle.made.append(self)
        if len(self.cycle.made) == self.cycle.number:
            self.cycle.complete.set_result(None)


def test_a_transport_whose_socket_was_closed_leaves_the_next_file_of_that_number_alone(run: Run) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        other, stranger = socket.socketpair()
        with peer, other, stranger:
            transport, protocol = await asyncio.get_running_loop().create_connection(RecordingProtocol, sock=ours)
            number = ours.fileno()
            ours.close()
            os.dup2(stranger.fileno(), number)
            transport.write(b"not for the stranger")
            error = await protocol.lost
            assert type(error) is OSError
            assert error.errno == errno.EBADF
            await several_turns()
            os.close(number)  # which would fail if the transport had closed it
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.recv(100)

    run(main())


@pytest.mark.parametrize("error", ["MemoryError", "KeyboardInterrupt"])
def test_a_transport_that_is_refused_a_socket_object_keeps_its_descriptor(
    loop_factory: LoopFactory, error: str
) -> None:
    # In a process of its own, for an audit hook stays.
    factory = "ioxide.new_event_loop" if loop_factory is ioxide.new_event_loop else "asyncio.SelectorEventLoop"
    program = AUDITED_PROGRAM.format(path=sys.path, factory=factory, error=error)
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (finished.stdout.split("\n"), finished.stderr) == (["b'hello'", "True", "b''", "0", ""], "")


@pytest.mark.parametrize("method", ["__init__", "setblocking"])
def test_a_transport_works_although_the_socket_module_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    original = getattr(socket.socket, method)

    def interrupted(self: socket.socket, *arguments: Any) -> None:
        original(self, *arguments)
        raise KeyboardInterrupt

    async def main() -> None:
        async with connected() as (client, server):
            with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
                patch.setattr(socket.socket, method, interrupted)
                server.transport.get_extra_info("socket")
            client.transport.write(b"question")
            assert await server.receives(8) == b"question"
            server.transport.write(b"answer")
            assert await client.receives(6) == b"answer"
            sock = server.transport.get_extra_info("socket")
            assert sock.getpeername() == client.transport.get_extra_info("sockname")

    run(main())


def test_transports_that_are_collected_with_their_server_warn_and_close_their_descriptors(
    loop_factory: LoopFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 20
    unraisable: list[str] = []

    def leave_connections_to_the_collector() -> None:
        async def main() -> None:
            cycle = Cycle(number)
            server = await loop.create_server(cycle, "127.0.0.1", 0)
            clients.extend(socket.create_connection(server.sockets[0].getsockname()) for _ in range(number))
            await cycle.complete

        loop = loop_factory()
        loop.run_until_complete(main())
        loop.close()

    gc.collect()
    before = open_descriptors()
    clients: list[socket.socket] = []
    with contextlib.ExitStack() as stack, warnings.catch_warnings(record=True) as caught:
        monkeypatch.setattr(sys, "unraisablehook", lambda raised: unraisable.append(repr(raised.exc_value)))
        warnings.simplefilter("always")
        leave_connections_to_the_collector()
        gc.collect()
        for client in clients:
            assert stack.enter_context(client).recv(1) == b""
    assert unraisable == []
    assert {warning.category for warning in caught} == {ResourceWarning}
    assert sum(str(warning.message).startswith("unclosed transport <") for warning in caught) == number
    assert open_descriptors() == before
