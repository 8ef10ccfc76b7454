"""`as_completed` beside the standard library's: both go through the same tests, on both loops."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from typing import Any

import pytest
from combinator_objects import both, callbacks_of, every_kind, needs_eager_tasks
from ioxide import _ioxide
from small_coroutines import Loop, Run, give, turns, turns_until_done

IS_GENERATOR = sys.version_info < (3, 13)
generator_only = pytest.mark.skipif(not IS_GENERATOR, reason="a generator up to 3.12")
asynchronous_only = pytest.mark.skipif(IS_GENERATOR, reason="an asynchronous iterator from 3.13 on")


def close_all(coroutines: Any) -> None:
    for coroutine in coroutines:
        coroutine.close()


@both
@every_kind
def test_results_come_in_the_order_of_completion(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        futures = [make(loop) for _ in range(4)]
        numbers = iter((2, 0, 3, 1))
        results = []
        for coroutine in module.as_completed(futures):
            number = next(numbers)
            loop.call_soon(futures[number].set_result, number)
            results.append(await coroutine)
        assert results == [2, 0, 3, 1]
        assert [callbacks_of(future) for future in futures] == [0] * 4

    run(main())


@both
@every_kind
@asynchronous_only
def test_the_futures_themselves_come_to_async_for(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        futures = [make(loop) for _ in range(4)]
        for number in (2, 0, 3, 1):
            loop.call_soon(futures[number].set_result, number)
        assert [futures.index(future) async for future in module.as_completed(futures)] == [2, 0, 3, 1]

    run(main())


@both
@asynchronous_only
def test_coroutines_come_as_tasks_and_both_ways_mix(run: Run, module: Any) -> None:
    async def main() -> None:
        iterator = module.as_completed([give(1), give(2), give(3)])
        assert aiter(iterator) is iterator
        assert iter(iterator) is iterator
        task = await anext(iterator)
        assert isinstance(task, asyncio.Task)
        results = {task.result(), await next(iterator), (await anext(iterator)).result()}
        assert results == {1, 2, 3}
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)
        with pytest.raises(StopIteration):
            next(iterator)

    run(main())


@both
@asynchronous_only
def test_a_turn_is_claimed_at_the_first_step_of_anext(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        iterator = module.as_completed([loop.create_future()])
        first, second = iterator.__anext__(), iterator.__anext__()
        first.close()
        assert asyncio.isfuture(second.send(None))
        with pytest.raises(StopIteration):
            next(iterator)
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)
        second.close()

    run(main())


@both
def test_awaitables_given_twice_and_by_an_iterator_count_once(run: Run, module: Any) -> None:
    async def main() -> None:
        coroutine, task = give(1), asyncio.ensure_future(give(2))
        arguments = iter([coroutine, task, coroutine, task])
        assert sorted([await coroutine for coroutine in module.as_completed(arguments)]) == [1, 2]
        assert list(module.as_completed([])) == []
        assert list(module.as_completed(iter(()), timeout=0)) == []

    run(main())


@both
def test_what_it_refuses(loop: Loop, run: Run, module: Any) -> None:
    message = "expect an iterable of futures" if IS_GENERATOR else "expects an iterable of awaitables"

    async def main() -> None:
        coroutine = give()
        with pytest.raises(TypeError, match=f"{message}, not Future"):
            next(module.as_completed(loop.create_future()))
        with pytest.raises(TypeError, match=f"{message}, not coroutine"):
            next(module.as_completed(coroutine))
        coroutine.close()
        with pytest.raises(TypeError, match="'int' object is not iterable"):
            next(module.as_completed(1))
        with pytest.raises(TypeError, match="a coroutine or an awaitable is required"):
            next(module.as_completed([1]))
        with pytest.raises(TypeError, match="unhashable type"):
            next(module.as_completed([[]]))
        with pytest.raises(TypeError, match="unsupported operand type"):
            next(module.as_completed([loop.create_future()], timeout="1"))

    run(main())


@both
@generator_only
def test_nothing_happens_before_the_first_next(run: Run, module: Any) -> None:
    async def main() -> None:
        coroutine = give(1)
        module.as_completed(1)
        iterator = module.as_completed([coroutine])
        with pytest.raises(TypeError, match="can't send non-None value to a just-started generator"):
            iterator.send(1)
        assert len(asyncio.all_tasks()) == 1
        (first,) = iterator
        assert len(asyncio.all_tasks()) == 2
        assert await first == 1

    run(main())


@both
@generator_only
def test_a_generator_is_closed_and_thrown_into(run: Run, loop: Loop, module: Any) -> None:
    async def main() -> None:
        future = loop.create_future()
        for number in range(2):
            iterator = module.as_completed([future, loop.create_future()])
            first = iterator.send(None) if number else next(iterator)
            if number:
                with pytest.raises(KeyError):
                    iterator.throw(KeyError())
            else:
                iterator.close()
            assert list(iterator) == []
            loop.call_soon(lambda: future.done() or future.set_result(1))
            assert await first == 1
        iterator = module.as_completed(1)
        iterator.close()
        assert list(iterator) == []

    run(main())


@both
@generator_only
def test_a_generator_that_failed_has_ended(run: Run, module: Any) -> None:
    async def main() -> None:
        iterator = module.as_completed(1)
        with pytest.raises(TypeError):
            next(iterator)
        assert list(iterator) == []

    run(main())


@both
@generator_only
def test_arguments_that_come_back_to_the_generator(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        def come_back(argument: Any) -> Any:
            for method in (iterator.__next__, iterator.close):
                with pytest.raises(ValueError, match="generator already executing"):
                    method()
            return give(argument)

        iterator = module.as_completed(map(come_back, [1]))
        assert [await coroutine for coroutine in iterator] == [1]

    run(main())


@both
@asynchronous_only
def test_all_begins_at_once(run: Run, module: Any) -> None:
    async def main() -> None:
        iterator = module.as_completed([give(1)])
        assert len(asyncio.all_tasks()) == 2
        del iterator
        await turns(2)

    run(main())


@both
def test_exceptions_and_cancellations_come_through(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        failing, cancelled = loop.create_future(), loop.create_future()
        first, second = module.as_completed([failing, cancelled])
        failing.set_exception(ValueError("why"))
        cancelled.cancel("by hand")
        with pytest.raises(ValueError, match="why"):
            await first
        with pytest.raises(asyncio.CancelledError, match="by hand"):
            await second

    run(main())


@both
@every_kind
@pytest.mark.parametrize("timeout", [0, -1, 0.001])
def test_when_time_is_up(loop: Loop, run: Run, module: Any, make: Any, timeout: Any) -> None:
    async def main() -> None:
        done, *pending = [make(loop) for _ in range(3)]
        done.set_result("done")
        first, second, third = module.as_completed([done, *pending], timeout=timeout)
        assert await first == "done"
        for coroutine in (second, third):
            with pytest.raises(TimeoutError) as caught:
                await coroutine
            assert caught.value.args == ()
        assert [callbacks_of(future) for future in pending] == [0, 0]
        for future in pending:
            assert not future.done()
            future.set_result(None)
        await turns(2)

    run(main())


@both
def test_its_timer_is_cancelled_after_the_last_one(loop: Loop, module: Any) -> None:
    handles = []

    class Recording(type(loop)):  # type: ignore[misc]
        def call_later(self, *arguments: Any, **keywords: Any) -> Any:
            handles.append(super().call_later(*arguments, **keywords))
            return handles[-1]

    async def main() -> None:
        first, second = module.as_completed([give(1), give(1)], timeout=1000)
        assert await first == 1
        assert await second == 1
        assert list(module.as_completed([], timeout=1000)) == []

    recording = Recording()
    recording.run_until_complete(main())
    recording.close()
    assert [handle.cancelled() for handle in handles] == [True]


@both
def test_in_which_turn_a_result_comes(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        future = loop.create_future()
        (coroutine,) = module.as_completed([future])
        task = asyncio.ensure_future(coroutine)
        await turns(1)
        future.set_result(1)
        assert await turns_until_done(task) == 2

        (coroutine,) = module.as_completed([future])
        await turns(1)
        assert await turns_until_done(asyncio.ensure_future(coroutine)) == 1

    run(main())


@both
def test_who_came_first_is_served_first(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        futures = [loop.create_future() for _ in range(3)]
        tasks = [asyncio.ensure_future(coroutine) for coroutine in reversed(list(module.as_completed(futures)))]
        await turns(1)
        for number in (1, 2, 0):
            futures[number].set_result(number)
        assert [await task for task in tasks] == [1, 2, 0]

    run(main())


@both
@pytest.mark.parametrize("turns_before", [0, 1, 2, 3])
@pytest.mark.parametrize("settled_first", [False, True])
def test_one_that_is_cancelled_loses_nothing(
    loop: Loop, run: Run, module: Any, turns_before: int, settled_first: bool
) -> None:
    """Cancelled before it waits, while it waits, when it was released, and when it has taken something."""

    async def main() -> None:
        futures = [loop.create_future() for _ in range(3)]
        tasks = [asyncio.ensure_future(coroutine) for coroutine in module.as_completed(futures)]
        if settled_first:
            futures[0].set_result(0)
            await turns(turns_before)
            tasks[0].cancel()
        else:
            await turns(turns_before)
            tasks[0].cancel()
            futures[0].set_result(0)
        await turns(4)
        futures[1].set_result(1)
        futures[2].set_result(2)
        await turns(4)
        results = [None if task.cancelled() else task.result() for task in tasks if task.done()]
        if results[0] is None:
            assert results == [None, 0, 1]
        else:
            assert (settled_first, turns_before) in {(True, 2), (True, 3)}
            assert results == [0, 1, 2]

    run(main())


@both
def test_closed_by_hand_while_it_waits(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        futures = [loop.create_future() for _ in range(2)]
        first, second = module.as_completed(futures)
        first.send(None)
        task = asyncio.ensure_future(second)
        await turns(1)
        first.close()
        futures[1].set_result(1)
        assert await task == 1

    run(main())


@both
def test_what_was_never_awaited_is_warned_of(
    loop: Loop, run: Run, module: Any, recwarn: pytest.WarningsRecorder
) -> None:
    async def main() -> None:
        next(iter(module.as_completed([loop.create_future()])))
        gc.collect()

    run(main())
    name = "as_completed.<locals>._wait_for_one" if IS_GENERATOR else "_AsCompletedIterator._wait_for_one"
    assert [str(warning.message) for warning in recwarn] == [f"coroutine '{name}' was never awaited"]


@both
def test_on_another_loop_it_is_refused(loop: Loop, run: Run, module: Any) -> None:
    other = asyncio.SelectorEventLoop()
    coroutines: list[Any] = []

    async def begin() -> None:
        coroutines.extend(module.as_completed([loop.create_future() for _ in range(2)]))
        coroutines[0].send(None)

    run(begin())
    with pytest.raises(RuntimeError, match="is bound to a different event loop"):
        other.run_until_complete(coroutines[1])
    other.close()
    close_all(coroutines)


@both
def test_a_future_that_calls_back_twice(loop: Loop, run: Run, module: Any) -> None:
    seen = []

    class Twice(asyncio.Future):  # type: ignore[type-arg]
        def add_done_callback(self, callback: Any, /, *, context: Any = None) -> None:
            seen.append(callback)

    async def main() -> None:
        futures = [Twice(loop=loop), Twice(loop=loop)]
        first, second = module.as_completed(futures)
        futures[0].set_result(0)
        seen[0](futures[0])
        with pytest.raises(KeyError):
            seen[0](futures[0])
        assert await first == 0
        second.close()

    run(main())


@both
@needs_eager_tasks
def test_tasks_that_were_done_at_once(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        loop.set_task_factory(asyncio.eager_task_factory)
        coroutines = list(module.as_completed([give(1), give(2)]))
        assert {await coroutine for coroutine in coroutines} == {1, 2}

    run(main())


@both
def test_a_forgotten_iterator_is_collected(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> Any:
        future: Any = asyncio.Future(loop=loop)
        iterator = module.as_completed([future])
        coroutine = next(iter(iterator))
        coroutine.send(None)
        future.cycle = (iterator, coroutine)
        return weakref.ref(future), weakref.ref(iterator), weakref.ref(coroutine)

    forgotten = run(main())
    gc.collect()
    _ioxide._live_tasks()  # what native code has let go of in a finalizer goes when it is next called
    gc.collect()
    assert [reference() for reference in forgotten] == [None, None, None]
