"""The native `timeout`, `timeout_at` and `Timeout` beside the standard library's.

Each program runs with either, on asyncio's loop and on ioxide's, and has to come to the same. Where a timeout has to
expire at a known point it is rescheduled to a time that has passed, or waits for what never comes.
"""

from __future__ import annotations

import asyncio
import asyncio.timeouts
import contextvars
import gc
import sys
import time
import warnings
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ioxide import _ioxide
from small_coroutines import Loop, chain, pending_cancellations, turns

NAMES = ("Timeout", "timeout", "timeout_at")
STATES: Any = vars(asyncio.timeouts)["_State"]
KINDS = {module.__name__: {name: getattr(module, name) for name in NAMES} for module in (asyncio.timeouts, _ioxide)}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Any:
    return SimpleNamespace(**KINDS[request.param])


class Waiting:
    """What a task awaits for ever, in a timeout of 60 seconds that others can see."""

    def __init__(self, kind: Any) -> None:
        self.timeout = kind.timeout(60)
        self.entered = asyncio.get_running_loop().create_future()
        self.seen: list[str] = []

    async def wait(self) -> None:
        try:
            async with self.timeout:
                self.entered.set_result(None)
                await asyncio.get_running_loop().create_future()
        except BaseException as error:
            self.seen.append(type(error).__name__)
            raise

    def expire(self) -> None:
        self.timeout.reschedule(asyncio.get_running_loop().time())


@pytest.mark.parametrize("delay", [0, -1, 0.001, 1e-9])
def test_a_block_that_takes_too_long_is_cancelled(kind: Any, run: Callable[[Any], Any], delay: float) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            async with kind.timeout(delay) as timeout:
                await asyncio.get_running_loop().create_future()
        assert timeout.expired()
        assert repr(timeout) == "<Timeout [expired]>"
        assert chain(caught.value) == ["TimeoutError from", "CancelledError"]
        assert caught.value.args == ()
        assert pending_cancellations() == 0

    run(main())


@pytest.mark.parametrize("delay", [60, 60.5, None, float("inf"), True])
def test_a_block_that_is_done_in_time_is_left_alone(kind: Any, run: Callable[[Any], Any], delay: Any) -> None:
    async def main() -> None:
        async with kind.timeout(delay) as timeout:
            await turns(2)
            assert not timeout.expired()
        assert repr(timeout) == "<Timeout [finished]>"
        assert timeout._timeout_handler is None

    run(main())


