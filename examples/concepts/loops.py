"""The loop itself can be replaced: one coroutine, on three loops, of which one is written here."""

from __future__ import annotations

import asyncio
import heapq
import importlib.util
import itertools
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVarTuple

from concepts import Concept

Ts = TypeVarTuple("Ts")


class TwentyLineLoop(asyncio.AbstractEventLoop):
    """All that tasks, futures, sleeps, locks, queues and time-outs ask of a loop, in some twenty statements.

    What it lacks is the world: sockets, threads, subprocesses and signals.
    """

    def __init__(self) -> None:
        # What is to be called, by time. Two things of the same time come in the order in which they were asked for.
        self._calls: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()

    def run_until_complete(self, future: Any) -> Any:
        task = self.create_task(future)
        asyncio._set_running_loop(self)  # for loops to call, and in asyncio.__all__, for all its underscore
        try:
            while not task.done():
                when, _, handle = heapq.heappop(self._calls)
                time.sleep(max(0, when - self.time()))
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(None)
        return task.result()

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._calls, (when, next(self._numbers), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_at(self.time(), callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, **options)

    def time(self) -> float:
        return time.monotonic()

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave a cancelled call where it is; it is skipped when its time comes."""

    def close(self) -> None:
        """Do nothing: there is nothing to be closed."""


async def journey() -> list[str]:
    """Use what coroutines are made of: tasks, sleeps, a queue, a time-out and a cancellation."""
    log: list[str] = []
    letters: asyncio.Queue[str] = asyncio.Queue(maxsize=1)

    async def write() -> None:
        for letter in "abc":
            await letters.put(letter)
            await asyncio.sleep(0.001)

    async def read() -> None:
        log.append("".join([await letters.get() for _ in range(3)]))

    await asyncio.gather(read(), write())
    try:
        async with asyncio.timeout(0.001):
            await letters.get()
    except TimeoutError:
        log.append("no more letters")
    async with asyncio.TaskGroup() as group:
        idle = group.create_task(asyncio.sleep(3600))
        await asyncio.sleep(0)
        idle.cancel()
    log.append(f"idle task cancelled: {idle.cancelled()}")
    return log


def loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop] | None]:
    """Tell what makes each of the loops; None for one that isn't installed."""
    makers: dict[str, Callable[[], asyncio.AbstractEventLoop] | None] = {
        "asyncio's selector loop": asyncio.SelectorEventLoop,
        "ioxide": None,
        "twenty lines": TwentyLineLoop,
    }
    if importlib.util.find_spec("ioxide"):
        import ioxide

        makers["ioxide"] = ioxide.new_event_loop
    return makers


def on(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Run a coroutine on a loop, and close the loop."""
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def pluggable_loop() -> None:
    """The same coroutine on asyncio's loop, on ioxide if it is installed, and on a loop of twenty lines."""
    logs = []
    for name, make in loops().items():
        if make is None:
            print(f"{name}: isn't installed")
            continue
        logs.append(on(make(), journey()))
        print(f"{name}: {'; '.join(logs[-1])}")
    print(f"all the same: {all(log == logs[0] for log in logs)}")


CONCEPTS: list[Concept] = [pluggable_loop]
