"""Who awaits whom, for call graphs: native futures and tasks tell what asyncio's tell, from Python 3.14 on.

asyncio notes it in its C futures at each await. Native ones find it among their callbacks when somebody asks, whether
asyncio's functions have put these there or ours.
"""

from __future__ import annotations

import asyncio
import asyncio.staggered
import contextlib
import gc
import itertools
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import ioxide
import pytest

if sys.version_info < (3, 14):
    pytest.skip("asyncio has call graphs from Python 3.14 on", allow_module_level=True)

Loop = asyncio.AbstractEventLoop
Run = Callable[[Any], Any]


@pytest.fixture(params=["the loop's tasks", "asyncio's tasks"])
def tasks_are_native(request: pytest.FixtureRequest, loop: Loop) -> bool:
    """Have the loop make its own tasks, or those of asyncio's C class."""
    if request.param == "the loop's tasks":
        return isinstance(loop, ioxide.Loop)
    loop.set_task_factory(lambda loop, coro, **keywords: asyncio.Task(coro, loop=loop, **keywords))
    return False


async def forever() -> None:
    await asyncio.Event().wait()


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def awaited_by(future: Any) -> set[Any]:
    waiters: Any = future._asyncio_awaited_by
    assert waiters is None or type(waiters) is frozenset
    return set(waiters or ())


async def awaiting(awaitable: Any) -> None:
    with contextlib.suppress(asyncio.CancelledError, ValueError):
        await awaitable


async def gathering(functions: Any, *children: Any) -> None:
    await awaiting(functions.gather(*children))


async def waiting(functions: Any, *children: Any) -> None:
    await functions.wait(children, return_when=asyncio.FIRST_COMPLETED)


async def shielding(functions: Any, child: Any) -> None:
    await awaiting(functions.shield(child))


async def completing(functions: Any, child: Any) -> None:
    (each,) = list(itertools.islice(functions.as_completed([child]), 1))
    await awaiting(each)


async def waiting_in_no_time(functions: Any, child: Any) -> None:
    with contextlib.suppress(TimeoutError):
        await functions.wait_for(child, 0)


async def waiting_for_long(functions: Any, child: Any) -> None:
    await awaiting(functions.wait_for(child, 60))


PROGRAMS = [gathering, waiting, shielding, completing, waiting_for_long]


@pytest.mark.usefixtures("tasks_are_native")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_child_is_awaited_by_the_task(run: Run, functions: Any, program: Any) -> None:
    async def main() -> None:
        child = asyncio.create_task(forever())
        parent = asyncio.create_task(program(functions, child))
        await turns(2)
        assert awaited_by(child) == {parent}
        graph: Any = asyncio.capture_call_graph(child)
        assert [by.future for by in graph.awaited_by] == [parent]
        assert "Awaited by" in asyncio.format_call_graph(child)
        child.cancel()
        await parent
        assert awaited_by(child) == set()

    run(main())


@pytest.mark.usefixtures("tasks_are_native")
@pytest.mark.parametrize("program", [program for program in PROGRAMS if program is not completing])
def test_a_task_that_is_cancelled_awaits_nothing_any_more(run: Run, functions: Any, program: Any) -> None:
    async def main() -> None:
        child = asyncio.create_task(forever())
        parent = asyncio.create_task(program(functions, child))
        await turns(2)
        parent.cancel()
        await asyncio.wait([parent])
        await turns(2)
        assert awaited_by(child) == set()
        child.cancel()
        await asyncio.wait([child])

    run(main())


@pytest.mark.usefixtures("tasks_are_native")
def test_a_child_that_outlives_gather_is_not_awaited(run: Run, functions: Any) -> None:
    async def main() -> None:
        survivor = asyncio.create_task(forever())
        failing = asyncio.get_running_loop().create_future()
        parent = asyncio.create_task(gathering(functions, failing, survivor))
        await turns(2)
        assert awaited_by(survivor) == awaited_by(failing) == {parent}
        failing.set_exception(ValueError())
        await parent
        assert awaited_by(survivor) == set()
        survivor.cancel()
        await asyncio.wait([survivor])

    run(main())


@pytest.mark.usefixtures("tasks_are_native")
def test_the_tasks_of_a_group_are_awaited_by_its_task(run: Run, functions: Any) -> None:
    async def main() -> None:
        async with functions.TaskGroup() as group:
            child = group.create_task(turns(3), name="child")
            assert awaited_by(child) == {asyncio.current_task()}
        assert awaited_by(child) == set()

    run(main())


@pytest.mark.usefixtures("tasks_are_native")
def test_what_is_cancelled_for_lack_of_time_is_awaited_meanwhile(run: Run, functions: Any) -> None:
    async def main() -> None:
        async def stubborn() -> None:
            try:
                await forever()
            finally:
                await released.wait()

        released = asyncio.Event()
        child = asyncio.create_task(stubborn())
        await turns(1)
        parent = asyncio.create_task(waiting_in_no_time(functions, child))
        await turns(3)
        assert awaited_by(child) == {parent}
        released.set()
        await parent
        assert awaited_by(child) == set()

    run(main())


