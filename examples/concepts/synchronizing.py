"""Tasks that mind each other: lock, semaphore, event, condition, barrier, and the three queues."""

from __future__ import annotations

import asyncio

from concepts import Concept


async def lock() -> None:
    """A lock lets one task at a time do what has an `await` in its middle, in the order of their coming."""
    lock = asyncio.Lock()
    balance = 100

    async def withdraw(name: str, amount: int) -> None:
        nonlocal balance
        async with lock:
            seen = balance
            await asyncio.sleep(0)  # without the lock the others would now see the same balance
            balance = seen - amount
            print(f"{name} takes {amount} of {seen}")

    await asyncio.gather(withdraw("Ada", 30), withdraw("Bob", 50), withdraw("Eve", 20))
    print(f"left: {balance}")


async def semaphore() -> None:
    """A semaphore lets so many in at a time."""
    seats = asyncio.Semaphore(2)
    seated, most = 0, 0

    async def sit() -> None:
        nonlocal seated, most
        async with seats:
            seated += 1
            most = max(most, seated)
            await asyncio.sleep(0)
            seated -= 1

    await asyncio.gather(*(sit() for _ in range(7)))
    print(f"seven came, and at most {most} sat at once")


async def event() -> None:
    """An event is waited for until somebody sets it; all who wait go on, and who comes later doesn't wait."""
    started = asyncio.Event()

    async def runner(name: str) -> None:
        await started.wait()
        print(f"{name} runs")

    async with asyncio.TaskGroup() as group:
        group.create_task(runner("Ada"))
        group.create_task(runner("Bob"))
        await asyncio.sleep(0)
        print("ready, steady, go")
        started.set()
    await runner("the late one")


async def condition() -> None:
    """A condition is a lock that can be waited in, until others say that something has changed."""
    condition = asyncio.Condition()
    plates: list[str] = []

    async def eat() -> None:
        async with condition:
            # The lock is given back while waiting, and held again when the plate is looked at.
            await condition.wait_for(lambda: "cake" in plates)
            print(f"eats of {plates}")

    async with asyncio.TaskGroup() as group:
        group.create_task(eat())
        for plate in ("soup", "cake"):
            await asyncio.sleep(0)
            async with condition:
                plates.append(plate)
                print(f"{plate} is served")
                condition.notify_all()


async def barrier() -> None:
    """At a barrier everybody waits until so many have come."""
    barrier = asyncio.Barrier(3)

    async def climber(name: str, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        print(f"{name} is at the hut")
        if await barrier.wait() == 0:  # exactly one of them gets this number
            print("one of them opens the door")

    await asyncio.gather(climber("Ada", 0), climber("Bob", 5), climber("Eve", 10))
    print("all are inside")


async def queues() -> None:
    """The three queues differ in what comes out first: the oldest, the newest, or the smallest."""
    for kind in (asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue):
        queue: asyncio.Queue[int] = kind()
        for number in (20, 30, 10):
            await queue.put(number)
        print(f"{kind.__name__}: {[await queue.get() for _ in range(3)]}")


async def queue_with_back_pressure() -> None:
    """A queue with room for few makes `put` wait; `join` waits until all that was put in has been dealt with."""
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)

    async def consume() -> None:
        while True:
            number = await queue.get()
            print(f"  {number} is taken")
            await asyncio.sleep(0)
            queue.task_done()

    consumer = asyncio.create_task(consume())
    for number in (1, 2, 3):
        await queue.put(number)
        print(f"{number} is put in")
    await queue.join()
    consumer.cancel()
    print("all were dealt with")


CONCEPTS: list[Concept] = [lock, semaphore, event, condition, barrier, queues, queue_with_back_pressure]
