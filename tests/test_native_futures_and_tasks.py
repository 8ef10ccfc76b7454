"""`ioxide.Future` and `ioxide.Task` beside asyncio's own classes: what they are, what finds them, what they leave.

How they behave, CPython's suite and every other test of a loop tell. Here is what is particular to them. Both kinds of
classes go through the same tests, on ioxide's loop, for they have to get on with each other there.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import gc
import inspect
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import ioxide
import pytest
from ioxide import _ioxide

Loop = asyncio.AbstractEventLoop
CLASSES = {"asyncio": (asyncio.Future, asyncio.Task), "ioxide": (ioxide.Future, ioxide.Task)}


@pytest.fixture
def loop(reports: list[dict[str, Any]]) -> Iterator[Loop]:
    """A fresh loop of ioxide's, whichever classes are made on it."""
    loop = ioxide.new_event_loop()
    loop.set_exception_handler(lambda _, context: reports.append(context))
    yield loop
    loop.close()
    gc.collect()
    assert reports == []


@pytest.fixture
def run(loop: Loop) -> Callable[[Any], Any]:
    return loop.run_until_complete


@pytest.fixture(params=sorted(CLASSES))
def future_class(request: pytest.FixtureRequest) -> Any:
    return CLASSES[request.param][0]


@pytest.fixture(params=sorted(CLASSES))
def task_class(request: pytest.FixtureRequest) -> Any:
    return CLASSES[request.param][1]


async def nothing() -> None:
    pass


def test_the_loop_makes_native_ones(loop: Loop, run: Callable[[Any], Any]) -> None:
    assert type(loop.create_future()) is ioxide.Future
    task = loop.create_task(nothing())
    assert type(task) is ioxide.Task
    run(task)


def test_they_are_asyncio_s_to_isinstance(loop: Loop, run: Callable[[Any], Any]) -> None:
    task = ioxide.Task(nothing(), loop=loop)
    assert isinstance(ioxide.Future(loop=loop), asyncio.Future)
    assert isinstance(task, asyncio.Task)
    assert isinstance(task, asyncio.Future)
    assert asyncio.isfuture(task)
    assert asyncio.ensure_future(task) is task
    assert inspect.isawaitable(task)
    run(task)


@pytest.mark.parametrize("name", ["Future", "Task"])
def test_their_signatures_are_asyncio_s(name: str) -> None:
    assert str(inspect.signature(getattr(ioxide, name))) == str(inspect.signature(getattr(asyncio, name)))


def test_all_tasks_finds_them_until_they_are_done(loop: Loop, run: Callable[[Any], Any], task_class: Any) -> None:
    async def main() -> None:
        tasks = {task_class(nothing(), loop=loop) for _ in range(3)}
        assert asyncio.all_tasks() == tasks | {asyncio.current_task()}
        await asyncio.wait(tasks)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())
    assert asyncio.all_tasks(loop) == set()


def test_all_tasks_of_another_loop_finds_none_of_them(loop: Loop, run: Callable[[Any], Any]) -> None:
    other = ioxide.new_event_loop()
    task = ioxide.Task(nothing(), loop=loop)
    assert asyncio.all_tasks(other) == set()
    assert asyncio.all_tasks(loop) == {task}
    other.close()
    run(task)


def test_who_is_the_current_task(loop: Loop, run: Callable[[Any], Any], task_class: Any) -> None:
    seen: list[Any] = []

    async def look() -> None:
        seen.append(asyncio.current_task())
        loop.call_soon(lambda: seen.append(asyncio.current_task()))
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    task = task_class(look(), loop=loop)
    other = task_class(nothing(), loop=loop)
    run(asyncio.wait([task, other]))
    assert seen == [task, None, task]
    assert asyncio.current_task(loop) is None


def test_each_kind_awaits_the_other(loop: Loop, run: Callable[[Any], Any]) -> None:
    async def wait_for(future: Any) -> Any:
        return await future

    async def main() -> None:
        for task_class in (asyncio.Task, ioxide.Task):
            for future_class in (asyncio.Future, ioxide.Future):
                future = future_class(loop=loop)
                task = task_class(wait_for(future), loop=loop)
                await asyncio.sleep(0)
                assert task._fut_waiter is future
                future.set_result((1, 2))
                assert await task == (1, 2)

                future = future_class(loop=loop)
                task = task_class(wait_for(future), loop=loop)
                await asyncio.sleep(0)
                task.cancel("why")
                with pytest.raises(asyncio.CancelledError, match="why"):
                    await task
                assert future.cancelled()

    run(main())


@pytest.mark.parametrize("result", [None, (), (1, 2), StopIteration(3), ValueError(4), ValueError])
def test_any_result_comes_through(run: Callable[[Any], Any], loop: Loop, task_class: Any, result: object) -> None:
    async def give() -> object:
        return result

    async def main() -> object:
        return await task_class(give(), loop=loop)

    assert run(main()) is result


def test_a_task_runs_on_a_loop_that_is_not_ours() -> None:
    async def add(one: int) -> int:
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        assert task in asyncio.all_tasks()
        return one + 1

    other = asyncio.SelectorEventLoop()
    task = ioxide.Task(add(1), loop=other)
    assert other.run_until_complete(task) == 2
    assert asyncio.all_tasks(other) == set()
    other.close()


