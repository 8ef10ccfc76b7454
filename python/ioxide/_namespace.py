"""What makes `import ioxide as asyncio` work for any program: every public name of the running version's asyncio.

A name stands for ioxide's object where there is one, and for the standard library's own where there isn't.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ioxide import _install, _ioxide
from ioxide._cpython import get_event_loop_made_by
from ioxide._loop import Loop, new_event_loop
from ioxide._runners import run

__all__ = ["EventLoop", "Runner", "get_event_loop", "new_event_loop", "public_names"]

EventLoop = Loop


class Runner(asyncio.Runner):  # type: ignore[misc]
    """asyncio's `Runner`, which makes an ioxide loop unless it is given another `loop_factory`."""

    def __init__(
        self, *, debug: bool | None = None, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    ) -> None:
        super().__init__(debug=debug, loop_factory=loop_factory or new_event_loop)


def get_event_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop, or else the current one, as `asyncio.get_event_loop`: what that makes is an ioxide loop.

    Raises `RuntimeError` where asyncio's does: if there is no current loop and none is to be made.
    """
    return get_event_loop_made_by(new_event_loop)


def public_names() -> dict[str, Any]:
    """Map asyncio's public names to what they stand for in this package."""
    own = {
        "EventLoop": EventLoop,
        "Future": _ioxide.Future,
        "Runner": Runner,
        "Task": _ioxide.Task,
        "get_event_loop": get_event_loop,
        "new_event_loop": new_event_loop,
        "run": run,
    }
    stock = {name: getattr(asyncio, name) for name in asyncio.__all__}
    return stock | _install.public_natives() | own
