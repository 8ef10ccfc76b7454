"""A clock that counts steps, and a timeline that shows what happened in which of them.

The programs that print a timeline stand waiting for a step in the place of waiting for a network. A step takes some
time, but nothing is decided by how much: all wait for the same clock, and it doesn't go on before everything that the
last step set off has happened. So a timeline is the same on any event loop, and on a machine of any speed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

# How many turns of the event loop one step has. What a step sets off comes in few: a future wakes a task, which puts
# something into a queue, which wakes another task.
TURNS_OF_A_STEP = 20

NOTHING = " "


class Clock:
    """Counts steps while it is entered, and wakes whoever waits for one."""

    def __init__(self, seconds_of_a_step: float) -> None:
        self.now = 0
        self._seconds = seconds_of_a_step
        self._numbers = itertools.count()  # those who wait for the same step are woken in the order of their coming
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def __aenter__(self) -> Clock:
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ticking.cancel()
        with suppress(asyncio.CancelledError):
            await self._ticking

    async def wait(self, steps: int) -> None:
        """Wait until so many steps have passed; for none, not at all."""
        if steps == 0:
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.now + steps, next(self._numbers), woken))
        await woken

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            self.now += 1
            while self._waiting and self._waiting[0][0] <= self.now:
                _, _, woken = heapq.heappop(self._waiting)
                if not woken.done():  # whoever waited may have been cancelled
                    woken.set_result(None)
            for _ in range(TURNS_OF_A_STEP):
                await asyncio.sleep(0)


class Timeline:
    """One row for each of those who do something, with a sign for each step that it took."""

    def __init__(self, clock: Clock, rows: list[str]) -> None:
        self._clock = clock
        self._begin = clock.now
        self._rows: dict[str, list[str]] = {name: [] for name in rows}

    @contextmanager
    def during(self, row: str, sign: str) -> Iterator[None]:
        """Show the sign in each step that passes in this block. It may be cut short: by an error, by cancellation.

        Of a sign of two letters the first shows where the block begins, and the second stands in all further steps.
        """
        begin = self._clock.now
        try:
            yield
        finally:
            self._draw(row, sign, begin - self._begin, self._clock.now - self._begin)

    def _draw(self, row: str, sign: str, begin: int, end: int) -> None:
        signs = self._rows[row]
        signs.extend(NOTHING * (end - len(signs)))
        signs[begin:end] = (sign[0] + sign[-1] * (end - begin))[: end - begin]

    @property
    def steps(self) -> int:
        """How many steps have passed."""
        return self._clock.now - self._begin

    def most_at_once(self, signs: str) -> int:
        """Tell in how many rows, at most, one of these signs stands at the same step."""
        columns = itertools.zip_longest(*self._rows.values(), fillvalue=NOTHING)
        return max((sum(sign in signs for sign in column) for column in columns), default=0)

    def text(self) -> str:
        """Draw the rows below a ruler that counts the steps."""
        width = max(map(len, self._rows))
        ruler = "".join(f"{step:<10}" for step in range(0, max(1, self.steps), 10))
        lines = [("", ruler), *((name, "".join(signs)) for name, signs in self._rows.items())]
        return "\n".join(f"  {name:<{width}}  {line}".rstrip() for name, line in lines)
