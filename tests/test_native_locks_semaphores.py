"""`Semaphore` and `BoundedSemaphore` of ours beside asyncio's: each test runs the same program with both."""

from __future__ import annotations

import asyncio
import math
import sys
from fractions import Fraction
from typing import Any

import pytest
from lock_programs import KINDS, describe
from small_coroutines import Run, turns


def test_permits_are_counted(kind: Any, run: Run) -> None:
    async def main() -> None:
        semaphore = kind.Semaphore(2)
        assert describe(semaphore) == "Semaphore [unlocked, value:2] [] 2"
        async with semaphore as entered:
            assert entered is None
            assert await semaphore.acquire() is True
            assert semaphore.locked()
            assert describe(semaphore) == "Semaphore [locked] [] 0"
        semaphore.release()
        semaphore.release()
        assert semaphore._value == 3
        assert kind.Semaphore()._value == 1

    run(main())


def test_a_bounded_semaphore_takes_no_more_than_it_had(kind: Any, run: Run) -> None:
    async def main() -> None:
        semaphore = kind.BoundedSemaphore(value=1)
        assert isinstance(semaphore, kind.Semaphore)
        async with semaphore:
            pass
        with pytest.raises(ValueError, match=r"^BoundedSemaphore released too many times$"):
            semaphore.release()
        with pytest.raises(ValueError, match=r"^BoundedSemaphore released too many times$"):
            await semaphore.__aexit__(None, None, None)
        assert (semaphore._value, semaphore._bound_value) == (1, 1)
        semaphore._bound_value += 1
        semaphore.release()
        assert semaphore._value == 2
        kind.Semaphore.release(semaphore)
        assert semaphore._value == 3

    run(main())


@pytest.mark.parametrize("value", [0, 1, True, 1.5, math.inf, Fraction(3, 2), 2**63 - 1, 2**70])
@pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore"])
def test_anything_that_counts_is_a_value(kind: Any, run: Run, name: str, value: Any) -> None:
    async def main() -> list[Any]:
        semaphore = getattr(kind, name)(value)
        seen = [repr(semaphore).rpartition("[")[2], semaphore._value]
        if value:
            await semaphore.acquire()
            seen.append(semaphore._value)
            kind.Semaphore.release(semaphore)
        if name == "Semaphore":
            semaphore.release()
        return [*seen, semaphore._value, type(semaphore._value)]

    kept = [repr(KINDS["stock"].Semaphore(value)).rpartition("[")[2], value]
    taken = [value - 1] if value else []
    left = (value - 1 + 1 if value else value) + (name == "Semaphore")
    assert run(main()) == [*kept, *taken, left, type(left)]


@pytest.mark.parametrize(
    ("value", "error"), [(-1, ValueError), (-0.5, ValueError), (None, TypeError), ("1", TypeError)]
)
def test_what_is_no_number_of_permits_is_refused(kind: Any, value: Any, error: Any) -> None:
    for name in ("Semaphore", "BoundedSemaphore"):
        with pytest.raises(error, match=r"^Semaphore initial value must be >= 0$|^'<' not supported between instances"):
            getattr(kind, name)(value)


def test_the_line_is_served_in_order_whoever_comes_meanwhile(kind: Any, run: Run) -> None:
    order: list[object] = []

    async def take(semaphore: Any, name: object) -> None:
        await semaphore.acquire()
        order.append(name)

    async def main() -> None:
        semaphore = kind.Semaphore(0)
        tasks = [asyncio.ensure_future(take(semaphore, name)) for name in range(3)]
        await turns(1)
        semaphore.release()
        semaphore.release()
        assert describe(semaphore) == "Semaphore [locked, waiters:3] ['FINISHED', 'FINISHED', 'PENDING'] 0"
        tasks.append(asyncio.ensure_future(take(semaphore, "late")))
        await turns(3)
        semaphore.release()
        semaphore.release()
        await asyncio.gather(*tasks)
        assert not semaphore._waiters

    run(main())
    assert order == [0, 1, 2, "late"]


@pytest.mark.parametrize("woken", [0, 1, 2])
@pytest.mark.parametrize("cancelled", [(0,), (1,), (0, 1), (1, 0), (0, 1, 2), (2,)])
def test_a_permit_of_one_that_is_cancelled_goes_to_the_next(
    kind: Any, run: Run, woken: int, cancelled: tuple[int, ...]
) -> None:
    async def main() -> list[Any]:
        semaphore = kind.Semaphore(0)
        tasks = [asyncio.ensure_future(semaphore.acquire()) for _ in range(4)]
        await turns(1)
        for _ in range(woken):
            semaphore.release()
        for name in cancelled:
            tasks[name].cancel("why")
        seen: list[Any] = [describe(semaphore)]
        for _ in range(4):
            await turns(1)
            seen += [describe(semaphore), [task.done() for task in tasks]]
        got = [task.done() and not task.cancelled() for task in tasks]
        assert sum(got) == min(woken, 4 - len(cancelled))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [*seen, got, describe(semaphore)]

    other = KINDS["stock"]
    found = run(main())
    kind = other
    assert found == run(main())


def test_a_program_may_change_the_number(kind: Any, run: Run) -> None:
    async def main() -> None:
        semaphore = kind.Semaphore(1)
        semaphore._value += 2
        for _ in range(3):
            await semaphore.acquire()
        assert semaphore.locked()

    run(main())


def test_a_derived_semaphore_is_asked(kind: Any, run: Run) -> None:
    calls: list[str] = []

    class Derived(kind.BoundedSemaphore):  # type: ignore[misc]
        def locked(self) -> bool:
            calls.append("locked")
            return bool(super().locked())

        def _wake_up_next(self) -> Any:
            calls.append("wake")
            return super()._wake_up_next()

        def release(self) -> None:
            calls.append("release")
            super().release()

    async def main() -> None:
        semaphore = Derived(1)
        async with semaphore:
            task = asyncio.ensure_future(semaphore.acquire())
            await turns(1)
        assert await task is True
        semaphore.release()

    run(main())
    assert calls == ["locked", "locked", "release", "wake", "release", "wake"]


def test_waking_up_tells_from_313_on_whether_there_was_anybody(kind: Any) -> None:
    assert kind.Semaphore(0)._wake_up_next() is (False if sys.version_info >= (3, 13) else None)
