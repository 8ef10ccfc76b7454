"""Those who wait for a queue: their order, cancellation at each place, other loops, other futures.

Each test runs the same program with asyncio's classes and ours, on both loops.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from typing import Any

import pytest
from combinator_objects import KINDS, LikeFuture, needs_eager_tasks
from conftest import LoopFactory
from queue_programs import both, cancelled, needs_shutdown, outcome
from small_coroutines import Loop, Run, turns

pytestmark = both


def test_getters_are_served_in_their_order(run: Run, queues: Any) -> None:
    async def main() -> list[str]:
        queue, trace = queues.Queue(), []

        async def get(name: str) -> None:
            trace.append(f"{name} got {await queue.get()}")

        getters = [asyncio.ensure_future(get(name)) for name in "abc"]
        await turns(1)
        for item in range(3):
            queue.put_nowait(item)
        trace.append("put")
        await turns(1)
        trace.append("a turn later")
        await asyncio.gather(*getters)
        return trace

    assert run(main()) == ["put", "a got 0", "b got 1", "c got 2", "a turn later"]


def test_who_comes_in_between_takes_the_item(run: Run, queues: Any) -> None:
    async def main() -> list[str]:
        queue = queues.Queue()
        getter = asyncio.ensure_future(outcome(queue.get()))
        await turns(1)
        queue.put_nowait("first")
        assert queue.get_nowait() == "first"
        await turns(2)
        assert not getter.done()
        assert "_getters[1]" in str(queue)
        queue.put_nowait("second")
        return [await getter]

    assert run(main()) == ["returned 'second'"]


def test_putters_are_served_in_their_order(run: Run, queues: Any) -> None:
    async def main() -> list[Any]:
        queue = queues.Queue(1)
        queue.put_nowait("first")
        putters = [asyncio.ensure_future(queue.put(item)) for item in "abc"]
        await turns(1)
        seen: list[Any] = []
        while putters or not queue.empty():
            seen.append(queue.get_nowait())
            await turns(1)
            putters = [putter for putter in putters if not putter.done()]
        return seen

    assert run(main()) == ["first", "a", "b", "c"]


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("side", ["get", "put"])
def test_cancelled_while_waiting(run: Run, queues: Any, side: str, looks: bool) -> None:
    async def main() -> None:
        queue = queues.Queue(1)
        if side == "put":
            queue.put_nowait("first")
        line = "_getters" if side == "get" else "_putters"
        if looks:
            assert not getattr(queue, line)
        tasks = [asyncio.ensure_future(queue.get() if side == "get" else queue.put(n)) for n in range(3)]
        await turns(1)
        assert f"{line}[3]" in str(queue)
        waiters = list(getattr(queue, line)) if looks else []
        await cancelled(tasks[1])
        assert f"{line}[2]" in str(queue)
        assert not looks or (waiters[1].cancelled() and list(getattr(queue, line)) == [waiters[0], waiters[2]])
        for task in (tasks[0], tasks[2]):
            await cancelled(task)
        assert line not in str(queue)

    run(main())


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("side", ["get", "put"])
def test_cancelled_after_the_release_passes_it_on(run: Run, queues: Any, side: str, looks: bool) -> None:
    async def main() -> list[str]:
        queue = queues.Queue(1)
        if side == "put":
            queue.put_nowait("first")
        if looks:
            assert not queue._getters
            assert not queue._putters
        tasks = [asyncio.ensure_future(outcome(queue.get() if side == "get" else queue.put(n))) for n in range(3)]
        await turns(1)
        if side == "get":
            queue.put_nowait("item")
        else:
            queue.get_nowait()
        tasks[0].cancel()
        await turns(3)
        states = [str(task.done()) for task in tasks]
        tasks[2].cancel()
        return states + await asyncio.gather(*tasks)

    returned = "returned 'item'" if side == "get" else "returned None"
    cancelled_ = "raised CancelledError()"
    assert run(main()) == ["True", "True", "False", cancelled_, returned, cancelled_]


def test_cancelled_after_the_release_but_the_item_is_gone(run: Run, queues: Any) -> None:
    async def main() -> None:
        queue = queues.Queue()
        first, second = (asyncio.ensure_future(queue.get()) for _ in range(2))
        await turns(1)
        queue.put_nowait("item")
        queue.get_nowait()
        await cancelled(first)
        await turns(2)
        assert not second.done()
        await cancelled(second)

    run(main())


def test_cancelled_before_the_first_step(run: Run, queues: Any) -> None:
    async def main() -> None:
        queue = queues.Queue()
        for coroutine in (queue.get(), queue.put(1)):
            await cancelled(asyncio.ensure_future(coroutine))
        assert queue.empty()
        assert str(queue) == "<Queue maxsize=0>"

    run(main())


def test_cancelled_while_joining(run: Run, queues: Any) -> None:
    async def main() -> None:
        queue = queues.Queue()
        queue.put_nowait(1)
        task, other = (asyncio.ensure_future(queue.join()) for _ in range(2))
        await turns(1)
        await cancelled(task)
        assert len(queue._finished._waiters) == 1
        queue.task_done()
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other
        assert len(queue._finished._waiters) == 0

    run(main())


def test_a_timeout_takes_nothing(run: Run, queues: Any) -> None:
    async def main() -> None:
        queue = queues.Queue(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 0.001)
        queue.put_nowait(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.put(2), 0.001)
        assert str(queue) == "<Queue maxsize=1 _queue=[1] tasks=1>"

    run(main())


@pytest.mark.parametrize("side", ["get", "put", "join"])
def test_another_exception_thrown_in(run: Run, queues: Any, side: str) -> None:
    async def main() -> str:
        queue = queues.Queue(1)
        if side != "get":
            queue.put_nowait(1)
        coroutine = {"get": queue.get, "put": lambda: queue.put(2), "join": queue.join}[side]()
        waiter = coroutine.send(None)
        assert isinstance(waiter, asyncio.Future)
        with pytest.raises(KeyError):
            coroutine.throw(KeyError("thrown"))
        assert waiter.cancelled() == (side != "join")
        return str(queue)

    assert run(main()) == {"get": "<Queue maxsize=1>"}.get(side, "<Queue maxsize=1 _queue=[1] tasks=1>")


def test_closing_gives_up_the_place(run: Run, queues: Any) -> None:
    async def main() -> None:
        queue = queues.Queue()
        coroutine, task = queue.get(), asyncio.ensure_future(queue.get())
        waiter = coroutine.send(None)
        await turns(1)
        queue.put_nowait("item")
        assert waiter.done()
        coroutine.close()
        assert await task == "item"

    run(main())


def test_a_forgotten_waiter_is_collected(run: Run, queues: Any) -> None:
    async def main() -> Any:
        queue = queues.Queue()
        coroutine = queue.get()
        coroutine.send(None)
        queue.coroutine = coroutine
        return weakref.ref(queue)

    reference = run(main())
    gc.collect()
    assert reference() is None


def test_it_belongs_to_the_loop_where_somebody_waits(queues: Any, loop_factory: LoopFactory) -> None:
    queue = queues.Queue(1)
    first, second = loop_factory(), loop_factory()

    async def wait(coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        await turns(1)
        if task.done():
            task.result()
        await cancelled(task)

    try:
        first.run_until_complete(queue.put(1))
        second.run_until_complete(queue.get())
        assert queue._loop is None
        first.run_until_complete(wait(queue.get()))
        assert queue._loop is first
        with pytest.raises(RuntimeError, match=r"^<Queue at 0x[0-9a-f]+ maxsize=1 tasks=1> is bound to a different"):
            second.run_until_complete(wait(queue.get()))
        second.run_until_complete(wait(queue.join()))
        with pytest.raises(RuntimeError, match=r"^<asyncio.locks.Event object at .*> is bound to a different"):
            first.run_until_complete(wait(queue.join()))
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("kind", KINDS)
def test_any_future_may_stand_in_the_lines(run: Run, queues: Any, kind: str) -> None:
    async def main() -> None:
        queue, loop = queues.Queue(1), asyncio.get_running_loop()
        done, putter, getter = (KINDS[kind](loop) for _ in range(3))
        done.set_result("before")
        queue._putters.extend([done, putter])
        queue._getters.append(getter)
        queue.put_nowait("item")
        assert getter.result() is None
        assert queue.get_nowait() == "item"
        assert putter.result() is None
        assert (list(queue._getters), list(queue._putters)) == ([], [])

    run(main())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "like a future"])
def test_the_queue_waits_for_what_its_loop_makes(loop: Loop, queues: Any, kind: str) -> None:
    make = KINDS[kind]
    if kind != "the loop's":
        loop.create_future = lambda: make(loop)  # type: ignore[method-assign]

    async def main() -> list[str]:
        queue = queues.Queue(1)
        getters = [asyncio.ensure_future(outcome(queue.get())) for _ in range(3)]
        await turns(1)
        queue.put_nowait("first")
        getters[0].cancel()
        putters = [asyncio.ensure_future(outcome(queue.put(number))) for number in range(3)]
        await turns(4)
        putters[2].cancel()
        joining = asyncio.ensure_future(outcome(queue.join()))
        await turns(1)
        for _ in range(queue._unfinished_tasks):
            queue.task_done()
        return await asyncio.gather(*getters, *putters, joining)

    assert loop.run_until_complete(main()) == [
        "raised CancelledError()",
        "returned 'first'",
        "returned 0",
        "returned None",
        "returned None",
        "raised CancelledError()",
        "returned None",
    ]


def test_wakeup_next_takes_whatever_can_be_popped(run: Run, queues: Any) -> None:
    async def main() -> None:
        queue, loop = queues.Queue(), asyncio.get_running_loop()
        first, second, third = (LikeFuture(loop) for _ in range(3))
        first.cancel()
        queue._getters.extend([first, second, third])
        queue._wakeup_next(queue._getters)
        assert (second.done(), third.done(), list(queue._getters)) == (True, False, [third])
        with pytest.raises(AttributeError):
            queue._wakeup_next([third])

    run(main())


@needs_eager_tasks
def test_eager_tasks(loop: Loop, queues: Any) -> None:
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)

    async def main() -> list[Any]:
        queue = queues.Queue(1)
        putter, getter = loop.create_task(queue.put(1)), loop.create_task(queue.get())
        seen = [putter.done(), getter.done()]
        waiting = loop.create_task(queue.get())
        assert "_getters[1]" in str(queue)
        queue.put_nowait(2)
        return [*seen, getter.result(), await waiting]

    assert loop.run_until_complete(main()) == [True, True, 1, 2]


@needs_shutdown
def test_a_getter_released_by_an_item_finds_it_after_shutdown(run: Run, queues: Any) -> None:
    async def main() -> list[str]:
        queue = queues.Queue()
        getters = [asyncio.ensure_future(outcome(queue.get())) for _ in range(2)]
        await turns(1)
        queue.put_nowait("item")
        queue.shutdown()
        return await asyncio.gather(*getters)

    assert run(main()) == ["returned 'item'", "raised QueueShutDown()"]
