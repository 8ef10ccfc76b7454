"""`TaskGroup` of ours beside asyncio's: the block, its tasks' failures, and cancellation at each place.

Each test runs the same program with both classes, on both loops.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest
from small_coroutines import Loop, Run, turns, wait_for_ever
from task_group_programs import fail, give, nothing, raises_group


def test_the_block_waits_for_all(run: Run, group_class: Any) -> None:
    async def main() -> list[object]:
        async with group_class() as group:
            tasks = [group.create_task(give(number), name=f"task {number}") for number in range(3)]
            assert [task.get_name() for task in tasks] == ["task 0", "task 1", "task 2"]
            assert all(not task.done() for task in tasks)
        assert all(task.done() for task in tasks)
        return [task.result() for task in tasks]

    assert run(main()) == [0, 1, 2]


def test_it_describes_itself(run: Run, group_class: Any) -> None:
    async def main() -> list[str]:
        group = group_class()
        seen = [repr(group)]
        with contextlib.suppress(ExceptionGroup):
            async with group:
                seen.append(repr(group))
                group.create_task(nothing())
                seen.append(repr(group))
                await turns(2)
                seen.append(repr(group))
                group.create_task(fail())
                group.create_task(wait_for_ever())
                try:
                    await turns(2)
                finally:
                    seen.append(repr(group))
        seen.append(repr(group))
        return seen

    assert run(main()) == [
        "<TaskGroup>",
        "<TaskGroup entered>",
        "<TaskGroup tasks=1 entered>",
        "<TaskGroup entered>",
        "<TaskGroup tasks=1 errors=1 cancelling>",
        "<TaskGroup cancelling>",
    ]


def test_its_signatures_are_asyncio_s(group_class: Any) -> None:
    assert str(inspect.signature(group_class)) == "()"
    assert inspect.signature(group_class().create_task) == inspect.signature(asyncio.TaskGroup().create_task)
    with pytest.raises(TypeError):
        group_class("name")


def test_a_task_shows_the_group_among_its_callbacks(run: Run, group_class: Any) -> None:
    async def main() -> None:
        async with group_class() as group:
            task = group.create_task(wait_for_ever())
            assert "cb=[TaskGroup._on_task_done()]" in repr(task)
            assert task.remove_done_callback(group._on_task_done) == 1
            task.add_done_callback(group._on_task_done)
            task.cancel()

    run(main())


def test_no_task_before_the_block_or_after_it(run: Run, group_class: Any) -> None:
    closes = sys.version_info >= (3, 13)

    def refused(group: Any, reason: str) -> None:
        coroutine = nothing()
        with pytest.raises(RuntimeError, match=reason):
            group.create_task(coroutine)
        assert (inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED) == closes
        coroutine.close()

    async def main() -> None:
        group = group_class()
        refused(group, "^TaskGroup <TaskGroup> has not been entered$")
        async with group:
            pass
        refused(group, "^TaskGroup <TaskGroup entered> is finished$")
        with pytest.raises(RuntimeError, match=r"^TaskGroup <TaskGroup entered> has already been entered$"):
            async with group:
                pass
        async with group_class() as group:
            group.create_task(wait_for_ever())
            group._abort()
            refused(group, "^TaskGroup <TaskGroup tasks=1 cancelling> is shutting down$")

    run(main())


def test_it_needs_a_task_to_be_entered(loop: Loop, group_class: Any) -> None:
    errors: list[str] = []
    group = group_class()

    def enter() -> None:
        try:
            group.__aenter__().send(None)
        except RuntimeError as error:
            errors.append(str(error))

    loop.call_soon(enter)
    loop.run_until_complete(turns(2))
    assert errors == ["TaskGroup <TaskGroup> cannot determine the parent task"]
    with pytest.raises(RuntimeError, match="no running event loop"):
        group_class().__aenter__().send(None)


def test_a_coroutine_of_its_own_that_is_never_awaited_warns(group_class: Any) -> None:
    group = group_class()
    for make in (group.__aenter__, lambda: group.__aexit__(None, None, None)):
        with pytest.warns(RuntimeWarning, match=r"coroutine 'TaskGroup\.__a\w+__' was never awaited"):
            make()
    assert not group._exiting


def test_one_failure_cancels_the_others_and_the_block(run: Run, group_class: Any) -> None:
    async def note(name: str, seen: list[str]) -> None:
        try:
            await wait_for_ever()
        finally:
            seen.append(name)

    async def main() -> None:
        seen: list[str] = []
        with raises_group() as caught:
            async with group_class() as group:
                one = group.create_task(note("one", seen))
                await turns(1)
                group.create_task(fail())
                with pytest.raises(asyncio.CancelledError):
                    await note("block", seen)
                assert group._parent_cancel_requested
                raise KeyError("in the block")
        assert str(caught.error) == "unhandled errors in a TaskGroup (2 sub-exceptions)"
        assert caught.failures() == ["KeyError('in the block')", "ValueError('failed')"]
        assert caught.error.__suppress_context__
        assert caught.error.__cause__ is None
        assert repr(caught.error.__context__) == "KeyError('in the block')"
        assert one.cancelled()
        assert seen == ["one", "block"]
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert group._errors is None
        await turns(1)

    run(main())


def test_a_failure_while_the_block_s_end_waits(run: Run, group_class: Any) -> None:
    async def main() -> None:
        with raises_group() as caught:
            async with group_class() as group:
                group.create_task(wait_for_ever())
                group.create_task(turns(3)).add_done_callback(lambda _: group.create_task(fail()))
        assert caught.failures() == ["ValueError('failed')"]
        assert caught.error.__context__ is None
        task = asyncio.current_task()
        assert task is not None
        # Before 3.13 the group doesn't take back its request to cancel once the block's end waits.
        assert task.cancelling() == (0 if sys.version_info >= (3, 13) else 1)

    run(main())


@pytest.mark.parametrize("stubborn", [0, 1, 3])
def test_cancelling_the_parent_again_and_again(run: Run, group_class: Any, stubborn: int) -> None:
    async def hold_out(seen: list[str]) -> None:
        for _ in range(stubborn):
            try:
                await wait_for_ever()
            except asyncio.CancelledError as error:
                seen.append(f"child {error}")
        await wait_for_ever()

    async def parent(seen: list[str]) -> None:
        try:
            async with group_class() as group:
                group.create_task(hold_out(seen))
        except asyncio.CancelledError as error:
            seen.append(f"parent {error}")
            raise

    async def main() -> tuple[list[str], int]:
        seen: list[str] = []
        task = asyncio.ensure_future(parent(seen))
        await turns(2)
        child = next(other for other in asyncio.all_tasks() if other not in (task, asyncio.current_task()))
        for number in range(stubborn + 1):
            task.cancel(f"request {number}")
            await turns(2)
            seen.append(f"child is done: {child.done()}")
            if number:
                child.cancel(f"direct {number}")
                await turns(2)
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen, task.cancelling()

    seen, count = run(main())
    assert count == stubborn + 1
    assert seen[-1] == "parent request 0"


@pytest.mark.parametrize("when", ["before the block", "in the block", "at its end"])
@pytest.mark.parametrize("fails", [False, True])
def test_cancelled_at_each_place(run: Run, group_class: Any, when: str, fails: bool) -> None:
    async def parent(seen: list[str]) -> None:
        try:
            async with group_class() as group:
                seen.append("entered")
                group.create_task(turns(20))
                if fails:
                    group.create_task(fail_when_cancelled())
                if when == "in the block":
                    await turns(20)
        except BaseException as error:
            task = asyncio.current_task()
            assert task is not None
            seen.append(f"{error!r} {task.cancelling()}")
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError as again:
                seen.append(f"then {again!r}")
            raise

    async def fail_when_cancelled() -> None:
        try:
            await wait_for_ever()
        finally:
            raise ValueError

    async def main() -> tuple[list[str], str]:
        seen: list[str] = []
        task = asyncio.ensure_future(parent(seen))
        await turns(0 if when == "before the block" else 3)
        task.cancel("why")
        await asyncio.wait([task])
        try:
            task.result()
        except BaseException as error:
            return seen, repr(error)
        return seen, "nothing"

    seen, outcome = run(main())
    if when == "before the block":
        assert (seen, outcome) == ([], "CancelledError('why')")
    elif not fails:
        assert (seen, outcome) == (["entered", "CancelledError('why') 1"], "CancelledError('why')")
    else:
        group = "ExceptionGroup('unhandled errors in a TaskGroup', [ValueError()])"
        again = ["then CancelledError()"] if sys.version_info >= (3, 13) else []
        assert (seen, outcome) == (["entered", f"{group} 1", *again], group)


def test_what_a_cancelled_block_makes_of_a_derived_error(run: Run, group_class: Any) -> None:
    class DerivedError(asyncio.CancelledError):
        pass

    async def main() -> None:
        expected: Any = DerivedError if sys.version_info >= (3, 13) else BaseExceptionGroup
        with pytest.raises(expected):
            async with group_class():
                raise DerivedError

    run(main())


def test_before_3_13_a_cancellation_may_be_false(run: Run, group_class: Any) -> None:
    class FalseError(asyncio.CancelledError):
        def __bool__(self) -> bool:
            return False

    async def main() -> object:
        group = group_class()
        await group.__aenter__()
        group.create_task(wait_for_ever())
        leaving = group.__aexit__(None, None, None)
        leaving.send(None)._asyncio_future_blocking = False
        try:
            # The tasks are cancelled, and it goes on to wait for them.
            leaving.throw(FalseError())._asyncio_future_blocking = False
            await turns(2)
            leaving.send(None)
        except BaseException as error:
            return type(error)
        return None

    assert run(main()) is (FalseError if sys.version_info >= (3, 13) else StopIteration)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["task", "block"])
def test_what_ends_the_program_is_raised_alone(loop: Loop, group_class: Any, kind: Any, where: str) -> None:
    seen: list[str] = []

    async def main() -> None:
        try:
            async with group_class() as group:
                group.create_task(fail())
                if where == "task":
                    group.create_task(fail(kind()))
                else:
                    raise kind
        except BaseException as error:
            seen.extend([repr(error), repr(group._base_error), str(len(group._errors or ()))])

    task = loop.create_task(main())
    with contextlib.suppress(kind):
        loop.run_until_complete(task)
    loop.run_until_complete(task)
    kept = [f"{kind.__name__}()", "2" if where == "task" else "0"]
    assert seen == [f"{kind.__name__}()", *(kept if sys.version_info < (3, 14) else ["None", "0"])]


def test_a_group_whose_parent_is_done_reports(
    loop: Loop, run: Run, reports: list[dict[str, Any]], group_class: Any
) -> None:
    async def parent() -> Any:
        group = group_class()
        await group.__aenter__()
        group.create_task(give_way_and_fail())
        return group

    async def give_way_and_fail() -> None:
        await turns(2)
        raise ValueError("late")

    async def main() -> None:
        task = asyncio.ensure_future(parent())
        group = await task
        (child,) = group._tasks
        await turns(5)
        (report,) = reports
        assert sorted(report) == ["exception", "message", "task"]
        assert report["task"] is child
        assert report["message"] == f"Task {child!r} has errored out but its parent task {task} is already completed"
        assert not group._tasks
        assert group._errors == [report["exception"]]
        reports.clear()

    run(main())


def test_tasks_run_in_the_context_that_is_given(run: Run, group_class: Any) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def read() -> str:
        return variable.get()

    async def main() -> None:
        context = contextvars.copy_context()
        context.run(variable.set, "given")
        variable.set("current")
        async with group_class() as group:
            tasks = [group.create_task(read()), group.create_task(read(), context=context)]
            tasks.append(group.create_task(read(), name=None, context=None))
        assert [task.result() for task in tasks] == ["current", "given", "current"]

    run(main())


def test_a_name_that_is_no_string(run: Run, group_class: Any) -> None:
    async def main() -> None:
        async with group_class() as group:
            assert group.create_task(nothing(), name=7).get_name() == "7"

    run(main())


def test_what_is_no_coroutine(run: Run, group_class: Any) -> None:
    async def main() -> None:
        async with group_class() as group:
            with pytest.raises(TypeError, match="a coroutine was expected, got 3"):
                group.create_task(3)
            assert group._tasks == set()

    run(main())


def test_a_closed_loop(group_class: Any, loop_factory: Callable[[], Loop]) -> None:
    loop = loop_factory()

    async def enter() -> Any:
        group = group_class()
        await group.__aenter__()
        return group

    group = loop.run_until_complete(enter())
    loop.close()
    coroutine = nothing()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        group.create_task(coroutine)
    coroutine.close()


def test_what_is_cancelled_by_a_failure_sees_the_context_of_the_block(run: Run, group_class: Any) -> None:
    where = contextvars.ContextVar("where", default="nowhere")
    seen: list[str] = []

    class Watching(asyncio.Future[None]):
        def cancel(self, msg: Any = None) -> bool:
            seen.append(where.get())
            return super().cancel(msg)

    async def wait() -> None:
        await Watching()

    async def main() -> None:
        where.set("in the block")
        with contextlib.suppress(ExceptionGroup):
            async with group_class() as group:
                group.create_task(wait())
                group.create_task(fail())
                await Watching()

    run(main())
    assert seen == ["in the block", "in the block"]
