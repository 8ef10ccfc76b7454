"""`install` puts ioxide under asyncio's names; `uninstall` takes it back; `native` lists what there is.

A program that calls `install()` first, and knows nothing of ioxide beyond that, runs on ioxide's loop and calls
ioxide's functions wherever it says `asyncio.`. The classes `asyncio.Future` and `asyncio.Task` stay the standard
library's: ioxide's are instances of them, and so are everybody else's, which isn't so the other way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

from ioxide import _ioxide, _streams
from ioxide._policy import EventLoopPolicy

__all__ = ["install", "native", "uninstall"]

_NAMES = {
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "LifoQueue",
    "Lock",
    "PriorityQueue",
    "Queue",
    "Semaphore",
    "TaskGroup",
    "Timeout",
    "as_completed",
    "create_eager_task_factory",
    "create_task",
    "eager_task_factory",
    "ensure_future",
    "future_add_to_awaited_by",
    "future_discard_from_awaited_by",
    "gather",
    "shield",
    "sleep",
    "timeout",
    "timeout_at",
    "wait",
    "wait_for",
}
_NATIVE: dict[str, Any] = {name: getattr(_ioxide, name) for name in _NAMES if hasattr(_ioxide, name)}
_NATIVE.update((name, getattr(_streams, name)) for name in _streams.__all__)


class _Installation:
    """What was there before, to be put back."""

    def __init__(self) -> None:
        self.replaced: list[tuple[types.ModuleType, str, Any]] = []
        self.policy: Any = None

    def begin(self) -> None:
        """Put the native objects in the place of asyncio's, in each of its modules that has them."""
        originals = {name: _original(name) for name in _NATIVE}
        modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "asyncio"]
        for module in modules:
            for name, original in originals.items():
                if vars(module).get(name) is original:
                    self.replaced.append((module, name, original))
                    setattr(module, name, _NATIVE[name])
        with _no_warning_of_policies():
            self.policy = asyncio.get_event_loop_policy()
            asyncio.set_event_loop_policy(EventLoopPolicy())

    def end(self) -> None:
        """Put back what was there, unless somebody else has put something there since."""
        for module, name, original in self.replaced:
            if vars(module).get(name) is _NATIVE[name]:
                setattr(module, name, original)
        with _no_warning_of_policies():
            if isinstance(asyncio.get_event_loop_policy(), EventLoopPolicy):
                asyncio.set_event_loop_policy(self.policy)


def _original(name: str) -> Any:
    """Find what asyncio has under a name. Some are private to a module of it."""
    homes = (asyncio, asyncio.streams, asyncio.subprocess)
    return next(getattr(home, name) for home in homes if hasattr(home, name))


_installation: _Installation | None = None


def install() -> None:
    """Put ioxide's functions and classes under asyncio's names, and make its loop the default.

    What an earlier `from asyncio import …` holds isn't changed, and works beside it. To call it again has no effect.
    """
    global _installation
    if _installation is None:
        _installation = _Installation()
        _installation.begin()


def uninstall() -> None:
    """Take back what `install` has done: the names stand for what they stood for before."""
    global _installation
    if _installation is not None:
        installation, _installation = _installation, None
        installation.end()


def native() -> list[str]:
    """List asyncio's public names that `install` replaces on this version of Python."""
    return sorted(public_natives())


def public_natives() -> dict[str, Any]:
    """Map the public ones of asyncio's names that `install` replaces to ioxide's objects."""
    return {name: found for name, found in _NATIVE.items() if hasattr(asyncio, name)}


@contextlib.contextmanager
def _no_warning_of_policies() -> Iterator[None]:
    """Suppress the warning that policies are deprecated: on 3.14 and 3.15 they are still the way to a default loop."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"'asyncio\.[gs]et_event_loop_policy' is deprecated", DeprecationWarning)
        yield
