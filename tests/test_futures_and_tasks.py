"""Futures and tasks on the loop: how they are made, what they run in, and that asyncio's own vocabulary works on it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest
from conftest import LoopFactory

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

needs_eager_tasks = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")


def turn(loop: Loop) -> None:
    """Let the loop make one turn."""
    loop.stop()
    loop.run_forever()


async def read_variable() -> str:
    """Return what the variable is in the task's context."""
    await asyncio.sleep(0)
    return variable.get()


def test_create_future_makes_a_pending_future_of_the_loop(loop: Loop) -> None:
    loop.set_debug(False)
    future = loop.create_future()
    assert isinstance(future, asyncio.Future)
    assert asyncio.isfuture(future)
    assert future.get_loop() is loop
    assert not future.done()
    assert repr(future) == "<Future pending>"


def test_done_callbacks_run_through_the_loop_in_order(loop: Loop) -> None:
    ran: list[Any] = []
    future = loop.create_future()
    future.add_done_callback(lambda done: ran.append(("first", done.result())))
    future.add_done_callback(lambda done: ran.append(("second", done.result())))
    loop.call_soon(ran.append, "already there")
    future.set_result(1)
    loop.call_soon(ran.append, "behind")
    assert ran == []
    turn(loop)
    assert ran == ["already there", ("first", 1), ("second", 1), "behind"]


def test_done_callbacks_run_in_the_context_they_were_added_in(loop: Loop) -> None:
    seen: list[str] = []
    future = loop.create_future()
    context = contextvars.copy_context()
    context.run(variable.set, "given")
    token = variable.set("current")
    future.add_done_callback(lambda _: seen.append(variable.get()))
    future.add_done_callback(lambda _: seen.append(variable.get()), context=context)
    variable.reset(token)
    future.set_result(None)
    turn(loop)
    assert seen == ["current", "given"]


def test_create_task_starts_in_the_next_turn(loop: Loop) -> None:
    async def work() -> str:
        ran.append("work")
        return "result"

    ran: list[str] = []
    task = loop.create_task(work())
    assert isinstance(task, asyncio.Task)
    assert task.get_loop() is loop
    assert ran == []
    turn(loop)
    assert ran == ["work"]
    assert task.result() == "result"


def test_tasks_take_turns(run: Run) -> None:
    async def work(name: str) -> None:
        for step in range(3):
            ran.append(f"{name}{step}")
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(work("a"), work("b"), work("c"))

    ran: list[str] = []
    run(main())
    assert ran == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_a_task_bears_the_name_it_is_given(loop: Loop) -> None:
    coroutines = [asyncio.sleep(0) for _ in range(3)]
    named = loop.create_task(coroutines[0], name="fetch")
    numbered = loop.create_task(coroutines[1], name=7)  # type: ignore[arg-type]
    unnamed = loop.create_task(coroutines[2])
    assert named.get_name() == "fetch"
    assert numbered.get_name() == "7"
    assert unnamed.get_name().startswith("Task-")
    turn(loop)
    turn(loop)


def test_a_task_copies_the_context_or_runs_in_the_one_given(loop: Loop) -> None:
    context = contextvars.copy_context()
    context.run(variable.set, "given")

    async def change() -> str:
        before = variable.get()
        variable.set("changed")
        await asyncio.sleep(0)
        return before + " " + variable.get()

    assert loop.run_until_complete(loop.create_task(change())) == "unset changed"
    assert variable.get() == "unset"
    assert loop.run_until_complete(loop.create_task(change(), context=context)) == "given changed"
    assert context[variable] == "changed"


def test_create_task_refuses_what_is_not_a_coroutine(loop: Loop) -> None:
    with pytest.raises(TypeError, match="a coroutine was expected, got 42"):
        loop.create_task(42)  # type: ignore[arg-type]


