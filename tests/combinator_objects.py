"""What the tests of the native combinators share: the objects under test, and futures of every kind."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import ioxide
import pytest
from ioxide import _ioxide
from small_coroutines import Loop

STOCK: Any = asyncio
NATIVE: Any = _ioxide

needs_eager_tasks = pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks before 3.12")

both = pytest.mark.parametrize("module", [STOCK, NATIVE], ids=["stock", "native"])


class LikeFuture:
    """A future by its methods alone."""

    _asyncio_future_blocking = False

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.callbacks: list[Callable[[Any], object]] = []
        self.outcome: tuple[str, Any] | None = None

    def get_loop(self) -> Loop:
        return self.loop

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Any = None) -> None:
        if self.outcome is None:
            self.callbacks.append(callback)
        else:
            self.loop.call_soon(callback, self)

    def remove_done_callback(self, callback: Callable[[Any], object]) -> int:
        kept = [other for other in self.callbacks if other != callback]
        removed = len(self.callbacks) - len(kept)
        self.callbacks = kept
        return removed

    def settle(self, kind: str, value: Any = None) -> bool:
        if self.outcome is not None:
            return False
        self.outcome = (kind, value)
        for callback in self.callbacks:
            self.loop.call_soon(callback, self)
        self.callbacks = []
        return True

    def set_result(self, result: Any) -> None:
        self.settle("result", result)

    def set_exception(self, exception: BaseException) -> None:
        self.settle("exception", exception)

    def cancel(self, msg: Any = None) -> bool:
        return self.settle("cancelled")

    def done(self) -> bool:
        return self.outcome is not None

    def cancelled(self) -> bool:
        return self.outcome == ("cancelled", None)

    def exception(self) -> Any:
        assert self.outcome is not None
        return self.outcome[1] if self.outcome[0] == "exception" else None

    def result(self) -> Any:
        assert self.outcome is not None
        if self.outcome[0] == "exception":
            raise self.outcome[1]
        if self.outcome[0] == "cancelled":
            raise asyncio.CancelledError
        return self.outcome[1]


PythonFuture: Any = asyncio.futures._PyFuture  # type: ignore[attr-defined]

KINDS: dict[str, Callable[[Loop], Any]] = {
    "the loop's": lambda loop: loop.create_future(),
    "asyncio's C class": lambda loop: asyncio.Future(loop=loop),
    "asyncio's Python class": lambda loop: PythonFuture(loop=loop),
    "ioxide's": lambda loop: ioxide.Future(loop=loop),
    "like a future": LikeFuture,
}

every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def callbacks_of(future: Any) -> int:
    """Count who is told of a future."""
    return len((future.callbacks if isinstance(future, LikeFuture) else future._callbacks) or ())
