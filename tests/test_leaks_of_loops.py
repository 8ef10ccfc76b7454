"""What a thousand event loops leave: those that are closed, in this thread and in others, and those that aren't."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import threading
import warnings
from collections.abc import AsyncIterator

from conftest import LoopFactory
from leak_checks import AT_ONCE, leaves_nothing

Loop = asyncio.AbstractEventLoop


async def numbers() -> AsyncIterator[int]:
    """Yield some numbers."""
    for number in range(3):
        yield number


async def talk() -> None:
    """Use what a loop has: a task, a timer, a server and a connection, a job, an asynchronous generator."""
    loop = asyncio.get_running_loop()
    loop.call_later(1000, print)
    await asyncio.wait_for(asyncio.sleep(0), 10)
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()
    server.close()
    await loop.run_in_executor(None, object)
    async for _ in numbers():
        break


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send one message back."""
    writer.write(await reader.readexactly(5))
    await reader.read()
    writer.close()


async def nothing() -> None:
    """Only run."""
    await asyncio.sleep(0)


def test_loops_that_are_closed_leave_nothing(loop_factory: LoopFactory, loop: Loop) -> None:
    def repeat(times: int) -> None:
        for _ in range(times):
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(talk())

    leaves_nothing(loop, repeat)


def test_loops_of_other_threads_leave_nothing(loop_factory: LoopFactory, loop: Loop) -> None:
    def live() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(nothing())

    def repeat(times: int) -> None:
        for _ in range(times // AT_ONCE):
            threads = [threading.Thread(target=live) for _ in range(AT_ONCE)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    leaves_nothing(loop, repeat)


def test_loops_that_never_ran_leave_nothing(loop_factory: LoopFactory, loop: Loop) -> None:
    def repeat(times: int) -> None:
        for _ in range(times):
            loop_factory().close()

    leaves_nothing(loop, repeat)


def test_loops_that_are_closed_while_they_watch_leave_nothing(loop_factory: LoopFactory, loop: Loop) -> None:
    def repeat(times: int) -> None:
        for _ in range(times):
            closing = loop_factory()
            closing.add_signal_handler(signal.SIGUSR1, print)
            closing.add_reader(ours, print, closing)
            closing.add_writer(ours, print, closing)
            closing.close()

    ours, theirs = socket.socketpair()
    with ours, theirs:
        leaves_nothing(loop, repeat)


def test_loops_that_are_forgotten_open_leave_nothing_but_a_warning(loop_factory: LoopFactory, loop: Loop) -> None:
    def repeat(times: int) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(times):
                forgotten = loop_factory()
                forgotten.run_until_complete(nothing())
                forgotten.call_later(1000, forgotten.stop)
                del forgotten
            gc.collect()
        assert [warning.category for warning in caught] == [ResourceWarning] * times
        assert all(str(warning.message).startswith("unclosed event loop") for warning in caught)

    leaves_nothing(loop, repeat)