@pytest.mark.parametrize("context_given", [False, True])
def test_a_task_factory_makes_the_tasks(loop: Loop, context_given: bool) -> None:
    made: list[dict[str, Any]] = []

    def factory(given: Loop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        assert given is loop
        made.append(options)
        return asyncio.Task(coroutine, loop=given, **options)

    assert loop.get_task_factory() is None
    loop.set_task_factory(factory)
    assert loop.get_task_factory() is factory
    context = contextvars.copy_context()
    context.run(variable.set, "given")
    options = {"context": context} if context_given else {}
    task = loop.create_task(read_variable(), name="named", **options)
    assert task.get_name() == "named"
    # Since 3.14 the factory gets everything; before, the loop names the task.
    passed = {"name": "named", **options} if sys.version_info >= (3, 14) else options
    assert made == [passed]
    assert loop.run_until_complete(task) == ("given" if context_given else "unset")
    assert loop.run_until_complete(read_variable()) == "unset"
    assert made == [passed, {}]
    loop.set_task_factory(None)
    assert loop.get_task_factory() is None
    assert loop.run_until_complete(read_variable()) == "unset"
    assert len(made) == 2


def test_a_task_factory_must_be_callable(loop: Loop) -> None:
    with pytest.raises(TypeError, match=r"^task factory must be a callable or None$"):
        loop.set_task_factory(42)  # type: ignore[arg-type]
    assert loop.get_task_factory() is None


def test_what_a_task_factory_raises_reaches_the_caller(loop: Loop) -> None:
    def factory(*_: Any, **__: Any) -> Any:
        raise LookupError("no task today")

    loop.set_task_factory(factory)
    coroutine = asyncio.sleep(0)
    with pytest.raises(LookupError, match="no task today"):
        loop.create_task(coroutine)
    coroutine.close()
    loop.set_task_factory(None)


@needs_eager_tasks
def test_eager_tasks_run_until_they_first_wait(loop: Loop) -> None:
    outer: asyncio.Task[Any] | None = None

    async def work(name: str, waits: bool) -> str:
        ran.append(name)
        assert asyncio.current_task() is not outer
        if waits:
            await asyncio.sleep(0)
            ran.append(f"{name} again")
        return name

    async def main() -> None:
        nonlocal outer
        outer = asyncio.current_task()
        short = loop.create_task(work("short", waits=False), name="short")
        assert short.done()
        assert short.get_name() == "short"
        long = asyncio.create_task(work("long", waits=True))
        assert not long.done()
        assert long in asyncio.all_tasks()
        assert asyncio.current_task() is outer
        assert ran == ["short", "long"]
        assert await long == "long"

    ran: list[str] = []
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
    loop.run_until_complete(main())
    assert ran == ["short", "long", "long again"]


@needs_eager_tasks
def test_an_eager_task_factory_of_ones_own_task_class(loop: Loop) -> None:
    class Mine(asyncio.Task):  # type: ignore[type-arg]
        pass

    async def main() -> None:
        context = contextvars.copy_context()
        context.run(variable.set, "given")
        tasks = [loop.create_task(read_variable()), loop.create_task(read_variable(), context=context)]
        assert [type(task) for task in tasks] == [Mine, Mine]
        assert [await task for task in tasks] == ["unset", "given"]

    loop.set_task_factory(asyncio.create_eager_task_factory(Mine))  # type: ignore[attr-defined]
    loop.run_until_complete(main())


def test_current_task_and_all_tasks(loop: Loop) -> None:
    async def inner() -> asyncio.Task[Any] | None:
        await asyncio.sleep(0)
        return asyncio.current_task()

    async def main() -> None:
        task = loop.create_task(inner())
        me = asyncio.current_task()
        assert asyncio.all_tasks() == {me, task}
        assert asyncio.current_task(loop) is me
        assert await task is task
        assert asyncio.all_tasks() == {me}
        loop.call_soon(lambda: current_in_callback.append(asyncio.current_task()))
        await asyncio.sleep(0)

    current_in_callback: list[Any] = []
    loop.run_until_complete(main())
    assert current_in_callback == [None]
    assert asyncio.all_tasks(loop) == set()
    assert asyncio.current_task(loop) is None


def test_a_task_that_awaits_a_future_of_another_loop_is_told(loop: Loop, loop_factory: LoopFactory) -> None:
    other = loop_factory()
    future = other.create_future()
    other.close()

    async def main() -> None:
        await future

    with pytest.raises(RuntimeError, match="attached to a different loop"):
        loop.run_until_complete(main())


def test_an_exception_nobody_retrieved_is_reported(loop: Loop, reports: list[dict[str, Any]]) -> None:
    async def fail() -> None:
        raise LookupError("lost")

    task = loop.create_task(fail())
    future = loop.create_future()
    future.set_exception(KeyError("lost too"))
    turn(loop)
    turn(loop)
    assert reports == []
    del task, future
    gc.collect()
    assert sorted(report["message"] for report in reports) == [
        "Future exception was never retrieved",
        "Task exception was never retrieved",
    ]
    assert {type(report["exception"]) for report in reports} == {LookupError, KeyError}
    reports.clear()


def test_a_pending_task_that_is_collected_is_reported(loop: Loop, reports: list[dict[str, Any]]) -> None:
    async def wait_for_nothing() -> None:
        await loop.create_future()

    task = loop.create_task(wait_for_nothing())
    turn(loop)
    reference = weakref.ref(task)
    del task
    gc.collect()
    (report,) = reports
    assert report["message"] == "Task was destroyed but it is pending!"
    # The report has brought the task back to life, for as long as it is there.
    reports.clear()
    del report
    gc.collect()
    assert reference() is None


def test_finished_tasks_and_their_results_are_let_go(run: Run) -> None:
    class Result:
        pass

    async def make() -> Result:
        await asyncio.sleep(0)
        return Result()

    async def main() -> None:
        task = asyncio.create_task(make())
        references: list[weakref.ref[Any]] = [weakref.ref(await task), weakref.ref(task)]
        del task
        await asyncio.sleep(0)
        assert [reference() for reference in references] == [None, None]

    run(main())


def test_gather_wait_and_as_completed(run: Run, loop: Loop) -> None:
    async def fail() -> None:
        raise LookupError("failed")

    async def main() -> None:
        assert list(await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))) == [1, 2]
        with pytest.raises(LookupError):
            await asyncio.gather(asyncio.sleep(0), fail())
        results = await asyncio.gather(fail(), asyncio.sleep(0, 2), return_exceptions=True)
        assert [type(result) for result in results] == [LookupError, int]
        futures = [loop.create_future() for _ in range(3)]
        futures[1].set_result("one")
        done, pending = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        assert (done, pending) == ({futures[1]}, {futures[0], futures[2]})
        done, pending = await asyncio.wait(futures, timeout=0)
        assert (done, pending) == ({futures[1]}, {futures[0], futures[2]})
        loop.call_soon(futures[2].set_result, "two")
        loop.call_soon(futures[0].set_result, "nought")
        assert [await one for one in asyncio.as_completed(futures)] == ["one", "two", "nought"]

    run(main())


