"""Loops that are worse than asyncio's on purpose: the harness has to notice, and its tests see to that.

`make bench LOOPS=asyncio,benches.faulty_loops:Slowed` shows what that looks like.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple

Arguments = TypeVarTuple("Arguments")

WASTE = 0.0002
"""Seconds that a slow loop takes more for each callback."""

FORGOTTEN = 100
"""Which callback of how many a forgetful loop loses."""


class Slowed(asyncio.SelectorEventLoop):
    """Wastes time before each callback, and isn't on a core meanwhile."""

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """Sleep, then schedule."""
        time.sleep(WASTE)
        return super().call_soon(callback, *args, context=context)


class Busy(asyncio.SelectorEventLoop):
    """Wastes time before each callback, and is on a core all the while."""

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """Spin, then schedule."""
        end = time.thread_time() + WASTE
        while time.thread_time() < end:
            pass
        return super().call_soon(callback, *args, context=context)


class Forgetful(asyncio.SelectorEventLoop):
    """Loses a callback now and then, and so has less to do."""

    every = FORGOTTEN
    scheduled = 0

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule, or don't."""
        return self._perhaps_forget(super().call_soon(callback, *args, context=context), callback)

    def call_soon_threadsafe(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule, or don't."""
        return self._perhaps_forget(super().call_soon_threadsafe(callback, *args, context=context), callback)

    def _perhaps_forget(self, handle: asyncio.Handle, callback: Callable[..., Any]) -> asyncio.Handle:
        self.scheduled += 1
        if self.scheduled % self.every == 0 and callback != self.stop:
            handle.cancel()
        return handle


class TimersForgotten(asyncio.SelectorEventLoop):
    """Loses a timer now and then."""

    armed = 0

    def call_at(
        self, when: float, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Arm, or don't."""
        handle = super().call_at(when, callback, *args, context=context)
        self.armed += 1
        if self.armed % FORGOTTEN == 0:
            handle.cancel()
        return handle


class Mute(asyncio.SelectorEventLoop):
    """Serves, but loses what its transports write."""

    async def create_server(self, protocol_factory: Any, *args: Any, **options: Any) -> asyncio.Server:
        """Serve with protocols that believe that they write."""

        def make() -> asyncio.BaseProtocol:
            protocol: asyncio.BaseProtocol = protocol_factory()
            connection_made = protocol.connection_made

            def with_mute_transport(transport: Any) -> None:
                transport.write = lambda data: None
                connection_made(transport)

            protocol.connection_made = with_mute_transport  # type: ignore[method-assign]
            return protocol

        return await super().create_server(make, *args, **options)


def refusing() -> asyncio.AbstractEventLoop:
    """Refuse to make a loop, as one does that can't do something."""
    raise NotImplementedError("this loop can do nothing")


def dying() -> asyncio.AbstractEventLoop:
    """End the process, as a loop does that crashes."""
    raise SystemExit(9)
