"""What is seen of a run, as plain data by which two loops can be compared.

What differs from run to run is taken out: addresses, and the numbers of names that nobody gave. What the standard
library keeps in sets, whose order is that of addresses, is put in order.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

ASYNCIO = str(Path(asyncio.__file__).parent)
variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable", default="unset")


def without_callbacks(text: str) -> str:
    """Take out what the repr of a future says of its callbacks, which may be futures with callbacks."""
    found = 1
    while found:
        text, found = re.subn(r" cb=\[[^][]*\]", "", text)
    return text


class Trace:
    """The events of a run, and the reports to the exception handler of its loop.

    `turn` is the turn that the run has come to, and `is_over` says that the loop is closed. Where asyncio's functions
    aren't its own, what is raised there has no frames of theirs, and the callbacks that they add have other names:
    `shows_internals` tells whether to show these.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, shows_internals: bool = True) -> None:
        self.loop = loop
        self.shows_internals = shows_internals
        self.turn = 0
        self.is_over = False
        self.has_numbers = True
        self.events: list[Any] = []
        self.reports: list[str] = []
        self.seen: dict[int, tuple[str, Any]] = {}
        self.unnamed: dict[str, str] = {}

    def note(self, *event: Any) -> None:
        current = asyncio.current_task(self.loop)
        name = None if current is None else self.clean(current.get_name())
        self.events.append((self.turn, name, variable.get(), *event))

    def clean(self, text: str) -> str:
        """Take out what differs from run to run, or tells where an object was made: asyncio's own code."""
        if not self.shows_internals:
            text = without_callbacks(text)
        text = re.sub(r"0x[0-9a-f]+", "0x", text)
        text = re.sub(r" created at [^ >]+|\.\.\.[^>]*>", "", text)
        return re.sub(r"Task-\d+", self.number_of_unnamed, text)

    def number_of_unnamed(self, found: re.Match[str]) -> str:
        if not self.has_numbers:
            return "unnamed"
        return self.unnamed.setdefault(found[0], f"unnamed {len(self.unnamed)}")

    def name(self, item: Any) -> str:
        kind = type(item).__name__
        if self.is_over or not self.has_numbers:
            return kind
        return self.seen.setdefault(id(item), (f"{kind} {len(self.seen)}", item))[0]

    def describe(self, item: Any, known: tuple[Any, ...] = ()) -> Any:
        if isinstance(item, BaseException):
            return self.describe_exception(item, known)
        if isinstance(item, (set, frozenset)):
            return sorted(map(self.describe, item))
        if isinstance(item, (list, tuple)):
            return [self.describe(part, known) for part in item]
        if isinstance(item, str):
            return self.clean(item)
        if item is None or isinstance(item, (bool, int)):
            return item
        if isinstance(item, asyncio.Task):
            return self.clean(item.get_name())
        return self.name(item)

    def describe_exception(self, error: BaseException, known: tuple[Any, ...]) -> Any:
        if any(error is other for other in known):
            return self.name(error)
        known = (*known, error)
        frames = []
        traceback = error.__traceback__
        while traceback is not None:
            code = traceback.tb_frame.f_code
            if self.is_shown(code):
                frames.append(code.co_name)
            traceback = traceback.tb_next
        parts = error.exceptions if isinstance(error, BaseExceptionGroup) else error.args
        return (
            self.name(error),
            self.describe(str(error)),
            self.describe(parts, known),
            frames,
            ("cause", self.describe(error.__cause__, known)),
            ("context", self.describe(error.__context__, known), error.__suppress_context__),
        )

    def is_shown(self, code: types.CodeType) -> bool:
        # A loop that is written in Python leaves its own frames in what ends it.
        if code.co_filename.endswith(("events.py", "_loop.py", "_cpython.py")) or code.co_name == "take_turns":
            return False
        return self.shows_internals or not code.co_filename.startswith(ASYNCIO)

    def state(self, future: Any) -> Any:
        cancelling = future.cancelling() if isinstance(future, asyncio.Task) else None
        return (self.describe(future), future.done(), future.cancelled(), cancelling)

    def outcome(self, ask: Callable[[], Any]) -> Any:
        try:
            return ("gave", self.describe(ask()))
        except BaseException as error:
            return ("raised", self.describe(error))

    def handle_exception(self, _: Any, context: dict[str, Any]) -> None:
        # asyncio's functions leave cycles behind, which go later than what is native.
        self.has_numbers = self.shows_internals
        self.report(context, self.turn if self.shows_internals else None)
        self.has_numbers = True

    def report(self, context: dict[str, Any], turn: int | None) -> None:
        described = {
            key: self.describe(value)
            for key, value in context.items()
            if key in ("message", "exception", "future", "task", "asyncgen")
        }
        # When in its turn an object goes is nobody's promise, nor who is the current task then. What has ended the
        # loop keeps asyncio's frames, and with these objects, for longer.
        ended_the_loop = isinstance(context.get("exception"), (SystemExit, KeyboardInterrupt))
        if ended_the_loop and not self.shows_internals:
            return  # for longer than this run, it may be
        if ended_the_loop:
            described["exception"] = type(context["exception"]).__name__
            turn = None
        self.reports.append(repr((turn, sorted(context), sorted(described.items()))))

    def call(self, item: Any, name: str) -> None:
        """Give an object the name by which it is described."""
        self.seen[id(item)] = (name, item)