def test_wait_for_timeout_and_shield(run: Run, loop: Loop) -> None:
    async def main() -> None:
        assert await asyncio.wait_for(asyncio.sleep(0, "soon"), 3600) == "soon"
        waiting = loop.create_future()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting, 0.001)
        assert waiting.cancelled()
        kept = loop.create_future()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.shield(kept)
        kept.set_result("kept")
        assert await kept == "kept"

    run(main())


def test_a_task_group_waits_for_all_and_cancels_the_rest_when_one_fails(run: Run, loop: Loop) -> None:
    async def fail() -> None:
        raise LookupError("one of them")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, number)) for number in range(3)]
        assert [task.result() for task in tasks] == [0, 1, 2]
        waiting = loop.create_future()
        with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
            async with asyncio.TaskGroup() as group:
                other = group.create_task(asyncio.wait_for(waiting, 3600))
                group.create_task(fail())
        assert [type(error) for error in caught.value.exceptions] == [LookupError]
        assert other.cancelled()
        assert waiting.cancelled()

    run(main())


def test_queue_lock_semaphore_event_condition_and_barrier(run: Run) -> None:
    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        lock, semaphore, event = asyncio.Lock(), asyncio.Semaphore(1), asyncio.Event()
        condition, barrier = asyncio.Condition(), asyncio.Barrier(2)

        async def other() -> list[int]:
            assert await barrier.wait() in (0, 1)
            received = [await queue.get() for _ in range(3)]
            async with lock, semaphore:
                event.set()
            async with condition:
                condition.notify_all()
            return received

        task = asyncio.create_task(other())
        await barrier.wait()
        async with lock, semaphore, condition:
            for number in range(3):
                await queue.put(number)
            assert not event.is_set()
            lock.release()
            semaphore.release()
            await condition.wait()
            await lock.acquire()
            await semaphore.acquire()
        assert event.is_set()
        assert await event.wait()
        assert await task == [0, 1, 2]

    run(main())


def test_a_plain_generator_that_yields_a_future_or_nothing_can_be_awaited(run: Run, loop: Loop) -> None:
    class Two:
        def __await__(self) -> Generator[Any, None, Any]:
            yield None
            future = loop.create_future()
            loop.call_soon(future.set_result, 2)
            return (yield from future)

    async def main() -> Any:
        return await Two()

    assert run(main()) == 2


def test_an_exception_that_could_not_be_told_to_anybody_is_not_reported_again(
    loop: Loop, reports: list[dict[str, Any]]
) -> None:
    future = loop.create_future()
    future.add_done_callback(print)
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        future.set_exception(ValueError())
    assert not future._log_traceback
    del future
    gc.collect()
    assert reports == []


def test_what_is_derived_from_stop_iteration_is_taken_as_the_python_takes_it(loop: Loop) -> None:
    class Derived(StopIteration):
        pass

    future = loop.create_future()
    # asyncio took it as it was until 3.11.8 and 3.12.2.
    takes_it = sys.version_info < (3, 11, 8) or (3, 12) <= sys.version_info < (3, 12, 2)
    future.set_exception(Derived(1))
    exception = future.exception()
    assert type(exception) is (Derived if takes_it else RuntimeError)
