"""Coordination: tasks and futures. `synchronization` and `stream_reader` have the rest of the group."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine

from benches.in_process import Table, Workload, check

table = Table("coordination", __name__)

GROUP = 100
"""How many tasks are waited for together."""

Main = Callable[[int], Coroutine[None, None, int]]
"""Does at least so many operations within the loop, and returns how many it saw done."""


def within(main: Main) -> Workload:
    """Make a workload of a coroutine function that runs on the loop."""

    @functools.wraps(main)
    def workload(loop: asyncio.AbstractEventLoop, count: int) -> int:
        return loop.run_until_complete(main(count))

    return workload


async def double(number: int) -> int:
    """Return at once."""
    return 2 * number


async def next_turn(number: int) -> int:
    """Return in the next turn."""
    await asyncio.sleep(0)
    return 2 * number


def groups(count: int) -> range:
    """Divide operations into groups of `GROUP`."""
    return range(-(-count // GROUP))


DOUBLED = [2 * number for number in range(GROUP)]


@table("task", quick=True)
@within
async def create_and_await_a_task(count: int) -> int:
    """Make a task and await its result."""
    total = 0
    for number in range(count):
        total += await asyncio.create_task(double(number))
    check(total == count * (count - 1), "results of tasks are wrong")
    return count


@table("gather of 100 / task", quick=True)
@within
async def gather(count: int) -> int:
    """Gather a hundred coroutines."""
    for _ in groups(count):
        results = await asyncio.gather(*map(double, range(GROUP)))
        check(results == DOUBLED, "gather mixed up its results")
    return len(groups(count)) * GROUP


@table("TaskGroup of 100 / task", quick=True)
@within
async def task_group(count: int) -> int:
    """Run a hundred tasks in a group."""
    for _ in groups(count):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(double(number)) for number in range(GROUP)]
        check([task.result() for task in tasks] == DOUBLED, "a task of the group has a wrong result")
    return len(groups(count)) * GROUP


@table("future ping-pong", quick=True)
@within
async def future_ping_pong(count: int) -> int:
    """Let two tasks wake each other through futures, one operation each way."""
    loop = asyncio.get_running_loop()
    pings: list[asyncio.Future[int]] = [loop.create_future()]
    pongs: list[asyncio.Future[int]] = [loop.create_future()]
    rounds = count // 2 + 1

    async def answer() -> int:
        received = 0
        for _ in range(rounds):
            number = await pings[0]
            received += number
            pings[0] = loop.create_future()
            pongs[0].set_result(number + 1)
        return received

    answering = asyncio.create_task(answer())
    for number in range(rounds):
        pings[0].set_result(number)
        check(await pongs[0] == number + 1, "a future has a wrong result")
        pongs[0] = loop.create_future()
    check(await answering == rounds * (rounds - 1) // 2, "a future's result was lost")
    return 2 * rounds


@table("wait_for", quick=True)
@within
async def wait_for(count: int) -> int:
    """Await what takes a turn with a timeout that isn't needed."""
    total = 0
    for number in range(count):
        total += await asyncio.wait_for(next_turn(number), 60)
    check(total == count * (count - 1), "results are wrong")
    return count


@table("timeout", quick=True)
@within
async def timeout(count: int) -> int:
    """Await what takes a turn within a timeout that isn't needed."""
    total = 0
    for number in range(count):
        async with asyncio.timeout(60):
            total += await next_turn(number)
    check(total == count * (count - 1), "results are wrong")
    return count


@table("timeout that expires")
@within
async def expiring_timeout(count: int) -> int:
    """Let a hundred timeouts expire at once."""
    expired = 0

    async def wait() -> None:
        nonlocal expired
        try:
            async with asyncio.timeout(0):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            expired += 1

    for _ in groups(count):
        await asyncio.gather(*(wait() for _ in range(GROUP)))
    return expired


@table("cancel a task")
@within
async def cancel(count: int) -> int:
    """Cancel a hundred tasks that wait."""
    cancelled = 0
    loop = asyncio.get_running_loop()

    async def wait() -> None:
        await loop.create_future()

    for _ in groups(count):
        tasks = [asyncio.create_task(wait()) for _ in range(GROUP)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        cancelled += sum(task.cancelled() for task in tasks)
    return cancelled


@table("as_completed of 100 / task")
@within
async def as_completed(count: int) -> int:
    """Take a hundred results as they come."""
    for _ in groups(count):
        results = [await result for result in asyncio.as_completed([next_turn(number) for number in range(GROUP)])]
        check(sorted(results) == DOUBLED, "as_completed lost a result")
    return len(groups(count)) * GROUP


@table("wait of 100 / task")
@within
async def wait(count: int) -> int:
    """Wait for a hundred tasks."""
    for _ in groups(count):
        done, pending = await asyncio.wait([asyncio.create_task(double(number)) for number in range(GROUP)])
        check(not pending and sorted(task.result() for task in done) == DOUBLED, "wait returned too early")
    return len(groups(count)) * GROUP


@table("shield")
@within
async def shield(count: int) -> int:
    """Await a task behind a shield."""
    total = 0
    for number in range(count):
        total += await asyncio.shield(asyncio.create_task(double(number)))
    check(total == count * (count - 1), "results are wrong")
    return count


@table("async generator / item")
@within
async def async_generator(count: int) -> int:
    """Iterate over asynchronous generators that suspend for every hundredth item."""

    async def numbers() -> AsyncIterator[int]:
        for number in range(GROUP):
            yield number
        await asyncio.sleep(0)

    received = 0
    for _ in groups(count):
        async for number in numbers():
            check(number == received % GROUP, "an item was lost")
            received += 1
    return received


ROWS = table.rows
