"""Small whole programs such as tutorials teach asyncio with: each keeps a transcript that has to come out exactly."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any

import pytest

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]


async def turns(number: int) -> None:
    """Wait for so many turns of the loop."""
    for _ in range(number):
        await asyncio.sleep(0)


def test_chained_coroutines(run: Run) -> None:
    transcript: list[str] = []

    async def fetch(name: str, wait: int) -> str:
        transcript.append(f"fetch {name}")
        await turns(wait)
        return f"page of {name}"

    async def parse(page: str) -> list[str]:
        transcript.append(f"parse {page}")
        await turns(1)
        return page.split()

    async def chain(name: str, wait: int) -> int:
        words = await parse(await fetch(name, wait))
        transcript.append(f"done {name}")
        return len(words)

    async def main() -> list[int]:
        return list(await asyncio.gather(chain("a", 6), chain("b", 3), chain("c", 0)))

    assert run(main()) == [3, 3, 3]
    assert transcript == [
        "fetch a",
        "fetch b",
        "fetch c",
        "parse page of c",
        "done c",
        "parse page of b",
        "done b",
        "parse page of a",
        "done a",
    ]


def test_producers_and_consumers_over_a_queue(run: Run) -> None:
    transcript: list[str] = []

    async def produce(queue: asyncio.Queue[str], name: str) -> None:
        for number in range(3):
            await queue.put(f"{name}{number}")
            transcript.append(f"put {name}{number}")

    async def consume(queue: asyncio.Queue[str], name: str) -> None:
        while True:
            item = await queue.get()
            transcript.append(f"{name} got {item}")
            await turns(1)
            queue.task_done()

    async def main() -> None:
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=2)
        consumers = [asyncio.create_task(consume(queue, name)) for name in ("one", "two")]
        await asyncio.gather(produce(queue, "a"), produce(queue, "b"))
        await queue.join()
        for consumer in consumers:
            consumer.cancel()
        ends = await asyncio.gather(*consumers, return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError] * 2
        assert queue.empty()

    run(main())
    items = {f"{name}{number}" for name in "ab" for number in range(3)}
    assert {line.removeprefix("put ") for line in transcript if line.startswith("put ")} == items
    got = [line.split(" got ") for line in transcript if " got " in line]
    assert {item for _, item in got} == items
    assert len(got) == len(items)
    for name in "ab":
        assert [item for _, item in got if item.startswith(name)] == [f"{name}{number}" for number in range(3)]
    assert {consumer for consumer, _ in got} == {"one", "two"}


async def countdown(start: int) -> AsyncIterator[int]:
    """Count down, a turn for each number."""
    for number in range(start, 0, -1):
        await asyncio.sleep(0)
        yield number


def test_async_generators_take_turns(run: Run) -> None:
    transcript: list[str] = []

    async def launch(name: str, start: int) -> None:
        async for number in countdown(start):
            transcript.append(f"{name} {number}")  # noqa: PERF401
        transcript.append(f"{name} lift-off")

    async def main() -> None:
        await asyncio.gather(launch("a", 2), launch("b", 3))

    run(main())
    assert transcript == ["a 2", "b 3", "a 1", "a lift-off", "b 2", "b 1", "b lift-off"]


def test_async_generators_are_sent_to_thrown_into_and_closed(run: Run) -> None:
    transcript: list[Any] = []

    async def average() -> Any:
        total, count = 0.0, 0
        try:
            while True:
                try:
                    value = yield total / count if count else None
                    await asyncio.sleep(0)
                    total, count = total + value, count + 1
                except LookupError as error:
                    transcript.append(str(error))
        finally:
            await asyncio.sleep(0)
            transcript.append("closed")

    async def main() -> None:
        generator = average()
        assert await anext(generator) is None
        assert [await generator.asend(value) for value in (1, 2, 6)] == [1.0, 1.5, 3.0]
        assert await generator.athrow(LookupError("wrong value")) == 3.0
        await generator.aclose()
        assert await anext(generator, "exhausted") == "exhausted"

    run(main())
    assert transcript == ["wrong value", "closed"]


def test_async_comprehensions(run: Run) -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    async def main() -> None:
        assert [number async for number in countdown(3)] == [3, 2, 1]
        assert {number: await double(number) async for number in countdown(3) if number != 2} == {3: 6, 1: 2}
        assert {await double(number) for number in (1, 1, 2)} == {2, 4}
        assert [(a, b) async for a in countdown(2) for b in [await double(a)]] == [(2, 4), (1, 2)]
        lazily = (await double(number) async for number in countdown(3))
        assert [number async for number in lazily] == [6, 4, 2]
        assert [[inner async for inner in countdown(outer)] async for outer in countdown(2)] == [[2, 1], [1]]

    run(main())


def test_async_context_managers(run: Run) -> None:
    transcript: list[str] = []

    class Connection:
        def __init__(self, name: str) -> None:
            self.name = name

        async def __aenter__(self) -> Connection:
            await asyncio.sleep(0)
            transcript.append(f"open {self.name}")
            return self

        async def __aexit__(
            self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
        ) -> bool:
            await asyncio.sleep(0)
            transcript.append(f"close {self.name} after {error!r}")
            return kind is LookupError

    @contextlib.asynccontextmanager
    async def transaction() -> AsyncIterator[str]:
        async with Connection("inner") as connection:
            transcript.append("begin")
            yield connection.name
            transcript.append("commit")

    async def main() -> None:
        async with Connection("outer"), transaction() as name:
            transcript.append(f"work in {name}")
        async with Connection("failing"):
            raise LookupError("swallowed")
        async with contextlib.AsyncExitStack() as stack:
            for number in range(2):
                await stack.enter_async_context(Connection(str(number)))

    run(main())
    assert transcript == [
        *("open outer", "open inner", "begin", "work in inner", "commit"),
        *("close inner after None", "close outer after None"),
        *("open failing", "close failing after LookupError('swallowed')"),
        *("open 0", "open 1", "close 1 after None", "close 0 after None"),
    ]


def test_wait_for_of_a_condition_as_a_barrier(run: Run) -> None:
    number = 4
    transcript: list[str] = []

    async def runner(condition: asyncio.Condition, ready: list[int], name: int) -> None:
        await turns(name)
        async with condition:
            ready.append(name)
            transcript.append(f"{name} ready")
            condition.notify_all()
            await condition.wait_for(lambda: len(ready) == number)
        transcript.append(f"{name} off")

    async def main() -> None:
        condition, ready = asyncio.Condition(), list[int]()
        runners = (runner(condition, ready, name) for name in range(number))
        await asyncio.wait_for(asyncio.gather(*runners), timeout=3600)

    run(main())
    assert transcript[:number] == [f"{name} ready" for name in range(number)]
    assert sorted(transcript[number:]) == [f"{name} off" for name in range(number)]


def test_wait_for_gives_up_and_cancels_what_it_waited_for(run: Run) -> None:
    transcript: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            transcript.append("cancelled")
            raise
        finally:
            await turns(2)
            transcript.append("cleaned up")

    async def main() -> None:
        try:
            await asyncio.wait_for(forever(), timeout=0.001)
        except TimeoutError:
            transcript.append("timed out")

    run(main())
    assert transcript == ["cancelled", "cleaned up", "timed out"]


async def arrive(name: str, wait: int) -> str:
    """Take so many turns to come back with the name; fail on the name of a bad one."""
    await turns(wait)
    if name.startswith("bad"):
        raise LookupError(name)
    return name


def test_as_completed_gives_results_as_they_come(run: Run) -> None:
    async def main() -> list[str]:
        transcript: list[str] = []
        waits = {"slow": 9, "bad": 6, "fast": 0, "middle": 3}
        for earliest in asyncio.as_completed([arrive(name, wait) for name, wait in waits.items()]):
            try:
                transcript.append(await earliest)
            except LookupError as error:
                transcript.append(f"failed: {error}")
        return transcript

    assert run(main()) == ["fast", "middle", "failed: bad", "slow"]


def test_as_completed_with_a_timeout(run: Run, loop: Loop) -> None:
    async def main() -> list[str]:
        transcript: list[str] = []
        never = loop.create_future()
        try:
            for earliest in asyncio.as_completed([arrive("fast", 0), never], timeout=0.05):
                transcript.append(await earliest)  # noqa: PERF401
        except TimeoutError:
            transcript.append("timed out")
        never.cancel()
        return transcript

    assert run(main()) == ["fast", "timed out"]


@pytest.mark.parametrize(
    ("return_when", "expected"),
    [
        (asyncio.FIRST_COMPLETED, ["fast"]),
        (asyncio.FIRST_EXCEPTION, ["bad", "fast", "middle"]),
        (asyncio.ALL_COMPLETED, ["bad", "fast", "middle", "slow"]),
    ],
)
def test_wait_returns_when_it_is_told_to(run: Run, return_when: str, expected: list[str]) -> None:
    async def main() -> None:
        waits = {"slow": 9, "bad": 6, "middle": 3, "fast": 0}
        tasks = {asyncio.create_task(arrive(name, wait), name=name) for name, wait in waits.items()}
        done, pending = await asyncio.wait(tasks, return_when=return_when)
        assert sorted(task.get_name() for task in done) == expected
        assert done | pending == tasks
        assert not done & pending
        await asyncio.gather(*pending, return_exceptions=True)
        assert all(task.exception() is None for task in tasks if task.get_name() != "bad")
        assert [type(task.exception()) for task in tasks if task.get_name() == "bad"] == [LookupError]

    run(main())


def test_cancellation_runs_the_cleanup_of_every_level(run: Run) -> None:
    transcript: list[str] = []

    async def inner() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await turns(2)
            transcript.append("inner cleaned up")

    async def middle() -> None:
        try:
            await inner()
        except asyncio.CancelledError as error:
            transcript.append(f"middle saw {error.args}")
            raise

    async def outer() -> str:
        try:
            await middle()
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()  # type: ignore[union-attr]
            return "outer went on"
        return "never cancelled"

    async def main() -> None:
        task = asyncio.create_task(outer())
        await turns(1)
        assert task.cancel("enough") is True
        assert task.cancelling() == 1
        transcript.append(await task)
        assert not task.cancelled()
        assert task.cancel() is False

    run(main())
    assert transcript == ["inner cleaned up", "middle saw ('enough',)", "outer went on"]


def test_a_rate_limited_crawl(run: Run) -> None:
    links = {"/": ["/a", "/b"], "/a": ["/b", "/c"], "/b": ["/"], "/c": ["/d"], "/d": []}
    visited: list[str] = []
    at_once: list[int] = [0, 0]

    async def visit(page: str, limit: asyncio.Semaphore, group: asyncio.TaskGroup, seen: set[str]) -> None:
        async with limit:
            at_once[0] += 1
            at_once[1] = max(at_once)
            await turns(2)
            at_once[0] -= 1
        visited.append(page)
        for link in links[page]:
            if link not in seen:
                seen.add(link)
                group.create_task(visit(link, limit, group, seen))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(visit("/", asyncio.Semaphore(2), group, {"/"}))

    run(main())
    assert visited == ["/", "/a", "/b", "/c", "/d"]
    assert at_once == [0, 2]
