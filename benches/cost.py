"""Cost: the memory of a loop and of what it holds, and how what it holds slows it down.

Memory is resident memory, as the system counts it, so that no loop hides behind an allocator of its own. It comes in
pages: what ten of a thing take can't be told that way. Growth is therefore shown by three things: the memory of each
of 1,000 and of each of 10,000; the peak of a whole server with 10 connections and with 10,000; and the time that one
more task or timer takes beside 10 and beside 10,000 others.
"""

from __future__ import annotations

import asyncio
from functools import partial

from benches.idle_connections import memory_per_connection, peak_memory_of_server
from benches.in_process import Table, check, run_worker
from benches.rows import Row, Sample

table = Table("cost", __name__)

MANY = 10_000
FEW = 10


async def tasks_beside(others: int, count: int) -> int:
    """Make and await tasks while others wait."""
    loop = asyncio.get_running_loop()
    release = loop.create_future()

    async def wait() -> int:
        await release
        return 1

    async def return_at_once() -> int:
        return 1

    waiting = [loop.create_task(wait()) for _ in range(others)]
    done = 0
    for _ in range(max(count, others)):
        done += await loop.create_task(return_at_once())
    check(not any(task.done() for task in waiting), "a task is done that should wait")
    release.set_result(None)
    check(sum(await asyncio.gather(*waiting)) == others, "a waiting task was lost")
    return done


@table("task beside 10 others")
def task_beside_few(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Make and await tasks beside ten."""
    return loop.run_until_complete(tasks_beside(FEW, count))


@table("task beside 10000 others")
def task_beside_many(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Make and await tasks beside ten thousand."""
    return loop.run_until_complete(tasks_beside(MANY, max(count, 10 * MANY)))


async def timers_beside(others: int, count: int) -> int:
    """Arm and fire timers while others wait, in the order in which timeouts come: the latest last."""
    loop = asyncio.get_running_loop()
    lost: list[int] = []
    waiting = [loop.call_later(3600 + number, lost.append, number) for number in range(others)]
    fired = 0
    all_fired = loop.create_future()

    def fire() -> None:
        nonlocal fired
        fired += 1
        if fired == count:
            all_fired.set_result(None)
        elif fired % 100 == 0:
            arm()

    def arm() -> None:
        for _ in range(100):
            loop.call_later(0, fire)

    count = -(-count // 100) * 100
    arm()
    await all_fired
    for timer in waiting:
        timer.cancel()
    check(not lost, "a timer fired an hour early")
    return fired


@table("timer beside 10 others")
def timer_beside_few(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Arm and fire timers beside ten."""
    return loop.run_until_complete(timers_beside(FEW, count))


@table("timer beside 10000 others")
def timer_beside_many(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Arm and fire timers beside ten thousand."""
    return loop.run_until_complete(timers_beside(MANY, max(count, 10 * MANY)))


def memory(kind: str, count: int, loop: str, _seconds: float) -> Sample:
    """Measure how many bytes each of `count` things takes, in a fresh process."""
    return run_worker("benches.memory_worker", kind, loop, str(count))


def memory_row(name: str, kind: str, count: int, *, quick: bool = False) -> Row:
    """Make a row of what the memory worker measures."""
    return Row("cost", name, "bytes", higher_is_better=False, measure=partial(memory, kind, count), quick=quick)


def connections_row(count: int, *, quick: bool = False) -> Row:
    """Make a row of the memory that each of so many idle connections adds to a server."""
    measure = partial(memory_per_connection, count)
    return Row("cost", f"memory per idle connection of {count}", "bytes", False, measure, quick=quick)


def server_row(count: int) -> Row:
    """Make a row of the most memory that a server takes for so many connections."""
    measure = partial(peak_memory_of_server, count)
    return Row("cost", f"peak memory of a server with {count} connections", "bytes", False, measure)


ROWS = [
    memory_row("memory of a process with a loop", "loop", 1, quick=True),
    memory_row("memory per task of 1000", "task", 1000),
    memory_row("memory per task of 10000", "task", MANY),
    memory_row("memory per timer of 1000", "timer", 1000),
    memory_row("memory per timer of 10000", "timer", MANY, quick=True),
    connections_row(1000),
    connections_row(MANY, quick=True),
    server_row(FEW),
    server_row(MANY),
    *table.rows,
]
