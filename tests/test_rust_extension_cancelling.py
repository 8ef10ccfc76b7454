"""Cancelling what awaits a Rust future of an extension, at each moment of its life."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import ioxide
import pytest
from test_rust_extension import Noted, rust


@pytest.fixture
def loop_factory() -> Any:
    """Only ioxide's loops run Rust futures."""
    return ioxide.new_event_loop


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("times", [1, 2])
def test_a_cancelled_task_drops_its_future_before_the_error_is_raised(run: Any, steps: int, times: int) -> None:
    async def main() -> None:
        dropped = Noted()
        seen = []

        async def wait() -> None:
            try:
                await rust.wait_for_ever(dropped)
            except asyncio.CancelledError:
                seen.append(dropped.count)
                raise

        task = asyncio.create_task(wait())
        for _ in range(steps):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # A task that is cancelled before its first step doesn't make the coroutine.
        assert (seen, dropped.count) == (([1], 1) if steps else ([], 0))

    run(main())


def test_a_coroutine_whose_task_never_began_is_dropped(run: Any) -> None:
    async def main() -> None:
        dropped = Noted()
        task = asyncio.create_task(rust.wait_for_ever(dropped))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert dropped.count == 1

    run(main())


def test_a_task_cancelled_after_the_wake_up_and_before_it_runs_loses_no_bytes(loop: Any, run: Any) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        with near, far:
            connection = rust.Connection(near.fileno())
            # Each number of turns between the bytes' arrival and the cancellation.
            for turns in range(6):
                task = asyncio.create_task(connection.read(10))
                await asyncio.sleep(0)
                far.send(b"bytes")
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                read = b"" if task.cancelled() else task.result()
                assert read or await connection.read(10) == b"bytes"
                assert read in (b"", b"bytes")
            del connection

    run(main())


def test_a_task_cancelled_as_a_thread_wakes_it_ends_once(run: Any) -> None:
    async def main() -> None:
        for turns in range(30):
            tasks = [asyncio.create_task(rust.from_thread(number, 3)) for number in range(5)]
            for _ in range(turns % 6):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            done, _ = await asyncio.wait(tasks)
            assert all(task.cancelled() or task.result() in range(5) for task in done)

    run(main())


def test_a_timeout_drops_the_future(run: Any) -> None:
    async def main() -> None:
        dropped = Noted()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(rust.wait_for_ever(dropped), 0.001)
        assert dropped.count == 1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await rust.wait_for_ever(dropped)
        assert dropped.count == 2

    run(main())


def test_a_panic_as_the_future_is_dropped_is_raised_because_of_the_cancellation(run: Any) -> None:
    def fail() -> None:
        raise KeyError("its key")

    async def main() -> None:
        task = asyncio.create_task(rust.wait_for_ever(fail))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(rust.RustPanic, match="its key") as raised:
            await task
        assert isinstance(raised.value.__cause__, asyncio.CancelledError)

    run(main())


def test_to_drop_what_awaits_a_python_task_cancels_that(run: Any) -> None:
    async def main() -> None:
        outcome = []

        async def wait() -> None:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                outcome.append("cancelled")
                raise

        for steps in range(4):
            task = asyncio.create_task(rust.call(wait))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        for _ in range(3):
            await asyncio.sleep(0)
        # Without a step there was no task inside.
        assert outcome == ["cancelled"] * 3

    run(main())


def test_a_cancelled_python_task_is_an_error_to_the_rust_future(run: Any) -> None:
    async def main() -> None:
        inner: list[asyncio.Task[None]] = []

        def start() -> asyncio.Task[None]:
            inner.append(asyncio.create_task(asyncio.sleep(1000)))
            return inner[0]

        task = asyncio.create_task(rust.call(start))
        await asyncio.sleep(0)
        inner[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
