"""Callbacks and timers: their order, their arguments and context, waking a sleeping loop, and the clock they go by.

A test of an order sets the clock itself, or gives deadlines that have passed, so that no test depends on how long
anything takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import itertools
import math
import random
import resource
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

Loop = asyncio.AbstractEventLoop

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def turns(loop: Loop, number: int = 1) -> None:
    """Let the loop make so many turns, none of which waits."""
    for _ in range(number):
        loop.stop()
        loop.run_forever()


def test_callbacks_run_in_the_order_they_were_scheduled(loop: Loop) -> None:
    ran: list[int] = []
    for number in range(1000):
        loop.call_soon(ran.append, number)
    turns(loop)
    assert ran == list(range(1000))


def test_a_callback_gets_its_arguments(loop: Loop) -> None:
    def get(*arguments: Any) -> None:
        got.append(arguments)

    class Callable:
        def __call__(self, *arguments: Any) -> None:
            get(*arguments)

        def method(self, *arguments: Any) -> None:
            get(*arguments)

    got: list[tuple[Any, ...]] = []
    loop.call_soon(get)
    loop.call_soon(got.append, (1,))
    loop.call_soon(Callable(), None, [], "three")
    loop.call_soon(Callable().method, *range(20))
    loop.call_later(0, get, "later", 2)
    loop.call_at(0, Callable(), "at", 3)
    loop.call_soon_threadsafe(get, "threadsafe", 4)
    turns(loop)
    assert got[:5] == [(), (1,), (None, [], "three"), tuple(range(20)), ("threadsafe", 4)]
    assert got[5:] == [("at", 3), ("later", 2)]


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
def test_a_callback_takes_no_keywords_but_a_context(loop: Loop, method: str) -> None:
    call = getattr(loop, method)
    deadline = () if "soon" in method else (0,)
    with pytest.raises(TypeError):
        call(*deadline)
    with pytest.raises(TypeError):
        call(*deadline, print, keyword=1)
    ran: list[str] = []
    context = contextvars.copy_context()
    context.run(variable.set, "given")
    token = variable.set("current")
    call(*deadline, lambda: ran.append(variable.get()))
    call(*deadline, lambda: ran.append(variable.get()), context=context)
    call(*deadline, lambda: ran.append(variable.get()), context=None)
    variable.reset(token)
    turns(loop)
    assert sorted(ran) == ["current", "current", "given"]


def test_the_parameters_can_be_given_by_name(loop: Loop) -> None:
    ran: list[str] = []
    loop.call_soon(callback=lambda: ran.append("soon"))
    loop.call_soon_threadsafe(callback=lambda: ran.append("threadsafe"))
    loop.call_at(when=-1, callback=lambda: ran.append("at"))
    loop.call_later(delay=0, callback=lambda: ran.append("later"))
    turns(loop)
    assert ran == ["soon", "threadsafe", "at", "later"]


def test_a_callback_keeps_the_context_it_was_scheduled_in(loop: Loop) -> None:
    seen: list[str] = []

    def change() -> None:
        variable.set("changed")
        loop.call_soon(lambda: seen.append(variable.get()))

    loop.call_soon(change)
    loop.call_soon(lambda: seen.append(variable.get()))
    turns(loop, 2)
    assert seen == ["unset", "changed"]
    assert variable.get() == "unset"


def test_a_given_context_keeps_what_the_callback_sets(loop: Loop) -> None:
    context = contextvars.copy_context()
    loop.call_soon(variable.set, "kept", context=context)
    turns(loop)
    assert context[variable] == "kept"


def test_a_callback_scheduled_during_a_turn_runs_in_the_next(loop: Loop) -> None:
    ran: list[str] = []

    def again(number: int) -> None:
        ran.append(f"again {number}")
        loop.call_soon(again, number + 1)

    loop.call_soon(again, 0)
    loop.call_soon(ran.append, "second")
    turns(loop)
    assert ran == ["again 0", "second"]
    turns(loop, 2)
    assert ran == ["again 0", "second", "again 1", "again 2"]


def test_what_cannot_be_called_is_reported_when_its_turn_comes(loop: Loop, reports: list[dict[str, Any]]) -> None:
    loop.set_debug(False)  # in debug mode it is refused at once
    ran: list[str] = []
    loop.call_soon(42)  # type: ignore[arg-type]
    loop.call_soon(None)  # type: ignore[arg-type]
    loop.call_later(0, "text")  # type: ignore[arg-type]
    loop.call_soon(ran.append, "unharmed")
    turns(loop)
    assert ran == ["unharmed"]
    assert [str(report["exception"]) for report in reports] == [
        "'int' object is not callable",
        "'NoneType' object is not callable",
        "'str' object is not callable",
    ]
    reports.clear()


def test_a_callback_cancelled_by_an_earlier_one_of_its_turn_does_not_run(loop: Loop) -> None:
    ran: list[str] = []

    def cancel_later() -> None:
        for handle in later * 2:
            handle.cancel()

    later: list[asyncio.Handle] = []
    loop.call_soon(cancel_later)
    later.append(loop.call_soon(ran.append, "soon"))
    later.append(loop.call_later(0, ran.append, "timer"))
    loop.call_soon(ran.append, "last")
    turns(loop, 2)
    assert ran == ["last"]


def test_cancelling_after_the_run_changes_nothing(loop: Loop) -> None:
    ran: list[str] = []
    handles = [loop.call_soon(ran.append, "soon"), loop.call_later(0, ran.append, "timer")]
    turns(loop)
    for handle in handles:
        handle.cancel()
        handle.cancel()
    turns(loop)
    assert ran == ["soon", "timer"]


def test_call_soon_threadsafe_wakes_a_sleeping_loop(loop: Loop) -> None:
    asleep = threading.Event()
    ran_in: list[int] = []

    def wake() -> None:
        asleep.wait()
        loop.call_soon_threadsafe(ran_in.append, threading.get_ident())
        loop.call_soon_threadsafe(lambda: ran_in.append(threading.get_ident()))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=wake, daemon=True)
    thread.start()
    loop.call_soon(loop.call_soon, asleep.set)
    loop.run_forever()
    thread.join()
    assert ran_in == [thread.ident, threading.get_ident()]


def test_calls_from_many_threads_all_arrive_each_thread_in_order(loop: Loop) -> None:
    arrived: dict[int, list[int]] = {name: [] for name in range(4)}
    each = 500

    def arrive(name: int, number: int) -> None:
        arrived[name].append(number)
        if all(len(numbers) == each for numbers in arrived.values()):
            loop.stop()

    def send(name: int) -> None:
        for number in range(each):
            loop.call_soon_threadsafe(arrive, name, number)

    threads = [threading.Thread(target=send, args=(name,)) for name in arrived]
    for thread in threads:
        thread.start()
    loop.run_forever()
    for thread in threads:
        thread.join()
    assert arrived == {name: list(range(each)) for name in arrived}


def test_the_clock_is_the_monotonic_one(loop: Loop) -> None:
    readings = [time.monotonic()]
    for _ in range(1000):
        readings.append(loop.time())  # noqa: PERF401
    readings.append(time.monotonic())
    assert all(isinstance(reading, float) for reading in readings)
    # The last digits may differ by how nanoseconds are turned into a float.
    assert all(later >= earlier - 1e-6 for earlier, later in itertools.pairwise(readings))


def test_timers_of_equal_deadlines_run_once_each_in_the_same_turn(loop: Loop) -> None:
    ran: list[int] = []
    deadline = loop.time() - 1
    for number in range(50):
        loop.call_at(deadline, ran.append, number)
    turns(loop)
    assert sorted(ran) == list(range(50))


def test_a_delay_is_a_number_of_any_kind_but_not_none(loop: Loop) -> None:
    ran: list[str] = []
    now = loop.time()
    assert loop.call_at(-7, ran.append, "int").when() == -7
    assert loop.call_later(-5, ran.append, "negative").when() < now
    assert loop.call_later(0, ran.append, "zero").when() >= now
    assert loop.call_later(True, ran.append, "bool").when() >= now + 1
    assert loop.call_later(10**6, ran.append, "large").when() >= now + 10**6
    assert loop.call_later(math.inf, ran.append, "never").when() == math.inf
    turns(loop)
    assert ran == ["int", "negative", "zero"]
    with pytest.raises(TypeError, match=r"^delay must not be None$"):
        loop.call_later(None, print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^when cannot be None$"):
        loop.call_at(None, print)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        loop.call_later("1", print)  # type: ignore[arg-type]


def test_due_timers_run_behind_the_callbacks_that_were_ready(loop: Loop) -> None:
    ran: list[str] = []
    loop.call_later(0, ran.append, "timer")
    loop.call_soon(ran.append, "soon")
    loop.call_soon(loop.call_later, 0, ran.append, "next timer")
    loop.call_soon(loop.call_soon, ran.append, "next soon")
    turns(loop, 2)
    assert ran == ["soon", "timer", "next soon", "next timer"]


def test_a_sleeping_loop_wakes_for_its_earliest_timer(loop: Loop) -> None:
    def second() -> None:
        ran.append("second")
        loop.stop()

    ran: list[str] = []
    start = time.monotonic()
    loop.call_later(3600, ran.append, "an hour")
    loop.call_later(0.02, second)
    loop.call_later(0.01, ran.append, "first")
    loop.run_forever()
    assert ran == ["first", "second"]
    assert time.monotonic() - start >= 0.02 - time.get_clock_info("monotonic").resolution


def test_a_timer_armed_from_a_timer_runs_in_a_later_turn(loop: Loop) -> None:
    ran: list[int] = []

    def again(number: int) -> None:
        ran.append(number)
        loop.call_at(0, again, number + 1)

    loop.call_at(0, again, 0)
    turns(loop)
    assert ran == [0]
    turns(loop, 2)
    assert ran == [0, 1, 2]


@pytest.fixture(params=["attribute", "override"])
def clocked(request: pytest.FixtureRequest, loop: Loop) -> Iterator[tuple[Loop, Clock]]:
    """Give a loop that goes by a clock of the test's: patched in, or of a subclass."""
    clock = Clock()
    if request.param == "attribute":
        loop.time = clock  # type: ignore[method-assign]
        yield loop, clock
    else:
        base: Any = type(loop)
        with contextlib.closing(type("Clocked", (base,), {"time": lambda _: clock()})()) as clocked_loop:
            yield clocked_loop, clock


