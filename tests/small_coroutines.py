"""What the tests of native objects run and wait for: coroutines of a few turns, and what is seen of their ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

Loop = asyncio.AbstractEventLoop
Run = Callable[[Any], Any]


async def turns(count: int) -> None:
    """Let the loop take so many turns."""
    for _ in range(count):
        await asyncio.sleep(0)


async def turns_until_done(task: asyncio.Future[Any]) -> int:
    """Count the turns until a task is done."""
    for number in range(100):
        if task.done():
            return number
        await asyncio.sleep(0)
    raise AssertionError("the task isn't done after 100 turns")


async def give(value: Any = None, after: int = 0) -> Any:
    """Return a value after so many turns."""
    await turns(after)
    return value


async def wait_for_ever() -> None:
    """Wait until it is cancelled."""
    await asyncio.get_running_loop().create_future()


def pending_cancellations() -> int:
    """Count the requests to cancel the current task."""
    task: Any = asyncio.current_task()
    count: int = task.cancelling()
    return count


def chain(error: BaseException | None) -> list[str]:
    """Name an exception and what was being handled when it was raised, and so on."""
    names = []
    while error is not None:
        names.append(type(error).__name__ + (" from" if error.__cause__ is error.__context__ is not None else ""))
        error = error.__context__
    return names