@pytest.mark.usefixtures("tasks_are_native")
def test_the_tasks_of_a_race_are_awaited_by_its_task(run: Run) -> None:
    async def main() -> None:
        race: Any = vars(asyncio.staggered)["staggered_race"]
        parent = asyncio.create_task(race([forever], None))
        await turns(3)
        children = asyncio.all_tasks() - {parent, asyncio.current_task()}
        assert children
        for child in children:
            assert awaited_by(child) == {parent}
        parent.cancel()
        await asyncio.wait([parent])

    run(main())


@pytest.mark.usefixtures("tasks_are_native")
def test_a_future_is_awaited_by_several(run: Run) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        assert future._asyncio_awaited_by is None
        parents = {asyncio.create_task(awaiting(future)) for _ in range(3)}
        await turns(1)
        assert awaited_by(future) == parents
        future.set_result(None)
        await asyncio.wait(parents)
        assert awaited_by(future) == set()

    run(main())


@pytest.mark.parametrize("kind", [asyncio.Future, ioxide.Future])
def test_a_program_says_who_awaits(loop: Loop, kind: Any) -> None:
    native: Any = ioxide._ioxide
    future, *waiters = [kind(loop=loop) for _ in range(3)]
    for waiter in waiters:
        native.future_add_to_awaited_by(future, waiter)
        native.future_add_to_awaited_by(future, waiter)
    assert awaited_by(future) == set(waiters)
    native.future_discard_from_awaited_by(future, waiters[0])
    assert awaited_by(future) == {waiters[1]}
    native.future_discard_from_awaited_by(future, waiters[0])
    native.future_discard_from_awaited_by(future, waiters[1])
    assert awaited_by(future) == set()
    for nonsense in (42, object()):
        native.future_add_to_awaited_by(future, nonsense)
        native.future_add_to_awaited_by(nonsense, future)
        native.future_discard_from_awaited_by(nonsense, future)
    assert awaited_by(future) == set()


def test_who_awaits_by_the_word_of_the_program_is_collected(loop: Loop) -> None:
    future = ioxide.Future(loop=loop)
    ioxide._ioxide.future_add_to_awaited_by(future, future)
    forgotten = weakref.ref(future)
    del future
    gc.collect()
    assert forgotten() is None


def test_what_remembers_its_task_is_collected(loop: Loop, run: Run, functions: Any) -> None:
    async def main() -> weakref.ref[Any]:
        async def program() -> None:
            outer = functions.gather(functions.shield(future), future)
            future.held = outer
            await functions.wait([outer])

        future: Any = ioxide.Future(loop=loop)
        task = asyncio.create_task(program())
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        await turns(2)
        return weakref.ref(task)

    forgotten = run(main())
    gc.collect()
    assert forgotten() is None


def test_all_tasks_of_a_loop_of_another_thread(loop_factory: Callable[[], Loop]) -> None:
    loop = loop_factory()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def begin() -> list[Any]:
        return [
            loop.create_task(forever(), name="native"),
            asyncio.Task(forever(), loop=loop, name="asyncio's"),
            loop.create_task(forever(), name="eager", eager_start=True),
        ]

    async def end() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    tasks = asyncio.run_coroutine_threadsafe(begin(), loop).result()
    assert asyncio.all_tasks(loop) == set(tasks)
    asyncio.run_coroutine_threadsafe(end(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_keywords_reach_the_task_and_its_factory(loop: Loop, run: Run, functions: Any) -> None:
    given = []

    def factory(loop: Loop, coro: Any, **keywords: Any) -> Any:
        given.append(keywords)
        return asyncio.Task(coro, loop=loop, **keywords)

    async def main() -> None:
        task = functions.create_task(turns(0), name="eager", eager_start=True)
        assert (task.done(), task.get_name(), given) == (True, "eager", [])
        loop.set_task_factory(factory)
        tasks = [functions.create_task(turns(0)), functions.create_task(turns(0), name=None, eager_start=False)]
        async with functions.TaskGroup() as group:
            tasks.append(group.create_task(turns(0), name="of the group"))
        await asyncio.wait(tasks)
        loop.set_task_factory(None)
        assert given == [{}, {"name": None, "eager_start": False}, {"name": "of the group"}]
        coroutine = turns(0)
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            functions.create_task(coroutine, colour="red")
        coroutine.close()

    run(main())


def test_a_class_in_the_place_of_asyncio_s_makes_the_tasks(
    loop_factory: Callable[[], Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Derived(asyncio.Task):  # type: ignore[type-arg]
        pass

    class DerivedFuture(asyncio.Future):  # type: ignore[type-arg]
        pass

    monkeypatch.setattr(asyncio.tasks, "Task", Derived)
    monkeypatch.setattr(asyncio.futures, "Future", DerivedFuture)
    loop = loop_factory()

    async def main() -> None:
        future = loop.create_future()
        assert [type(future), type(asyncio.current_task())] == [DerivedFuture, Derived]
        async with asyncio.TaskGroup() as group:
            assert type(group.create_task(turns(1))) is Derived

    loop.run_until_complete(main())
    loop.close()