def test_a_call_soon_of_a_subclass_sees_every_step() -> None:
    class Recording(ioxide.Loop):
        def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
            names.append(getattr(callback, "__name__", ""))
            return super().call_soon(callback, *args, context=context)

    async def main() -> None:
        await asyncio.sleep(0)

    names: list[str] = []
    loop = Recording()
    task = ioxide.Task(main(), loop=loop)
    loop.run_until_complete(task)
    loop.close()
    assert names[:2] == ["task_step", "task_step"]


def test_the_program_sets_attributes_of_its_own(loop: Loop, future_class: Any) -> None:
    future = future_class(loop=loop)
    with pytest.raises(AttributeError, match="object has no attribute 'mine'"):
        _ = future.mine
    future.mine = 1
    assert future.mine == 1
    del future.mine
    assert not hasattr(future, "mine")
    with pytest.raises(AttributeError, match="is not writable"):
        future._state = "DONE"
    with pytest.raises(AttributeError):
        del future.mine


def test_derived_classes_add_to_them(loop: Loop, run: Callable[[Any], Any], task_class: Any) -> None:
    class Task(task_class):  # type: ignore[misc]
        def __init__(self, coro: Any, *, loop: Loop, tag: str) -> None:
            super().__init__(coro, loop=loop)
            self.tag = tag

        def cancel(self, msg: Any = None) -> bool:
            cancelled.append(self.tag)
            return super().cancel(msg)

    async def wait() -> None:
        await loop.create_future()

    async def main() -> None:
        task = Task(wait(), loop=loop, tag="mine")
        waiting = asyncio.ensure_future(asyncio.gather(task))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    cancelled: list[str] = []
    run(main())
    assert cancelled == ["mine"]


def test_what_was_never_initialised_says_so(future_class: Any) -> None:
    future = future_class.__new__(future_class)
    with pytest.raises(asyncio.InvalidStateError, match="Future object is not initialized"):
        future.result()
    for method in ("get_loop", "cancel", "__await__"):
        with pytest.raises(RuntimeError, match="Future object is not initialized"):
            getattr(future, method)()
    assert not future.done()


def test_they_can_not_be_copied(loop: Loop, future_class: Any) -> None:
    with pytest.raises(TypeError):
        copy.copy(future_class(loop=loop))


def test_an_exception_that_nobody_saw_is_reported_once(
    loop: Loop, reports: list[dict[str, Any]], future_class: Any
) -> None:
    future = future_class(loop=loop)
    error = ValueError("unseen")
    future.set_exception(error)
    del future
    gc.collect()
    (report,) = reports
    assert report["message"] == "Future exception was never retrieved"
    assert report["exception"] is error
    kept = report["future"]
    reports.clear()
    assert kept.exception() is error  # the object is whole
    del kept, report
    gc.collect()


def test_a_pending_task_that_is_forgotten_is_reported(
    loop: Loop, run: Callable[[Any], Any], reports: list[dict[str, Any]], task_class: Any
) -> None:
    async def wait() -> None:
        await future_class(loop=loop)

    future_class = CLASSES["ioxide" if task_class is ioxide.Task else "asyncio"][0]
    task = task_class(wait(), loop=loop)
    run(asyncio.sleep(0))
    forgotten = weakref.ref(task)
    del task
    gc.collect()
    (report,) = reports
    # From 3.15 on a weak reference lives as long as what the finalizer has given away.
    assert (forgotten() is None) == (sys.version_info < (3, 15))
    assert report["message"] == "Task was destroyed but it is pending!"
    # From 3.14 on asyncio goes on finding those of its own that somebody keeps.
    is_found = sys.version_info >= (3, 14) and task_class is not ioxide.Task
    assert asyncio.all_tasks(loop) == ({report["task"]} if is_found else set())
    report["task"].get_coro().close()
    reports.clear()
    del report
    gc.collect()


def test_cycles_of_futures_and_tasks_are_collected(loop: Loop, run: Callable[[Any], Any], future_class: Any) -> None:
    def cycle() -> weakref.ref[Any]:
        future = future_class(loop=loop)
        future.set_result([future])
        return weakref.ref(future)

    assert [reference() for reference in [cycle() for _ in range(100)] if gc.collect() < 0] == []
    gc.collect()
    assert all(reference() is None for reference in [cycle() for _ in range(3)] if gc.collect() >= 0)


def test_a_long_chain_goes_without_deep_recursion(loop: Loop) -> None:
    """A chain of asyncio's own futures would overflow the stack at this length."""
    chain = None
    for _ in range(500_000):
        future: Any = ioxide.Future(loop=loop)
        future.set_result(chain)
        chain = future
    del future, chain
    gc.collect()


