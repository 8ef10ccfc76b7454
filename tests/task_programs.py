"""Random programs of tasks and futures, as plain data: what `task_interpreter` runs.

A program is a few bodies, each a sequence of operations, and the actions that start it. An operation or an action is a
tuple of a name and arguments; the interpreter has a method of that name. Operations may wait, actions never do:
callbacks and timers are made of actions alone. A body only starts bodies behind it, so that every program comes to an
end.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from typing import Any

from hypothesis import strategies as st

Action = tuple[Any, ...]
Operation = tuple[Any, ...]

BODIES = 4
FUTURES = 4
DEPTH = 2

HAS_EAGER_TASKS = sys.version_info >= (3, 12)

indexes = st.integers(0, FUTURES - 1)
futures = st.tuples(st.just("future"), indexes)
tasks = st.tuples(st.just("task"), indexes)
references = st.one_of(futures, tasks, tasks, st.just(("myself",)))
messages = st.sampled_from([None, "first", "second"])
values = st.integers(0, 3)
# Below zero is due already, and no operation is ever due at the same time as another.
delays = st.sampled_from([-1, 0, 1, 2, 3, 5])
timeouts = st.one_of(st.none(), delays)
contexts = st.sampled_from([None, None, 0, 1])
raised = st.sampled_from(
    [
        "KeyError",
        "ValueError",
        "TimeoutError",
        "CancelledError",
        "cancelled with message",
        "StopIteration",
        "StopAsyncIteration",
        "Odd",
        "SystemExit",
        "KeyboardInterrupt",
    ]
)
set_exceptions = st.one_of(raised, st.sampled_from(["a class", "no exception"]))
task_kinds = st.sampled_from(["loop", "loop", "loop", "asyncio", "native", "derived"])
meeting_kinds = st.sampled_from(
    ["acquire", "event", "barrier", "reset", "abort", "put", "put", "get", "get", "join", "condition"]
)


@dataclasses.dataclass(frozen=True)
class Program:
    """What is run: see the module."""

    start: tuple[Action, ...]
    bodies: tuple[tuple[Operation, ...], ...]
    futures: tuple[str, ...]
    factory: str | None = None
    mode: str = "plain"
    ticks: bool = False
    abandons: bool = False


def named(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Make an operation or an action of its parts."""
    return st.tuples(st.just(name), *arguments)


