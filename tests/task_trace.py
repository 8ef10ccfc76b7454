"""What is seen of a run, as plain data by which two loops can be compared.

What differs from run to run is taken out: addresses, and the numbers of names that nobody gave. What the standard
library keeps in sets, whose order is that of addresses, is put in order.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
from collections.abc import Callable
from typing import Any

variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable", default="unset")


class Trace:
    """The events of a run, and the reports to the exception handler of its loop.

    `turn` is the turn that the run has come to, and `is_over` says that the loop is closed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.turn = 0
        self.is_over = False
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
        text = re.sub(r"0x[0-9a-f]+", "0x", text)
        text = re.sub(r" created at [^ >]+|\.\.\.[^>]*>", "", text)
        return re.sub(
            r"Task-\d+", lambda found: self.unnamed.setdefault(found[0], f"unnamed {len(self.unnamed)}"), text
        )

    def name(self, item: Any) -> str:
        kind = type(item).__name__
        if self.is_over:
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
            # A loop that is written in Python leaves its own frames in what ends it.
            if not code.co_filename.endswith(("events.py", "_loop.py", "_cpython.py")) and code.co_name != "take_turns":
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

    def state(self, future: Any) -> Any:
        cancelling = future.cancelling() if isinstance(future, asyncio.Task) else None
        return (self.describe(future), future.done(), future.cancelled(), cancelling)

    def outcome(self, ask: Callable[[], Any]) -> Any:
        try:
            return ("gave", self.describe(ask()))
        except BaseException as error:
            return ("raised", self.describe(error))

    def handle_exception(self, _: Any, context: dict[str, Any]) -> None:
        described = {
            key: self.describe(value)
            for key, value in context.items()
            if key in ("message", "exception", "future", "task", "asyncgen")
        }
        # When in its turn an object goes is nobody's promise, nor who is the current task then. What has ended the
        # loop keeps asyncio's frames, and with these objects, for longer.
        ended_the_loop = isinstance(context.get("exception"), (SystemExit, KeyboardInterrupt))
        if ended_the_loop:
            described["exception"] = type(context["exception"]).__name__
        turn = None if ended_the_loop else self.turn
        self.reports.append(repr((turn, sorted(context), sorted(described.items()))))

    def call(self, item: Any, name: str) -> None:
        """Give an object the name by which it is described."""
        self.seen[id(item)] = (name, item)
