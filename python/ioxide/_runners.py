"""`ioxide.run`: asyncio's `run`, on a loop of ioxide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ioxide._cpython import get_running_loop
from ioxide._loop import new_event_loop

__all__ = ["run"]

_T = TypeVar("_T")


def run(
    main: Coroutine[Any, Any, _T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> _T:
    """Run the coroutine `main` on a new loop, ioxide's unless `loop_factory` makes another, and close the loop.

    Returns what `main` returns and raises what it raises. Raises `RuntimeError` if a loop is running in this thread
    already, and `ValueError` if `main` isn't a coroutine (from Python 3.14 on: `TypeError` if it can't be awaited).
    """
    if get_running_loop() is not None:
        raise RuntimeError("ioxide.run() cannot be called from a running event loop")
    with asyncio.Runner(debug=debug, loop_factory=loop_factory or new_event_loop) as runner:
        return runner.run(main)
