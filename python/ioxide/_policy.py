"""The event loop policy: makes the loops of a program that doesn't name a loop factory.

Python deprecates policies in 3.14. There, asyncio warns of whoever uses one, and still goes through them.
"""

from __future__ import annotations

import asyncio

from ioxide._cpython import DefaultEventLoopPolicy
from ioxide._loop import new_event_loop

__all__ = ["EventLoopPolicy"]


class EventLoopPolicy(DefaultEventLoopPolicy):
    """asyncio's policy, except that the loops are ioxide's."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make an event loop."""
        return new_event_loop()
