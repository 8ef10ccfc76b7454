"""What programs read and replace of `Lock` and its kin: those who wait, and methods of one object."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import Any
from unittest import mock

import pytest
from small_coroutines import Run, turns

needs_dictionary = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="no method can be set on an object of ours before 3.13"
)
WAITING = ("Condition", "Event", "Lock", "Semaphore")


async def begin_to_wait(thing: Any, count: int) -> list[asyncio.Task[Any]]:
    """Let so many tasks wait at a lock that is held, or at something else."""
    if hasattr(thing, "acquire"):
        await thing.acquire()
    method = getattr(thing, "wait", None) or thing.acquire

    async def wait() -> Any:
        if type(thing).__name__ == "Condition":
            if not thing.locked():
                await thing.acquire()
            try:
                return await method()
            finally:
                thing.release()
        return await method()

    tasks = []
    for _ in range(count):
        tasks.append(asyncio.ensure_future(wait()))
        await turns(1)
    return tasks


def wake(thing: Any) -> None:
    """Let one that waits go on."""
    name = type(thing).__name__
    if name == "Event":
        thing.set()
    elif name == "Condition":
        thing.notify()
    else:
        thing.release()


async def end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("name", WAITING)
def test_those_who_wait_are_none_before_the_first_where_asyncio_has_none(kind: Any, run: Run, name: str) -> None:
    thing = getattr(kind, name)()
    expected = None if name in ("Lock", "Semaphore") else deque()
    assert thing._waiters == expected
    if expected is not None:
        assert thing._waiters is thing._waiters

    async def main() -> None:
        await end(await begin_to_wait(thing, 1))
        assert thing._waiters == deque()

    run(main())


@pytest.mark.parametrize("name", WAITING)
@pytest.mark.parametrize("looks", ["before", "while they wait"])
def test_the_deque_of_those_who_wait_is_the_one_that_is_used(kind: Any, run: Run, name: str, looks: str) -> None:
    async def main() -> None:
        thing = getattr(kind, name)()
        if looks == "before" and name in ("Lock", "Semaphore"):
            thing._waiters = deque()
        seen = thing._waiters if looks == "before" else None
        tasks = await begin_to_wait(thing, 2)
        waiters = thing._waiters
        assert seen is None or waiters is seen
        assert len(waiters) == 2
        assert repr(thing).endswith("waiters:2]>")
        waiters.append(mock.Mock(done=lambda: True, cancelled=lambda: False))
        assert repr(thing).endswith("waiters:3]>")
        waiters.pop()
        # The one that was last is first now.
        waiters.rotate()
        if name == "Condition":
            await thing.acquire()
        wake(thing)
        if name == "Condition":
            thing.release()
        await turns(3)
        assert [task.done() for task in tasks] == [name == "Event", True]
        assert waiters is thing._waiters
        assert len(waiters) == (0 if name == "Event" else 1)
        await end(tasks)
        assert not waiters

    run(main())


@pytest.mark.parametrize("name", ["Lock", "Semaphore"])
def test_who_was_put_among_those_who_wait_is_woken_up(kind: Any, run: Run, name: str) -> None:
    async def main() -> None:
        thing = getattr(kind, name)()
        await thing.acquire()
        mine = asyncio.get_running_loop().create_future()
        thing._waiters = deque([mine])
        thing.release()
        assert mine.result() is True

    run(main())


def test_initialising_again_begins_with_others(kind: Any, run: Run) -> None:
    async def main() -> None:
        event = kind.Event()
        before = event._waiters
        before.append(mock.Mock())
        event.__init__()
        assert repr(event).endswith("[unset]>")
        assert event._waiters is not before

    run(main())


@needs_dictionary
@pytest.mark.parametrize("name", ["Lock", "Semaphore", "BoundedSemaphore"])
def test_methods_that_are_set_on_an_object_are_called(kind: Any, run: Run, name: str) -> None:
    async def main() -> list[str]:
        calls: list[str] = []
        thing = getattr(kind, name)()
        release, acquire = thing.release, thing.acquire

        async def own_acquire() -> Any:
            calls.append("acquire")
            return await acquire()

        def own_release() -> None:
            calls.append("release")
            release()

        thing.release = own_release
        async with thing:
            assert thing.locked()
        thing.acquire = own_acquire
        async with thing:
            calls.append("inside")
        with mock.patch.object(thing, "release") as replaced:
            async with thing:
                pass
            replaced.assert_called_once_with()
        assert thing.locked()
        thing.release()
        del thing.release, thing.acquire
        async with thing:
            pass
        assert not thing.locked()
        return calls

    assert run(main()) == ["release", "acquire", "inside", "release", "acquire", "release"]


@needs_dictionary
def test_whom_to_wake_and_which_loop_can_be_set_on_an_object(kind: Any, run: Run) -> None:
    async def main() -> list[str]:
        calls: list[str] = []

        def spy(thing: Any, method: str) -> None:
            inner = getattr(thing, method)
            setattr(thing, method, lambda *given: (calls.append(method), inner(*given))[1])

        lock, semaphore, event, condition = kind.Lock(), kind.Semaphore(), kind.Event(), kind.Condition()
        for thing in (lock, semaphore, event, condition):
            spy(thing, "_get_loop")
        spy(lock, "_wake_up_first")
        spy(semaphore, "_wake_up_next")
        spy(semaphore, "locked")
        spy(condition, "wait")
        spy(condition, "notify")
        for thing in (lock, semaphore):
            [task] = await begin_to_wait(thing, 1)
            thing.release()
            await task
        is_set = asyncio.ensure_future(event.wait())
        await turns(1)
        event.set()
        await is_set
        answers = iter([False, True])

        async def wait_for() -> None:
            async with condition:
                await condition.wait_for(lambda: next(answers))

        waiting = asyncio.ensure_future(wait_for())
        await turns(1)
        async with condition:
            condition.notify_all()
        await waiting
        return calls

    calls = run(main())
    assert sorted(set(calls)) == ["_get_loop", "_wake_up_first", "_wake_up_next", "locked", "notify", "wait"]
    assert calls[:2] == ["_get_loop", "_wake_up_first"]


@needs_dictionary
def test_a_condition_takes_what_was_set_on_its_lock(kind: Any, run: Run) -> None:
    async def main() -> int:
        lock = kind.Lock()
        release = lock.release
        lock.release = mock.Mock(side_effect=release)
        condition = kind.Condition(lock)
        async with condition:
            pass
        assert not lock.locked()
        return int(lock.release.call_count)

    assert run(main()) == 1


@needs_dictionary
def test_a_barrier_is_entered_by_the_wait_that_was_set_on_it(kind: Any, run: Run) -> None:
    async def main() -> Any:
        barrier = kind.Barrier(2)
        barrier.wait = mock.AsyncMock(return_value=7)
        async with barrier as number:
            return number

    assert run(main()) == 7
