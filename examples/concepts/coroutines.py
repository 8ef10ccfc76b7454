"""What runs, and what runs it: the event loop, coroutines, `await`, and the generators underneath."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Generator
from typing import Any

from concepts import Concept


def event_loop_and_run() -> None:
    """`asyncio.run` makes an event loop, runs one coroutine on it to its end, and closes the loop."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        print(f"inside: the loop is running: {loop.is_running()}")
        return "what main returned"

    result = asyncio.run(main())
    print(f"outside: run returned {result!r}")
    try:
        asyncio.get_running_loop()
    except RuntimeError as error:
        print(f"and now: {error}")


async def coroutine() -> None:
    """Calling a coroutine function runs nothing: it makes a coroutine, which runs when it is awaited."""

    async def greet(name: str) -> str:
        print(f"greeting {name}")
        return f"hello, {name}"

    greeting = greet("Ada")
    print(f"made a {type(greeting).__name__}; nothing was greeted yet")
    print(await greeting)
    try:
        await greeting
    except RuntimeError as error:
        print(f"a second time: {error}")


async def await_() -> None:
    """`await` hands control to what is awaited. The loop gets it only if that has to wait for something."""

    async def at_once() -> None:
        print("  in between: nobody else, for nothing had to be waited for")

    asyncio.get_running_loop().call_soon(print, "  in between: whatever else was ready")
    print("before awaiting what doesn't wait")
    await at_once()
    print("before awaiting sleep(0), which waits for one turn of the loop")
    await asyncio.sleep(0)
    print("after")


async def generator_based_coroutine() -> None:
    """Underneath, a coroutine is a generator: what it yields travels through every `await` up to the task.

    `types.coroutine` makes a generator function awaitable. A bare `yield` is how `sleep(0)` gives way for one turn; a
    yielded future is waited for. This is all that a task and an event loop understand of each other.
    """

    @types.coroutine
    def one_turn() -> Generator[None, None, str]:
        yield
        return "one turn later"

    @types.coroutine
    def result_of(future: asyncio.Future[Any]) -> Generator[Any, None, Any]:
        result = yield from future
        return result

    print(await one_turn())
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, "what the future was given")
    print(await result_of(future))

    async def by_hand() -> str:
        return await one_turn()

    driven = by_hand()
    print(f"driven by hand it yields {driven.send(None)}")
    try:
        driven.send(None)
    except StopIteration as end:
        print(f"and ends with {end.value!r}")


CONCEPTS: list[Concept] = [event_loop_and_run, coroutine, await_, generator_based_coroutine]
