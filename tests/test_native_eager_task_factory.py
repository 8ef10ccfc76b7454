"""`eager_task_factory` and `create_eager_task_factory` beside the standard library's, on both loops."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import sys
import weakref
from typing import Any

import ioxide
import pytest
from combinator_objects import NATIVE, STOCK, both, needs_eager_tasks
from small_coroutines import Loop, Run, give, turns

pytestmark = needs_eager_tasks


class OwnTask(asyncio.Task[Any]):
    """A task class of a program's own."""


def test_the_native_one_makes_native_tasks(loop: Loop, run: Run) -> None:
    async def main() -> None:
        loop.set_task_factory(NATIVE.eager_task_factory)
        assert type(asyncio.create_task(give())) is ioxide.Task
        assert type(NATIVE.eager_task_factory(loop, give())) is ioxide.Task

    run(main())


@both
def test_a_task_runs_while_it_is_made(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        loop.set_task_factory(module.eager_task_factory)
        steps: list[Any] = []

        async def step() -> str:
            steps.append(asyncio.current_task())
            await asyncio.sleep(0)
            steps.append("second")
            return "result"

        me = asyncio.current_task()
        task = asyncio.create_task(step(), name="named")
        assert steps == [task]
        assert asyncio.current_task() is me
        assert task.get_name() == "named"
        assert await task == "result"
        assert asyncio.create_task(give(3)).result() == 3

    run(main())


@both
def test_without_a_running_loop_the_task_waits_for_its_turn(loop: Loop, run: Run, module: Any) -> None:
    task = module.eager_task_factory(loop, give(1), name="named", context=None)
    assert not task.done()
    assert task.get_name() == "named"
    assert run(task) == 1


@both
def test_a_task_that_fails_or_is_cancelled_at_once(loop: Loop, run: Run, module: Any) -> None:
    async def fail(error: BaseException) -> None:
        raise error

    async def main() -> None:
        loop.set_task_factory(module.eager_task_factory)
        with pytest.raises(ValueError, match="why"):
            await asyncio.create_task(fail(ValueError("why")))
        assert asyncio.create_task(fail(asyncio.CancelledError())).cancelled()

    run(main())


@both
def test_to_cancel_one_that_waits(loop: Loop, run: Run, module: Any) -> None:
    async def main() -> None:
        loop.set_task_factory(module.eager_task_factory)
        future = loop.create_future()

        async def wait() -> None:
            await future

        task = asyncio.create_task(wait())
        task.cancel("why")
        await turns(2)
        assert task.cancelled()
        assert future.cancelled()

    run(main())


@both
def test_a_factory_for_another_class(loop: Loop, run: Run, module: Any) -> None:
    calls = []

    def make(*arguments: Any, **keywords: Any) -> Any:
        calls.append((len(arguments), {**keywords, "loop": keywords["loop"] is loop}))
        return ioxide.Task(*arguments, **keywords)

    async def main() -> None:
        factory = module.create_eager_task_factory(make)
        assert factory(loop, give(1)).result() == 1
        assert factory(loop=loop, coro=give(2), name="named").get_name() == "named"
        with pytest.raises(TypeError):
            factory(loop)

    run(main())
    expected: dict[str, Any] = {"loop": True, "eager_start": True}
    if sys.version_info < (3, 14):
        expected |= {"name": None, "context": None}
    assert calls == [(1, expected), (1, {**expected, "name": "named"})]


def test_their_signatures_are_asyncio_s() -> None:
    for name in ("eager_task_factory", "create_eager_task_factory"):
        assert str(inspect.signature(getattr(NATIVE, name))) == str(inspect.signature(getattr(STOCK, name)))
    made = [module.create_eager_task_factory(asyncio.Task) for module in (STOCK, NATIVE)]
    assert len({str(inspect.signature(factory)) for factory in made}) == 1
    assert len({(factory.__name__, factory.__qualname__) for factory in made}) == 1


@both
def test_whose_factory_it_is_and_for_which_class_can_be_told(module: Any) -> None:
    for constructor, factory in (
        (asyncio.Task if module is STOCK else ioxide.Task, module.eager_task_factory),
        (OwnTask, module.create_eager_task_factory(OwnTask)),
    ):
        assert factory.__code__ is STOCK.eager_task_factory.__code__
        assert [cell.cell_contents for cell in factory.__closure__] == [constructor]


@both
def test_a_factory_is_its_own_copy(module: Any) -> None:
    for factory in (module.eager_task_factory, module.create_eager_task_factory(OwnTask)):
        assert copy.copy(factory) is factory
        assert copy.deepcopy({"factory": factory})["factory"] is factory


@both
def test_a_forgotten_factory_is_collected(module: Any) -> None:
    def cycle() -> Any:
        def constructor() -> None: ...

        constructor.factory = module.create_eager_task_factory(constructor)  # type: ignore[attr-defined]
        return weakref.ref(constructor.factory)  # type: ignore[attr-defined]

    forgotten = cycle()
    gc.collect()
    assert forgotten() is None
