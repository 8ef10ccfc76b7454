"""Classes derived from queues: what they replace is called as asyncio's own code calls it.

Each test derives the same class from asyncio's class and from ours, and runs the same program, on both loops.
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict, deque
from typing import Any

import pytest
from queue_programs import both, needs_shutdown, outcome
from small_coroutines import Run, turns

pytestmark = both

METHODS = ["full", "empty", "qsize", "put_nowait", "get_nowait", "_init", "_put", "_get", "_wakeup_next", "_get_loop"]


def traced(base: Any, names: list[str], trace: list[str]) -> Any:
    """Derive a class that notes calls of some methods, and does what its base does."""

    def note(name: str) -> Any:
        def method(self: Any, *args: Any) -> Any:
            trace.append(name)
            return getattr(base, name)(self, *args)

        return method

    return type("Traced", (base,), {name: note(name) for name in names})


async def program(queue: Any, trace: list[str]) -> None:
    """Use each method of a queue that holds one item."""

    def step(name: str) -> None:
        trace.append(f"-- {name}")

    step("put and get at once")
    await queue.put(1)
    step("get")
    assert await queue.get() == 1
    step("waiting to get")
    getters = [asyncio.ensure_future(outcome(queue.get())) for _ in range(2)]
    await turns(1)
    step("put one")
    queue.put_nowait(2)
    step("cancel")
    getters[0].cancel()
    await turns(3)
    step("put another")
    await queue.put(3)
    step("waiting to put")
    putters = [asyncio.ensure_future(outcome(queue.put(number))) for number in (4, 5)]
    await turns(1)
    step("get one")
    trace.append(str(await queue.get()))
    putters[0].cancel()
    await turns(3)
    step("ask")
    trace.append(str((queue.qsize(), queue.empty(), queue.full(), str(queue))))
    step("join")
    for _ in range(queue._unfinished_tasks):
        queue.task_done()
    await queue.join()
    if sys.version_info >= (3, 13):
        step("shutdown")
        queue.shutdown(immediate=True)
        trace.append(str(queue))
    step("results")
    trace.extend(await asyncio.gather(*getters, *putters))


@pytest.mark.parametrize("name", ["Queue", "LifoQueue", "PriorityQueue"])
@pytest.mark.parametrize("replaced", [*METHODS, "all"])
def test_replaced_methods_are_called_where_asyncio_calls_them(run: Run, queues: Any, name: str, replaced: str) -> None:
    def trace_of(base: Any) -> list[str]:
        trace: list[str] = []
        queue = traced(base, METHODS if replaced == "all" else [replaced], trace)(1)
        run(program(queue, trace))
        return trace

    expected = trace_of(getattr(asyncio.queues, name))
    assert len(expected) > 10
    assert trace_of(getattr(queues, name)) == expected


def test_a_container_of_its_own(run: Run, queues: Any) -> None:
    class Unique(queues.Queue):  # type: ignore[misc, name-defined]
        def _init(self, maxsize: int) -> None:
            self._queue = OrderedDict()

        def _put(self, item: Any) -> None:
            self._queue[item] = None

        def _get(self) -> Any:
            return self._queue.popitem(last=False)[0]

    async def main() -> str:
        queue = Unique(3)
        for item in (1, 2, 1, 1, 3):
            queue.put_nowait(item)
        assert (queue.qsize(), queue.full(), list(queue._queue)) == (3, True, [1, 2, 3])
        putter = asyncio.ensure_future(queue.put(4))
        await turns(1)
        seen = [await queue.get() for _ in range(3)]
        await putter
        assert [*seen, await queue.get()] == [1, 2, 3, 4]
        assert queue.empty()
        return str(queue)

    assert run(main()) == "<Unique maxsize=3 tasks=6>"


def test_no_container_at_all(run: Run, queues: Any) -> None:
    class Other(queues.Queue):  # type: ignore[misc, name-defined]
        def _init(self, maxsize: int) -> None:
            self.items: list[Any] = []

        def _put(self, item: Any) -> None:
            self.items.append(item)

        def _get(self) -> Any:
            return self.items.pop()

        def qsize(self) -> int:
            return len(self.items)

    class Complete(Other):
        def empty(self) -> bool:
            return not self.items

    async def main() -> str:
        incomplete = Other(2)
        incomplete.put_nowait(1)
        with pytest.raises(AttributeError, match="'Other' object has no attribute '_queue'"):
            incomplete.empty()
        with pytest.raises(AttributeError, match="'Other' object has no attribute '_queue'"):
            await incomplete.get()
        queue = Complete(2)
        await queue.put(1)
        await queue.put(2)
        assert queue.full()
        assert [await queue.get(), await queue.get()] == [2, 1]
        return str(incomplete)

    assert run(main()) == "<Other maxsize=2 tasks=1>"


def test_a_property_stands_for_the_container(run: Run, queues: Any) -> None:
    shared: Any = deque()

    class Shared(queues.Queue):  # type: ignore[misc, name-defined]
        def _init(self, maxsize: int) -> None:
            pass

        @property
        def _queue(self) -> Any:
            return shared

    async def main() -> None:
        first, second = Shared(), Shared()
        await first.put("item")
        assert (second.qsize(), second.empty(), str(second)) == (1, False, "<Shared maxsize=0 _queue=['item']>")
        assert await second.get() == "item"
        assert first.empty()

    run(main())


def test_an_attribute_of_the_class_stands_for_the_container(queues: Any) -> None:
    class Lazy(queues.LifoQueue):  # type: ignore[misc, name-defined]
        _queue: Any = None

    first, second = Lazy(), Lazy()
    first.put_nowait(1)
    first.put_nowait(2)
    assert (first._queue, second._queue, Lazy._queue) == ([1, 2], [], None)
    assert (first.get_nowait(), second.empty(), first.qsize()) == (2, True, 1)


def test_other_arguments(run: Run, queues: Any) -> None:
    class Named(queues.PriorityQueue):  # type: ignore[misc, name-defined]
        def __init__(self, name: str, *, limit: int = 0) -> None:
            self.name = name
            super().__init__(limit)
            self.count = 0

        async def put(self, item: Any) -> None:
            self.count += 1
            await super().put((item, self.name))

        async def get(self) -> Any:
            return (await super().get())[0]

        def _format(self) -> str:
            return f"name={self.name}"

    async def main() -> None:
        queue = Named("own", limit=2)
        assert (queue.maxsize, str(queue)) == (2, "<Named name=own>")
        await queue.put(2)
        await queue.put(1)
        assert (queue.count, queue._queue) == (2, [(1, "own"), (2, "own")])
        assert await queue.get() == 1

    run(main())


def test_an_initialiser_that_calls_no_other(queues: Any) -> None:
    class Own(queues.Queue):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self._maxsize = 1
            self._getters = deque()
            self._putters = deque()
            self._unfinished_tasks = 0
            self._finished = asyncio.Event()
            self._finished.set()
            self._queue = deque()
            self._is_shutdown = False

    queue = Own()
    queue.put_nowait(1)
    assert queue.full()
    assert not queue._finished.is_set()
    assert queue.get_nowait() == 1
    queue.task_done()
    assert queue._finished.is_set()


def test_what_put_nowait_returns_put_returns(run: Run, queues: Any) -> None:
    class Own(queues.Queue):  # type: ignore[misc, name-defined]
        def put_nowait(self, item: Any) -> Any:
            super().put_nowait(item)
            return "put"

        def get_nowait(self) -> Any:
            return "got", super().get_nowait()

    async def main() -> tuple[Any, Any]:
        queue = Own()
        return await queue.put(1), await queue.get()

    assert run(main()) == ("put", ("got", 1))


@pytest.mark.parametrize("method", ["_put", "_get", "full", "empty"])
def test_what_a_method_raises(run: Run, queues: Any, method: str) -> None:
    def fail(self: Any, *args: Any) -> None:
        raise KeyError(method)

    async def main() -> list[str]:
        queue = type("Failing", (queues.Queue,), {method: fail})(1)
        seen = [await outcome(queue.put(1)), await outcome(queue.get()) if queue.qsize() else "empty"]
        return [*seen, str(queue._unfinished_tasks), str(queue.qsize())]

    error = f"raised KeyError('{method}')"
    puts = method in ("_put", "full")
    assert run(main()) == ([error, "empty", "0", "0"] if puts else ["returned None", error, "1", "1"])


def test_methods_that_use_private_attributes(run: Run, queues: Any) -> None:
    class Clearable(queues.Queue):  # type: ignore[misc, name-defined]
        def clear(self) -> None:
            self._queue.clear()
            self._unfinished_tasks = 0
            self._finished.set()
            while self._putters and not self.full():
                self._wakeup_next(self._putters)

        def put_first(self, item: Any) -> None:
            self._queue.appendleft(item)
            self._unfinished_tasks += 1
            self._finished.clear()
            self._wakeup_next(self._getters)

    async def main() -> list[Any]:
        queue = Clearable(1)
        getter = asyncio.ensure_future(queue.get())
        await turns(1)
        queue.put_first("urgent")
        seen = [await getter]
        queue.put_nowait("old")
        putter, joining = asyncio.ensure_future(queue.put("new")), asyncio.ensure_future(queue.join())
        await turns(1)
        queue.clear()
        await putter
        await joining
        return [*seen, await queue.get()]

    assert run(main()) == ["urgent", "new"]


@pytest.mark.parametrize("own", [False, True])
def test_a_method_replaced_in_the_object(run: Run, queues: Any, own: bool) -> None:
    class Own(queues.Queue):  # type: ignore[misc, name-defined]
        pass

    if not own and sys.version_info < (3, 13):
        pytest.skip("before 3.13 the attributes of the object itself don't come before its class's")

    async def main() -> list[Any]:
        queue, seen = (Own if own else queues.Queue)(), []
        queue.put_nowait = seen.append
        await queue.put("replaced")
        del queue.put_nowait
        await queue.put("put")
        return [*seen, queue.get_nowait()]

    assert run(main()) == ["replaced", "put"]


def test_a_class_of_two(run: Run, queues: Any) -> None:
    class Counting(queues.Queue):  # type: ignore[misc, name-defined]
        puts = 0

        def _put(self, item: Any) -> None:
            self.puts += 1
            super()._put(item)

    class Both(Counting, queues.LifoQueue):  # type: ignore[misc, name-defined]
        pass

    async def main() -> tuple[list[int], int]:
        queue = Both()
        for item in range(3):
            await queue.put(item)
        return [await queue.get() for _ in range(3)], queue.puts

    assert run(main()) == ([2, 1, 0], 3)


@needs_shutdown
def test_shutting_down_calls_the_class_s_own(queues: Any) -> None:
    class Own(queues.Queue):  # type: ignore[misc, name-defined]
        def _get(self) -> Any:
            taken.append(super()._get())
            return taken[-1]

    taken: list[int] = []
    queue = Own()
    for item in range(3):
        queue.put_nowait(item)
    queue.shutdown(immediate=True)
    assert (taken, queue._unfinished_tasks) == ([0, 1, 2], 0)
