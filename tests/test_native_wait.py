"""`wait` beside the standard library's: both go through the same tests, on both loops."""

from __future__ import annotations

import asyncio
import enum
import gc
import re
import sys
import weakref
from typing import Any

import pytest
from combinator_objects import both, callbacks_of, every_kind, needs_eager_tasks
from ioxide import _ioxide
from small_coroutines import Loop, Run, give, turns, turns_until_done

UNHASHABLE = "unhashable type: 'list'"
if sys.version_info >= (3, 14):
    UNHASHABLE = f"cannot use 'list' as a set element ({UNHASHABLE})"


@both
@every_kind
def test_it_returns_two_sets(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        first, second, third = futures = [make(loop) for _ in range(3)]
        waiting = asyncio.ensure_future(module.wait(futures, return_when=asyncio.FIRST_COMPLETED))
        await turns(1)
        assert [callbacks_of(future) for future in futures] == [1, 1, 1]
        second.set_result(2)
        done, pending = await waiting
        assert (done, pending) == ({second}, {first, third})
        assert (type(done), type(pending)) == (set, set)
        assert [callbacks_of(future) for future in futures] == [0, 0, 0]

    run(main())


@both
@every_kind
def test_it_ends_two_turns_after_the_last_future(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        futures = [make(loop) for _ in range(3)]
        waiting = asyncio.ensure_future(module.wait(futures))
        await turns(1)
        for future in futures[:2]:
            future.set_result(None)
        await turns(3)
        assert not waiting.done()
        futures[2].set_result(None)
        assert await turns_until_done(waiting) == 2
        assert waiting.result() == (set(futures), set())

    run(main())


@both
@every_kind
def test_futures_that_are_done_end_it_two_turns_after_its_begin(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        futures = [make(loop) for _ in range(3)]
        for future in futures:
            future.set_result(None)
        waiting = asyncio.ensure_future(module.wait(futures))
        assert await turns_until_done(waiting) == 3
        assert waiting.result() == (set(futures), set())

    run(main())


@both
def test_futures_given_twice_and_by_an_iterator_count_once(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(give(1))
        done, pending = await module.wait(iter([task] * 3))
        assert (done, pending) == ({task}, set())
        assert await module.wait({task: None}) == ({task}, set())
        assert await module.wait(iter([task, task])) == ({task}, set())

    run(main())


@both
def test_its_own_set_is_not_the_argument(run: Run, module: Any) -> None:
    async def main() -> None:
        argument = {asyncio.ensure_future(give(1))}
        done, _ = await module.wait(argument)
        assert done is not argument
        done.clear()
        assert len(argument) == 1

    run(main())


@both
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (lambda loop, future: future, TypeError, "expect a list of futures, not {future}"),
        (lambda loop, future: [], ValueError, "Set of Tasks/Futures is empty."),
        (lambda loop, future: set(), ValueError, "Set of Tasks/Futures is empty."),
        (lambda loop, future: None, ValueError, "Set of Tasks/Futures is empty."),
        (lambda loop, future: iter(()), AssertionError, "Set of Futures is empty."),
        (lambda loop, future: 1, TypeError, "'int' object is not iterable"),
        (lambda loop, future: [[]], TypeError, UNHASHABLE),
        (lambda loop, future: [1], AttributeError, "'int' object has no attribute 'add_done_callback'"),
    ],
)
def test_what_it_refuses(loop: Loop, run: Run, module: Any, arguments: Any, error: Any, message: str) -> None:
    future = loop.create_future()
    waiting = module.wait(arguments(loop, future))
    with pytest.raises(error) as caught:
        run(waiting)
    assert str(caught.value) == message.format(future=type(future).__name__)


@both
def test_it_refuses_coroutines(run: Run, module: Any) -> None:
    coroutine = give()
    with pytest.raises(TypeError, match="expect a list of futures, not coroutine"):
        run(module.wait(coroutine))
    with pytest.raises(TypeError, match="Passing coroutines is forbidden, use tasks explicitly"):
        run(module.wait([coroutine]))
    with pytest.raises(TypeError, match="Passing coroutines is forbidden, use tasks explicitly"):
        run(module.wait([coroutine, 1]))
    coroutine.close()


@both
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="a generator is taken for a coroutine up to 3.11")
def test_it_refuses_a_generator(loop: Loop, run: Run, module: Any) -> None:
    with pytest.raises(TypeError, match="expect a list of futures, not generator"):
        run(module.wait(loop.create_future() for _ in range(2)))


@both
@pytest.mark.skipif(sys.version_info < (3, 12), reason="a generator is taken for a coroutine up to 3.11")
def test_it_takes_a_generator(run: Run, module: Any) -> None:
    async def main() -> None:
        tasks = [asyncio.ensure_future(give(number)) for number in range(2)]
        assert await module.wait(task for task in tasks) == (set(tasks), set())

    run(main())


@both
@pytest.mark.parametrize("value", [None, "first_completed", 1, ()])
def test_it_refuses_another_return_when(loop: Loop, run: Run, module: Any, value: Any) -> None:
    message = re.escape(f"Invalid return_when value: {value}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        run(module.wait([loop.create_future()], return_when=value))


@both
def test_return_when_may_be_anything_equal(loop: Loop, run: Run, module: Any) -> None:
    class When(str, enum.Enum):  # noqa: UP042 - what equals, not what is
        FIRST = "FIRST_COMPLETED"

    future, other = loop.create_future(), loop.create_future()
    future.set_result(None)
    assert run(module.wait([future, other], return_when=When.FIRST)) == ({future}, {other})


@both
def test_nothing_is_looked_at_before_the_first_step(module: Any, recwarn: pytest.WarningsRecorder) -> None:
    module.wait(None, return_when=None).close()
    assert not recwarn
    module.wait(None)
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == ["coroutine 'wait' was never awaited"]


@both
def test_without_a_running_loop(loop: Loop, module: Any) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        module.wait([loop.create_future()]).send(None)


@both
@every_kind
def test_first_exception_waits_for_one(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        futures = [make(loop) for _ in range(4)]
        waiting = asyncio.ensure_future(module.wait(futures, return_when="FIRST_EXCEPTION"))
        await turns(1)
        futures[0].cancel()
        futures[1].set_result(None)
        await turns(4)
        assert not waiting.done()
        futures[2].set_exception(ValueError())
        assert await waiting == (set(futures[:3]), set(futures[3:]))

    run(main())


@both
@pytest.mark.parametrize(
    ("return_when", "number", "is_seen"),
    [("FIRST_EXCEPTION", 2, True), ("FIRST_EXCEPTION", 1, False), ("ALL_COMPLETED", 2, False)],
)
def test_whether_the_exception_counts_as_seen(
    loop: Loop, run: Run, reports: list[Any], module: Any, return_when: str, number: int, is_seen: bool
) -> None:
    async def main() -> None:
        futures = [loop.create_future() for _ in range(number)]
        futures[0].set_exception(ValueError())
        for future in futures[1:]:
            loop.call_soon(future.set_result, None)
        await module.wait(futures, return_when=return_when)

    run(main())
    gc.collect()
    assert len(reports) == (not is_seen)
    reports.clear()


@both
@every_kind
@pytest.mark.parametrize("timeout", [0, -1, 0.001])
def test_when_time_is_up(loop: Loop, run: Run, module: Any, make: Any, timeout: Any) -> None:
    async def main() -> None:
        done, pending = make(loop), make(loop)
        done.set_result(None)
        assert await module.wait([done, pending], timeout=timeout) == ({done}, {pending})
        assert callbacks_of(pending) == 0
        assert not pending.done()

    run(main())


@both
def test_a_timeout_in_the_turn_of_the_last_completion(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        future = loop.create_future()
        waiting = asyncio.ensure_future(module.wait([future], timeout=0))
        loop.call_soon(loop.call_soon, future.set_result, None)
        done, pending = await waiting
        assert done | pending == {future}
        await turns(3)

    run(main())


@both
@pytest.mark.parametrize("timeout", ["1", ()])
def test_a_timeout_that_is_no_number(loop: Loop, run: Run, module: Any, timeout: Any) -> None:
    with pytest.raises(TypeError, match="unsupported operand type"):
        run(module.wait([loop.create_future()], timeout=timeout))


@both
def test_its_timer_is_cancelled(loop: Loop, module: Any) -> None:
    handles = []

    class Recording(type(loop)):  # type: ignore[misc]
        def call_later(self, *arguments: Any, **keywords: Any) -> Any:
            handles.append(super().call_later(*arguments, **keywords))
            return handles[-1]

    async def main() -> None:
        task = asyncio.ensure_future(give(1))
        assert await module.wait([task], timeout=1000) == ({task}, set())
        waiting = asyncio.ensure_future(module.wait([asyncio.Future()], timeout=1000))
        await turns(1)
        waiting.cancel()
        await turns(2)
        assert waiting.cancelled()

    recording = Recording()
    recording.run_until_complete(main())
    recording.close()
    assert [handle.cancelled() for handle in handles] == [True, True]


@both
@every_kind
def test_to_cancel_it_cancels_nothing_else(loop: Loop, run: Run, module: Any, make: Any) -> None:
    async def main() -> None:
        futures = [make(loop) for _ in range(2)]
        waiting = asyncio.ensure_future(module.wait(futures, timeout=1000))
        await turns(1)
        waiting.cancel("why")
        with pytest.raises(asyncio.CancelledError, match="why"):
            await waiting
        assert [callbacks_of(future) for future in futures] == [0, 0]
        assert not any(future.done() for future in futures)

    run(main())


@both
def test_cancelled_before_it_begins_and_after_it_was_released(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        future = loop.create_future()
        waiting = asyncio.ensure_future(module.wait([future]))
        waiting.cancel()
        await turns(2)
        assert waiting.cancelled()
        assert callbacks_of(future) == 0

        waiting = asyncio.ensure_future(module.wait([future]))
        await turns(1)
        future.set_result(None)
        await turns(1)
        waiting.cancel()
        await turns(1)
        assert waiting.cancelled()

    run(main())


@both
def test_closed_and_thrown_into_by_hand(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        future = loop.create_future()
        waiting = module.wait([future])
        assert asyncio.isfuture(waiting.send(None))
        assert callbacks_of(future) == 1
        waiting.close()
        assert callbacks_of(future) == 0
        waiting = module.wait([future])
        waiting.send(None)
        with pytest.raises(KeyError):
            waiting.throw(KeyError())
        assert callbacks_of(future) == 0
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            waiting.send(None)

    run(main())


@both
def test_what_is_raised_while_callbacks_are_taken_back(loop: Loop, run: Run, module: Any) -> None:
    class Stubborn(asyncio.Future):  # type: ignore[type-arg]
        def remove_done_callback(self, callback: Any, /) -> int:
            raise KeyError("kept")

    async def main() -> None:
        future = Stubborn(loop=loop)
        future.set_result(None)
        with pytest.raises(KeyError, match="kept"):
            await module.wait([future])

    run(main())


@both
def test_a_future_that_calls_back_at_once(loop: Loop, run: Run, module: Any) -> None:
    class Hasty(asyncio.Future):  # type: ignore[type-arg]
        def add_done_callback(self, callback: Any, /, *, context: Any = None) -> None:
            callback(self)

    async def main() -> None:
        future = Hasty(loop=loop)
        assert await module.wait([future]) == (set(), {future})

    run(main())


@both
def test_arguments_that_come_back_to_the_coroutine(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        future = loop.create_future()
        future.set_result(None)
        seen = []

        def come_back(argument: Any) -> Any:
            with pytest.raises(ValueError, match="coroutine already executing"):
                waiting.send(None)
            seen.append(waiting.cr_running)
            return argument

        waiting = module.wait(map(come_back, [future]))
        assert await waiting == ({future}, set())
        assert seen == [True]

    run(main())


@both
@needs_eager_tasks
def test_tasks_that_were_done_at_once(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        loop.set_task_factory(asyncio.eager_task_factory)
        tasks = [asyncio.create_task(give(number)) for number in range(3)]
        assert all(task.done() for task in tasks)
        assert await module.wait(tasks) == (set(tasks), set())
        assert await asyncio.create_task(module.wait(tasks)) == (set(tasks), set())

    run(main())


@both
def test_a_forgotten_wait_is_collected(loop: Loop, run: Run, reports: list[Any], module: Any) -> None:
    async def main() -> Any:
        future = loop.create_future()
        waiting = asyncio.ensure_future(module.wait([future]))
        future.waiting = waiting  # type: ignore[attr-defined]
        await turns(1)
        return weakref.ref(waiting)

    forgotten = run(main())
    gc.collect()
    assert [report["message"] for report in reports] == ["Task was destroyed but it is pending!"]
    reports.clear()
    _ioxide._live_tasks()  # what native code has let go of in a finalizer goes when it is next called
    gc.collect()
    assert forgotten() is None
