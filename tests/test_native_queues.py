"""Queues of ours beside asyncio's: order, limits, counting, reports, shutting down.

Each test runs the same program with both classes, on both loops.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections import deque
from types import GenericAlias
from typing import Any

import pytest
from queue_programs import both, needs_shutdown, outcome
from small_coroutines import Run, turns

pytestmark = both


@pytest.mark.parametrize(
    ("name", "order"), [("Queue", [3, 1, 2]), ("LifoQueue", [2, 1, 3]), ("PriorityQueue", [1, 2, 3])]
)
def test_each_kind_has_its_order(run: Run, queues: Any, name: str, order: list[int]) -> None:
    async def main() -> tuple[list[int], list[int]]:
        queue = getattr(queues, name)()
        for item in (3, 1, 2):
            queue.put_nowait(item)
        assert (queue.qsize(), queue.empty(), queue.full()) == (3, False, False)
        without_waiting = [queue.get_nowait() for _ in range(3)]
        for item in (3, 1, 2):
            await queue.put(item)
        return without_waiting, [await queue.get() for _ in range(3)]

    assert run(main()) == (order, order)


def test_equal_items_of_a_heap_come_as_from_heapq(queues: Any) -> None:
    class Item:
        def __init__(self, number: int, rank: int) -> None:
            self.number, self.rank = number, rank

        def __lt__(self, other: Item) -> bool:
            return self.rank < other.rank

    queue = queues.PriorityQueue()
    for number, rank in enumerate([2, 1, 2, 1, 1, 3, 2, 1]):
        queue.put_nowait(Item(number, rank))
    assert [queue.get_nowait().number for _ in range(8)] == [1, 3, 4, 7, 2, 0, 6, 5]


def test_what_a_comparison_raises_leaves_the_item_in_the_heap(queues: Any) -> None:
    queue = queues.PriorityQueue()
    queue.put_nowait(1)
    with pytest.raises(TypeError, match="'<' not supported"):
        queue.put_nowait("one")
    assert (queue._queue, queue._unfinished_tasks) == ([1, "one"], 1)


def test_a_comparison_may_use_the_queue(queues: Any) -> None:
    class Item:
        def __lt__(self, other: Item) -> bool:
            seen.append(queue.qsize())
            return False

    seen: list[int] = []
    queue = queues.PriorityQueue()
    for _ in range(3):
        queue.put_nowait(Item())
    assert seen == [2, 3]


@pytest.mark.parametrize("maxsize", [0, -1, 1, 2, True, 1.5, 10**30])
def test_the_limit_is_what_python_compares(queues: Any, maxsize: Any) -> None:
    queue = queues.Queue(maxsize=maxsize)
    assert (queue.maxsize, queue._maxsize) == (maxsize, maxsize)
    room = 0
    while not queue.full() and room < 5:
        queue.put_nowait(None)
        room += 1
    assert room == {0: 5, -1: 5, 1: 1, 2: 2, 1.5: 2, 10**30: 5}[maxsize]
    if room < 5:
        with pytest.raises(asyncio.QueueFull) as caught:
            queue.put_nowait(None)
        assert caught.value.args == ()


def test_a_limit_that_is_no_number_is_refused_when_it_is_compared(queues: Any) -> None:
    queue = queues.Queue(None)
    with pytest.raises(TypeError, match="'<=' not supported between instances of 'NoneType' and 'int'"):
        queue.full()
    with pytest.raises(TypeError):
        queue.put_nowait(1)


def test_arguments_are_those_of_asyncio(queues: Any) -> None:
    assert str(inspect.signature(queues.Queue)) == "(maxsize=0)"
    for arguments, named in [((1, 2), {}), ((), {"loop": None}), ((), {"size": 1})]:
        with pytest.raises(TypeError):
            queues.Queue(*arguments, **named)
    queue = queues.Queue()
    assert str(inspect.signature(queue.put_nowait)) == "(item)"
    queue.put_nowait(item=1)
    with pytest.raises(TypeError):
        queue.get_nowait(1)


def test_an_empty_queue_says_so(queues: Any) -> None:
    for queue in (queues.Queue(), queues.LifoQueue(), queues.PriorityQueue()):
        with pytest.raises(asyncio.QueueEmpty) as caught:
            queue.get_nowait()
        assert caught.value.args == ()
        assert caught.value.__context__ is None


def test_put_and_get_are_coroutines(run: Run, queues: Any) -> None:
    async def main() -> None:
        queue = queues.Queue()
        coroutines = [queue.put(1), queue.get(), queue.join()]
        assert all(asyncio.iscoroutine(coroutine) for coroutine in coroutines)
        assert [coroutine.__qualname__ for coroutine in coroutines] == ["Queue.put", "Queue.get", "Queue.join"]
        assert queue.empty()
        assert await coroutines[0] is None
        assert queue.qsize() == 1
        assert await coroutines[1] == 1
        queue.task_done()
        assert await coroutines[2] is None
        queue.put_nowait((1, 2))
        queue.put_nowait(StopIteration(3))
        assert await queue.get() == (1, 2)
        assert isinstance(await queue.get(), StopIteration)

    run(main())


def test_a_forgotten_coroutine_warns(queues: Any) -> None:
    queue = queues.Queue()
    with pytest.warns(RuntimeWarning, match="coroutine 'Queue.put' was never awaited"):
        queue.put(1)
    assert queue.empty()


def test_it_describes_itself(run: Run, queues: Any) -> None:
    async def main() -> list[str]:
        class Own(queues.Queue):  # type: ignore[misc, name-defined]
            pass

        queue, own = queues.Queue(2), Own()
        seen = [str(queue), str(own), str(queues.LifoQueue(None)), str(queues.PriorityQueue("x"))]
        getters = [asyncio.ensure_future(queue.get()) for _ in range(2)]
        await turns(1)
        seen.append(str(queue))
        for item in ("a", "b"):
            queue.put_nowait(item)
        await turns(2)
        seen.append(str(queue))
        putters = [asyncio.ensure_future(queue.put(number)) for number in range(3)]
        await turns(2)
        seen.append(str(queue))
        assert repr(queue) == f"<Queue at {id(queue):#x} {seen[-1].removeprefix('<Queue ')}"
        assert queue._format() == seen[-1].removeprefix("<Queue ").removesuffix(">")
        queue.get_nowait()
        await asyncio.gather(*getters, *putters)
        for _ in range(5):
            queue.task_done()
        seen.append(str(queue))
        return seen

    assert run(main()) == [
        "<Queue maxsize=2>",
        "<Own maxsize=0>",
        "<LifoQueue maxsize=None>",
        "<PriorityQueue maxsize='x'>",
        "<Queue maxsize=2 _getters[2]>",
        "<Queue maxsize=2 tasks=2>",
        "<Queue maxsize=2 _queue=[0, 1] _putters[1] tasks=4>",
        "<Queue maxsize=2 _queue=[1, 2]>",
    ]


def test_it_takes_a_type_argument(queues: Any) -> None:
    for class_ in (queues.Queue, queues.LifoQueue, queues.PriorityQueue):
        assert isinstance(class_[int], GenericAlias)
        assert class_[int].__origin__ is class_


def test_joining_waits_for_every_item(run: Run, queues: Any) -> None:
    async def main() -> list[str]:
        queue, trace = queues.Queue(), []

        async def join(name: str) -> None:
            await queue.join()
            trace.append(name)

        await queue.join()
        for item in range(2):
            queue.put_nowait(item)
        tasks = [asyncio.ensure_future(join(name)) for name in ("first", "cancelled", "second")]
        await turns(1)
        await outcome(cancel(tasks[1]))
        queue.get_nowait()
        queue.task_done()
        await turns(2)
        trace.append("one is done")
        queue.task_done()
        trace.append("both are done")
        await turns(1)
        trace.append("a turn later")
        await asyncio.gather(tasks[0], tasks[2])
        with pytest.raises(ValueError, match=r"^task_done\(\) called too many times$"):
            queue.task_done()
        return trace

    def cancel(task: asyncio.Task[None]) -> asyncio.Task[None]:
        task.cancel()
        return task

    assert run(main()) == ["one is done", "both are done", "first", "second", "a turn later"]


@pytest.mark.parametrize("looks_before", [False, True])
def test_finished_is_an_event(run: Run, queues: Any, looks_before: bool) -> None:
    async def main() -> None:
        queue = queues.Queue()
        if looks_before:
            assert isinstance(queue._finished, asyncio.Event)
            assert queue._finished.is_set()
        queue.put_nowait(1)
        joining = asyncio.ensure_future(queue.join())
        await turns(1)
        event = queue._finished
        assert not event.is_set()
        assert len(event._waiters) == 1
        waiting = asyncio.ensure_future(event.wait())
        later = asyncio.ensure_future(queue.join())
        await turns(1)
        assert len(event._waiters) == 3
        queue.task_done()
        assert event.is_set()
        assert await asyncio.gather(joining, waiting, later) == [None, True, None]
        assert len(event._waiters) == 0
        queue.put_nowait(1)
        assert not event.is_set()
        event.set()
        await queue.join()

    run(main())


@pytest.mark.parametrize("name", ["Queue", "LifoQueue", "PriorityQueue"])
def test_the_container_can_be_looked_at_and_changed(run: Run, queues: Any, name: str) -> None:
    async def main() -> None:
        queue = getattr(queues, name)()
        for item in (1, 2, 3):
            queue.put_nowait(item)
        container = queue._queue
        assert type(container) is (deque if name == "Queue" else list)
        assert list(container) == [1, 2, 3]
        assert queue._queue is container
        queue.put_nowait(4)
        assert list(container) == [1, 2, 3, 4]
        assert queue.get_nowait() == (4 if name == "LifoQueue" else 1)
        container.clear()
        assert queue.empty()
        container.append("appended")
        assert (queue.qsize(), await queue.get()) == (1, "appended")
        queue._queue = deque(["other"]) if name == "Queue" else ["other"]
        assert queue.get_nowait() == "other"

    run(main())


def test_private_attributes_can_be_set(run: Run, queues: Any) -> None:
    async def main() -> None:
        queue = queues.Queue(1)
        queue._maxsize = 2
        queue.put_nowait(1)
        assert not queue.full()
        queue._unfinished_tasks = 0
        await queue.join()
        queue._unfinished_tasks += 1
        queue.task_done()
        queue.note = "of the program"
        assert queue.note == "of the program"
        assert vars(queue)["note"] == "of the program"
        assert queue._loop is None
        queue._loop = asyncio.get_running_loop()
        assert queue._get_loop() is asyncio.get_running_loop()

    run(main())


def test_it_is_collected_with_what_is_in_it(queues: Any) -> None:
    class Item:
        def __lt__(self, other: object) -> bool:
            return False

    for name in ("Queue", "LifoQueue", "PriorityQueue"):
        for looks in (False, True):
            queue, item = getattr(queues, name)(), Item()
            queue.put_nowait(item)
            item.queue = queue  # type: ignore[attr-defined]
            if looks:
                assert queue._queue
                queue.own = queue
            references = weakref.ref(queue), weakref.ref(item)
            del queue, item
            gc.collect()
            assert [reference() for reference in references] == [None, None]


@needs_shutdown
@pytest.mark.parametrize("immediate", [False, True])
def test_shutting_down_lets_all_go(run: Run, queues: Any, immediate: bool) -> None:
    async def main() -> list[Any]:
        queue = queues.Queue(1)
        getter = asyncio.ensure_future(outcome(queue.get()))
        await turns(1)
        queue.put_nowait("a")
        await getter
        queue.put_nowait("b")
        waiting = [asyncio.ensure_future(outcome(awaitable)) for awaitable in (queue.put("c"), queue.join())]
        await turns(1)
        assert not queue._is_shutdown
        assert queue.shutdown(immediate) is None
        assert queue._is_shutdown
        seen: list[Any] = [str(queue), queue._unfinished_tasks]
        await turns(2)
        seen += [await waiting[0], waiting[1].done()]
        for call in (lambda: queue.put_nowait(1), queue.get_nowait, queue.get_nowait):
            seen.append(await outcome(asyncio.to_thread(call)))
        seen += [await outcome(queue.put(1)), await outcome(queue.get())]
        for _ in range(queue._unfinished_tasks):
            queue.task_done()
        return [*seen, await waiting[1], getter.result()]

    end = [
        "raised QueueShutDown()",
        "raised QueueShutDown()",
        "raised QueueShutDown()",
        "returned None",
        "returned 'a'",
    ]
    refused = "raised QueueShutDown()"
    if immediate:
        expected = ["<Queue maxsize=1 tasks=1 shutdown>", 1, refused, False, refused, refused, *end]
    else:
        expected = ["<Queue maxsize=1 _queue=['b'] tasks=2 shutdown>", 2, refused, False, refused, "returned 'b'", *end]
    assert run(main()) == expected


@needs_shutdown
def test_shutting_down_wakes_those_who_wait_for_an_item(run: Run, queues: Any) -> None:
    async def main() -> list[str]:
        queue = queues.Queue()
        getters = [asyncio.ensure_future(outcome(queue.get())) for _ in range(3)]
        await turns(1)
        getters[1].cancel()
        queue.shutdown(immediate=True)
        return await asyncio.gather(*getters)

    shut_down = "raised QueueShutDown()"
    assert run(main()) == [shut_down, "raised CancelledError()", shut_down]
