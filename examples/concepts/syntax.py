"""Python's syntax that waits: asynchronous generators, comprehensions and context managers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from concepts import Concept


async def countdown(start: int) -> AsyncGenerator[int, None]:
    """Count down to one, waiting before each number."""
    try:
        for number in range(start, 0, -1):
            await asyncio.sleep(0)
            yield number
    finally:
        await asyncio.sleep(0)
        print("the countdown is closed")


async def asynchronous_generators() -> None:
    """An asynchronous generator may wait between its values. Who leaves it early has to close it."""
    async for number in countdown(2):
        print(number)
    # Without `aclosing` the generator would be closed some time later, by the loop.
    async with contextlib.aclosing(countdown(9)) as numbers:
        async for number in numbers:
            print(f"{number} is enough")
            break


async def asynchronous_comprehensions() -> None:
    """Comprehensions take `async for`, and `await` in any place."""

    async def square(number: int) -> int:
        await asyncio.sleep(0)
        return number * number

    print([number async for number in countdown(3) if number != 2])
    print({number: await square(number) for number in (1, 2, 3)})


async def asynchronous_context_managers() -> None:
    """`async with` may wait both on the way in and on the way out, which runs whatever happens in the block."""

    @contextlib.asynccontextmanager
    async def connection(name: str) -> AsyncIterator[str]:
        await asyncio.sleep(0)
        print(f"{name} opened")
        try:
            yield name
        finally:
            await asyncio.sleep(0)
            print(f"{name} closed")

    try:
        async with connection("the first") as first, connection("the second"):
            raise LookupError(f"something isn't in {first}")
    except LookupError as error:
        print(error)
    async with contextlib.AsyncExitStack() as stack:
        for number in (3, 4):
            await stack.enter_async_context(connection(f"number {number}"))


CONCEPTS: list[Concept] = [asynchronous_generators, asynchronous_comprehensions, asynchronous_context_managers]
