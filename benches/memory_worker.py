"""The process that measures memory on one loop: `python -m benches.memory_worker KIND LOOP COUNT`.

Each kind makes a few first, so that what is allocated once isn't counted, and at the end checks that the things were
really there.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from benches import loops
from benches.in_process import check
from benches.processes import peak_memory, resident_memory
from benches.worker import report

WARM_UP = 10


def main() -> None:
    """Measure what the command line names."""
    kind, loop, count = sys.argv[1:]
    if kind == "loop":
        report(lambda: sample(memory_of_loop(loop), 1))
    else:
        report(lambda: sample(memory_of(KINDS[kind], loop, int(count)), int(count)))


def sample(size: int, count: int) -> dict[str, Any]:
    """Return the sample of a measurement."""
    return {"value": size / count, "details": {"peak_memory": peak_memory()}}


def memory_of_loop(name: str) -> int:
    """Measure a whole process that has run a loop and done nothing else."""
    loop = loops.new_event_loop(name)
    loop.run_until_complete(asyncio.sleep(0))
    size = resident_memory()
    loop.close()
    return size


def memory_of(kind: Callable[[int], Awaitable[int]], name: str, count: int) -> int:
    """Measure what so many things of a kind add to a loop that has had a few."""
    loop = loops.new_event_loop(name)

    async def both() -> int:
        await kind(WARM_UP)
        return await kind(count)

    size = loop.run_until_complete(both())
    loop.close()
    return size


async def tasks(count: int) -> int:
    """Make tasks that each wait for a future."""
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[int]] = []

    async def wait() -> int:
        futures.append(loop.create_future())
        return await futures[-1]

    gc.collect()
    before = resident_memory()
    waiting = [loop.create_task(wait()) for _ in range(count)]
    await asyncio.sleep(0)
    size = resident_memory() - before
    check(len(futures) == count and not any(task.done() for task in waiting), "a task didn't wait")
    for number, future in enumerate(futures):
        future.set_result(number)
    check(await asyncio.gather(*waiting) == list(range(count)), "a task has a wrong result")
    return size


async def timers(count: int) -> int:
    """Arm timers for a time that doesn't come, and hold on to their handles."""
    loop = asyncio.get_running_loop()
    fired: list[int] = []
    gc.collect()
    before = resident_memory()
    handles = [loop.call_later(3600 + number, fired.append, number) for number in range(count)]
    size = resident_memory() - before
    check(not any(handle.cancelled() for handle in handles), "a timer isn't armed")
    for handle in handles:
        handle.cancel()
    await asyncio.sleep(0.01)
    check(not fired, "a timer fired early")
    return size


KINDS: dict[str, Callable[[int], Awaitable[int]]] = {"task": tasks, "timer": timers}

if __name__ == "__main__":
    main()
