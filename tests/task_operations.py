"""The operations of `task_programs`: what a task does, and may wait for."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncIterator, Generator
from typing import Any

from task_actions import EXCEPTIONS, Actions
from task_meetings import MeetingOperations, Meetings
from task_programs import Action, Operation
from task_world import World

WAIT_MODES = {"any": asyncio.FIRST_COMPLETED, "all": asyncio.ALL_COMPLETED, "exception": asyncio.FIRST_EXCEPTION}


class InOrder(dict[Any, None]):
    """A set in the order of its making."""

    def add(self, item: Any) -> None:
        self[item] = None

    def discard(self, item: Any) -> None:
        self.pop(item, None)


def group_in_order() -> asyncio.TaskGroup:
    """Make a task group that cancels its tasks in the order in which they were made."""
    group = asyncio.TaskGroup()
    assert group._tasks == set()
    group._tasks = InOrder()  # type: ignore[assignment]
    return group


@types.coroutine
def yield_plainly(value: Any = None) -> Generator[Any, Any, Any]:
    """Hand `value` to the task as it is."""
    return (yield value)


class Operations(MeetingOperations):
    """Runs the bodies of a program in a world: there is a method for each operation, of its name behind `do_`."""

    def __init__(self, world: World) -> None:
        self.world, self.trace = world, world.trace
        self.meetings = Meetings()
        self.actions = Actions(world, self.meetings, self.body)

    async def body(self, number: int) -> Any:
        self.trace.note("begin", number)
        await self.run_all(self.world.program.bodies[number])
        return number

    async def run_all(self, operations: tuple[Operation, ...]) -> None:
        for name, *arguments in operations:
            if self.trace.is_over:
                return  # a coroutine that is thrown away does what is in its `finally` without a loop
            try:
                found = await getattr(self, f"do_{name}")(*arguments)
            except BaseException as error:
                self.trace.note(name, "raised", self.trace.describe(error))
                raise
            self.trace.note(name, "gave", self.trace.describe(found))

    def awaitable(self, described: tuple[Any, ...]) -> Any:
        kind, *arguments = described
        if kind == "body":
            return self.body(arguments[0])
        if kind == "meeting":
            return self.meeting(*arguments)
        if kind == "shield":
            return asyncio.shield(self.awaitable(arguments[0]))
        if kind == "gather":
            return asyncio.gather(*map(self.awaitable, arguments[0]), return_exceptions=arguments[1])
        return self.world.find(described)

    async def do_act(self, action: Action) -> None:
        self.actions.act_one(action)

    async def do_wait_until_done(self, described: tuple[Any, ...]) -> Any:
        return await self.awaitable(described)

    async def do_pass_turn(self) -> None:
        await asyncio.sleep(0)

    async def do_bare_yield(self) -> None:
        await yield_plainly()

    async def do_sleep(self, turns: int) -> Any:
        return await asyncio.sleep(self.world.delay(turns), "slept")

    async def do_throw(self, kind: str) -> None:
        raise EXCEPTIONS[kind]()

    async def do_yield_wrongly(self, described: tuple[Any, ...]) -> Any:
        if described[0] == "number":
            return await yield_plainly(42)
        if described[0] == "generator":
            return await yield_plainly(number for number in range(1))
        return await yield_plainly(self.world.find(described))

    async def do_wait(self, described: Any, turns: int | None, mode: str) -> Any:
        timeout = None if turns is None else self.world.delay(turns)
        awaited = [self.awaitable(each) for each in described]
        # Named in this order: what comes out is in sets.
        self.trace.note("waits for", [self.trace.describe(each) for each in awaited])
        try:
            return await asyncio.wait(awaited, timeout=timeout, return_when=WAIT_MODES[mode])
        finally:
            # `wait` looks at exceptions in the order of the set until it has found one: all count as seen.
            for each in awaited:
                if each.done() and not each.cancelled():
                    each.exception()

    async def do_wait_for(self, described: tuple[Any, ...], turns: int | None) -> Any:
        timeout = None if turns is None else self.world.delay(turns)
        return await asyncio.wait_for(self.awaitable(described), timeout)

    async def do_as_completed(self, described: Any, turns: int | None, most: int) -> Any:
        timeout = None if turns is None else self.world.delay(turns)
        awaited = [self.awaitable(each) for each in described]
        # Those that are done already would come in the order of their addresses.
        done = [each for each in awaited if each.done()]
        pending = [each for each in awaited if not each.done()]
        for number, each in enumerate(asyncio.as_completed([*done[:1], *pending], timeout=timeout)):
            self.trace.note("completed", self.trace.describe(await each))
            if number == most:
                break

    async def do_attempt(self, kind: str, tried: Any, handled: Any) -> None:
        caught = asyncio.CancelledError if kind == "cancelled" else Exception if kind == "error" else BaseException
        try:
            await self.run_all(tried)
        except GeneratorExit:
            raise
        except caught as error:
            self.trace.note("caught", self.trace.describe(error))
            await self.run_all(handled)
            if kind == "again":
                raise
            if kind == "other":
                raise LookupError("other") from error

    async def do_finish(self, tried: Any, finally_done: Any) -> None:
        try:
            await self.run_all(tried)
        finally:
            await self.run_all(finally_done)

    async def do_each(self, kind: str, operations: Any) -> None:
        caught = {"cancelled": asyncio.CancelledError, "error": Exception, "any": (Exception, asyncio.CancelledError)}
        for operation in operations:
            try:
                await self.run_all((operation,))
            except caught[kind]:
                self.trace.note("carries on")

    async def do_nest(self, operations: Any) -> None:
        await self.run_all(operations)

    async def do_timeout(self, turns: int | None, operations: Any, again: Any) -> Any:
        timeout = asyncio.timeout(None if turns is None else self.world.delay(turns))
        try:
            async with timeout:
                if again != "keep":
                    timeout.reschedule(None if again is None else self.world.loop.time() + self.world.delay(again))
                await self.run_all(operations)
        finally:
            self.trace.note("timeout", timeout.expired())

    async def do_iterate(self, count: int, stop: int, how: str, operations: Any) -> None:
        items = self.generate(count, operations)
        if how == "keep":
            self.trace.call(items, "generator")
        async for item in items:
            self.trace.note("item", item)
            if item == stop:
                break
        if how == "close":
            await items.aclose()  # type: ignore[attr-defined]

    async def generate(self, count: int, operations: Any) -> AsyncIterator[int]:
        try:
            for number in range(count):
                await asyncio.sleep(0)
                yield number
        finally:
            await self.run_all(operations)

    async def do_group(self, bodies: Any, operations: Any) -> None:
        async with group_in_order() as group:
            for body in bodies:
                if not self.world.is_full():
                    self.world.keep(group.create_task(self.body(body), name=self.world.new_name()), body)
            await self.run_all(operations)
