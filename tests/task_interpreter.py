"""Runs a program of `task_programs` on a loop, and notes everything that can be seen of it.

`task_world` has the loop and what is made on it, `task_operations` and `task_actions` what a program does there,
`task_trace` what is seen. Here are the turns, from the first to the last, and what is compared in the end.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from task_actions import Callback
from task_operations import Operations
from task_programs import Program
from task_world import World

TURNS = 24
TURNS_AFTER_CANCELLING = 5
ROUNDS_OF_CANCELLING = 8


class Interpreter:
    """A run of a program in a world."""

    def __init__(self, world: World) -> None:
        self.world, self.program, self.loop, self.trace = world, world.program, world.loop, world.trace
        operations = Operations(world)
        self.actions, self.meetings = operations.actions, operations.meetings

    def run(self) -> list[Any]:
        """Run the program to its end. Returns the events."""
        self.loop.call_soon(Callback(self.actions, -3, self.program.start))
        self.take_turns(TURNS)
        for _ in range(0 if self.program.abandons else ROUNDS_OF_CANCELLING):
            for task in self.world.pending_tasks():
                task.cancel("the end")
            self.take_turns(TURNS_AFTER_CANCELLING)
        for item in (*self.world.futures, *self.world.tasks):
            self.trace.note("in the end", self.trace.state(item))
            if not self.program.abandons:
                self.trace.note(self.trace.describe(item), self.trace.outcome(item.result))
        self.trace.note("in the end", self.meetings.describe())
        self.loop.close()
        self.trace.is_over = True
        return self.trace.events

    def take_turns(self, count: int) -> None:
        until = self.trace.turn + count
        if self.program.ticks:
            self.loop.call_soon(self.tick, until)
        idle = 0
        while self.trace.turn < until and idle < 4:
            idle = 0 if self.program.ticks or asyncio.all_tasks(self.loop) else idle + 1
            if not self.program.ticks:
                self.trace.turn += 1
                self.loop.stop()
            try:
                self.loop.run_forever()
            except BaseException as error:
                self.trace.note("the loop ended", type(error).__name__)

    def tick(self, until: int) -> None:
        self.trace.turn += 1
        if self.trace.turn >= until:
            self.loop.stop()
        else:
            self.loop.call_soon(self.tick, until)


def run_program(
    make_loop: type[asyncio.AbstractEventLoop], program: Program, *, shows_internals: bool = True
) -> list[Any]:
    """Run a program on a fresh loop, with what asyncio's names stand for. Returns its trace."""
    gc.disable()
    gc.freeze()  # the collection at the end has only this run to look through
    unraisable: list[Any] = []
    hook = sys.unraisablehook
    sys.unraisablehook = lambda context: unraisable.append((type(context.exc_value).__name__, str(context.exc_value)))
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            interpreter = Interpreter(World(make_loop, program, shows_internals))
            # Of what goes at the end only the reports are compared: which coroutine goes first isn't settled.
            trace = list(contextvars.copy_context().run(interpreter.run))
            reports = interpreter.trace.reports
            interpreter.world.forget()
            del interpreter
            for _ in range(4):
                gc.collect()  # what a report has brought to life goes the next time
    finally:
        sys.unraisablehook = hook
        gc.enable()
    if program.abandons:
        unraisable.clear()  # what a lock says when it is let go on a closed loop depends on which coroutine goes first
    return [
        *trace,
        *sorted(reports),
        sorted(str(warning.message).split("\n")[0] for warning in warned),
        sorted(unraisable),
    ]


def first_difference(one: list[Any], other: list[Any]) -> Iterator[str]:
    """Tell where two traces part, and what led there."""
    for number in range(max(len(one), len(other))):
        here, there = one[number : number + 1], other[number : number + 1]
        if here != there:
            yield from (f"  both: {event}" for event in one[max(0, number - 6) : number])
            yield from (f"asyncio: {here}", f" ioxide: {there}")
            return
