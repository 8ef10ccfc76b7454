"""`Lock` and `Event` of ours beside asyncio's, and what all classes of their kind have in common.

Each test runs the same program with both, on both loops.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from lock_programs import describe
from small_coroutines import Loop, Run, turns

MAKERS: dict[str, Callable[[Any], Any]] = {
    "Lock": lambda kind: kind.Lock(),
    "Event": lambda kind: kind.Event(),
    "Condition": lambda kind: kind.Condition(),
    "Semaphore": lambda kind: kind.Semaphore(),
    "BoundedSemaphore": lambda kind: kind.BoundedSemaphore(),
    "Barrier": lambda kind: kind.Barrier(2),
}
LOCKS = ("Lock", "Condition", "Semaphore", "BoundedSemaphore")


def test_a_lock_is_held_by_one_at_a_time_in_the_order_of_asking(kind: Any, run: Run) -> None:
    order: list[int] = []

    async def hold(lock: Any, name: int) -> None:
        async with lock:
            assert lock.locked()
            order.append(name)
            await turns(2)
            order.append(name)

    async def main() -> None:
        lock = kind.Lock()
        assert await lock.acquire() is True
        tasks = [asyncio.ensure_future(hold(lock, name)) for name in range(4)]
        await turns(1)
        assert describe(lock).startswith("Lock [locked, waiters:4]")
        lock.release()
        # Woken up, but not run yet; whoever comes now gets in line.
        assert not lock.locked()
        last = asyncio.ensure_future(hold(lock, 4))
        await asyncio.gather(*tasks, last)
        assert not lock.locked()

    run(main())
    assert order == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_another_task_may_release_a_lock_but_not_twice(kind: Any, run: Run) -> None:
    async def main() -> None:
        lock = kind.Lock()
        await asyncio.ensure_future(lock.acquire())
        lock.release()
        with pytest.raises(RuntimeError, match=r"^Lock is not acquired\.$"):
            lock.release()
        with pytest.raises(RuntimeError, match=r"^Lock is not acquired\.$"):
            await lock.__aexit__(None, None, None)

    run(main())


@pytest.mark.parametrize("when", ["in line", "woken up", "behind one that is woken up"])
def test_whoever_is_cancelled_leaves_the_lock_to_the_next(kind: Any, run: Run, when: str) -> None:
    async def main() -> list[Any]:
        lock = kind.Lock()
        await lock.acquire()
        first, second, third = (asyncio.ensure_future(lock.acquire()) for _ in range(3))
        await turns(1)
        if when == "woken up":
            lock.release()
            first.cancel("why")
        elif when == "in line":
            first.cancel("why")
            await turns(2)
            lock.release()
        else:
            lock.release()
            second.cancel("why")
        await turns(3)
        seen = [describe(lock), first.cancelled(), second.done(), third.done()]
        lock.release()
        await turns(3)
        seen += [describe(lock), second.cancelled(), third.done()]
        for task in (first, second, third):
            task.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        assert not lock._waiters
        return seen

    held = "Lock [locked"
    expected = {
        "in line": [f"{held}, waiters:1] ['PENDING']", True, True, False, f"{held}] []", False, True],
        "woken up": [f"{held}, waiters:1] ['PENDING']", True, True, False, f"{held}] []", False, True],
        "behind one that is woken up": [
            f"{held}, waiters:1] ['PENDING']",
            False,
            True,
            False,
            f"{held}] []",
            True,
            True,
        ],
    }
    assert run(main()) == expected[when]


def test_a_line_of_the_cancelled_is_jumped(kind: Any, run: Run) -> None:
    async def main() -> None:
        lock = kind.Lock()
        await lock.acquire()
        task = asyncio.ensure_future(lock.acquire())
        await turns(1)
        lock.release()
        await turns(1)
        assert task.done()
        waiting = asyncio.ensure_future(lock.acquire())
        await turns(1)
        waiting.cancel()
        lock.release()
        # The one in line is cancelled and hasn't run since.
        step: Any = lock.acquire()
        with pytest.raises(StopIteration) as ended:
            step.send(None)
        assert ended.value.value is True
        assert lock.locked()
        await turns(1)
        assert waiting.cancelled()
        lock.release()

    run(main())


def test_nothing_is_acquired_before_it_is_awaited(kind: Any, run: Run) -> None:
    async def main() -> None:
        lock = kind.Lock()
        with pytest.warns(RuntimeWarning, match=r"^coroutine 'Lock.acquire' was never awaited$"):
            lock.acquire()
        lock.__aenter__().close()
        task = asyncio.ensure_future(lock.acquire())
        assert not lock.locked()
        task.cancel()
        await turns(2)
        assert not lock.locked()
        coroutine = lock.acquire()
        assert (coroutine.__name__, coroutine.__qualname__) == ("acquire", "Lock.acquire")
        assert asyncio.iscoroutine(coroutine)
        assert await coroutine is True
        with pytest.raises(RuntimeError, match=r"^cannot reuse already awaited coroutine$"):
            await coroutine
        async with kind.Lock() as entered:
            assert entered is None

    run(main())


def test_coroutines_that_have_ended_are_told_apart(kind: Any, run: Run) -> None:
    async def main() -> None:
        event = kind.Event()
        event.set()
        ended: list[Any] = [event.wait() for _ in range(3)]
        references = [weakref.ref(coroutine) for coroutine in ended]
        for coroutine in ended:
            assert await coroutine is True
        first: Any = ended[0]
        others = ended[1:]
        del ended, coroutine
        others.clear()
        again = event.wait()
        assert [reference() for reference in references] == [first, None, None]
        assert again is not first
        assert await again is True
        with pytest.raises(RuntimeError, match="already awaited"):
            await first

    run(main())


def test_who_drives_a_coroutine_by_hand_may_keep_what_ends_it(kind: Any, run: Run) -> None:
    def end(coroutine: Any) -> StopIteration:
        with pytest.raises(StopIteration) as ended:
            next(iter(coroutine.__await__()))
        return ended.value

    async def main() -> None:
        event = kind.Event()
        event.set()
        kept = [end(event.wait()) for _ in range(3)]
        assert len({id(error) for error in kept}) == 3
        assert [error.value for error in kept] == [True, True, True]
        assert all(error.__context__ is None for error in kept)

    run(main())


def test_an_event_wakes_all_who_wait_in_order(kind: Any, run: Run) -> None:
    order: list[object] = []

    async def wait(event: Any, name: int) -> None:
        try:
            order.append((name, await event.wait()))
        except asyncio.CancelledError as error:
            order.append((name, error.args))

    async def main() -> None:
        event = kind.Event()
        tasks = [asyncio.ensure_future(wait(event, name)) for name in range(4)]
        await turns(1)
        assert describe(event) == f"Event [unset, waiters:4] {['PENDING'] * 4} False"
        tasks[1].cancel("early")
        event.set()
        tasks[2].cancel("late")
        event.clear()
        await asyncio.gather(*tasks)
        assert not event.is_set()
        assert not event._waiters
        event.set()
        event.set()
        assert event.is_set()
        assert await event.wait() is True

    run(main())
    assert order == [(1, ("early",)), (0, True), (2, ("late",)), (3, True)]


def test_a_set_event_is_looked_at_when_awaited(kind: Any, run: Run) -> None:
    async def main() -> None:
        event = kind.Event()
        event.set()
        task = asyncio.ensure_future(event.wait())
        event.clear()
        await turns(2)
        assert not task.done()
        event.set()
        assert await task is True

    run(main())


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_what_all_have(kind: Any, run: Run, name: str) -> None:
    thing = MAKERS[name](kind)
    assert thing._loop is None
    thing.note = "the program's"
    assert thing.note == "the program's"
    assert vars(thing)["note"] == "the program's"
    del thing.note
    assert not hasattr(thing, "note")
    reference = weakref.ref(thing)
    thing.itself = thing
    assert reference() is thing
    with pytest.raises(TypeError):
        MAKERS[name](type("Kind", (), {name: lambda *args: getattr(kind, name)(*args, no_such_argument=1)}))
    del thing
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_cycle_through_a_waiting_task_goes(kind: Any, loop_factory: Callable[[], Loop], name: str) -> None:
    loop = loop_factory()
    loop.set_exception_handler(lambda _, context: None)

    async def main() -> weakref.ref[Any]:
        thing = MAKERS[name](kind)
        if hasattr(thing, "acquire"):
            await thing.acquire()
        method = getattr(thing, "wait", None) or thing.acquire
        thing.task = asyncio.ensure_future(method())
        await turns(1)
        assert not thing.task.done()
        return weakref.ref(thing)

    reference = loop.run_until_complete(main())
    loop.close()
    del loop
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_it_belongs_to_the_loop_that_first_waited(kind: Any, loop_factory: Callable[[], Loop], name: str) -> None:
    thing = MAKERS[name](kind)
    waits = thing._cond if name == "Barrier" else thing

    async def hold_and_wait() -> None:
        if hasattr(thing, "acquire"):
            await thing.acquire()
        method = getattr(thing, "wait", None) or thing.acquire
        task = asyncio.ensure_future(method())
        await turns(2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    first = loop_factory()
    first.run_until_complete(hold_and_wait())
    assert waits._loop is first
    first.close()
    second = loop_factory()
    try:
        with pytest.raises(RuntimeError, match=r"is bound to a different event loop$"):
            second.run_until_complete((getattr(thing, "wait", None) or thing.acquire)())
    finally:
        second.close()


@pytest.mark.parametrize("name", LOCKS)
def test_methods_of_a_derived_class_are_called(kind: Any, run: Run, name: str) -> None:
    calls: list[str] = []

    class Derived(getattr(kind, name)):  # type: ignore[misc]
        def __init__(self, label: str) -> None:
            super().__init__()
            self.label = label

        async def acquire(self) -> Any:
            calls.append("acquire")
            return await super().acquire()

        def release(self) -> None:
            calls.append("release")
            super().release()

    async def main() -> None:
        thing = Derived("mine")
        assert thing.label == "mine"
        async with thing as entered:
            assert entered is None
            assert thing.locked()
            waiting = asyncio.ensure_future(thing.acquire())
            await turns(1)
        assert await waiting is True
        thing.release()

    run(main())
    # A condition's attributes of these names hide the methods.
    assert calls == ([] if name == "Condition" else ["acquire", "acquire", "release", "release"])


def test_a_derived_lock_chooses_its_loop_and_whom_to_wake(kind: Any, run: Run) -> None:
    calls: list[str] = []

    class Derived(kind.Lock):  # type: ignore[misc]
        def _get_loop(self) -> Any:
            calls.append("loop")
            return super()._get_loop()

        def _wake_up_first(self) -> None:
            calls.append("wake")
            super()._wake_up_first()

    async def main() -> None:
        lock = Derived()
        async with lock:
            task = asyncio.ensure_future(lock.acquire())
            await turns(1)
        assert await task is True
        lock.release()

    run(main())
    assert calls == ["loop", "wake", "wake"]


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_signatures_and_reprs(kind: Any, name: str) -> None:
    assert f"{name} object at 0x" in repr(MAKERS[name](kind))
    parameters = {"Barrier": ["parties"], "Condition": ["lock"], "Semaphore": ["value"], "BoundedSemaphore": ["value"]}
    assert list(inspect.signature(getattr(kind, name)).parameters) == parameters.get(name, [])


def test_foreign_futures_are_waited_for(kind: Any, loop_factory: Callable[[], Loop]) -> None:
    class Custom(asyncio.Future):  # type: ignore[type-arg]
        pass

    async def main() -> None:
        lock, event = kind.Lock(), kind.Event()
        await lock.acquire()
        tasks = [asyncio.ensure_future(method()) for method in (lock.acquire, lock.acquire, event.wait)]
        await turns(1)
        assert isinstance(lock._waiters[0], Custom)
        tasks[0].cancel()
        lock.release()
        event.set()
        assert await tasks[1] is await tasks[2] is True
        assert tasks[0].cancelled()

    first = loop_factory()
    first.close()
    loop = type("Loop", (type(first),), {"create_future": lambda self: Custom(loop=self)})()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
