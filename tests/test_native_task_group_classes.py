"""`TaskGroup` of ours beside asyncio's: what programs do with its private parts.

They derive classes from it that replace its private methods, and set its private attributes.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import weakref
from typing import Any

import pytest
from small_coroutines import Run, turns, wait_for_ever
from task_group_programs import fail, give, nothing, raises_group


def test_a_class_with_a_create_task_of_its_own(run: Run, group_class: Any) -> None:
    class Gathering(group_class):  # type: ignore[misc]
        def __init__(self, tag: str) -> None:
            super().__init__()
            self.tag = tag
            self.made: list[Any] = []

        def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> Any:
            task = super().create_task(coro, name=name, context=context)
            self.made.append(task)
            return task

    async def main() -> list[object]:
        async with Gathering("mine") as group:
            for number in range(3):
                group.create_task(give(number))
        assert group.tag == "mine"
        assert repr(group) == "<TaskGroup entered>"
        return [task.result() for task in group.made]

    assert run(main()) == [0, 1, 2]


def test_a_class_that_does_not_abort(run: Run, group_class: Any) -> None:
    class Forgiving(group_class):  # type: ignore[misc]
        _abort = lambda self: None  # noqa: E731

    async def main() -> None:
        with raises_group() as caught:
            async with Forgiving() as group:
                task = group.create_task(give(1))
                group.create_task(fail())
        assert caught.failures() == ["ValueError('failed')"]
        assert task.result() == 1

    run(main())


def test_a_class_that_deals_with_the_ends_itself(run: Run, group_class: Any) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    seen: list[str] = []

    class Forgiving(group_class):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._parent_cancel_requested = True

        def _on_task_done(self, task: Any) -> None:
            seen.append(f"{task.get_name()} {variable.get()}")
            super()._on_task_done(task)

        def _is_base_error(self, exc: BaseException) -> bool:
            seen.append(repr(exc))
            return bool(super()._is_base_error(exc))

    async def main() -> None:
        with raises_group():
            async with Forgiving() as group:
                variable.set("first")
                group.create_task(fail(), name="one")
                variable.set("second")
                group.create_task(turns(3), name="other")
        assert seen == ["one first", "ValueError('failed')", "other second"]

    run(main())


def test_a_class_that_keeps_the_failures(run: Run, group_class: Any) -> None:
    class Keeping(group_class):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.kept: list[BaseException] = []

        def _on_task_done(self, task: Any) -> None:
            if not task.cancelled() and task.exception():
                self.kept.append(task.exception())
                self._tasks.discard(task)
                if self._on_completed_fut is not None and not self._tasks and not self._on_completed_fut.done():
                    self._on_completed_fut.set_result(True)
                return
            super()._on_task_done(task)

        async def __aexit__(self, et: Any, exc: Any, tb: Any) -> None:
            await super().__aexit__(et, exc, tb)

    async def main() -> None:
        async with Keeping() as group:
            group.create_task(turns(2))
            group.create_task(fail())
            group.create_task(fail())
        assert len(group.kept) == 2
        async with Keeping() as group:
            group.create_task(fail())
        assert len(group.kept) == 1

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="a native group's own methods can't be hidden before")
def test_methods_replaced_in_the_object(run: Run, group_class: Any) -> None:
    async def main() -> None:
        def note_and_discard(task: Any) -> None:
            seen.append(task.get_name())
            group._tasks.discard(task)

        seen: list[str] = []
        group = group_class()
        group._on_task_done = note_and_discard
        async with group:
            group.create_task(nothing(), name="one")
            await turns(3)
        assert seen == ["one"]

        group = group_class()
        with raises_group():
            async with group:
                group.create_task(turns(3))
                group._abort = lambda: seen.append("abort")
                group.create_task(fail())
        assert seen == ["one", "abort", "abort"]

    run(main())


def test_programs_call_abort(run: Run, group_class: Any) -> None:
    async def main() -> None:
        async with group_class() as group:
            tasks = [group.create_task(wait_for_ever()) for _ in range(3)]
            await turns(1)
            group._abort()
            assert group._aborting
        assert all(task.cancelled() for task in tasks)

    run(main())


def test_programs_change_the_set_of_tasks(run: Run, group_class: Any) -> None:
    async def main() -> None:
        async with group_class() as group:
            task = group.create_task(wait_for_ever())
            other = asyncio.ensure_future(nothing())
            assert type(group._tasks) is set
            assert group._tasks == {task}
            group._tasks.add(other)
            assert repr(group) == "<TaskGroup tasks=2 entered>"
            other.add_done_callback(group._on_task_done)
            group._tasks.discard(task)
        task.cancel()

        async with group_class() as group:
            group._tasks = weakref.WeakSet()
            task = group.create_task(turns(2))
            assert task in group._tasks
        assert task.done()

    run(main())


def test_every_private_attribute_is_read_and_set(group_class: Any) -> None:
    initial: dict[str, Any] = {
        "_entered": False,
        "_exiting": False,
        "_aborting": False,
        "_loop": None,
        "_parent_task": None,
        "_parent_cancel_requested": False,
        "_tasks": set(),
        "_errors": [],
        "_base_error": None,
        "_on_completed_fut": None,
    }
    group = group_class()
    for name, value in initial.items():
        assert getattr(group, name) == value
        new: object = True if value is False else object()
        setattr(group, name, new)
        assert getattr(group, name) is new
    group.__init__()
    assert {name: getattr(group, name) for name in initial} == initial
    assert group._is_base_error(KeyboardInterrupt())
    assert not group._is_base_error(asyncio.CancelledError())
    with pytest.raises(AssertionError):
        group._is_base_error("no exception")


def test_programs_set_attributes_of_their_own(group_class: Any) -> None:
    group = group_class()
    with pytest.raises(AttributeError, match="object has no attribute 'mine'"):
        _ = group.mine
    group.mine = 1
    assert group.mine == 1
    assert group.__dict__["mine"] == 1
    del group.mine
    assert not hasattr(group, "mine")
    assert weakref.ref(group)() is group
