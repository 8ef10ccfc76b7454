"""Handles and timer handles: what `call_soon`, `call_later` and `call_at` return.

asyncio's own `Handle` and `TimerHandle`, made directly, say what a representation looks like in the running version.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import re
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

Loop = asyncio.AbstractEventLoop

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

SCHEDULE: dict[str, Callable[..., asyncio.Handle]] = {
    "call_soon": lambda loop, *call, **options: loop.call_soon(*call, **options),
    "call_soon_threadsafe": lambda loop, *call, **options: loop.call_soon_threadsafe(*call, **options),
    "call_later": lambda loop, *call, **options: loop.call_later(0, *call, **options),
    "call_at": lambda loop, *call, **options: loop.call_at(-1.5, *call, **options),
}

Schedule = Callable[..., asyncio.Handle]


@pytest.fixture(params=SCHEDULE)
def schedule(request: pytest.FixtureRequest, loop: Loop) -> Schedule:
    """Give each way to get a handle: a callback and its arguments go in, the handle comes out."""
    return functools.partial(SCHEDULE[request.param], loop)


class Anything:
    """An object that can be weakly referenced."""


class Method:
    """A callback that is a method, on an object that can hold its own handle."""

    handle: asyncio.Handle | None = None

    def call(self, *arguments: Any) -> None:
        """Do nothing."""


def turn(loop: Loop) -> None:
    """Let the loop make one turn."""
    loop.stop()
    loop.run_forever()


def callback(*arguments: Any) -> None:
    """Do nothing."""


def test_handles_are_asyncios(loop: Loop) -> None:
    for handle in (loop.call_soon(callback), loop.call_soon_threadsafe(callback)):
        assert isinstance(handle, asyncio.Handle)
        assert not isinstance(handle, asyncio.TimerHandle)
    for timer in (loop.call_later(0, callback), loop.call_at(0, callback)):
        assert isinstance(timer, asyncio.TimerHandle)
        assert isinstance(timer, asyncio.Handle)


def test_a_handle_tells_whether_it_is_cancelled(schedule: Schedule, loop: Loop) -> None:
    handle = schedule(callback)
    assert handle.cancelled() is False
    handle.cancel()
    assert handle.cancelled() is True
    handle.cancel()
    turn(loop)
    assert handle.cancelled() is True


def test_a_handle_that_ran_is_not_cancelled_until_it_is_cancelled(schedule: Schedule, loop: Loop) -> None:
    handle = schedule(callback)
    turn(loop)
    assert handle.cancelled() is False
    handle.cancel()
    assert handle.cancelled() is True


def test_a_timer_tells_when(loop: Loop) -> None:
    assert loop.call_at(1234.5, callback).when() == 1234.5
    before = loop.time()
    timer = loop.call_later(50, callback)
    assert before + 50 <= timer.when() <= loop.time() + 50
    when = timer.when()
    timer.cancel()
    assert timer.when() == when


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Handle.get_context is new in 3.12")
def test_a_handle_gives_its_context(schedule: Schedule) -> None:
    context = contextvars.copy_context()
    context.run(variable.set, "given")
    handle: Any = schedule(callback, context=context)
    assert handle.get_context() is context
    token = variable.set("current")
    handle = schedule(callback)
    variable.reset(token)
    copied = handle.get_context()
    assert isinstance(copied, contextvars.Context)
    assert copied[variable] == "current"


def test_the_repr_names_the_callback_as_asyncio_does(loop: Loop) -> None:
    calls: list[tuple[Any, ...]] = [
        (callback,),
        (callback, 1, "two"),
        (Method().call, [3]),
        (functools.partial(callback, 1), 2),
        (print, "x" * 200),
        (lambda: None,),
    ]
    for debug in (False, True):
        loop.set_debug(debug)
        for call in calls:
            expected = re.sub(r" created at .*", ">", repr(asyncio.Handle(call[0], call[1:], loop)))
            assert re.sub(r" created at .*", ">", repr(loop.call_soon(*call))) == expected
            timer = asyncio.TimerHandle(7.25, call[0], call[1:], loop)
            expected = re.sub(r" created at .*", ">", repr(timer))
            assert re.sub(r" created at .*", ">", repr(loop.call_at(7.25, *call))) == expected
    turn(loop)


def test_the_repr_says_cancelled(loop: Loop) -> None:
    loop.set_debug(False)
    soon = loop.call_soon(callback, 1)
    timer = loop.call_at(8.5, callback, 1)
    soon.cancel()
    timer.cancel()
    assert repr(soon) == "<Handle cancelled>"
    assert repr(timer) == "<TimerHandle cancelled when=8.5>"


def test_the_repr_in_debug_mode_says_where_it_was_made_and_outlives_the_cancel(loop: Loop) -> None:
    loop.set_debug(True)
    line = sys._getframe().f_lineno + 1
    handles = [loop.call_soon(callback, 1), loop.call_soon_threadsafe(callback, 2), loop.call_at(8.5, callback, 3)]
    thread_safe = "_ThreadSafeHandle" if sys.version_info >= (3, 14) else "Handle"
    starts = ["<Handle callback(1) at ", f"<{thread_safe} callback(2) at ", "<TimerHandle when=8.5 callback(3) at "]
    for handle, start in zip(handles, starts, strict=True):
        assert repr(handle).startswith(start)
        assert repr(handle).endswith(f" created at {__file__}:{line}>")
        expected = repr(handle).replace("Handle ", "Handle cancelled ", 1)
        handle.cancel()
        assert repr(handle) == expected


def test_timers_are_ordered_by_their_deadlines(loop: Loop) -> None:
    early = loop.call_at(10, callback)
    late = loop.call_at(20.5, callback)
    same = loop.call_at(10, print)
    assert early < late
    assert early <= late
    assert late > early
    assert late >= early
    assert not late < early
    assert not early > late
    assert not early < same
    assert not early > same
    assert sorted([late, early]) == [early, late]


def test_timers_are_equal_when_all_about_them_is(loop: Loop) -> None:
    timer = loop.call_at(10, callback, 1)
    twin = loop.call_at(10.0, callback, 1)
    assert timer == twin
    assert timer <= twin
    assert timer >= twin
    assert hash(timer) == hash(twin)
    for other in (
        loop.call_at(11, callback, 1),
        loop.call_at(10, print, 1),
        loop.call_at(10, callback, 2),
        loop.call_at(10, callback),
    ):
        assert timer != other
        assert not timer == other  # noqa: SIM201
    assert not timer <= loop.call_at(10, print, 1)
    twin.cancel()
    assert timer != twin
    timer.cancel()
    assert timer == twin


def test_timers_compare_with_nothing_else(loop: Loop) -> None:
    timer: Any = loop.call_at(10, callback)
    assert timer != 10
    assert timer != "10"
    assert timer != loop.call_soon(callback)
    for compare in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__"):
        assert getattr(timer, compare)(10) is NotImplemented
    with pytest.raises(TypeError):
        assert timer < 10
    with pytest.raises(TypeError):
        assert timer >= loop.call_soon(callback)


def test_handles_are_equal_only_to_themselves(loop: Loop) -> None:
    one, other = loop.call_soon(callback), loop.call_soon(callback)
    assert one != other
    assert len({one, other}) == 2
    with pytest.raises(TypeError):
        assert one < other  # type: ignore[operator]


def test_timers_can_be_kept_in_sets(loop: Loop) -> None:
    timer = loop.call_at(10, callback)
    timers = {timer, loop.call_at(10, callback), loop.call_at(11, callback)}
    assert len(timers) == 2
    assert timer in timers


def test_a_handle_lives_as_long_as_it_is_pending_or_held(schedule: Schedule, loop: Loop) -> None:
    reference = weakref.ref(schedule(callback))
    gc.collect()
    assert reference() is not None
    turn(loop)
    gc.collect()
    assert reference() is None


def test_cancel_drops_callback_and_arguments_at_once(schedule: Schedule, loop: Loop) -> None:
    for debug in (False, True):
        loop.set_debug(debug)
        method, argument = Method(), Anything()
        references: list[weakref.ref[Any]] = [weakref.ref(method), weakref.ref(argument)]
        handle = schedule(method.call, argument)
        del method, argument
        assert None not in [reference() for reference in references]
        handle.cancel()
        assert [reference() for reference in references] == [None, None]
    turn(loop)


def test_a_turn_drops_callback_and_arguments_of_handles_nobody_holds(schedule: Schedule, loop: Loop) -> None:
    method, argument = Method(), Anything()
    references: list[weakref.ref[Any]] = [weakref.ref(method), weakref.ref(argument)]
    schedule(method.call, argument)
    del method, argument
    turn(loop)
    assert [reference() for reference in references] == [None, None]


@pytest.mark.parametrize("when", ["pending", "run", "cancelled"])
def test_a_cycle_of_callback_and_handle_is_collected(schedule: Schedule, loop: Loop, when: str) -> None:
    method = Method()
    method.handle = schedule(method.call, method, loop)
    reference = weakref.ref(method)
    if when == "cancelled":
        method.handle.cancel()
    elif when == "run":
        turn(loop)
    else:
        loop.close()
    del method
    gc.collect()
    assert reference() is None


def test_run_by_hand_calls_the_callback_in_its_context(schedule: Schedule, loop: Loop) -> None:
    # Test doubles of loops, and code that drains a queue of handles itself, call `_run`.
    seen: list[tuple[int, str]] = []
    context = contextvars.copy_context()
    context.run(variable.set, "given")
    handle: Any = schedule(lambda number: seen.append((number, variable.get())), 3, context=context)
    handle._run()
    assert seen == [(3, "given")]
    handle.cancel()
    turn(loop)
    assert seen == [(3, "given")]


def test_run_by_hand_again_calls_the_callback_again(loop: Loop) -> None:
    seen: list[int] = []
    handle: Any = loop.call_soon(seen.append, 1)
    turn(loop)
    handle._run()
    handle._run()
    assert seen == [1, 1, 1]
    assert handle._callback == seen.append


def test_run_by_hand_reports_what_the_callback_raises(
    schedule: Schedule, loop: Loop, reports: list[dict[str, Any]]
) -> None:
    handle: Any = schedule(divmod, 1, 0)
    handle._run()
    (report,) = reports
    reports.clear()
    assert type(report["exception"]) is ZeroDivisionError
    assert report["handle"] is handle
    handle.cancel()
    turn(loop)


def test_a_callback_may_cancel_its_own_handle(schedule: Schedule, loop: Loop) -> None:
    ran: list[str] = []
    argument = Anything()
    reference = weakref.ref(argument)

    def cancel_own(_: Anything) -> None:
        handle.cancel()
        ran.append("after")

    handle = schedule(cancel_own, argument)
    del argument
    turn(loop)
    turn(loop)
    assert ran == ["after"]
    assert handle.cancelled()
    assert reference() is None


def test_a_handle_whose_callback_has_no_repr_is_cancelled_all_the_same(schedule: Schedule, loop: Loop) -> None:
    class Unspeakable:
        def __call__(self) -> None:
            ran.append("ran")

        def __repr__(self) -> str:
            raise LookupError("no words")

    ran: list[str] = []
    loop.set_debug(True)  # in which a handle keeps its repr when it is cancelled
    handle = schedule(Unspeakable())
    with pytest.raises(LookupError, match="no words"):
        handle.cancel()
    assert handle.cancelled()
    turn(loop)
    assert ran == []


def test_a_handle_can_be_cancelled_after_its_loop_is_gone(schedule: Schedule, loop: Loop) -> None:
    handle = schedule(callback, loop)
    loop.close()
    handle.cancel()
    assert handle.cancelled()
    assert "cancelled" in repr(handle)