def test_a_result_from_another_thread_is_refused_in_debug_mode(loop: Loop, future_class: Any) -> None:
    async def main() -> None:
        future = future_class(loop=loop)
        future.add_done_callback(print)
        errors: list[str] = []

        def set_result() -> None:
            try:
                future.set_result(None)
            except RuntimeError as error:
                errors.append(str(error))

        thread = threading.Thread(target=set_result)
        thread.start()
        thread.join()
        assert errors == ["Non-thread-safe operation invoked on an event loop other than the current one"]

    loop.set_debug(True)
    loop.run_until_complete(main())


def test_tasks_that_wait_for_each_other_can_not_be_cancelled_for_ever(
    loop: Loop, run: Callable[[Any], Any], reports: list[dict[str, Any]], task_class: Any
) -> None:
    async def wait_for(name: str) -> None:
        await asyncio.sleep(0)
        await tasks[name]

    async def main() -> None:
        tasks["one"] = task_class(wait_for("other"), loop=loop)
        tasks["other"] = task_class(wait_for("one"), loop=loop)
        for _ in range(3):
            await asyncio.sleep(0)
        with pytest.raises(RecursionError):
            tasks["one"].cancel()

    tasks: dict[str, Any] = {}
    run(main())
    for task in tasks.values():
        task.get_coro().close()
        task._log_destroy_pending = False


def test_an_exception_that_takes_no_attributes_comes_through(
    loop: Loop, run: Callable[[Any], Any], task_class: Any
) -> None:
    @dataclasses.dataclass(frozen=True)
    class NotFoundError(Exception):
        key: str

    async def fail() -> None:
        raise NotFoundError("key")

    async def main() -> None:
        with pytest.raises(NotFoundError):
            await task_class(fail(), loop=loop)

    run(main())


def test_what_is_raised_is_chained_to_what_is_handled(loop: Loop, future_class: Any) -> None:
    future = future_class(loop=loop)
    pending = future_class(loop=loop)
    future.set_exception(ValueError("set"))
    handled = KeyError("handled")
    for raising, kind in ((future, ValueError), (pending, asyncio.InvalidStateError)):
        try:
            raise handled
        except KeyError:
            with pytest.raises(kind) as caught:
                raising.result()
        assert caught.value.__context__ is handled


def test_the_current_task_is_set_without_a_call_into_asyncio() -> None:
    # Elsewhere nothing tells whether it is; only the speed of every task does.
    assert _ioxide._reaches_current_task()


def test_ioxide_can_be_imported_by_a_task() -> None:
    program = """
import asyncio

async def main():
    before = asyncio.current_task(), asyncio.get_running_loop()
    before[1].slow_callback_duration = 100  # in development mode that is reported
    import ioxide
    assert (asyncio.current_task(), asyncio.get_running_loop()) == before
    await asyncio.sleep(0)
    assert (asyncio.current_task(), asyncio.get_running_loop()) == before
    return "imported"

print(asyncio.run(main()))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (result.stdout, result.stderr) == ("imported\n", "")


def test_a_task_that_ended_is_not_kept_as_the_current_one(loop: Loop) -> None:
    async def nothing() -> None: ...

    async def main() -> None:
        task = loop.create_task(nothing())
        ended.append(weakref.ref(task))
        del task
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        seen.append(ended[0]())

    ended: list[weakref.ref[Any]] = []
    seen: list[Any] = []
    loop.run_until_complete(main())
    assert seen == [None]
    main_task = weakref.ref(last := loop.create_task(nothing()))
    loop.run_until_complete(last)
    del last
    assert main_task() is None


def test_no_task_is_current_when_a_failed_one_is_reported(
    loop: Loop, run: Callable[[Any], Any], task_class: Any
) -> None:
    async def fail() -> None:
        raise ValueError

    current: list[Any] = []
    loop.set_exception_handler(lambda loop, _: current.append(asyncio.current_task(loop)))

    async def main() -> None:
        task_class(fail(), loop=loop, name="culprit")
        task_class(nothing(), loop=loop, name="innocent")
        await asyncio.sleep(0)

    run(main())
    gc.collect()
    assert current == [None]


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="from 3.15 on it is initialised once")
def test_a_task_that_is_initialised_while_it_is_named_is_listed_once(loop: Loop) -> None:
    class Name:
        def __init__(self, task: Any) -> None:
            self.task = task

        def __str__(self) -> str:
            task, self.task = self.task, None
            if task is not None:
                ioxide.Task.__init__(task, inner, loop=loop)
            return "outer"

    inner, outer = nothing(), nothing()
    task: Any = ioxide.Task.__new__(ioxide.Task)
    task.__init__(outer, loop=loop, name=Name(task))
    assert asyncio.all_tasks(loop) == {task}
    task._log_destroy_pending = False
    del task
    inner.close()
    outer.close()
    loop.close()
    gc.collect()
    assert ioxide._ioxide._live_tasks() == []


def test_a_pending_task_is_reported_at_the_end_of_the_program() -> None:
    program = """if True:
        import asyncio, ioxide
        async def wait():
            await loop.create_future()
        loop = ioxide.new_event_loop()
        task = loop.create_task(wait(), name="forgotten")
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, second = done.stderr.splitlines()[:2]
    assert first == "Task was destroyed but it is pending!"
    assert second.startswith("task: <Task pending name='forgotten'")
