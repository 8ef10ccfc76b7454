"""`shield` beside the standard library's: both go through the same tests, on both loops."""

from __future__ import annotations

import asyncio
import gc
import sys
import traceback
import weakref
from typing import Any

import pytest
from combinator_objects import STOCK, both, callbacks_of, every_kind, needs_eager_tasks
from small_coroutines import Loop, Run, give, turns, turns_until_done


def keeps_account(module: Any) -> int:
    """Count the callbacks that asyncio's function has besides: from 3.14 on one that keeps account for call graphs."""
    return int(module is STOCK and sys.version_info >= (3, 14))


@both
@every_kind
def test_the_outer_future_ends_a_turn_after_the_inner_one(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        inner = make(loop)
        outer = module.shield(inner)
        assert outer is not inner
        assert (callbacks_of(inner), callbacks_of(outer)) == (1 + keeps_account(module), 1)
        result = object()
        inner.set_result(result)
        assert await turns_until_done(outer) == 1
        assert outer.result() is result
        assert callbacks_of(outer) == 0

    run(main())


@both
@every_kind
def test_an_exception_comes_through(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        inner = make(loop)
        outer = module.shield(inner)
        error = ValueError("of the inner one")
        inner.set_exception(error)
        with pytest.raises(ValueError, match="of the inner one") as caught:
            await outer
        assert caught.value is error

    run(main())


@both
def test_the_traceback_leads_to_the_inner_one(run: Run, module: Any) -> None:
    async def fail() -> None:
        raise ValueError("why")

    async def main() -> None:
        with pytest.raises(ValueError, match="why") as caught:
            await module.shield(fail())
        assert "fail" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]

    run(main())


@both
@every_kind
def test_to_cancel_the_inner_future_cancels_the_outer_one(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        inner = make(loop)
        outer = module.shield(inner)
        inner.cancel("why")
        assert await turns_until_done(outer) == 1
        assert outer.cancelled()
        with pytest.raises(asyncio.CancelledError) as caught:
            await outer
        assert caught.value.args == ()

    run(main())


@both
@every_kind
def test_to_cancel_the_outer_future_leaves_the_inner_one_alone(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        inner = make(loop)
        outer = module.shield(inner)
        assert outer.cancel("why")
        assert callbacks_of(inner) == 1 + keeps_account(module)
        await turns(2)
        assert callbacks_of(inner) == 0
        assert not inner.done()
        inner.set_result(1)
        await turns(2)

    run(main())


@both
def test_to_cancel_whoever_awaits_it(run: Run, module: Any) -> None:
    async def wait_for(outer: Any) -> None:
        await outer

    async def main() -> None:
        inner = asyncio.ensure_future(turns(5))
        waiting = asyncio.ensure_future(wait_for(module.shield(inner)))
        await turns(2)
        waiting.cancel("why")
        with pytest.raises(asyncio.CancelledError, match="why"):
            await waiting
        assert not inner.done()
        await inner

    run(main())


@both
@pytest.mark.parametrize(("turns_between", "is_seen"), [(0, sys.version_info < (3, 14)), (1, False)])
def test_whether_an_exception_counts_as_seen_once_the_outer_future_is_cancelled(
    loop: Loop, run: Run, reports: list[Any], module: Any, turns_between: int, is_seen: bool
) -> None:
    async def main() -> None:
        inner = loop.create_future()
        module.shield(inner).cancel()
        await turns(turns_between)
        inner.set_exception(ValueError())
        await turns(3)

    run(main())
    gc.collect()
    assert len(reports) == (not is_seen)
    reports.clear()


@both
def test_an_inner_future_that_is_cancelled_after_the_outer_one(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        inner = loop.create_future()
        module.shield(inner).cancel()
        inner.cancel()
        await turns(3)

    run(main())


@both
def test_an_outer_future_that_the_program_has_finished(loop: Loop, run: Run, reports: list[Any], module: Any) -> None:
    async def main() -> None:
        inner = loop.create_future()
        outer = module.shield(inner)
        inner.set_result(1)
        outer.set_result(2)
        await turns(3)
        assert outer.result() == 2

    run(main())
    assert [type(report["exception"]) for report in reports] == [asyncio.InvalidStateError]
    reports.clear()


@both
@every_kind
def test_a_future_that_is_done_is_returned(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        inner = make(loop)
        inner.set_result(1)
        assert module.shield(inner) is inner

    run(main())


@both
def test_what_it_takes(loop: Loop, run: Run, module: Any) -> None:
    class Awaitable:
        def __await__(self) -> Any:
            return (yield from give(2).__await__())

    async def main() -> None:
        assert await module.shield(give(1)) == 1
        assert await module.shield(Awaitable()) == 2
        with pytest.raises(TypeError, match="a coroutine or an awaitable is required"):
            module.shield(1)
        with pytest.raises(TypeError):
            module.shield()

    run(main())


@both
@needs_eager_tasks
def test_a_task_that_was_done_at_once(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        loop.set_task_factory(asyncio.eager_task_factory)
        task = module.shield(give(1))
        assert isinstance(task, asyncio.Task)
        assert task.result() == 1

    run(main())


@both
def test_a_shield_of_a_shield(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        inner = loop.create_future()
        middle = module.shield(inner)
        outer = module.shield(middle)
        outer.cancel()
        await turns(2)
        assert callbacks_of(middle) == 1
        inner.set_result(1)
        assert await middle == 1

    run(main())


@both
def test_a_callback_that_shields_again(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        inner = loop.create_future()
        outer = module.shield(inner)
        again = []
        outer.add_done_callback(lambda _: again.append(module.shield(inner)))
        inner.set_result(1)
        await turns(3)
        assert again == [inner]

    run(main())


@both
def test_forgotten_futures_are_collected(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> Any:
        inner: Any = asyncio.Future(loop=loop)
        outer = module.shield(inner)
        inner.outer = outer
        return weakref.ref(inner), weakref.ref(outer)

    forgotten = run(main())
    gc.collect()
    assert [reference() for reference in forgotten] == [None, None]
