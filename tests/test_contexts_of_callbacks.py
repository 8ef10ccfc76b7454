"""Contexts of callbacks: each runs in a copy of the one that it was scheduled in, however many are really made."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import random
import signal
import sys
import weakref
from collections.abc import Callable
from typing import Any

import ioxide
import pytest
from ioxide import _ioxide

Loop = asyncio.AbstractEventLoop
Value = contextvars.Token[Any]

variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable", default="unset")
other: contextvars.ContextVar[Any] = contextvars.ContextVar("other", default="unset")

needs_get_context = pytest.mark.skipif(sys.version_info < (3, 12), reason="Handle.get_context is new in 3.12")


class Anything:
    """An object that can be weakly referenced."""


def turn(loop: Loop) -> None:
    """Let the loop make one turn."""
    loop.stop()
    loop.run_forever()


def test_the_interpreter_is_one_whose_contexts_can_be_shared() -> None:
    assert _ioxide._shares_contexts()


def test_what_a_callback_sets_is_seen_by_none_that_was_scheduled_beside_it(loop: Loop) -> None:
    seen: list[Any] = []

    def callback(number: int) -> None:
        seen.append(variable.get())
        if number % 3 == 0:
            variable.set(number)
        seen.append(variable.get())

    for number in range(6):
        loop.call_soon(callback, number)
    turn(loop)
    assert seen == ["unset", 0, "unset", "unset", "unset", "unset", "unset", 3, "unset", "unset", "unset", "unset"]


def test_what_is_scheduled_after_a_variable_was_set_sees_it(loop: Loop) -> None:
    seen: list[Any] = []

    def callback() -> None:
        loop.call_soon(lambda: seen.append(variable.get()))
        variable.set("first")
        loop.call_soon(lambda: seen.append(variable.get()))
        token = variable.set("second")
        loop.call_soon(lambda: seen.append(variable.get()))
        variable.reset(token)
        loop.call_soon(lambda: seen.append(variable.get()))

    loop.call_soon(callback)
    turn(loop)
    turn(loop)
    assert seen == ["unset", "first", "second", "first"]
    assert variable.get() == "unset"


def test_a_token_belongs_to_one_callback(loop: Loop) -> None:
    tokens: list[Value] = []
    refused: list[str] = []

    def reset() -> None:
        try:
            variable.reset(tokens[0])
        except ValueError as error:
            refused.append(str(error).partition(" was created")[2])

    for callback in (lambda: tokens.append(variable.set(1)), reset, reset):
        loop.call_soon(callback)
    turn(loop)
    assert refused == [" in a different Context"] * 2


def test_a_callback_that_undoes_what_it_set_leaves_the_next_one_a_context(loop: Loop) -> None:
    seen: list[Any] = []

    def callback() -> None:
        token = variable.set("set")
        variable.reset(token)
        seen.append(variable.get())

    for _ in range(3):
        loop.call_soon(callback)
    turn(loop)
    assert seen == ["unset"] * 3


def test_a_loop_that_a_callback_runs_has_contexts_of_its_own(loop: Loop, loop_factory: Callable[[], Loop]) -> None:
    seen: list[tuple[str, Any]] = []

    def inner() -> None:
        seen.append(("inner", variable.get()))
        variable.set("inner")

    def outer() -> None:
        asyncio._set_running_loop(None)
        nested = loop_factory()
        for _ in range(2):
            nested.call_soon(inner)
        turn(nested)
        nested.close()
        asyncio._set_running_loop(loop)
        seen.append(("outer", variable.get()))

    for _ in range(2):
        loop.call_soon(outer)
    turn(loop)
    assert seen == [("inner", "unset"), ("inner", "unset"), ("outer", "unset")] * 2


def test_what_is_scheduled_in_an_entered_context_runs_in_a_copy_of_that(loop: Loop) -> None:
    seen: list[Any] = []
    context = contextvars.copy_context()
    context.run(variable.set, "entered")

    def callback() -> None:
        seen.append(variable.get())
        variable.set("changed")

    for _ in range(2):
        context.run(loop.call_soon, callback)
        loop.call_soon(lambda: seen.append(variable.get()))
    turn(loop)
    assert seen == ["entered", "unset"] * 2
    assert context[variable] == "entered"


@needs_get_context
def test_a_handle_has_one_context_before_within_and_after_its_callback(loop: Loop) -> None:
    seen: list[Any] = []
    handles: list[Any] = []

    def callback(number: int) -> None:
        variable.set(number)
        seen.append(handles[number].get_context()[variable])

    handles += [loop.call_soon(callback, number) for number in range(3)]
    before = handles[0].get_context()
    assert variable not in before
    turn(loop)
    assert seen == [0, 1, 2]
    assert [handle.get_context()[variable] for handle in handles] == [0, 1, 2]
    assert handles[0].get_context() is before


@needs_get_context
def test_the_exception_handler_gets_the_context_in_which_the_callback_failed(loop: Loop) -> None:
    reported: list[Any] = []
    loop.set_exception_handler(lambda _, report: reported.append(report["handle"].get_context()[variable]))

    def callback(number: int) -> None:
        variable.set(number)
        raise ZeroDivisionError

    for number in range(3):
        loop.call_soon(callback, number)
    turn(loop)
    assert reported == [0, 1, 2]


def test_the_value_of_a_variable_goes_when_a_run_ends(loop: Loop) -> None:
    references: list[weakref.ref[Anything]] = []

    def callback() -> None:
        value = Anything()
        references.append(weakref.ref(value))
        variable.set(value)
        loop.call_soon(int)

    loop.call_soon(callback)
    turn(loop)
    turn(loop)
    gc.collect()
    assert [reference() for reference in references] == [None]


def test_the_value_of_a_variable_goes_before_the_loop_waits(loop: Loop) -> None:
    references: list[weakref.ref[Anything]] = []
    found: list[Any] = []

    def callback() -> None:
        value = Anything()
        references.append(weakref.ref(value))
        variable.set(value)
        loop.call_soon(int)

    async def main() -> None:
        loop.call_soon(callback)
        await asyncio.sleep(0.001)
        found.append(references[0]())

    loop.run_until_complete(main())
    assert found == [None]


def test_the_value_of_a_variable_goes_with_the_last_callback_that_sees_it(loop: Loop) -> None:
    references: list[weakref.ref[Anything]] = []

    def callback() -> None:
        value = Anything()
        references.append(weakref.ref(value))
        variable.set(value)
        loop.call_soon(int)

    async def main() -> object:
        loop.call_soon(callback)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return references[0]()

    assert loop.run_until_complete(main()) is None


def test_a_cycle_through_a_copy_of_a_context_is_collected_while_the_loop_runs(loop: Loop) -> None:
    references: list[weakref.ref[Anything]] = []

    def callback() -> None:
        value: Any = Anything()
        references.append(weakref.ref(value))
        variable.set(value)
        value.context = contextvars.copy_context()
        loop.call_soon(int)

    async def main() -> object:
        loop.call_soon(callback)
        await asyncio.sleep(0.001)
        gc.collect()
        return references[0]()

    assert loop.run_until_complete(main()) is None


def test_what_a_signal_handler_sets_is_seen_by_what_is_scheduled_then(loop: Loop) -> None:
    seen: list[Any] = []

    def handle_signal(*_: object) -> None:
        variable.set("by the handler")

    async def main() -> None:
        loop.call_soon(lambda: seen.append(variable.get()))
        await asyncio.sleep(0)
        signal.raise_signal(signal.SIGUSR1)
        loop.call_soon(lambda: seen.append(variable.get()))
        await asyncio.sleep(0)

    before = signal.signal(signal.SIGUSR1, handle_signal)
    try:
        contextvars.copy_context().run(loop.run_until_complete, main())
    finally:
        signal.signal(signal.SIGUSR1, before)
    # The handler ran within the task, whose context that is.
    assert seen == ["unset", "by the handler"]


def forget_a_loop_that_never_ran() -> weakref.ref[Anything]:
    """Schedule something in a context that leads to the loop, and forget both."""
    value: Any = Anything()
    value.loop = ioxide.new_event_loop()

    def schedule() -> None:
        variable.set(value)
        value.loop.call_soon(int)

    contextvars.copy_context().run(schedule)
    return weakref.ref(value)


def test_a_loop_that_never_ran_is_collected_with_the_contexts_of_its_callbacks() -> None:
    reference = forget_a_loop_that_never_ran()
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        gc.collect()
    assert reference() is None


def test_a_given_context_does_not_become_another_callback_s(loop: Loop) -> None:
    references: list[weakref.ref[contextvars.Context]] = []

    async def main() -> list[object]:
        for _ in range(3):
            context = contextvars.copy_context()
            references.append(weakref.ref(context))
            loop.call_soon(int, context=context)
            del context
        await asyncio.sleep(0)
        loop.call_soon(int)
        await asyncio.sleep(0)
        return [reference() for reference in references]

    assert loop.run_until_complete(main()) == [None] * 3


def test_the_values_of_pending_callbacks_stay(loop: Loop) -> None:
    value = Anything()
    reference = weakref.ref(value)
    seen: list[Any] = []
    context = contextvars.copy_context()
    context.run(variable.set, value)
    handle = context.run(loop.call_later, 0, lambda: seen.append(variable.get()))
    del context, value
    gc.collect()
    assert reference() is not None
    while not seen:
        turn(loop)
    assert seen == [reference()]
    handle.cancel()


class Program:
    """A random program of callbacks that set and reset variables and schedule each other, and what they saw."""

    def __init__(self, loop: Loop, seed: int) -> None:
        """Seed the program."""
        self.loop = loop
        self.random = random.Random(seed)
        self.left = 200
        self.pending = 0
        self.seen: list[tuple[int, Any, Any]] = []
        self.contexts = [contextvars.copy_context() for _ in range(3)]

    def run(self) -> list[tuple[int, Any, Any]]:
        """Run the program to its end, and tell what the callbacks saw."""
        for _ in range(5):
            self.schedule()
        self.loop.run_forever()
        return self.seen

    def schedule(self) -> None:
        """Schedule the next callback in one way or another."""
        if self.left == 0:
            return
        self.left -= 1
        self.pending += 1
        number = self.left
        way = self.random.randrange(6)
        if way == 0:
            self.loop.call_later(0, self.step, number)
        elif way == 1:
            self.loop.call_soon_threadsafe(self.step, number)
        elif way == 2:
            self.loop.call_soon(self.step, number, context=self.random.choice(self.contexts))
        elif way == 3:
            self.contexts[self.random.randrange(3)] = contextvars.copy_context()
            self.loop.call_soon(self.step, number)
        else:
            self.loop.call_soon(self.step, number)

    def step(self, number: int) -> None:
        """Look at the variables, change some, and schedule up to three others."""
        self.seen.append((number, variable.get(), other.get()))
        tokens: list[tuple[contextvars.ContextVar[Any], Value]] = []
        for _ in range(self.random.randrange(4)):
            choice = self.random.randrange(4)
            changed = self.random.choice([variable, other])
            if choice == 0:
                tokens.append((changed, changed.set(number)))
            elif choice == 1 and tokens:
                changed, token = tokens.pop()
                changed.reset(token)
            else:
                self.schedule()
        self.pending -= 1
        if self.pending == 0:
            self.schedule() if self.left else self.loop.stop()


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_see_what_they_see_on_asyncio(seed: int) -> None:
    loops = (asyncio.SelectorEventLoop(), ioxide.new_event_loop())
    traces = []
    for loop in loops:
        traces.append(Program(loop, seed).run())
        loop.close()
    assert traces[0] == traces[1]
