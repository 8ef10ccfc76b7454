"""`gather`, native and asyncio's: a program has the same outcome, on both loops and with both kinds of futures."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import ioxide
import pytest
from combinator_objects import STOCK
from small_coroutines import Loop, Run


@pytest.fixture
def gather(functions: Any) -> Any:
    return functions.gather


async def value(result: Any, turns: int = 1) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    return result


async def failure(error: BaseException, turns: int = 1) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    raise error


def test_results_come_in_the_order_of_the_arguments(run: Run, gather: Any) -> None:
    async def main() -> Any:
        return await gather(*(value(number, turns=5 - number) for number in range(5)))

    assert run(main()) == [0, 1, 2, 3, 4]


def test_nothing_gives_an_empty_list(run: Run, gather: Any) -> None:
    async def main() -> Any:
        future = gather()
        assert future.done()
        return await future

    assert run(main()) == []


def test_an_argument_that_comes_twice_runs_once(run: Run, gather: Any) -> None:
    runs = []

    async def once() -> int:
        runs.append(1)
        return len(runs)

    async def main() -> Any:
        coroutine = once()
        return await gather(coroutine, value("other"), coroutine)

    assert run(main()) == [1, "other", 1]


def test_the_first_exception_is_raised_and_the_others_run_on(run: Run, gather: Any) -> None:
    ended = []

    async def slow() -> None:
        await value(None, turns=4)
        ended.append("slow")

    async def main() -> None:
        with pytest.raises(ValueError, match="first"):
            await gather(slow(), failure(ValueError("first")), failure(KeyError("second"), turns=2))
        assert ended == []
        await value(None, turns=6)

    run(main())
    assert ended == ["slow"]


def test_exceptions_stand_in_the_list_on_request(run: Run, gather: Any) -> None:
    error = ValueError("one")

    async def main() -> Any:
        return await gather(failure(error), value(2), return_exceptions=True)

    assert run(main()) == [error, 2]


def test_a_cancelled_child_is_an_exception_among_others(run: Run, gather: Any) -> None:
    async def main() -> Any:
        loop = asyncio.get_running_loop()
        child, other = loop.create_future(), loop.create_future()
        loop.call_soon(child.cancel, "why")
        listed = await gather(child, value(1), return_exceptions=True)
        loop.call_soon(other.cancel, "because")
        with pytest.raises(asyncio.CancelledError, match="because"):
            await gather(other, value(1))
        return [(type(each), getattr(each, "args", None)) for each in listed]

    assert run(main()) == [(asyncio.CancelledError, ("why",)), (int, None)]


def test_cancelling_it_cancels_the_children_and_waits_for_them(run: Run, gather: Any) -> None:
    trace = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            trace.append(("cancelled", error.args))
            await value(None, turns=2)
            trace.append(("left", ()))
            raise

    async def main() -> None:
        future = gather(stubborn(), stubborn(), return_exceptions=True)
        await value(None)
        assert future.cancel("message") is True
        assert not future.done()
        with pytest.raises(asyncio.CancelledError):
            await future
        assert future.cancel() is False

    run(main())
    assert trace == [("cancelled", ("message",))] * 2 + [("left", ())] * 2


def test_cancelling_who_waits_cancels_the_children(run: Run, gather: Any) -> None:
    children = []

    async def child() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            children.append("ended")

    async def wait() -> None:
        await gather(child(), child())

    async def main() -> None:
        task = asyncio.ensure_future(wait())
        await value(None, turns=2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert children == ["ended", "ended"]


@pytest.mark.parametrize("make", [asyncio.Future, ioxide.Future], ids=["C future", "native future"])
def test_futures_of_either_kind_are_taken(loop: Loop, run: Run, gather: Any, make: Any) -> None:
    async def main() -> Any:
        pending, done = make(loop=loop), make(loop=loop)
        done.set_result("done")
        loop.call_soon(pending.set_result, "pending")
        return await gather(pending, done, value("coroutine"))

    assert run(main()) == ["pending", "done", "coroutine"]


def test_arguments_that_are_done_complete_it_in_the_same_turn_as_ever(loop: Loop, run: Run, gather: Any) -> None:
    async def main() -> list[bool]:
        done = loop.create_future()
        done.set_result(1)
        future = gather(done, done)
        states = [future.done()]
        for _ in range(3):
            await value(None)
            states.append(future.done())
        assert await future == [1, 1]
        return states

    async def stock() -> list[bool]:
        nonlocal gather
        gather = STOCK.gather
        return await main()

    assert run(main()) == run(stock())


@pytest.mark.parametrize("bad", [1, "text", None])
def test_what_cannot_be_awaited_is_refused(run: Run, gather: Any, bad: Any) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        with pytest.raises(TypeError, match=r"An asyncio\.Future, a coroutine or an awaitable is required"):
            gather(future, bad)

    run(main())


def test_futures_of_two_loops_are_refused(run: Run, gather: Any) -> None:
    async def main() -> None:
        other = asyncio.SelectorEventLoop()
        try:
            mine, theirs = asyncio.get_running_loop().create_future(), other.create_future()
            mine.set_result(None)
            with pytest.raises(ValueError, match="The future belongs to a different loop"):
                gather(mine, theirs)
        finally:
            other.close()

    run(main())


def test_a_late_exception_counts_as_seen(run: Run, gather: Any) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="first"):
            await gather(failure(ValueError("first")), failure(ValueError("second"), turns=3))
        await value(None, turns=5)
        gc.collect()

    run(main())  # the fixture finds that the exception handler wasn't called


def test_what_it_says_of_itself(run: Run, gather: Any) -> None:
    async def main() -> str:
        future = gather(value(1))
        description = repr(future)
        assert isinstance(future, asyncio.Future)
        await future
        return description

    assert run(main()) == "<_GatheringFuture pending>"


def test_a_gather_that_refers_to_itself_is_collected(loop: Loop, run: Run, gather: Any) -> None:
    async def main() -> weakref.ref[Any]:
        child = loop.create_future()
        future = gather(child)
        child.holder = future
        child.set_result(None)
        await future
        return weakref.ref(future)

    reference = run(main())
    gc.collect()
    assert reference() is None


def test_the_cancellation_is_that_of_the_last_in_the_list(run: Run, gather: Any) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)

    async def main() -> Any:
        task = asyncio.ensure_future(gather(asyncio.sleep(60), stubborn(), return_exceptions=True))
        other = asyncio.ensure_future(gather(stubborn(), asyncio.sleep(60), return_exceptions=True))
        await asyncio.sleep(0)
        seen = []
        for each in (task, other):
            each.cancel("why")
            with pytest.raises(asyncio.CancelledError) as caught:
                await each
            seen.append(caught.value.args)
        return seen

    assert run(main()) == [(), ("why",)]


def test_an_exception_that_nobody_was_given_is_reported(run: Run, gather: Any, reports: Any) -> None:
    async def main() -> None:
        never = asyncio.get_running_loop().create_future()
        outer = gather(failure(ValueError("lost")), never, return_exceptions=True)
        await value(None, turns=4)
        del outer, never
        gc.collect()

    run(main())
    assert [report["message"] for report in reports] == ["Task exception was never retrieved"]
    reports.clear()
