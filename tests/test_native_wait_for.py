"""The native `wait_for` beside the standard library's: the same program with either, on both loops."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import gc
import sys
import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest
from ioxide import _ioxide
from small_coroutines import Loop, chain, give, pending_cancellations, turns, wait_for_ever

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="up to 3.11 it is another algorithm")

KINDS = {"stock": asyncio.tasks.wait_for, "native": getattr(_ioxide, "wait_for", None)}


@pytest.fixture(params=sorted(KINDS))
def wait_for(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]


class Awaitable:
    """What isn't a coroutine, and waits for a number of turns."""

    def __await__(self) -> Generator[None, None, str]:
        yield
        return "awaited"


@pytest.mark.parametrize("timeout", [60, None, 60.5, float("inf")])
@pytest.mark.parametrize("value", [None, 1, (), (1, 2), StopIteration(3), ValueError(4)])
def test_a_result_in_time_comes_through(wait_for: Any, run: Callable[[Any], Any], timeout: Any, value: object) -> None:
    async def main() -> None:
        for count in (0, 2):
            assert await wait_for(give(value, count), timeout) is value
            assert await wait_for(asyncio.ensure_future(give(value, count)), timeout) is value
        assert await wait_for(Awaitable(), timeout) == "awaited"

    run(main())


@pytest.mark.parametrize("timeout", [60, None, 0])
def test_an_exception_in_time_comes_through(wait_for: Any, run: Callable[[Any], Any], timeout: Any) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        error = KeyError()
        future.set_exception(error)
        with pytest.raises(KeyError) as caught:
            await wait_for(future, timeout)
        assert caught.value is error
        assert chain(error) == ["KeyError"]

    run(main())


def test_a_coroutine_runs_in_the_task_of_whoever_waits(wait_for: Any, run: Callable[[Any], Any]) -> None:
    async def task() -> Any:
        return asyncio.current_task()

    async def main() -> None:
        assert await wait_for(task(), 60) is asyncio.current_task()

    run(main())


@pytest.mark.parametrize("timeout", [0, -1, 1e-9, 0.001])
@pytest.mark.parametrize("make", ["coroutine", "task", "native future", "future", "shielded"])
def test_what_takes_too_long_is_cancelled(
    wait_for: Any, loop: Loop, run: Callable[[Any], Any], timeout: float, make: str
) -> None:
    async def main() -> None:
        inner = asyncio.ensure_future(wait_for_ever())
        await turns(1)
        makers: dict[str, Callable[[], Any]] = {
            "coroutine": wait_for_ever,
            "task": lambda: inner,
            "native future": lambda: _ioxide.Future(loop=loop),
            "future": lambda: asyncio.Future(loop=loop),
            "shielded": lambda: asyncio.shield(inner),
        }
        awaited = makers[make]()
        with pytest.raises(TimeoutError) as caught:
            await wait_for(awaited, timeout)
        assert chain(caught.value)[:2] == ["TimeoutError from", "CancelledError"]
        if make != "coroutine":
            assert awaited.cancelled()
        assert inner.cancelled() == (make == "task")
        assert pending_cancellations() == 0
        inner.cancel()
        await asyncio.wait([inner])

    run(main())


