"""Accepting connections: what a server does when it runs out of descriptors, or is closed in the midst of accepting.

The number of a listening socket that is closed may be another file's at once. The server must leave that file alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import resource
import socket
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import ioxide
import pytest
from conftest import LoopFactory
from recording_protocol import EchoProtocol, RecordingProtocol, aborted, drained, several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]


@contextlib.contextmanager
def no_more_descriptors() -> Iterator[Callable[[], None]]:
    """Lower the limit so that no descriptor can be opened until what this yields is called."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)

    def restore() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        yield restore
    finally:
        restore()


@contextlib.contextmanager
def unclosed_connections() -> Iterator[list[type[BaseException] | None]]:
    """Let connections be left to their finalizers, and yield a list of the kinds of error that those raise."""
    raised: list[type[BaseException] | None] = []
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(sys, "unraisablehook", lambda unraisable: raised.append(unraisable.exc_type))
        warnings.simplefilter("ignore", ResourceWarning)
        yield raised
        gc.collect()


def renumbered(sock: socket.socket, number: int) -> socket.socket:
    """Give the socket a number that is free, unless it has it already."""
    if sock.fileno() != number:
        os.dup2(sock.fileno(), number, inheritable=False)
        sock.close()
        sock = socket.socket(fileno=number)
    sock.setblocking(False)
    return sock


def test_a_server_out_of_descriptors_reports_it_and_accepts_later(
    loop: Loop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.01)
    seen: Reports = []

    async def main() -> None:
        server = await loop.create_server(EchoProtocol, "127.0.0.1", 0, backlog=1)
        (listening,) = server.sockets
        with socket.socket() as client:
            client.setblocking(False)
            with no_more_descriptors() as restore:

                def note(_: Loop, context: dict[str, Any]) -> None:
                    restore()
                    seen.append(context)
                    assert context["socket"].getsockname() == listening.getsockname()

                loop.set_exception_handler(note)
                await loop.sock_connect(client, listening.getsockname())
                await loop.sock_sendall(client, b"late but served")
                assert await loop.sock_recv(client, 100) == b"late but served"
        server.close()
        await server.wait_closed()
        assert [context["message"] for context in seen] == ["socket.accept() out of system resource"]
        assert type(seen[0]["exception"]) is OSError
        assert seen[0]["exception"].errno == errno.EMFILE

    run(main())


def test_a_handler_told_of_too_few_descriptors_may_close_the_server_and_use_its_number(loop: Loop, run: Run) -> None:
    seen: Reports = []
    received: asyncio.Future[bytes] = loop.create_future()

    async def main() -> None:
        server = await loop.create_server(EchoProtocol, "127.0.0.1", 0, backlog=1)
        address, number = server.sockets[0].getsockname(), server.sockets[0].fileno()
        with contextlib.ExitStack() as stack, socket.socket() as client:

            def close_and_reuse(_: Loop, context: dict[str, Any]) -> None:
                seen.append(context)
                if len(seen) > 1:
                    return
                restore()
                server.close()
                ours, theirs = socket.socketpair()
                stack.enter_context(theirs)
                new = stack.enter_context(renumbered(ours, number))
                loop.add_reader(new, lambda: received.set_result(new.recv(100)))
                theirs.send(b"for the new reader")

            loop.set_exception_handler(close_and_reuse)
            with no_more_descriptors() as restore:
                client.connect(address)
                assert await received == b"for the new reader"
            assert loop.remove_reader(number)
        assert seen[0]["message"] == "socket.accept() out of system resource"
        # asyncio goes on to the closed socket's number, which is none any more.
        assert all(type(context["exception"]) is ValueError for context in seen[1:])

    run(main())


def test_a_server_goes_on_after_a_handler_that_was_told_of_too_few_descriptors_ended_the_run(loop: Loop) -> None:
    async def main() -> asyncio.Server:
        return await loop.create_server(EchoProtocol, "127.0.0.1", 0, backlog=1)

    server = loop.run_until_complete(main())
    address = server.sockets[0].getsockname()
    with socket.socket() as client:
        with no_more_descriptors() as restore:

            def interrupt(_: Loop, __: dict[str, Any]) -> None:
                restore()
                raise KeyboardInterrupt

            loop.set_exception_handler(interrupt)
            client.connect(address)
            client.setblocking(False)
            with pytest.raises(KeyboardInterrupt):
                loop.run_forever()

        async def exchange() -> bytes:
            await loop.sock_sendall(client, b"late but served")
            return await loop.sock_recv(client, 100)

        assert loop.run_until_complete(exchange()) == b"late but served"
    server.close()
    loop.run_until_complete(server.wait_closed())


def test_a_factory_that_closes_its_server_may_listen_on_the_same_number(loop: Loop, run: Run) -> None:
    loop.set_debug(False)  # a report would keep the connection
    calls: list[int] = []

    async def main() -> None:
        replaced = loop.create_future()

        def factory() -> asyncio.Protocol:
            calls.append(number)
            server.close()
            new = renumbered(socket.create_server(("127.0.0.1", 0)), number)
            loop.add_reader(new, list)
            client = socket.create_connection(new.getsockname())
            replaced.set_result((new, client))
            raise LookupError("no protocol for the old server")

        server = await loop.create_server(factory, "127.0.0.1", 0)
        address, number = server.sockets[0].getsockname(), server.sockets[0].fileno()
        with unclosed_connections() as raised, socket.create_connection(address):
            new, client = await replaced
            await several_turns()
            assert loop.remove_reader(new)
            with new, client:
                assert calls == [number]
                accepted, _ = new.accept()
                with accepted:
                    assert accepted.getpeername() == client.getsockname()
        assert raised == []

    run(main())


@pytest.mark.parametrize("others", [0, 1])
def test_a_factory_that_closes_its_server_gets_no_connection(
    loop: Loop, run: Run, loop_factory: LoopFactory, others: int
) -> None:
    loop.set_debug(False)  # a report would keep the connection
    made: list[RecordingProtocol] = []
    called = asyncio.Event()

    async def main() -> None:
        def factory() -> RecordingProtocol:
            made.append(RecordingProtocol())
            if len(made) > others:
                server.close()
                called.set()
            return made[-1]

        server = await loop.create_server(factory, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        closing = asyncio.ensure_future(server.wait_closed())
        clients = [(await loop.create_connection(RecordingProtocol, *address))[1] for _ in range(others)]
        while len(made) < others:
            await asyncio.sleep(0)
        with unclosed_connections() as raised, socket.create_connection(address) as client:
            client.setblocking(False)
            await called.wait()
            await several_turns()
            gc.collect()
            assert await drained(client) == b""
        assert made[-1].calls == []
        assert closing.done() is not bool(others), "only a connection that was made is waited for"
        for protocol in clients:
            await aborted(protocol.transport)
        await closing
        # From CPython 3.13 on asyncio's transport leaves the server although it never came to belong to it.
        assert set(raised) <= (set() if loop_factory is ioxide.new_event_loop else {TypeError})

    run(main())