def test_a_clock_that_jumps_moves_the_timers(clocked: tuple[Loop, Clock]) -> None:
    loop, clock = clocked
    ran: list[str] = []
    assert loop.time() == 1000.0
    assert loop.call_later(10, ran.append, "ten").when() == 1010.0
    loop.call_at(1005, ran.append, "five")
    turns(loop, 3)
    assert ran == []
    clock.now = 1005.5
    turns(loop)
    assert ran == ["five"]
    loop.call_soon(setattr, clock, "now", 2000.0)
    turns(loop, 2)
    assert ran == ["five", "ten"]


def test_sleep_and_timeout_go_by_a_patched_clock(clocked: tuple[Loop, Clock]) -> None:
    loop, clock = clocked

    async def main() -> str:
        asyncio.get_running_loop().call_soon(setattr, clock, "now", clock.now + 7200)
        await asyncio.sleep(3600)
        asyncio.get_running_loop().call_soon(setattr, clock, "now", clock.now + 7200)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.get_running_loop().create_future()
        return "done"

    assert loop.run_until_complete(main()) == "done"
    assert clock.now == 1000.0 + 2 * 7200


def test_what_a_thread_schedules_while_the_clock_is_read_does_not_wait_for_a_timer(loop: Loop) -> None:
    reading, scheduled = threading.Event(), threading.Event()

    def schedule() -> None:
        reading.wait()
        loop.call_soon_threadsafe(loop.stop)
        scheduled.set()

    def slow_clock() -> float:
        reading.set()
        scheduled.wait()
        return time.monotonic()

    loop.call_later(3600, list)
    thread = threading.Thread(target=schedule, daemon=True)
    thread.start()
    # The next that reads the clock is the loop, to find out how long it may sleep.
    loop.call_soon(setattr, loop, "time", slow_clock)
    loop.run_forever()
    thread.join()