def test_without_any_time_a_coroutine_does_not_begin(wait_for: Any, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        begun = []

        async def begin() -> None:
            begun.append(True)

        with pytest.raises(TimeoutError):
            await wait_for(begin(), 0)
        assert not begun
        assert await wait_for(asyncio.get_running_loop().create_task(give(1)), 1) == 1

    run(main())


@pytest.mark.parametrize("timeout", [0, 0.001])
def test_who_denies_the_cancellation_is_waited_for(wait_for: Any, run: Callable[[Any], Any], timeout: float) -> None:
    async def deny(end: Any) -> Any:
        try:
            await wait_for_ever()
        except asyncio.CancelledError:
            await turns(3)
            return end()

    def fail() -> None:
        raise KeyError

    async def main() -> None:
        for end, error in ((lambda: "denied", None), (fail, KeyError)):
            task = asyncio.ensure_future(deny(end))
            await turns(1)
            if error is None:
                assert await wait_for(task, timeout) == "denied"
            else:
                with pytest.raises(error):
                    await wait_for(task, timeout)
            assert pending_cancellations() == 0

    run(main())


@pytest.mark.parametrize("timeout", [0, 60, None])
@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("times", [1, 2])
def test_whoever_waits_can_be_cancelled(
    wait_for: Any, run: Callable[[Any], Any], timeout: Any, after: int, times: int
) -> None:
    events: list[str] = []

    async def inner() -> str:
        for attempt in range(2):
            try:
                await turns(3)
            except asyncio.CancelledError as error:
                events.append(f"cancelled {attempt} {error.args}")
                if attempt == 1:
                    raise
        return "done"

    async def outer(task: Any) -> str:
        try:
            return str(await wait_for(task, timeout))
        except BaseException as error:
            events.append(f"{chain(error)} {error.args}")
            raise

    async def main() -> list[str]:
        task = asyncio.ensure_future(inner())
        await turns(1)
        waiting = asyncio.ensure_future(outer(task))
        await turns(after)
        for number in range(times):
            waiting.cancel(f"number {number}")
            await turns(1)
        await asyncio.wait([waiting, task])
        return [*events, str(waiting.cancelled()), str(task.cancelled())]

    # What the standard library does here depends on all three parameters: so it is asked.
    result = run(main())
    if wait_for is not KINDS["stock"]:
        events = []
        wait_for = KINDS["stock"]
        assert result == run(main())


@pytest.mark.parametrize("timeout", [60, None])
@pytest.mark.parametrize("thing", [1, None, object()])
def test_what_cannot_be_awaited_is_refused(wait_for: Any, run: Callable[[Any], Any], timeout: Any, thing: Any) -> None:
    name = type(thing).__name__
    is_new = sys.version_info >= (3, 14)
    refusal = f"'{name}' object can't be awaited" if is_new else f"object {name} can't be used in 'await' expression"

    async def main() -> None:
        with pytest.raises(TypeError, match=f"^{refusal}$"):
            await wait_for(thing, timeout)
        with pytest.raises(TypeError, match=r"^An asyncio.Future, a coroutine or an awaitable is required$"):
            await wait_for(thing, 0)

    run(main())


def test_a_timeout_has_to_be_a_number(wait_for: Any, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        awaited = give(1)
        with pytest.raises(TypeError):
            await wait_for(awaited, "soon")
        awaited.close()

    run(main())


def test_it_needs_a_loop_and_a_task(wait_for: Any, loop: Loop, run: Callable[[Any], Any]) -> None:
    errors = []

    def drive(timeout: Any) -> None:
        awaited = give(1)
        try:
            wait_for(awaited, timeout).send(None)
        except RuntimeError as error:
            errors.append(str(error))
        awaited.close()

    drive(60)
    loop.call_soon(drive, 60)
    loop.call_soon(drive, None)
    run(turns(1))
    assert errors == ["no running event loop", *["Timeout should be used inside a task"] * 2]


def test_a_coroutine_that_somebody_awaits_is_refused(wait_for: Any, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        coroutine = wait_for_ever()
        task = asyncio.ensure_future(coroutine)
        await turns(1)
        with pytest.raises(RuntimeError, match=r"^coroutine is being awaited already$"):
            await wait_for(coroutine, 60)
        task.cancel()
        await asyncio.wait([task])

    run(main())


def test_it_is_a_coroutine(wait_for: Any, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        with pytest.warns(RuntimeWarning, match=r"^coroutine 'wait_for' was never awaited$"):
            wait_for(future, 60)
        coroutine = wait_for(future, 60)
        assert asyncio.iscoroutine(coroutine)
        assert coroutine.send(None) is future
        assert getattr(coroutine, "cr_await", None) is not None
        coroutine.close()
        with pytest.raises(RuntimeError, match=r"^cannot reuse already awaited coroutine$"):
            coroutine.send(None)
        assert not future.done()

    run(main())


def test_to_close_it_closes_what_it_awaits(wait_for: Any, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        seen = []

        async def inner() -> None:
            try:
                await wait_for_ever()
            except BaseException as error:
                seen.append(type(error))
                raise

        coroutine = wait_for(inner(), 60)
        coroutine.send(None)
        coroutine.close()
        assert seen == [GeneratorExit]

    run(main())


def test_eager_tasks_do_not_suspend_for_it(wait_for: Any, loop: Loop, run: Callable[[Any], Any]) -> None:
    async def outer() -> object:
        return await wait_for(give(1), 60)

    async def main() -> None:
        loop.set_task_factory(vars(asyncio)["eager_task_factory"])
        task = asyncio.ensure_future(outer())
        assert task.done()
        assert await task == 1
        direct = asyncio.ensure_future(wait_for(give(2), 60))
        assert await direct == 2
        with pytest.raises(TimeoutError):
            await asyncio.ensure_future(wait_for(wait_for_ever(), 0.001))
        loop.set_task_factory(None)

    run(main())


@pytest.mark.parametrize("task_class", [asyncio.Task, _ioxide.Task])
def test_tasks_of_any_class_wait(wait_for: Any, loop: Loop, run: Callable[[Any], Any], task_class: Any) -> None:
    async def main() -> None:
        assert await task_class(wait_for(give(1, 2), 60), loop=loop) == 1
        with pytest.raises(TimeoutError):
            await task_class(wait_for(wait_for_ever(), 0.001), loop=loop)

    run(main())


def test_an_error_is_chained_to_what_is_being_handled(wait_for: Any, run: Callable[[Any], Any]) -> None:
    async def handle(timeout: float) -> None:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            await wait_for(wait_for_ever(), timeout)

    async def main() -> None:
        for timeout in (0, 0.001):
            with pytest.raises(TimeoutError) as caught:
                await handle(timeout)
            seen.append(chain(caught.value))

    seen: list[list[str]] = []
    run(main())
    if wait_for is not KINDS["stock"]:
        native, seen = seen, []
        wait_for = KINDS["stock"]
        run(main())
        assert native == seen


def test_it_is_collected_while_it_waits(
    wait_for: Any, loop: Loop, run: Callable[[Any], Any], reports: list[dict[str, Any]]
) -> None:
    class Future(asyncio.Future):  # type: ignore[type-arg]
        pass

    async def main() -> Any:
        future = Future(loop=loop)
        assert not asyncio.ensure_future(wait_for(future, None)).done()
        await turns(2)
        return weakref.ref(future)

    reference = run(main())
    gc.collect()
    assert [report["message"] for report in reports] == ["Task was destroyed but it is pending!"]
    reports.clear()
    _ioxide._live_tasks()  # what native code has let go of in a finalizer goes when it is next called
    gc.collect()
    assert reference() is None
