"""How much of what workers could do they did, while there was work for all of them."""

from __future__ import annotations

import time


class Busyness:
    """How many of the workers are busy, on average over the time in which there was work for all of them.

    That time begins with the first page, and ends when the last URL that waits has been taken: from then on workers
    have nothing to do, however fast they are.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._busy = 0
        self._worked = 0.0
        self._changed_at = 0.0
        self._began_at: float | None = None
        self._when_dry: tuple[float, float] | None = None

    def change(self, by: int, *, dry: bool) -> None:
        """Note that a worker has begun (1) or ended (-1), and whether that left no URL waiting."""
        now = time.perf_counter()
        if self._began_at is None:
            self._began_at = now
        self._worked += self._busy * (now - self._changed_at)
        self._changed_at = now
        self._busy += by
        if by > 0 and dry:
            self._when_dry = (self._worked, now - self._began_at)

    def share(self) -> float | None:
        """Tell the share of the workers' time, from 0 to 1. None when there never was more than a page to fetch."""
        if self._when_dry is None or self._when_dry[1] == 0:
            return None
        worked, seconds = self._when_dry
        return worked / (seconds * self._workers)
