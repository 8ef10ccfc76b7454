"""The standard library's streams and ioxide's, for tests that run on both."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ioxide import _cpython, _streams

FAMILIES: dict[str, Any] = {"stock": _cpython, "native": _streams}


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> Any:
    """Where the classes are: the standard library's, then ioxide's."""
    return FAMILIES[request.param]


def outcome(step: Any) -> tuple[str, Any]:
    """Call `step`, and tell what it returned or raised."""
    try:
        return ("returned", step())
    except (Exception, asyncio.CancelledError, StopAsyncIteration) as error:
        return told(error)


def told(error: BaseException) -> tuple[str, Any]:
    """Tell of an exception by all that can be seen of it."""
    details = {name: getattr(error, name) for name in ("partial", "expected", "consumed") if hasattr(error, name)}
    context = type(error.__context__).__name__ if error.__context__ else None
    return (type(error).__name__, (error.args, details, context))


class RecordedTransport(asyncio.Transport):
    """A transport that notes what it is told."""

    def __init__(self, events: list[Any] | None = None) -> None:
        super().__init__()
        self.events: list[Any] = [] if events is None else events
        self.closing = False

    def pause_reading(self) -> None:
        self.events.append("pause_reading")

    def resume_reading(self) -> None:
        self.events.append("resume_reading")

    def write(self, data: Any) -> None:
        self.events.append(("write", bytes(data)))

    def writelines(self, list_of_data: Any) -> None:
        self.events.append(("writelines", [bytes(data) for data in list_of_data]))

    def write_eof(self) -> None:
        self.events.append("write_eof")

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.events.append("close")
        self.closing = True

    def abort(self) -> None:
        self.events.append("abort")
        self.closing = True