def test_timers_agree_with_a_sorted_list_whatever_is_armed_and_cancelled(clocked: tuple[Loop, Clock]) -> None:
    loop, clock = clocked
    choose = random.Random(20)
    ran: list[float] = []
    armed: dict[float, asyncio.TimerHandle] = {}
    expected: list[float] = []
    for _ in range(300):
        for _ in range(choose.randrange(8)):
            deadline = clock.now + choose.random() * 50
            armed[deadline] = loop.call_at(deadline, ran.append, deadline)
        for deadline in choose.sample(sorted(armed), len(armed) // 3):
            armed.pop(deadline).cancel()
        clock.now += choose.random() * 5
        due = sorted(deadline for deadline in armed if deadline <= clock.now)
        expected += due
        for deadline in due:
            del armed[deadline]
        turns(loop)
    assert len(expected) > 100
    assert ran == expected


def test_a_million_cancelled_timers_leave_nothing_behind(loop: Loop) -> None:
    def arm_and_cancel(number: int) -> None:
        timers = [loop.call_later(3600, print, number) for number in range(number)]
        for timer in timers:
            timer.cancel()
        turns(loop, 2)

    def resident() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    loop.set_debug(False)  # a traceback for each of them takes minutes
    ran: list[str] = []
    loop.call_later(3600, ran.append, "still armed")
    arm_and_cancel(20_000)
    before = resident()
    for _ in range(50):
        arm_and_cancel(20_000)
    # A million timers take several hundred bytes each, so that even a tenth of them left over would be seen.
    assert resident() - before < 20 * 1024 * 1024
    assert ran == []


def test_an_argument_may_schedule_when_it_is_collected(loop: Loop) -> None:
    class Scheduling:
        def __del__(self) -> None:
            loop.call_soon(ran.append, "collected")

    ran: list[str] = []
    held = Scheduling()
    reference = weakref.ref(held)
    timer = loop.call_later(3600, print, held)
    soon = loop.call_soon(print, held)
    del held
    loop.call_soon(timer.cancel)
    soon.cancel()
    turns(loop, 2)
    assert reference() is None
    assert ran == ["collected"]
