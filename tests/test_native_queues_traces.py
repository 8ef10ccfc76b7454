"""Random programs on queues: what happens, turn by turn, is the same with asyncio's classes and with ours.

A program is made from a seed: tasks that put, get and join, and are cancelled, while the main task uses the queue
without waiting, looks at it, and shuts it down. It runs with both classes on the same kind of loop.
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any

import pytest
from queue_programs import MODULES, NAMES
from small_coroutines import Loop

ACTIONS = {
    "put": 6,
    "get": 6,
    "join": 1,
    "cancel": 4,
    "put_nowait": 5,
    "get_nowait": 5,
    "task_done": 5,
    "turn": 6,
    "look": 1,
    "thrown": 1,
    "shutdown": 0.1,
}


class Program:
    """One program, and its trace."""

    def __init__(self, seed: int, module: Any) -> None:
        self.random = random.Random(seed)
        name = self.random.choice(NAMES)
        base = getattr(module, name)
        if self.random.random() < 0.3:
            base = self.derived(base)
        self.queue = base(self.random.choice([0, 1, 1, 2, 3]))
        self.items = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.trace: list[str] = []

    def derived(self, base: Any) -> Any:
        methods = {}
        for name in ("full", "empty", "qsize", "put_nowait", "get_nowait", "_put", "_get", "_wakeup_next"):
            if self.random.random() < 0.3:
                methods[name] = self.noting(base, name)
        return type("Derived", (base,), methods)

    def noting(self, base: Any, name: str) -> Any:
        def method(queue: Any, *args: Any) -> Any:
            self.trace.append(f"  {name}")
            return getattr(base, name)(queue, *args)

        return method

    def item(self) -> tuple[int, int]:
        self.items += 1
        return self.random.randrange(4), self.items

    async def follow(self, number: int, label: str, *args: Any) -> None:
        self.trace.append(f"{number} begins to {label}")
        try:
            result = await getattr(self.queue, label)(*args)
        except BaseException as error:
            self.trace.append(f"{number} raised {error!r}")
        else:
            self.trace.append(f"{number} returned {result!r}")

    def begin(self, label: str, *args: Any) -> None:
        self.tasks.append(asyncio.ensure_future(self.follow(len(self.tasks), label, *args)))

    def attempt(self, label: str, call: Any, *args: Any) -> None:
        try:
            self.trace.append(f"{label}: {call(*args)!r}")
        except Exception as error:
            self.trace.append(f"{label}: raised {error!r}")

    async def act(self, action: str) -> None:
        queue = self.queue
        if action == "put":
            self.begin(action, self.item())
        elif action in ("get", "join"):
            self.begin(action)
        elif action == "cancel" and self.tasks:
            self.trace.append(f"cancel: {self.random.choice(self.tasks).cancel()}")
        elif action == "put_nowait":
            self.attempt(action, queue.put_nowait, self.item())
        elif action == "get_nowait":
            self.attempt(action, queue.get_nowait)
        elif action == "task_done":
            self.attempt(action, queue.task_done)
        elif action == "turn":
            await asyncio.sleep(0)
        elif action == "look":
            attribute = self.random.choice(["_queue", "_getters", "_putters", "_finished"])
            found = getattr(queue, attribute)
            described = found.is_set() if attribute == "_finished" else len(found)
            self.trace.append(f"{attribute}: {described}")
        elif action == "thrown":
            coroutine = queue.get()
            try:
                coroutine.send(None)
            except StopIteration as stop:
                self.trace.append(f"sent: {stop.value}")
            except Exception as error:
                self.trace.append(f"sent: {error!r}")
            else:
                await asyncio.sleep(0)
                self.attempt("thrown", coroutine.throw, KeyError("thrown"))
        elif action == "shutdown" and sys.version_info >= (3, 13):
            self.attempt(action, queue.shutdown, self.random.random() < 0.5)
        self.trace.append(str(queue))

    async def main(self) -> list[str]:
        for action in self.random.choices(list(ACTIONS), list(ACTIONS.values()), k=120):
            await self.act(action)
        for _ in range(5):
            await asyncio.sleep(0)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.trace.append(str(self.queue))
        return self.trace


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_traces_are_the_same(loop: Loop, first: int) -> None:
    for seed in range(first, first + 50):
        traces = [loop.run_until_complete(Program(seed, module).main()) for module in MODULES.values()]
        assert len(traces[0]) > 120
        assert traces[1] == traces[0], f"seed {seed}"
