"""`TaskGroup` of ours beside asyncio's: tasks of any kind, the order of events, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import warnings
import weakref
from collections.abc import Coroutine, Generator
from typing import Any

import ioxide
import pytest
from small_coroutines import Loop, Run, turns, wait_for_ever
from task_group_programs import GROUP_CLASSES, fail, give, nothing, raises_group

TASK_CLASSES: list[Any] = [asyncio.Task, ioxide.Task]
if sys.version_info < (3, 14):  # from then on `current_task` doesn't find those of asyncio's Python class
    TASK_CLASSES.append(vars(asyncio.tasks)["_PyTask"])


@pytest.mark.parametrize("task_class", TASK_CLASSES)
def test_tasks_of_any_class(loop: Loop, run: Run, group_class: Any, task_class: Any) -> None:
    def make(loop: Loop, coro: Any, **keywords: Any) -> Any:
        return task_class(coro, loop=loop, **keywords)

    async def main() -> None:
        with raises_group() as caught:
            async with group_class() as group:
                done = group.create_task(give(1), name="one")
                await turns(3)
                waiting = group.create_task(wait_for_ever())
                group.create_task(fail())
        assert caught.failures() == ["ValueError('failed')"]
        assert type(done) is task_class
        assert (done.get_name(), done.result(), waiting.cancelled()) == ("one", 1, True)

    loop.set_task_factory(make)
    run(main())


class TaskLike:
    """What a program's own task factory might make: the methods that asyncio needs, and no arguments to spare."""

    _asyncio_future_blocking = False

    def __init__(self, coro: Coroutine[Any, Any, Any], loop: Loop, journal: list[str]) -> None:
        self._loop = loop
        self._task = asyncio.Task(coro, loop=loop)
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def done(self) -> bool:
        self._journal.append("done")
        return self._task.done()

    def cancelled(self) -> bool:
        self._journal.append("cancelled")
        return self._task.cancelled()

    def exception(self) -> BaseException | None:
        self._journal.append("exception")
        return self._task.exception()

    def cancel(self) -> bool:
        self._journal.append("cancel")
        return self._task.cancel()

    def add_done_callback(self, callback: Any) -> None:
        self._journal.append("add_done_callback")
        self._task.add_done_callback(lambda _: callback(self))

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._task.__await__()


def test_a_task_like_object_sees_the_same_calls(loop: Loop, run: Run) -> None:
    def journal_of(group_class: Any) -> list[str]:
        journal: list[str] = []

        async def main() -> None:
            loop.set_task_factory(lambda loop, coro, **_: TaskLike(coro, loop, journal))  # type: ignore[arg-type]
            try:
                with contextlib.suppress(ExceptionGroup):
                    async with group_class() as group:
                        group.create_task(nothing())
                        await turns(2)
                        group.create_task(wait_for_ever())
                        group.create_task(fail())
                        await turns(2)
            finally:
                loop.set_task_factory(None)

        run(main())
        return journal

    stock = journal_of(GROUP_CLASSES["asyncio"])
    assert journal_of(GROUP_CLASSES["ioxide"]) == stock
    assert "cancel" in stock


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the name goes to the loop from then on")
def test_a_task_that_takes_no_name_warns(loop: Loop, run: Run, group_class: Any) -> None:
    class Nameless:
        def __init__(self, task: Any) -> None:
            self.add_done_callback, self.done = task.add_done_callback, task.done

    async def main() -> None:
        loop.set_task_factory(lambda loop, coro, **_: Nameless(asyncio.Task(coro, loop=loop)))  # type: ignore[arg-type]
        async with group_class() as group:
            with pytest.warns(DeprecationWarning, match=r"^Task\.set_name\(\) was added in Python 3\.8"):
                made = group.create_task(nothing(), name="name")
            group._tasks.discard(made)
            await turns(2)
        loop.set_task_factory(None)

    run(main())


def test_a_program_s_own_call_sees_a_pending_task(run: Run, group_class: Any) -> None:
    async def main() -> None:
        async with group_class() as group:
            task = asyncio.ensure_future(wait_for_ever())
            with pytest.raises(asyncio.InvalidStateError, match="Exception is not set"):
                group._on_task_done(task)
            task.cancel()

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")
def test_eager_tasks(loop: Loop, run: Run, group_class: Any) -> None:
    async def main() -> None:
        async with group_class() as group:
            task = group.create_task(nothing())
            assert task.done()
            # From 3.14 on the group is told of an eager task's end as of any other's: in the next turn.
            told_later = {task} if sys.version_info >= (3, 14) else set()
            assert group._tasks == told_later
            waiting = group.create_task(turns(2))
            assert group._tasks == {waiting, *told_later}
        with raises_group() as caught:
            async with group_class() as group:
                group.create_task(fail())
                if told_later:
                    with contextlib.suppress(asyncio.CancelledError):
                        await turns(2)
                assert group._aborting
                with pytest.raises(RuntimeError, match="is shutting down"):
                    group.create_task(refused)
        assert caught.failures() == ["ValueError('failed')"]
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            # Before 3.13 the group's request stays, though it is taken back.
            assert sys.version_info < (3, 13)

    refused = nothing()
    factory: Any = vars(asyncio)["eager_task_factory"]
    loop.set_task_factory(factory)
    run(main())
    refused.close()