def sequences(items: st.SearchStrategy[Any], longest: int, shortest: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    """Make a tuple of so many."""
    return st.lists(items, min_size=shortest, max_size=longest).map(tuple)


meeting_actions = [
    named("meeting_state"),
    named("release", indexes),
    named("set_event", indexes),
    named("clear_event", indexes),
    named("notify", indexes, values),
    named("put_now", indexes, values),
    named("get_now", indexes),
    named("done_with", indexes),
    named("shut_down", indexes, st.booleans()),
]


def spawning(first: int, last: int) -> st.SearchStrategy[Action]:
    """Start a body as a task.

    An eager one gets no context: one that is entered already can't be entered again, and CPython then leaves the task
    that never was as the current one.
    """
    bodies = st.integers(first, last)
    late = named("spawn", bodies, task_kinds, contexts)
    if not HAS_EAGER_TASKS:
        return late
    return st.one_of(late, late, named("spawn", bodies, st.sampled_from(["eager", "eager derived"]), st.none()))


@functools.cache
def actions(body: int, depth: int) -> st.SearchStrategy[Action]:
    """What never waits. `body` is the one that does it: it may start those behind it."""
    choices = [
        named("result", futures, values),
        named("result", references, values),
        named("fail", references, set_exceptions),
        named("cancel", references, messages),
        named("cancel", tasks, messages),
        named("uncancel", tasks),
        named("uncancel", st.just(("myself",))),
        named("unwatch", references, values),
        named("set_variable", values),
        named("peek", references),
        named("look", references),
        named("list_tasks"),
        *meeting_actions,
    ]
    if body < BODIES - 1:
        choices += [spawning(body + 1, BODIES - 1)] * 2
    if depth:
        quiet = actions(body, depth - 1)
        inner = sequences(st.one_of(quiet, quiet, quiet, named("throw", raised)), 3, 1)
        choices += [
            named("watch", references, values, inner, contexts),
            named("soon", inner),
            named("later", delays, inner),
        ]
    return st.one_of(choices)


@functools.cache
def awaitables(body: int, depth: int, coroutines: bool = True) -> st.SearchStrategy[tuple[Any, ...]]:
    """What can be waited for. Only tasks of bodies behind `body`: to cancel a circle of tasks would never end."""
    choices = [futures]
    if body < BODIES - 1:
        choices += [named("task behind", st.just(body), indexes)] * 2
        if coroutines:
            choices.append(named("body", st.integers(body + 1, BODIES - 1)))
    if coroutines:
        choices.append(named("meeting", meeting_kinds, indexes, values))
    if depth:
        inner = awaitables(body, depth - 1)
        choices += [named("shield", inner), named("gather", sequences(inner, 3, 1), st.booleans())]
    return st.one_of(choices)


@functools.cache
def operations(body: int, depth: int) -> st.SearchStrategy[tuple[Operation, ...]]:
    """What a task does, in a row."""
    return sequences(operation(body, depth), 3, 1)


@functools.cache
def operation(body: int, depth: int) -> st.SearchStrategy[Operation]:
    """One thing that a task does."""
    awaited = awaitables(body, 2)
    several = sequences(awaitables(body, 1, coroutines=False), 3, 1)
    choices = [
        named("act", actions(body, 2)),
        named("act", actions(body, 2)),
        named("act", actions(body, 2)),
        named("wait_until_done", awaited),
        named("wait_until_done", awaited),
        named("wait_until_done", st.one_of(awaited, st.just(("myself",)))),
        named("pass_turn"),
        named("bare_yield"),
        named("sleep", delays),
        named("throw", raised),
        named(
            "yield_wrongly",
            st.one_of(st.sampled_from([("number",), ("generator",), ("myself",)]), awaitables(body, 0, False)),
        ),
        named("wait", several, timeouts, st.sampled_from(["any", "all", "exception"])),
        named("wait_for", awaited, timeouts),
        named("as_completed", several, timeouts, st.integers(0, 3)),
        *[named("meet", meeting_kinds, indexes, values)] * 4,
        named("wait_at_condition", indexes, values),
    ]
    if depth:
        inner = operations(body, depth - 1)
        choices += [
            named("attempt", st.sampled_from(["cancelled", "error", "again", "other"]), inner, inner),
            named("attempt", st.sampled_from(["cancelled", "error", "again", "other"]), inner, inner),
            named("finish", inner, inner),
            *[named("hold", indexes, inner)] * 3,
            named("enter_barrier", indexes, inner),
            named("timeout", timeouts, inner, st.one_of(st.just("keep"), timeouts)),
            named("iterate", values, values, st.sampled_from(["drop", "close", "keep"]), inner),
            named("group", sequences(st.integers(min(body + 1, BODIES - 1), BODIES - 1), 3), inner)
            if body < BODIES - 1
            else named("nest", inner),
        ]
    return st.one_of(choices)


def whole_bodies(body: int) -> st.SearchStrategy[tuple[Operation, ...]]:
    """What a task does from its beginning to its end. Most carry on after an error, or it would soon be over."""
    rows = sequences(operation(body, DEPTH), 6, 2)
    carrying_on = named("each", st.sampled_from(["cancelled", "error", "error", "any"]), rows).map(lambda each: (each,))
    return st.one_of(rows, carrying_on, carrying_on)


def programs() -> st.SearchStrategy[Program]:
    """Whole programs."""
    factories = [None, None, None, "plain"] + ["eager", "native eager"] * HAS_EAGER_TASKS
    spawn_first = spawning(0, 0)
    return st.builds(
        Program,
        start=st.builds(
            lambda first, rest, timers: (first, *rest, *timers),
            spawn_first,
            sequences(st.one_of(spawn_first, spawning(1, BODIES - 1)), 3),
            sequences(named("later", st.integers(1, 8), sequences(actions(0, 1), 3, 1)), 6, 2),
        ),
        bodies=st.tuples(*(whole_bodies(body) for body in range(BODIES))),
        futures=st.tuples(
            *[st.sampled_from(["loop", "loop", "asyncio", "native", "derived", "pure Python"])] * FUTURES
        ),
        factory=st.sampled_from(factories),
        mode=st.sampled_from(["plain", "plain", "plain", "debug", "own call_soon"]),
        ticks=st.booleans(),
        abandons=st.sampled_from([False, False, False, True]),
    )
