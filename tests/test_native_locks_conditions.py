"""`Condition` of ours beside asyncio's: each test runs the same program with both, on both loops."""

from __future__ import annotations

import asyncio
import math
import sys
from typing import Any

import pytest
from lock_programs import KINDS, describe, history
from small_coroutines import Run, turns


class Foreign:
    """A lock of the program's, around one of asyncio's."""

    def __init__(self) -> None:
        self.lock = asyncio.locks.Lock()
        self.calls: list[str] = []

    async def acquire(self) -> object:
        self.calls.append("acquire")
        await self.lock.acquire()
        return "mine"

    def release(self) -> None:
        self.calls.append("release")
        self.lock.release()

    def locked(self) -> bool:
        return self.lock.locked()


class Waiter:
    """A task that waits at a condition, and what it has seen."""

    def __init__(self, condition: Any) -> None:
        self.seen: list[Any] = []
        self.task = asyncio.ensure_future(self.wait(condition))

    async def wait(self, condition: Any) -> None:
        async with condition:
            try:
                self.seen.append(await condition.wait())
            except BaseException as error:
                self.seen.append(history(error))
                raise
            finally:
                assert condition.locked()


def test_it_has_the_methods_of_its_lock(kind: Any, run: Run) -> None:
    async def main() -> None:
        lock = kind.Lock()
        condition = kind.Condition(lock)
        assert condition._lock is lock
        assert await condition.acquire() is True
        assert lock.locked()
        assert condition.locked()
        assert describe(condition).startswith("Condition [locked] []")
        condition.release()
        assert not lock.locked()
        with pytest.raises(RuntimeError, match=r"^cannot wait on un-acquired lock$"):
            await condition.wait()
        for notify in (condition.notify, condition.notify_all):
            with pytest.raises(RuntimeError, match=r"^cannot notify on un-acquired lock$"):
                notify()

    run(main())


@pytest.mark.parametrize("count", [0, 1, 2, 2.5, math.inf, -1, "default", "all"])
def test_as_many_are_woken_up_as_are_notified(kind: Any, run: Run, count: Any) -> None:
    async def main() -> None:
        condition = kind.Condition()
        waiters = [Waiter(condition) for _ in range(4)]
        await turns(2)
        async with condition:
            if count == "all":
                condition.notify_all()
            else:
                condition.notify(*([] if count == "default" else [count]))
        await turns(8)
        expected = {"default": 1, "all": 4, 2.5: 3, math.inf: 4, -1: 0}.get(count, count)
        assert [waiter.seen for waiter in waiters] == [[True]] * expected + [[]] * (4 - expected)
        async with condition:
            condition.notify_all()
        await asyncio.gather(*(waiter.task for waiter in waiters))

    run(main())


def test_any_lock_will_do(kind: Any, run: Run) -> None:
    async def main() -> list[str]:
        lock = Foreign()
        condition = kind.Condition(lock)
        assert await condition.acquire() == "mine"
        condition.release()
        waiter = Waiter(condition)
        await turns(1)
        async with condition as entered:
            assert entered is None
            condition.notify()
        await waiter.task
        assert waiter.seen == [True]
        return lock.calls

    assert run(main()) == ["acquire", "release"] + ["acquire", "release"] * 2 + ["acquire", "release"]


def test_what_is_no_lock_is_refused(kind: Any) -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'locked'$"):
        kind.Condition(object())


def test_a_program_may_replace_a_method(kind: Any, run: Run) -> None:
    async def main() -> None:
        condition = kind.Condition()
        calls: list[str] = []
        release = condition.release

        def replaced() -> None:
            calls.append("release")
            release()

        condition.release = replaced
        assert condition.release is replaced
        async with condition:
            assert condition.locked()
        assert calls == ["release"]
        assert not condition._lock.locked()

    run(main())


def test_attributes_hide_the_methods_of_a_derived_class(kind: Any, run: Run) -> None:
    calls: list[str] = []

    class Derived(kind.Condition):  # type: ignore[misc]
        def release(self) -> None:
            raise AssertionError

        def notify(self, n: int = 1) -> None:
            calls.append("notify")
            super().notify(n)

        async def wait(self) -> Any:
            calls.append("wait")
            return await super().wait()

    async def main() -> None:
        condition = Derived()
        waiter = Waiter(condition)
        await turns(1)
        async with condition:
            condition.notify_all()
        await waiter.task

    run(main())
    assert calls == ["wait", "notify"]


@pytest.mark.parametrize("is_foreign", [False, True])
@pytest.mark.parametrize("steps", ["c", "cn", "nc", "ncc", "ccc", "nhc", "hc", "hcc", "hcccc", "cnhcc", "hncc"])
def test_cancelled_at_every_point_the_lock_is_taken_again(kind: Any, run: Run, steps: str, is_foreign: bool) -> None:
    async def main(kind: Any) -> list[Any]:
        condition = kind.Condition(Foreign()) if is_foreign else kind.Condition()
        first, second = Waiter(condition), Waiter(condition)
        await turns(2)
        holds = False
        for number, step in enumerate(steps):
            if step == "c":
                first.task.cancel(f"number {number}")
                await turns(1)
            elif step == "h":
                await condition.acquire()
                holds = True
            elif holds:
                condition.notify()
            else:
                async with condition:
                    condition.notify()
        if holds:
            condition.release()
        await turns(6)
        result = [first.seen, first.task.cancelled(), second.seen, describe(condition)]
        second.task.cancel()
        first.task.cancel()
        await asyncio.gather(first.task, second.task, return_exceptions=True)
        assert not condition.locked()
        return [*result, first.seen, second.seen]

    assert run(main(kind)) == run(main(KINDS["stock"]))


def test_from_313_on_a_notification_of_one_that_is_cancelled_goes_to_another(kind: Any, run: Run) -> None:
    async def main() -> list[Any]:
        condition = kind.Condition()
        first, second = Waiter(condition), Waiter(condition)
        await turns(2)
        async with condition:
            condition.notify()
        first.task.cancel()
        await turns(4)
        seen = second.seen.copy()
        second.task.cancel()
        await asyncio.gather(first.task, second.task, return_exceptions=True)
        return seen

    assert run(main()) == ([True] if sys.version_info >= (3, 13) else [])


def test_wait_for_returns_what_the_predicate_has_returned(kind: Any, run: Run) -> None:
    values: list[Any] = [0, "", None, "enough"]

    async def main() -> None:
        condition = kind.Condition()

        async def wait() -> object:
            async with condition:
                return await condition.wait_for(lambda: values.pop(0))

        task = asyncio.ensure_future(wait())
        await turns(1)
        while not task.done():
            async with condition:
                condition.notify_all()
            await turns(3)
        assert await task == "enough"
        async with condition:
            with pytest.raises(ZeroDivisionError):
                await condition.wait_for(lambda: 1 // 0)
        with pytest.raises(RuntimeError, match=r"^cannot wait on un-acquired lock$"):
            await condition.wait_for(lambda: False)

    run(main())


def test_closing_a_coroutine_that_waits(kind: Any, run: Run) -> None:
    async def main() -> None:
        condition = kind.Condition()
        await condition.acquire()
        coroutine = condition.wait()
        coroutine.send(None)
        assert not condition.locked()
        coroutine.close()
        assert condition.locked()
        assert not condition._waiters
        waiting = condition.wait()
        waiting.send(None)
        await condition.acquire()
        with pytest.raises(RuntimeError, match=r"^coroutine ignored GeneratorExit$"):
            waiting.close()
        condition.release()
        with pytest.raises(GeneratorExit):
            waiting.send(None)

    run(main())