def test_in_debug_mode(loop: Loop, run: Run, group_class: Any) -> None:
    async def main() -> None:
        with raises_group():
            async with group_class() as group:
                group.create_task(nothing())
                group.create_task(wait_for_ever())
                group.create_task(fail())

    loop.set_debug(True)
    run(main())


def test_the_order_of_events(loop: Loop, run: Run) -> None:
    def journal_of(group_class: Any) -> list[str]:
        journal: list[str] = []

        async def step(name: str, count: int, error: Exception | None = None) -> None:
            try:
                await turns(count)
                if error:
                    raise error
            finally:
                journal.append(name)

        async def ticks() -> None:
            for number in range(12):
                journal.append(f"tick {number}")
                await asyncio.sleep(0)

        async def main() -> None:
            beside = asyncio.ensure_future(ticks())
            for error in (None, ValueError()):
                with contextlib.suppress(ExceptionGroup):
                    async with group_class() as group:
                        for number in (0, 1, 1, 3):
                            task = group.create_task(step(f"step {number}", number, error if number == 1 else None))
                            task.add_done_callback(lambda _: journal.append(f"done {group!r}"))
                        journal.append("block")
                    journal.append("left")
            await beside

        run(main())
        return journal

    assert journal_of(GROUP_CLASSES["ioxide"]) == journal_of(GROUP_CLASSES["asyncio"])


def test_groups_in_groups(run: Run, group_class: Any) -> None:
    async def inner(seen: list[str]) -> None:
        try:
            async with group_class() as group:
                group.create_task(wait_for_ever())
        except asyncio.CancelledError:
            seen.append("inner")
            raise

    async def main() -> None:
        seen: list[str] = []
        with raises_group() as caught:
            async with group_class() as group:
                group.create_task(inner(seen))
                async with group_class() as nested:
                    nested.create_task(inner(seen))
                    await turns(2)
                    group.create_task(fail())
                    nested.create_task(fail())
        assert seen == ["inner", "inner"]
        assert caught.failures()[0].startswith("ExceptionGroup(")
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == (0 if sys.version_info >= (3, 13) else 1)

    run(main())


def test_tasks_are_made_while_the_end_waits(run: Run, group_class: Any) -> None:
    async def breed(group: Any, generation: int) -> None:
        if generation:
            group.create_task(breed(group, generation - 1))
            group.create_task(breed(group, generation - 1))
        counted.append(generation)

    async def main() -> None:
        async with group_class() as group:
            group.create_task(breed(group, 6))
        assert len(counted) == 2**7 - 1

    counted: list[int] = []
    run(main())


def test_a_set_of_tasks_that_calls_back(run: Run, group_class: Any) -> None:
    async def main() -> None:
        group = group_class()
        seen: list[str] = []

        class Tasks(set[Any]):
            def discard(self, task: Any) -> None:
                seen.append(repr(group))
                group._errors.append(KeyError("from within"))
                super().discard(task)

        with raises_group() as caught:
            async with group:
                group._tasks = Tasks()
                group.create_task(nothing())
        assert caught.failures() == ["KeyError('from within')"]
        assert seen == ["<TaskGroup tasks=1 entered>"]

    run(main())


def test_closing_the_end_of_the_block(loop: Loop, run: Run, group_class: Any) -> None:
    async def main() -> None:
        group = group_class()
        await group.__aenter__()
        task = group.create_task(wait_for_ever())
        leaving = group.__aexit__(None, None, None)
        future = leaving.send(None)
        assert future is group._on_completed_fut
        leaving.close()
        assert group._on_completed_fut is future
        future._asyncio_future_blocking = False
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            leaving.send(None)
        again = group.__aexit__(None, None, None)
        assert again.send(None) is future
        with pytest.raises(KeyError):
            again.throw(KeyError("thrown"))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    run(main())


def test_a_forgotten_group_is_collected(run: Run, group_class: Any) -> None:
    async def main() -> list[weakref.ref[Any]]:
        with raises_group():
            async with group_class() as group:
                group.create_task(fail())
                group.create_task(wait_for_ever())
        cycle = group_class()
        cycle._errors.append(cycle)
        mine = group_class()
        mine.itself = mine
        leaving = group_class()
        leaving._base_error = (
            leaving.__aexit__(None, leaving, None) if group_class is GROUP_CLASSES["ioxide"] else leaving
        )
        return [weakref.ref(group), weakref.ref(cycle), weakref.ref(mine), weakref.ref(leaving)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        references = run(main())
        gc.collect()
    assert [reference() for reference in references] == [None] * 4
