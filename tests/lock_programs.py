"""Random programs of tasks that meet at locks and their kin, and a trace of everything that each of them sees.

A program is made of a seed alone. Run with asyncio's classes and with ours it has to leave the same trace, in the same
order: who gets what when, what is raised with what history, and what the objects say of themselves at each step.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from ioxide import _ioxide
from small_coroutines import turns

NAMES = ("Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore")
KINDS: dict[str, Any] = {
    "ioxide": SimpleNamespace(**{name: getattr(_ioxide, name) for name in NAMES}),
    "stock": SimpleNamespace(**{name: getattr(asyncio.locks, name) for name in NAMES}),
}

TASKS = 5
STEPS = 12
TURNS = 80

Step = tuple[Any, ...]


def history(error: BaseException | None) -> list[str]:
    """Name an exception, and what was being handled when it was raised, and so on."""
    found: list[str] = []
    while error is not None and len(found) < 6:
        found.append(f"{type(error).__name__}{error.args}")
        error = error.__context__
    return found


def describe(thing: Any, looks: bool = True) -> str:
    """Describe an object without its address and its class's module, and with what waits there, if it looks."""
    extra = re.sub(r"^<.*? object at \S+ |>$", "", repr(thing))
    waiters = getattr(thing, "_waiters", None) if looks else None
    states = [waiter._state for waiter in waiters] if waiters else []
    return f"{type(thing).__name__} {extra} {states} {getattr(thing, '_value', '')}".rstrip()


class Program:
    """One run of the program of a seed. If it looks at those who wait, they are kept in a deque from then on."""

    def __init__(self, kind: Any, seed: int, looks: bool) -> None:
        self.looks = looks
        self.random = random.Random(seed)
        self.trace: list[Any] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.lock = kind.Lock()
        self.things: list[Any] = [
            self.lock,
            kind.Semaphore(self.random.randrange(3)),
            kind.BoundedSemaphore(self.random.randrange(1, 4)),
        ]
        self.condition = kind.Condition(self.lock) if self.random.random() < 0.5 else kind.Condition()
        self.event = kind.Event()
        self.barrier = kind.Barrier(self.random.randrange(1, 4))
        self.plans = [[self.choose() for _ in range(STEPS)] for _ in range(TASKS)]

    def choose(self) -> Step:
        thing = self.random.randrange(4)
        number = self.random.randrange(4)
        other = self.random.randrange(TASKS)
        makes: list[Step] = [
            ("hold", thing, number),
            ("hold", thing, number),
            ("acquire", thing),
            ("release", thing),
            ("turn", number),
            ("cancel", other, number),
            ("cancel", other, number),
            ("event", ("set", "clear", "wait", "wait")[number]),
            ("barrier", ("wait", "wait", "reset", "abort")[number]),
            ("wait", number),
            ("wait", number),
            ("wait_for", number),
            ("notify", number),
            ("notify", number),
            ("notify_all",),
        ]
        return self.random.choice(makes)

    def thing(self, number: int) -> Any:
        return [*self.things, self.condition][number]

    def note(self, *what: Any) -> None:
        everything = [*self.things, self.condition, self.condition._lock, self.event, self.barrier]
        self.trace.append((*what, [describe(thing, self.looks) for thing in everything]))

    async def hold(self, thing: int, count: int) -> str:
        async with self.thing(thing) as result:
            await turns(count)
        return str(result)

    async def wait(self, count: int) -> object:
        async with self.condition:
            result = await self.condition.wait()
            await turns(count)
        return result

    async def wait_for(self, count: int) -> object:
        calls = iter(range(count + 1))
        async with self.condition:
            return await self.condition.wait_for(lambda: next(calls) == count and "enough")

    async def notify(self, count: int) -> None:
        async with self.condition:
            self.condition.notify(count)

    async def notify_all(self) -> None:
        async with self.condition:
            self.condition.notify_all()

    async def acquire(self, thing: int) -> object:
        return await self.thing(thing).acquire()

    async def release(self, thing: int) -> None:
        self.thing(thing).release()

    async def turn(self, count: int) -> None:
        await turns(count)

    async def cancel(self, other: int, count: int) -> object:
        if other >= len(self.tasks):
            return None
        return [
            self.tasks[other].cancel() if number % 2 else self.tasks[other].cancel("why") for number in range(count)
        ]

    async def do_event(self, what: str) -> object:
        result: Any = getattr(self.event, what)()
        return await result if what == "wait" else result

    async def do_barrier(self, what: str) -> object:
        result: Any = getattr(self.barrier, what)()
        return await result

    async def follow(self, name: int, plan: list[Step]) -> None:
        methods: dict[str, Callable[..., Awaitable[object]]] = {"event": self.do_event, "barrier": self.do_barrier}
        for step in plan:
            self.note(name, step)
            try:
                method = methods.get(step[0]) or getattr(self, step[0])
                self.note(name, step, "gave", await method(*step[1:]))
            except (asyncio.CancelledError, RuntimeError, ValueError) as error:
                self.note(name, step, history(error))

    async def main(self) -> list[Any]:
        for name, plan in enumerate(self.plans):
            self.tasks.append(asyncio.create_task(self.follow(name, plan)))
        await turns(TURNS)
        self.note("the rest is cancelled")
        while not all(task.done() for task in self.tasks):
            for task in self.tasks:
                task.cancel("the end")
            # A task that waits for a lock after a condition can't be cancelled, and the lock may be nobody's.
            for thing in (self.lock, self.condition._lock):
                if thing.locked():
                    thing.release()
            await turns(3)
        self.note("the end")
        return self.trace


def run_program(loop: asyncio.AbstractEventLoop, kind: str, seed: int, looks: bool) -> list[Any]:
    """Return the trace of the program of a seed."""
    return loop.run_until_complete(Program(KINDS[kind], seed, looks).main())
