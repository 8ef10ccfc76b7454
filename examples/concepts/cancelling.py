"""Stopping what runs, and what happens when something fails: cancellation, time limits, groups of tasks."""

from __future__ import annotations

import asyncio

from concepts import Concept


async def forever(name: str) -> None:
    """Wait for what never happens, and say so when that ends."""
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        print(f"{name} cleans up")


async def cancellation_with_a_message() -> None:
    """`cancel` raises CancelledError where the task waits: what stands in `finally` runs, and may wait, too."""

    async def work() -> None:
        try:
            await forever("work")
        except asyncio.CancelledError as error:
            print(f"work was told: {error}")
            await asyncio.sleep(0)  # say goodbye to somebody
            raise  # a task that swallows this isn't cancelled

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    print(f"cancel returned {task.cancel('the shop closes')}")
    try:
        await task
    except asyncio.CancelledError as error:
        print(f"whoever awaits the task sees: {error}")
    print(f"cancelled: {task.cancelled()}; a second time cancel returns {task.cancel()}")


async def shield() -> None:
    """`shield` lets the one who waits be cancelled, and not what it waits for."""
    may_end = asyncio.Event()

    async def save() -> str:
        await may_end.wait()
        return "saved"

    async def impatient(saving: asyncio.Task[str]) -> None:
        await asyncio.shield(saving)

    saving = asyncio.create_task(save())
    waiting = asyncio.create_task(impatient(saving))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    print(f"the one who waited was cancelled: {waiting.cancelled()}")
    print(f"what it waited for was: {saving.cancelled()}")
    may_end.set()
    print(f"and ends: {await saving}")


async def timeout() -> None:
    """`timeout` cancels what takes too long in its block, and turns this one cancellation into TimeoutError."""
    try:
        async with asyncio.timeout(0.01):
            await forever("the slow one")
    except TimeoutError:
        print("time is up")
    async with asyncio.timeout(60) as limit:
        await asyncio.sleep(0)
        print(f"this one ends in time: expired is {limit.expired()}")
    async with asyncio.timeout(None) as limit:
        limit.reschedule(asyncio.get_running_loop().time() + 60)
        print("a limit can be moved while it runs")


async def task_group() -> None:
    """A task group waits for its tasks; none can be forgotten, and none outlives the block."""

    async def work(name: str) -> str:
        await asyncio.sleep(0)
        return f"{name} is done"

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(name)) for name in ("Ada", "Bob")]
        print("in the block nothing is done:", [task.done() for task in tasks])
    print("after it everything is:", [task.result() for task in tasks])


async def exception_groups() -> None:
    """When one task of a group fails the others are cancelled, and what failed is raised together."""

    async def fail(error: Exception) -> None:
        raise error

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(forever("the one that was fine"))
            group.create_task(fail(ValueError("a wrong value")))
            group.create_task(fail(OSError("a broken disk")))
    except* ValueError as errors:
        print("wrong values:", [str(error) for error in errors.exceptions])
    except* OSError as errors:
        print("failures of the system:", [str(error) for error in errors.exceptions])


CONCEPTS: list[Concept] = [cancellation_with_a_message, shield, timeout, task_group, exception_groups]
