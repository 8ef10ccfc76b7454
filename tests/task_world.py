"""A loop, and the futures, tasks and contexts that a program of `task_programs` has on it.

Time is a number that goes up by one in each turn, and the loop never waits: what fires, and in which turn, is decided
by the program alone.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

from task_programs import Program
from task_trace import Trace, variable

MOST_TASKS = 24


class World:
    """A loop, what a program has made on it, and the trace."""

    def __init__(
        self, make_loop: type[asyncio.AbstractEventLoop], program: Program, shows_internals: bool = True
    ) -> None:
        self.program = program
        self.serial = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.made_by_factory: list[asyncio.Task[Any]] = []
        self.bodies: dict[asyncio.Task[Any], int] = {}
        self.loop = self.make_loop(make_loop)
        self.trace = Trace(self.loop, shows_internals)
        self.native_future = type(self.loop.create_future())
        self.native_task = type(self.made_by_the_loop())
        self.contexts = [contextvars.copy_context() for _ in range(2)]
        for number, context in enumerate(self.contexts):
            context.run(variable.set, f"context {number}")
        self.futures = [self.make_future(kind) for kind in program.futures]
        for number, future in enumerate(self.futures):
            self.trace.call(future, f"future {number}")
        self.loop.set_task_factory(self.factory())

    def make_loop(self, make_loop: type[asyncio.AbstractEventLoop]) -> Any:
        world = self

        class OwnCallSoon(make_loop):  # type: ignore[misc, valid-type]
            def call_soon(self, callback: Any, *arguments: Any, context: Any = None) -> Any:
                if world.trace.shows_internals:
                    in_context = contextvars.copy_context() if context is None else context
                    world.trace.note("call_soon", in_context.get(variable))
                else:  # what runs no code of the program's has no context of its own
                    contextvars.Context().run(world.trace.note, "call_soon")
                return super().call_soon(callback, *arguments, context=context)

        loop: Any = OwnCallSoon() if self.program.mode == "own call_soon" else make_loop()
        loop.time = lambda: float(self.trace.turn)
        loop.slow_callback_duration = float("inf")
        loop.set_debug(self.program.mode == "debug")
        loop.set_exception_handler(lambda *report: self.trace.handle_exception(*report))
        return loop

    def made_by_the_loop(self) -> asyncio.Task[Any]:
        async def nothing() -> None:
            pass

        task = self.loop.create_task(nothing(), name="nothing")
        self.loop.run_until_complete(task)
        return task

    def make_future(self, kind: str) -> Any:
        world = self

        class Derived(self.native_future):  # type: ignore[misc, name-defined]
            def cancel(self, msg: Any = None) -> bool:
                world.trace.note("derived cancel", msg)
                return super().cancel(msg=msg)

        classes = {"asyncio": asyncio.Future, "native": self.native_future, "derived": Derived}
        if kind == "loop":
            return self.loop.create_future()
        return classes.get(kind, asyncio.futures._PyFuture)(loop=self.loop)  # type: ignore[attr-defined]

    def factory(self) -> Any:
        kinds: dict[str, Callable[[], Any]] = {
            "plain": lambda: lambda loop, coroutine, **options: self.native_task(coroutine, loop=loop, **options),
            "eager": lambda: asyncio.eager_task_factory,
            "native eager": lambda: asyncio.create_eager_task_factory(self.native_task),
        }
        if self.program.factory is None:
            return None
        make = kinds[self.program.factory]()

        def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
            task = make(loop, coroutine, **options)
            self.made_by_factory.append(task)
            return task

        return factory

    def make_task(self, kind: str, coroutine: Coroutine[Any, Any, Any], options: dict[str, Any]) -> Any:
        world = self

        class Derived(self.native_task):  # type: ignore[misc, name-defined]
            def cancel(self, msg: Any = None) -> bool:
                world.trace.note("derived cancel", msg)
                return super().cancel(msg=msg)

        if kind == "loop":
            return self.loop.create_task(coroutine, **options)
        if kind.startswith("eager"):
            options["eager_start"] = True
        classes = {"asyncio": asyncio.Task, "native": self.native_task, "eager": self.native_task}
        return classes.get(kind, Derived)(coroutine, loop=self.loop, **options)

    def keep(self, task: asyncio.Task[Any], body: int) -> None:
        self.tasks.append(task)
        self.bodies[task] = body

    def find(self, reference: tuple[Any, ...]) -> Any:
        kind, *index = reference
        if kind == "task behind":
            behind = [task for task in self.tasks if self.bodies[task] > index[0]]
            return behind[index[1] % len(behind)] if behind else self.futures[index[1]]
        if kind == "task" and self.tasks:
            return self.tasks[index[0] % len(self.tasks)]
        current = asyncio.current_task(self.loop)
        if kind == "myself" and current is not None:
            return current
        return self.futures[index[0] if index else 0]

    def pending_tasks(self) -> list[Any]:
        """In the order of their making, of which the numbers in the names tell."""

        def order(task: asyncio.Task[Any]) -> tuple[int, int]:
            if task in self.made_by_factory:
                return (0, self.made_by_factory.index(task))
            kind, number = task.get_name().rsplit("-", 1)
            return (1 if kind == "named" else 2, int(number))

        return sorted(asyncio.all_tasks(self.loop), key=order)

    def delay(self, turns: int) -> float:
        """No two are due at the same time."""
        self.serial += 1
        return turns + self.serial / 1_000_000

    def new_name(self) -> str:
        self.serial += 1
        return f"named-{self.serial}"

    def is_full(self) -> bool:
        """Tell whether there are so many tasks that no more are made."""
        return len(self.tasks) >= MOST_TASKS

    def forget(self) -> None:
        """Let go of all that was made."""
        self.futures.clear()
        self.tasks.clear()
        self.bodies.clear()
        self.made_by_factory.clear()
        self.trace.seen.clear()
