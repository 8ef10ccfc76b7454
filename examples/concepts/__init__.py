"""The concepts of asyncio, one short function each: the stops of `tour.py`.

Each prints what happens in it. A function that is a coroutine function is run on an event loop of its own; the others
are called, and start loops themselves. The output is the same on any event loop: nothing depends on how long something
takes, and where the order is asyncio's promise, it is relied on.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine

Concept = Callable[[], Coroutine[object, object, None] | None]
