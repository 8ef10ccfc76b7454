"""`Barrier` of ours beside asyncio's: each test runs the same program with both, on both loops."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from lock_programs import KINDS, describe
from small_coroutines import Run, turns


async def outcome(method: Callable[[], Any]) -> object:
    try:
        result: object = await method()
        return result
    except (asyncio.BrokenBarrierError, asyncio.CancelledError) as error:
        return f"{type(error).__name__}: {error}"


def test_all_go_on_when_the_last_has_come(kind: Any, run: Run) -> None:
    async def main() -> None:
        barrier = kind.Barrier(3)
        assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)
        tasks = [asyncio.ensure_future(barrier.wait()) for _ in range(2)]
        await turns(1)
        assert barrier.n_waiting == barrier._count == 2
        assert describe(barrier).startswith("Barrier [filling, waiters:2/3]")
        assert barrier._state.value == "filling"
        tasks.append(asyncio.ensure_future(barrier.wait()))
        await turns(1)
        assert describe(barrier).startswith("Barrier [draining, waiters:0/3]")
        assert await asyncio.gather(*tasks) == [0, 1, 2]
        assert describe(barrier).startswith("Barrier [filling, waiters:0/3]")

    run(main())


def test_who_comes_while_it_drains_waits_for_the_next_time(kind: Any, run: Run) -> None:
    async def main() -> list[Any]:
        barrier = kind.Barrier(2)
        order: list[Any] = []

        async def come(name: int) -> None:
            order.append((name, await barrier.wait(), barrier._state.value))

        await asyncio.gather(*(come(name) for name in range(6)))
        return order

    found = run(main())
    kind = KINDS["stock"]
    assert found == run(main())


@pytest.mark.parametrize("parties", [0, -1, 0.5])
def test_too_few_parties_are_refused(kind: Any, parties: Any) -> None:
    message = r"^parties must be >= 1$" if sys.version_info >= (3, 14) else r"^parties must be > 0$"
    with pytest.raises(ValueError, match=message):
        kind.Barrier(parties)


@pytest.mark.parametrize("what", ["reset", "abort"])
def test_those_who_wait_fail_when_it_is_reset_or_aborted(kind: Any, run: Run, what: str) -> None:
    async def main() -> list[Any]:
        barrier = kind.Barrier(3)
        tasks = [asyncio.ensure_future(outcome(barrier.wait)) for _ in range(2)]
        await turns(1)
        await getattr(barrier, what)()
        seen: list[Any] = [describe(barrier), barrier.broken]
        tasks.append(asyncio.ensure_future(outcome(barrier.wait)))
        await turns(6)
        seen += [describe(barrier), [task.done() and task.result() for task in tasks]]
        await barrier.reset()
        await turns(6)
        seen += [describe(barrier), barrier.broken]
        return [*seen, await asyncio.gather(*tasks)]

    found = run(main())
    assert found[-1][:2] == ["BrokenBarrierError: Abort or reset of barrier"] * 2
    kind = KINDS["stock"]
    assert found == run(main())


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("count", range(6))
def test_cancelled_at_every_point(kind: Any, run: Run, number: int, count: int) -> None:
    async def main() -> list[Any]:
        barrier = kind.Barrier(2)
        tasks = [asyncio.ensure_future(outcome(barrier.wait)) for _ in range(3)]
        await turns(count)
        tasks[number].cancel("why")
        await turns(8)
        seen = [describe(barrier), [task.done() and not task.cancelled() and task.result() for task in tasks]]
        await barrier.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [*seen, describe(barrier)]

    found = run(main())
    kind = KINDS["stock"]
    assert found == run(main())


def test_async_with_gives_the_number(kind: Any, run: Run) -> None:
    async def main() -> None:
        barrier = kind.Barrier(1)
        async with barrier as index:
            assert index == 0

        class Derived(kind.Barrier):  # type: ignore[misc]
            async def wait(self) -> Any:
                return "mine", await super().wait()

        async with Derived(1) as found:
            assert found == ("mine", 0)

    run(main())
