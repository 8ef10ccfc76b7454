"""The actions of `task_programs`: what never waits, so that tasks, callbacks and timers can do it alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from task_meetings import MeetingActions, Meetings
from task_programs import Action
from task_trace import variable
from task_world import World


class Odd(BaseException):
    """An exception that neither `except Exception` nor the loop treats in a way of its own."""


EXCEPTIONS: dict[str, Callable[[], Any]] = {
    "KeyError": lambda: KeyError("key"),
    "ValueError": lambda: ValueError(1, 2),
    "TimeoutError": lambda: TimeoutError(),
    "CancelledError": lambda: asyncio.CancelledError(),
    "cancelled with message": lambda: asyncio.CancelledError("by hand"),
    "StopIteration": lambda: StopIteration("value"),
    "StopAsyncIteration": lambda: StopAsyncIteration("value"),
    "Odd": lambda: Odd("odd"),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(),
    "a class": lambda: ValueError,
    "no exception": lambda: 5,
}


class Callback:
    """A done callback. Those of one number are equal."""

    def __init__(self, actions: Actions, number: int, sequence: tuple[Action, ...]) -> None:
        self.actions, self.number, self.sequence = actions, number, sequence

    def __call__(self, *done: Any) -> None:
        trace = self.actions.trace
        trace.note("callback", self.number, *map(trace.state, done))
        self.actions.act_all(self.sequence)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Callback) and other.number == self.number

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Callback {self.number}"


class Actions(MeetingActions):
    """Does actions in a world: there is a method for each, of its name.

    `body` makes the coroutine of a task, by the number of its body.
    """

    def __init__(self, world: World, meetings: Meetings, body: Callable[[int], Coroutine[Any, Any, Any]]) -> None:
        self.world, self.trace, self.meetings, self.body = world, world.trace, meetings, body

    def act_all(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            self.act_one(action)

    def act_one(self, action: Action) -> None:
        name, *arguments = action
        if name == "throw":
            raise EXCEPTIONS[arguments[0]]()
        try:
            found = getattr(self, name)(*arguments)
        except Exception as error:
            self.trace.note(*action, "raised", self.trace.describe(error))
        else:
            self.trace.note(*action, "gave", self.trace.describe(found))

    def result(self, reference: tuple[Any, ...], value: Any) -> Any:
        return self.world.find(reference).set_result(value)

    def fail(self, reference: tuple[Any, ...], kind: str) -> Any:
        return self.world.find(reference).set_exception(EXCEPTIONS[kind]())

    def cancel(self, reference: tuple[Any, ...], message: str | None) -> Any:
        found = self.world.find(reference)
        return found.cancel() if message is None else found.cancel(msg=message)

    def uncancel(self, reference: tuple[Any, ...]) -> Any:
        found = self.world.find(reference)
        return found.uncancel() if isinstance(found, asyncio.Task) else "no task"

    def watch(self, reference: tuple[Any, ...], number: int, actions: tuple[Action, ...], context: int | None) -> Any:
        options = {} if context is None else {"context": self.world.contexts[context]}
        self.world.find(reference).add_done_callback(Callback(self, number, actions), **options)

    def unwatch(self, reference: tuple[Any, ...], number: int) -> Any:
        return self.world.find(reference).remove_done_callback(Callback(self, number, ()))

    def soon(self, actions: tuple[Action, ...]) -> None:
        self.world.loop.call_soon(Callback(self, -1, actions))

    def later(self, turns: int, actions: tuple[Action, ...]) -> None:
        self.world.loop.call_later(self.world.delay(turns), Callback(self, -2, actions))

    def set_variable(self, value: int) -> None:
        variable.set(value)

    def peek(self, reference: tuple[Any, ...]) -> Any:
        return self.trace.state(self.world.find(reference))

    def look(self, reference: tuple[Any, ...]) -> Any:
        found = self.world.find(reference)
        return [self.trace.outcome(found.exception), self.trace.outcome(found.result)]

    def list_tasks(self) -> list[Any]:
        return self.world.pending_tasks()

    def spawn(self, body: int, kind: str, context: int | None) -> Any:
        if self.world.is_full():
            return "too many"
        options: dict[str, Any] = {"name": self.world.new_name()}
        starts_eagerly = self.world.program.factory in ("eager", "native eager") and kind == "loop"
        if context is not None and not starts_eagerly:  # see `task_programs.spawning`
            options["context"] = self.world.contexts[context]
        task = self.world.make_task(kind, self.body(body), options)
        self.world.keep(task, body)
        return task
