"""Coordination, continued: queues, locks, semaphores, events and conditions."""

from __future__ import annotations

import asyncio

from benches.coordination import within
from benches.in_process import Table, check

table = Table("coordination", __name__)


async def send_through(items: asyncio.Queue[int], count: int) -> int:
    """Send numbers through a bounded queue, from a producer to a consumer."""

    async def produce() -> None:
        for number in range(count):
            await items.put(number)

    producer = asyncio.create_task(produce())
    for number in range(count):
        check(await items.get() == number, "an item was lost or came out of order")
    await producer
    return count


@table("Queue(16) put + get", quick=True)
@within
async def queue(count: int) -> int:
    """Send through a queue that holds several items."""
    return await send_through(asyncio.Queue(16), count)


@table("Queue(1) put + get")
@within
async def queue_of_one(count: int) -> int:
    """Send through a queue where each side waits for the other."""
    return await send_through(asyncio.Queue(1), count)


async def hold_in_turns(guard: asyncio.Lock | asyncio.Semaphore, at_most: int, count: int) -> int:
    """Let ten tasks hold a guard for a turn each, again and again."""
    holders = 10
    held = 0
    acquired = 0
    times = -(-count // holders)

    async def hold() -> None:
        nonlocal held, acquired
        for _ in range(times):
            async with guard:
                held += 1
                check(held <= at_most, f"{held} tasks hold what {at_most} may")
                acquired += 1
                await asyncio.sleep(0)
                held -= 1

    await asyncio.gather(*(hold() for _ in range(holders)))
    return acquired


@table("Lock of 10 tasks", quick=True)
@within
async def lock(count: int) -> int:
    """Contend for a lock."""
    return await hold_in_turns(asyncio.Lock(), 1, count)


@table("Lock uncontended")
@within
async def lock_alone(count: int) -> int:
    """Acquire and release a lock that nobody else wants."""
    guard = asyncio.Lock()
    for _ in range(count):
        async with guard:
            pass
    check(not guard.locked(), "the lock is still held")
    return count


@table("Semaphore(3) of 10 tasks")
@within
async def semaphore(count: int) -> int:
    """Contend for a semaphore."""
    return await hold_in_turns(asyncio.Semaphore(3), 3, count)


@table("Event ping-pong", quick=True)
@within
async def event_ping_pong(count: int) -> int:
    """Let two tasks wake each other through events, one operation each way."""
    ping, pong = asyncio.Event(), asyncio.Event()
    rounds = count // 2 + 1
    answered = 0

    async def answer() -> None:
        nonlocal answered
        for _ in range(rounds):
            await ping.wait()
            ping.clear()
            answered += 1
            pong.set()

    answering = asyncio.create_task(answer())
    for number in range(rounds):
        ping.set()
        await pong.wait()
        pong.clear()
        check(answered == number + 1, "an event was lost")
    await answering
    return 2 * rounds


@table("Condition ping-pong")
@within
async def condition_ping_pong(count: int) -> int:
    """Let two tasks take turns by a condition, one operation each."""
    condition = asyncio.Condition()
    rounds = count // 2 + 1
    moves = 0

    async def move(mine: int) -> None:
        nonlocal moves
        for _ in range(rounds):
            async with condition:
                while moves % 2 != mine:
                    await condition.wait()
                moves += 1
                condition.notify()

    await asyncio.gather(move(0), move(1))
    return moves


ROWS = table.rows
