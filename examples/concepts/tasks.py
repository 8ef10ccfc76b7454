"""Several things at once: tasks, futures, and the ways to wait for many of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from concepts import Concept


async def task() -> None:
    """A task runs a coroutine while others go on. It starts when the one who made it first waits."""

    async def count(name: str) -> str:
        for number in (1, 2):
            print(f"{name} counts {number}")
            await asyncio.sleep(0)
        return f"{name} is done"

    ada = asyncio.create_task(count("Ada"), name="Ada's task")
    bob = asyncio.create_task(count("Bob"))
    print(f"{ada.get_name()} was made, and hasn't counted yet")
    print(await ada, "and", await bob)


async def future_from_callback_code() -> None:
    """A future turns code that takes a callback into something that can be awaited."""

    def look_up(word: str, when_found: Callable[[str], None], when_missing: Callable[[Exception], None]) -> None:
        loop = asyncio.get_running_loop()
        if word == "moth":
            loop.call_soon(when_found, "the first bug")
        else:
            loop.call_soon(when_missing, LookupError(f"no entry for {word}"))

    async def looked_up(word: str) -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        look_up(word, future.set_result, future.set_exception)
        return await future

    print(f"moth: {await looked_up('moth')}")
    try:
        await looked_up("wasp")
    except LookupError as error:
        print(f"wasp: {error}")


async def gather() -> None:
    """`gather` runs awaitables at once and gives their results in the order in which they were passed."""
    finished = []

    async def work(name: str, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        if turns == 2:
            raise ValueError(f"{name} failed")
        finished.append(name)
        return name.upper()

    print("results:", await asyncio.gather(work("slow", 9), work("fast", 1)))
    print("they finished in another order:", finished)
    results = await asyncio.gather(work("slow", 9), work("bad", 2), return_exceptions=True)
    print("return_exceptions=True:", results)
    try:
        await asyncio.gather(work("other", 9), work("bad", 2))
    except ValueError as error:
        print(f"without it the first error is raised: {error}; the others go on")


async def as_completed() -> None:
    """`as_completed` gives each result when it is there, the earliest first."""

    async def work(name: str, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        return name

    for earliest in asyncio.as_completed([work("last", 30), work("first", 0), work("second", 15)]):
        print(await earliest)


async def wait_in_its_three_modes() -> None:
    """`wait` returns the done and the pending tasks: when one is done, when one has failed, or when all are done."""

    async def work(turns: int, error: Exception | None = None) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        if error:
            raise error

    for mode in (asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION, asyncio.ALL_COMPLETED):
        tasks = [
            asyncio.create_task(work(0), name="quick"),
            asyncio.create_task(work(15, OSError("broken")), name="failing"),
            asyncio.create_task(work(30), name="slow"),
        ]
        done, pending = await asyncio.wait(tasks, return_when=mode)
        names = [" and ".join(sorted(task.get_name() for task in group)) or "none" for group in (done, pending)]
        print(f"{mode}: done are {names[0]}; pending {names[1]}")
        # `wait` neither raises nor cancels anything: both are left to whoever called it.
        await asyncio.gather(*tasks, return_exceptions=True)


async def wait_for_around_gather_as_a_barrier() -> None:
    """Nobody starts the next leg before everybody has finished this one, and nobody waits forever for a straggler."""

    async def leg(runner: str, number: int) -> None:
        print(f"{runner} finished leg {number}")

    for number in (1, 2):
        await asyncio.wait_for(asyncio.gather(leg("Ada", number), leg("Bob", number)), timeout=60)
        print(f"all finished leg {number}")

    async def never() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            print("the straggler was cancelled")

    try:
        await asyncio.wait_for(asyncio.gather(leg("Ada", 3), never()), timeout=0.01)
    except TimeoutError:
        print("leg 3 took too long")


CONCEPTS: list[Concept] = [
    task,
    future_from_callback_code,
    gather,
    as_completed,
    wait_in_its_three_modes,
    wait_for_around_gather_as_a_barrier,
]
