"""What a thousand callbacks, tasks, jobs, signals and loops leave: no object, no memory, no descriptor, no thread.

The tests of the other files of this name do the same with what has a descriptor. That a leak would be noticed is tested
in test_leak_checks.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import LoopFactory
from leak_checks import in_batches, leaves_nothing
from recording_protocol import several_turns

Loop = asyncio.AbstractEventLoop
Reports = list[dict[str, Any]]

variable: contextvars.ContextVar[object] = contextvars.ContextVar("variable")


def start(target: Callable[[], object]) -> threading.Thread:
    """Start a thread."""
    thread = threading.Thread(target=target)
    thread.start()
    return thread


def test_callbacks_leave_nothing(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        for _ in range(times):
            loop.call_soon(variable.set, object())
            loop.call_soon(variable.set, object(), context=contextvars.copy_context())
            loop.call_soon_threadsafe(variable.set, object())
            loop.call_soon(variable.set, object()).cancel()
        await several_turns()

    leaves_nothing(loop, repeat)


def test_callbacks_from_other_threads_leave_nothing(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        def send() -> None:
            for _ in range(times):
                loop.call_soon_threadsafe(variable.set, object())
            loop.call_soon_threadsafe(sent.set)

        sent = asyncio.Event()
        thread = start(send)
        await sent.wait()
        thread.join()

    leaves_nothing(loop, repeat)


def test_callbacks_that_fail_leave_nothing_but_their_report(loop: Loop, reports: Reports) -> None:
    def fail() -> None:
        raise LookupError

    async def repeat(times: int) -> None:
        for _ in range(times):
            loop.call_soon(fail)
        await several_turns()
        assert len(reports) == times
        reports.clear()

    leaves_nothing(loop, repeat)


def test_timers_leave_nothing(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        fired = asyncio.Semaphore(0)
        for number in range(times):
            loop.call_later(number / 1e6, fired.release)
            loop.call_at(loop.time(), fired.release)
            loop.call_later(1000, fired.release).cancel()
        for _ in range(2 * times):
            await fired.acquire()

    leaves_nothing(loop, repeat)


def test_timers_that_are_pending_when_the_loop_closes_leave_nothing(loop_factory: LoopFactory, loop: Loop) -> None:
    def repeat(times: int) -> None:
        closing = loop_factory()
        for _ in range(times):
            closing.call_later(1000, variable.set, object())
            closing.call_soon(variable.set, object())
        closing.close()

    leaves_nothing(loop, repeat)


def test_tasks_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        task = asyncio.create_task(asyncio.sleep(0, object()), name="a name of its own")
        task.add_done_callback(variable.set)
        await task
        with pytest.raises(LookupError):
            await asyncio.create_task(failing())

    async def failing() -> None:
        await asyncio.sleep(0)
        raise LookupError

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_tasks_that_are_cancelled_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        for turns in range(3):
            task = asyncio.create_task(asyncio.sleep(1000))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_tasks_that_are_abandoned_leave_nothing_but_their_report(loop: Loop, reports: Reports) -> None:
    async def forever() -> None:
        await loop.create_future()

    async def repeat(times: int) -> None:
        tasks = [loop.create_task(forever()) for _ in range(times)]
        await several_turns()
        tasks.clear()
        gc.collect()
        assert [report["message"] for report in reports] == ["Task was destroyed but it is pending!"] * times
        reports.clear()

    leaves_nothing(loop, repeat)


def test_errors_that_nobody_retrieves_leave_nothing_but_their_report(loop: Loop, reports: Reports) -> None:
    async def failing() -> None:
        raise LookupError

    async def repeat(times: int) -> None:
        tasks = [loop.create_task(failing()) for _ in range(times)]
        await several_turns()
        tasks.clear()
        gc.collect()
        assert [report["message"] for report in reports] == ["Task exception was never retrieved"] * times
        reports.clear()

    leaves_nothing(loop, repeat)


def test_waits_that_time_out_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 0.0001)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await loop.create_future()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(1000), 0)
        await asyncio.wait_for(asyncio.sleep(0), 1000)

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_async_generators_leave_nothing(loop: Loop) -> None:
    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(3):
                yield number
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def once() -> None:
        assert [number async for number in numbers()] == [0, 1, 2]
        async for _ in numbers():
            break  # the loop is told of this one when it is collected, and closes it

    async def repeat(times: int) -> None:
        ended.clear()
        await in_batches(times, once)
        gc.collect()
        while len(ended) < 2 * times:
            await asyncio.sleep(0)

    ended: list[bool] = []
    leaves_nothing(loop, repeat)


def test_jobs_of_executors_leave_nothing(loop: Loop) -> None:
    def fail() -> None:
        raise LookupError

    async def once() -> None:
        await loop.run_in_executor(None, object)
        await asyncio.to_thread(object)
        with pytest.raises(LookupError):
            await loop.run_in_executor(None, fail)
        # Whether the job has begun isn't said: it ends either way.
        loop.run_in_executor(None, object).cancel()

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_executors_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        with ThreadPoolExecutor(1) as pool:
            await loop.run_in_executor(pool, object)

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_coroutines_run_by_other_threads_leave_nothing(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        def submit() -> None:
            for number in range(times):
                assert asyncio.run_coroutine_threadsafe(asyncio.sleep(0, number), loop).result() == number

        thread = start(submit)
        while thread.is_alive():
            await asyncio.sleep(0.001)
        thread.join()

    leaves_nothing(loop, repeat)


def test_readers_and_writers_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            readable, writable = asyncio.Event(), asyncio.Event()
            loop.add_reader(ours, variable.set, object())
            loop.add_reader(ours, readable.set)
            loop.add_writer(ours.fileno(), writable.set)
            await writable.wait()
            theirs.send(b"x")
            await readable.wait()
            assert loop.remove_reader(ours)
            assert loop.remove_writer(ours)

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_signal_handlers_leave_nothing(loop: Loop) -> None:
    async def repeat(times: int) -> None:
        for _ in range(times):
            handled = asyncio.Event()
            loop.add_signal_handler(signal.SIGUSR1, variable.set, object())
            loop.add_signal_handler(signal.SIGUSR1, handled.set)
            signal.raise_signal(signal.SIGUSR1)
            await handled.wait()
            assert loop.remove_signal_handler(signal.SIGUSR1)

    before = signal.getsignal(signal.SIGUSR1)
    leaves_nothing(loop, repeat)
    assert signal.getsignal(signal.SIGUSR1) == before