def test_a_deadline_stays_what_was_given(kind: Any, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        for when in (10**9, 2.0**40, None):
            timeout = kind.timeout_at(when)
            assert timeout.when() is timeout._when is when
            async with timeout as entered:
                assert entered is timeout
                assert timeout.when() is when
        assert 59 < kind.timeout(60).when() - asyncio.get_running_loop().time() <= 60

    run(main())


@pytest.mark.parametrize(("when", "error"), [("soon", TypeError), ([], TypeError)])
def test_what_is_no_time_is_refused_on_entering(kind: Any, run: Callable[[Any], Any], when: Any, error: Any) -> None:
    async def main() -> None:
        with pytest.raises(error):
            kind.timeout(when)
        timeout = kind.timeout_at(when)
        with pytest.raises(error):
            async with timeout:
                pytest.fail("the block has begun")
        with pytest.raises(RuntimeError, match=r"^Timeout has already been entered$"):
            await timeout.__aenter__()

    run(main())


def test_every_state_has_its_repr_and_says_what_can_be_done(kind: Any, run: Callable[[Any], Any]) -> None:
    async def look_around(timeout: Any) -> None:
        async with timeout:
            assert repr(timeout) == f"<Timeout [active] when={round(timeout.when(), 3)}>"
            assert (timeout._task, timeout._cancelling) == (asyncio.current_task(), 0)
            assert timeout._state is STATES.ENTERED
            timeout.reschedule(0)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                assert repr(timeout) == "<Timeout [expiring]>"
                assert timeout.expired()
                with pytest.raises(RuntimeError, match=r"^Cannot change state of expiring Timeout$"):
                    timeout.reschedule(None)

    async def main() -> None:
        timeout = kind.Timeout(asyncio.get_running_loop().time() + 1000.0)
        assert repr(timeout) == "<Timeout [created]>"
        with pytest.raises(RuntimeError, match=r"^Timeout has not been entered$"):
            timeout.reschedule(1)
        with pytest.raises(AttributeError, match="_cancelling"):
            _ = timeout._cancelling
        assert timeout._task is None
        with pytest.raises(TimeoutError):
            await look_around(timeout)
        with pytest.raises(RuntimeError, match=r"^Cannot change state of expired Timeout$"):
            timeout.reschedule(None)
        with pytest.raises(AssertionError):
            await timeout.__aexit__(None, None, None)

    run(main())


def test_a_timeout_is_entered_once_and_by_a_task(kind: Any, loop: Loop, run: Callable[[Any], Any]) -> None:
    errors: list[str] = []

    def enter_by_hand(timeout: Any) -> None:
        try:
            timeout.__aenter__().send(None)
        except RuntimeError as error:
            errors.append(str(error))

    async def main() -> None:
        async with kind.timeout(60) as timeout:
            with pytest.raises(RuntimeError, match=r"^Timeout has already been entered$"):
                async with timeout:
                    pytest.fail("the block has begun")
        loop.call_soon(enter_by_hand, kind.timeout(60))
        await turns(1)
        assert errors == ["Timeout should be used inside a task"]

    run(main())
    with pytest.raises(RuntimeError, match=r"^no running event loop$"):
        kind.timeout(60)
    with pytest.raises(RuntimeError, match=r"^no running event loop$"):
        kind.timeout_at(60).__aenter__().send(None)


def test_what_aenter_returns_is_a_coroutine(kind: Any, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        timeout = kind.timeout(60)
        with pytest.warns(RuntimeWarning, match=r"^coroutine 'Timeout.__aenter__' was never awaited$"):
            timeout.__aenter__()
        assert repr(timeout) == "<Timeout [created]>"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            timeout.__aenter__().close()
        coroutine: Any = timeout.__aenter__()
        assert asyncio.iscoroutine(coroutine)
        assert getattr(coroutine, "__qualname__", None) == "Timeout.__aenter__"
        with pytest.raises(TypeError, match=r"^can't send non-None value to a just-started coroutine$"):
            coroutine.send(1)
        with pytest.raises(KeyError):
            coroutine.throw(KeyError())
        with pytest.raises(RuntimeError, match=r"^cannot reuse already awaited coroutine$"):
            await coroutine
        assert repr(timeout) == "<Timeout [created]>"
        assert await timeout.__aenter__() is timeout
        with pytest.warns(RuntimeWarning, match=r"^coroutine 'Timeout.__aexit__' was never awaited$"):
            timeout.__aexit__(ValueError, ValueError(), None)
        assert await timeout.__aexit__(ValueError, ValueError(), None) is None
        assert repr(timeout) == "<Timeout [finished]>"

    run(main())


def test_an_exception_passes_through(kind: Any, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        error = KeyError()
        with pytest.raises(KeyError) as caught:
            async with kind.timeout(60) as timeout:
                raise error
        assert caught.value is error
        assert chain(error) == ["KeyError"]
        assert not timeout.expired()

    run(main())


def test_an_exception_of_a_block_that_was_cancelled_passes_through(kind: Any, run: Callable[[Any], Any]) -> None:
    async def fail(within: bool) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if within:
                raise ExceptionGroup("several", [KeyError()])
            raise KeyError

    async def main() -> None:
        for within in (False, True):
            with pytest.raises((KeyError, ExceptionGroup)) as caught:
                async with kind.timeout(0) as timeout:
                    await fail(within)
            assert timeout.expired()
            inserted = ["TimeoutError from"] if sys.version_info >= (3, 13) else []
            assert chain(caught.value)[1:] == [*inserted, "CancelledError"]
            assert pending_cancellations() == 0

    run(main())


def test_the_history_of_a_cancellation_is_kept(kind: Any, run: Callable[[Any], Any]) -> None:
    async def fail() -> None:
        try:
            raise ZeroDivisionError
        finally:
            await asyncio.get_running_loop().create_future()

    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            async with kind.timeout(0):
                await fail()
        assert chain(caught.value) == ["TimeoutError from", "CancelledError", "ZeroDivisionError"]

    run(main())


def test_a_derived_cancelled_error_counts_from_313_on(kind: Any, run: Callable[[Any], Any]) -> None:
    class Derived(asyncio.CancelledError):
        pass

    async def derive() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise Derived from None

    async def main() -> None:
        expected = TimeoutError if sys.version_info >= (3, 13) else Derived
        with pytest.raises(expected):
            async with kind.timeout(0):
                await derive()

    run(main())


def test_whoever_else_cancels_is_not_taken_for_the_timeout(kind: Any, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        for steps in (["cancel"], ["cancel", "expire"], ["expire", "cancel"], ["expire", "turn", "cancel"], ["expire"]):
            waiting = Waiting(kind)
            task = asyncio.ensure_future(waiting.wait())
            await waiting.entered
            for step in steps:
                if step == "turn":
                    # The timeout has cancelled the task, which hasn't run yet.
                    asyncio.get_running_loop().call_soon(task.cancel)
                    break
                getattr(waiting, step, task.cancel)()
            await asyncio.gather(task, return_exceptions=True)
            assert waiting.seen == (["TimeoutError"] if steps == ["expire"] else ["CancelledError"]), steps

    run(main())


def test_of_nested_timeouts_the_outer_one_raises(kind: Any, run: Callable[[Any], Any]) -> None:
    seen: list[Any] = []

    async def inner() -> None:
        try:
            async with kind.timeout(0) as timeout:
                seen.append(timeout)
                await asyncio.get_running_loop().create_future()
        except BaseException as error:
            seen.append(type(error))
            raise

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with kind.timeout(0) as outer:
                await inner()
        assert outer.expired()
        assert seen[0].expired()
        assert seen[1] is asyncio.CancelledError

    run(main())


def test_only_the_last_of_several_deadlines_counts(kind: Any, run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        waiting = Waiting(kind)
        task = asyncio.ensure_future(waiting.wait())
        await waiting.entered
        for when in (loop.time() + 60, 0, None, loop.time() + 30, 0, loop.time() + 60, None):
            waiting.timeout.reschedule(when)
            assert waiting.timeout.when() is when
        await turns(3)
        assert not task.done()
        waiting.timeout.reschedule(loop.time() + 0.001)
        with pytest.raises(TimeoutError):
            await task

    run(main())


@pytest.mark.parametrize("later", [60, None])
def test_a_timer_that_is_due_can_still_be_rescheduled(kind: Any, run: Callable[[Any], Any], later: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        waiting = Waiting(kind)
        task = asyncio.ensure_future(waiting.wait())
        await waiting.entered
        waiting.timeout.reschedule(loop.time() + 0.002)

        def reschedule() -> None:
            waiting.timeout.reschedule(later and loop.time() + later)

        def miss_the_deadline() -> None:
            while loop.time() <= waiting.timeout.when():
                time.sleep(0.001)
            # It runs in the next turn, and there before the timer.
            loop.call_soon(reschedule)

        loop.call_soon(miss_the_deadline)
        await turns(5)
        assert not waiting.timeout.expired()
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])
        assert waiting.seen == ["CancelledError"]

    run(main())


@pytest.mark.parametrize("task_class", [asyncio.Task, _ioxide.Task])
@pytest.mark.parametrize("debug", [False, True])
def test_tasks_of_any_class_are_cancelled(
    kind: Any, loop: Loop, run: Callable[[Any], Any], task_class: Any, debug: bool
) -> None:
    loop.set_debug(debug)

    async def block() -> None:
        async with kind.timeout(0.001):
            await loop.create_future()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await task_class(block(), loop=loop)

    run(main())


def test_what_the_task_waits_for_is_cancelled_in_its_context(kind: Any, loop: Loop, run: Callable[[Any], Any]) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[object] = []

    class Watched(asyncio.Future):  # type: ignore[type-arg]
        def cancel(self, msg: object = None) -> bool:
            seen.extend([variable.get("unset"), msg, asyncio.current_task()])
            return super().cancel(msg)

    async def main() -> None:
        variable.set("set")
        with pytest.raises(TimeoutError):
            async with kind.timeout(0.001):
                await Watched(loop=loop)

    run(main())
    assert seen == ["set", None, None]


def test_a_failing_cancel_is_reported(
    kind: Any, loop: Loop, run: Callable[[Any], Any], reports: list[dict[str, Any]]
) -> None:
    class Stubborn(asyncio.Future):  # type: ignore[type-arg]
        def cancel(self, msg: object = None) -> bool:
            loop.call_soon(self.set_result, None)
            raise KeyError

    async def main() -> None:
        async with kind.timeout(0.001) as timeout:
            await Stubborn(loop=loop)
            assert repr(timeout).startswith("<Timeout [active]")

    run(main())
    (report,) = reports
    reports.clear()
    assert isinstance(report["exception"], KeyError)


def test_a_timeout_in_a_cycle_is_collected(kind: Any, run: Callable[[Any], Any]) -> None:
    async def main() -> Any:
        timeout = kind.timeout(60)
        coroutine = Waiting(kind).wait()
        async with timeout:
            pass
        coroutine.close()
        asyncio.current_task().mine = timeout  # type: ignore[union-attr]
        return weakref.ref(timeout)

    reference = run(main())
    gc.collect()
    assert reference() is None


def test_a_task_that_is_forgotten_in_a_block_is_collected(
    kind: Any, loop: Loop, run: Callable[[Any], Any], reports: list[dict[str, Any]]
) -> None:
    async def wait(timeout: Any) -> None:
        async with timeout:
            await loop.create_future()

    async def main() -> Any:
        timeout = kind.timeout(None)
        assert not asyncio.ensure_future(wait(timeout)).done()
        await turns(2)
        return weakref.ref(timeout)

    reference = run(main())
    gc.collect()
    assert [report["message"] for report in reports] == ["Task was destroyed but it is pending!"]
    reports.clear()
    _ioxide._live_tasks()  # what native code has let go of in a finalizer goes when it is next called
    gc.collect()
    assert reference() is None
