"""Scheduling: callbacks, timers and threads, without a descriptor in the way."""

from __future__ import annotations

import asyncio
import random
import threading

from benches.in_process import Table, check

table = Table("scheduling", __name__)

BURST = 1000
"""How many callbacks or timers are scheduled before any of them runs."""


@table("call_soon chain", quick=True)
def call_soon_chain(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Run callbacks of which each schedules the next."""
    left = count

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(step)
        else:
            loop.stop()

    loop.call_soon(step)
    loop.run_forever()
    check(left == 0, f"{left} callbacks of {count} didn't run")
    return count


@table("call_soon burst")
def call_soon_burst(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Schedule many callbacks at once, then run them."""
    bursts = -(-count // BURST)
    expected = list(range(BURST))
    for _ in range(bursts):
        ran: list[int] = []
        for number in range(BURST):
            loop.call_soon(ran.append, number)
        loop.call_soon(loop.stop)
        loop.run_forever()
        check(ran == expected, f"{len(ran)} callbacks of {BURST} ran, or out of order")
    return bursts * BURST


@table("call_later + cancel", quick=True)
def call_later_cancel(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Arm timers and cancel each at once, as timeouts do that aren't needed."""
    fired: list[str] = []

    def arm() -> None:
        for _ in range(BURST):
            loop.call_later(60.0, fired.append, "cancelled").cancel()

    bursts = -(-count // BURST)
    for _ in range(bursts):
        loop.call_soon(arm)
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.call_later(0.001, fired.append, "kept")
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    check(fired == ["kept"], f"of a kept timer and cancelled ones {fired[:3]} fired")
    return bursts * BURST


@table("timers firing", quick=True)
def timers_firing(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Arm timers in no order, and run them. All are due when the last is armed, so that nothing waits."""
    size = 20_000
    bursts = -(-count // size)
    delays = [0.001 + 0.001 * number / size for number in range(size)]
    random.Random(4).shuffle(delays)
    for _ in range(bursts):
        left = size

        def fire() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                loop.stop()

        for delay in delays:
            loop.call_later(delay, fire)
        loop.run_forever()
        check(left == 0, f"{left} timers of {size} didn't fire")
    return bursts * size


@table("call_later(0) chain")
def call_later_zero(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Run timers without a delay of which each arms the next."""
    left = count

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_later(0, step)
        else:
            loop.stop()

    loop.call_later(0, step)
    loop.run_forever()
    check(left == 0, f"{left} timers of {count} didn't fire")
    return count


@table("sleep(0)", quick=True)
def sleep_zero(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Suspend a task for one turn, again and again."""
    turns = 0

    async def main() -> None:
        nonlocal turns
        for _ in range(count):
            await asyncio.sleep(0)
            turns += 1

    loop.run_until_complete(main())
    return turns


@table("call_soon_threadsafe", quick=True, threads=True)
def call_soon_threadsafe(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Send callbacks to the loop from another thread."""
    arrived: list[int] = []

    def send() -> None:
        for number in range(count):
            loop.call_soon_threadsafe(arrived.append, number)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=send)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    check(arrived == list(range(count)), f"{len(arrived)} callbacks of {count} arrived, or out of order")
    return count


@table("run_in_executor", threads=True)
def run_in_executor(loop: asyncio.AbstractEventLoop, count: int) -> int:
    """Call a function in a thread of the default pool, and wait for it."""
    total = 0

    async def main() -> None:
        nonlocal total
        for number in range(count):
            total += await loop.run_in_executor(None, abs, -number)

    loop.run_until_complete(main())
    check(total == count * (count - 1) // 2, "results were lost or mixed up")
    return count


ROWS = table.rows
