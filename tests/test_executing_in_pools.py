"""Work handed to other threads, and work handed to the loop by them: executors, `to_thread`, thread-safe coroutines."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

SHORT = 0.001
"""A time-out that is meant to pass."""


@pytest.fixture
def pool() -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    """Give a pool of one thread."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="pool") as pool:
        yield pool


@pytest.fixture
def release(loop: Loop, pool: concurrent.futures.Executor) -> Iterator[threading.Event]:
    """Give the event that jobs wait for. It is set at the end, so that a test that fails leaves no thread waiting."""
    event = threading.Event()
    yield event
    event.set()


def thread_name() -> str:
    """Return the name of the thread this runs in."""
    return threading.current_thread().name


def fail(message: str) -> None:
    """Raise."""
    raise LookupError(message)


def test_the_default_executor_runs_a_function_in_another_thread(run: Run, loop: Loop) -> None:
    async def main() -> None:
        future = loop.run_in_executor(None, thread_name)
        assert asyncio.isfuture(future)
        assert future.get_loop() is loop
        assert (await future).startswith("asyncio_")
        assert await loop.run_in_executor(None, divmod, 7, 2) == (3, 1)
        assert await loop.run_in_executor(None, functools.partial(int, "ff", base=16)) == 255

    run(main())


def test_the_work_starts_without_being_awaited(loop: Loop) -> None:
    started = threading.Event()
    future = loop.run_in_executor(None, started.set)
    started.wait()
    loop.run_until_complete(future)


def test_jobs_of_the_default_executor_run_side_by_side(run: Run, loop: Loop) -> None:
    barrier = threading.Barrier(4)

    async def main() -> None:
        places = await asyncio.gather(*(loop.run_in_executor(None, barrier.wait) for _ in range(4)))
        assert sorted(places) == [0, 1, 2, 3]

    run(main())


def test_the_loop_goes_on_while_a_job_runs(run: Run, loop: Loop, release: threading.Event) -> None:
    async def main() -> None:
        future = loop.run_in_executor(None, release.wait)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not future.done()
        release.set()
        assert await future is True

    run(main())


@pytest.mark.parametrize("error", [LookupError("lost"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_a_job_raises_is_raised_by_the_await(run: Run, loop: Loop, error: BaseException) -> None:
    def raise_it() -> None:
        raise error

    async def main() -> None:
        with pytest.raises(type(error)) as caught:
            await loop.run_in_executor(None, raise_it)
        if not isinstance(error, asyncio.CancelledError):
            assert caught.value is error
            assert caught.traceback[-1].name == "raise_it"

    run(main())


def test_an_explicit_executor_is_used(run: Run, loop: Loop, pool: concurrent.futures.Executor) -> None:
    async def main() -> None:
        assert await loop.run_in_executor(pool, thread_name) == "pool_0"
        with pytest.raises(LookupError, match="lost"):
            await loop.run_in_executor(pool, fail, "lost")

    run(main())


def test_anything_that_submits_serves_as_an_executor(run: Run, loop: Loop) -> None:
    class Immediate(concurrent.futures.Executor):
        def submit(self, function: Any, /, *arguments: Any, **_: Any) -> concurrent.futures.Future[Any]:
            future: concurrent.futures.Future[Any] = concurrent.futures.Future()
            future.set_result(function(*arguments))
            return future

    async def main() -> None:
        assert await loop.run_in_executor(Immediate(), thread_name) == threading.current_thread().name

    run(main())


def test_set_default_executor(run: Run, loop: Loop, pool: concurrent.futures.ThreadPoolExecutor) -> None:
    async def main() -> None:
        assert await loop.run_in_executor(None, thread_name) == "pool_0"
        assert await asyncio.to_thread(thread_name) == "pool_0"

    loop.set_default_executor(pool)
    run(main())


def test_the_default_executor_must_be_a_thread_pool(loop: Loop) -> None:
    class Other(concurrent.futures.Executor):
        pass

    for wrong in (Other(), None, 42):
        with pytest.raises(TypeError, match=r"^executor must be ThreadPoolExecutor instance$"):
            loop.set_default_executor(wrong)  # type: ignore[arg-type]


def test_a_job_cancelled_before_it_starts_does_not_run(
    run: Run, loop: Loop, pool: concurrent.futures.Executor, release: threading.Event
) -> None:
    ran: list[str] = []

    async def main() -> None:
        first = loop.run_in_executor(pool, release.wait)
        second = loop.run_in_executor(pool, ran.append, "second")
        second.cancel()
        await asyncio.sleep(0)  # the cancellation reaches the executor through a callback
        with pytest.raises(asyncio.CancelledError):
            await second
        release.set()
        await first
        await loop.run_in_executor(pool, ran.append, "third")

    run(main())
    assert ran == ["third"]


def test_cancelling_the_await_of_a_running_job_lets_the_job_end(run: Run, loop: Loop, release: threading.Event) -> None:
    started, ended = threading.Event(), threading.Event()

    def job() -> None:
        started.set()
        release.wait()
        ended.set()

    async def main() -> None:
        task = asyncio.create_task(asyncio.to_thread(job))
        await loop.run_in_executor(None, started.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not ended.is_set()
        release.set()
        await loop.run_in_executor(None, ended.wait)

    run(main())


def test_wait_for_gives_up_on_a_job(run: Run, loop: Loop, release: threading.Event) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.run_in_executor(None, release.wait), SHORT)
        release.set()

    run(main())


def test_to_thread_takes_keywords_and_the_context_and_run_in_executor_does_not(run: Run, loop: Loop) -> None:
    def read(*arguments: Any, **keywords: Any) -> tuple[str, Any, Any]:
        return variable.get(), arguments, keywords

    async def main() -> None:
        variable.set("current")
        assert await asyncio.to_thread(read, 1, two=2) == ("current", (1,), {"two": 2})
        assert await loop.run_in_executor(None, read, 1) == ("unset", (1,), {})

    run(main())


def test_to_thread_raises_what_the_function_raises(run: Run) -> None:
    with pytest.raises(LookupError, match="lost"):
        run(asyncio.to_thread(fail, "lost"))


def test_many_jobs_all_come_back(run: Run, loop: Loop) -> None:
    async def main() -> None:
        squares = await asyncio.gather(*(loop.run_in_executor(None, pow, number, 2) for number in range(500)))
        assert list(squares) == [number**2 for number in range(500)]

    run(main())


def test_shutdown_default_executor_waits_for_the_jobs_and_ends_the_threads(
    loop: Loop, release: threading.Event
) -> None:
    threads: list[threading.Thread] = []
    ended: list[str] = []

    def job() -> None:
        threads.append(threading.current_thread())
        release.wait()
        ended.append("job")

    future = loop.run_in_executor(None, job)
    loop.call_soon(loop.call_soon, release.set)
    loop.run_until_complete(loop.shutdown_default_executor())
    assert ended == ["job"]
    assert not threads[0].is_alive()
    assert loop.run_until_complete(future) is None


def test_after_the_shutdown_only_explicit_executors_work(
    run: Run, loop: Loop, pool: concurrent.futures.Executor
) -> None:
    async def main() -> None:
        await loop.shutdown_default_executor()
        with pytest.raises(RuntimeError, match=r"^Executor shutdown has been called$"):
            loop.run_in_executor(None, thread_name)
        with pytest.raises(RuntimeError, match=r"^Executor shutdown has been called$"):
            await asyncio.to_thread(thread_name)
        assert await loop.run_in_executor(pool, thread_name) == "pool_0"
        await loop.shutdown_default_executor()

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the time-out is new in 3.12")
def test_shutdown_default_executor_takes_a_timeout(run: Run, loop: Loop) -> None:
    async def main() -> None:
        await loop.run_in_executor(None, thread_name)
        await loop.shutdown_default_executor(timeout=3600)  # type: ignore[call-arg]

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="3.12.1 waits for the jobs whatever the time-out")
def test_shutdown_default_executor_gives_up_after_its_timeout(run: Run, loop: Loop, release: threading.Event) -> None:
    async def main() -> None:
        future = loop.run_in_executor(None, release.wait)
        message = rf"^The executor did not finishing joining its threads within {SHORT} seconds\.$"
        with pytest.warns(RuntimeWarning, match=message):
            await loop.shutdown_default_executor(SHORT)  # type: ignore[call-arg]
        assert not future.done()
        release.set()
        assert await future is True

    run(main())


def test_close_does_not_wait_for_the_jobs(
    loop: Loop, pool: concurrent.futures.ThreadPoolExecutor, release: threading.Event
) -> None:
    loop.set_default_executor(pool)
    job = pool.submit(release.wait)
    loop.close()
    assert not job.done()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.submit(release.set)
    release.set()
    assert job.result() is True


@pytest.fixture
def other_thread(pool: concurrent.futures.ThreadPoolExecutor) -> Callable[..., concurrent.futures.Future[Any]]:
    """Run a function in the pool's thread: the other side of `run_coroutine_threadsafe`."""
    return pool.submit


def test_a_coroutine_of_another_thread_runs_on_the_loop(run: Run, loop: Loop, other_thread: Any) -> None:
    async def add(one: int, other: int) -> int:
        await asyncio.sleep(0)
        assert threading.current_thread() is threading.main_thread()
        return one + other

    async def raise_it() -> None:
        raise LookupError("lost")

    def outside() -> int:
        with pytest.raises(LookupError, match="lost"):
            asyncio.run_coroutine_threadsafe(raise_it(), loop).result()
        return asyncio.run_coroutine_threadsafe(add(1, 2), loop).result()

    async def main() -> None:
        assert await asyncio.wrap_future(other_thread(outside)) == 3

    run(main())


def test_a_coroutine_of_another_thread_can_be_cancelled_from_there(run: Run, loop: Loop, other_thread: Any) -> None:
    started, cancelled = threading.Event(), asyncio.Event()

    async def wait() -> None:
        started.set()
        try:
            await loop.create_future()
        finally:
            cancelled.set()

    def outside() -> None:
        future = asyncio.run_coroutine_threadsafe(wait(), loop)
        started.wait()
        with pytest.raises(concurrent.futures.TimeoutError):
            future.result(timeout=SHORT)
        assert future.cancel()

    async def main() -> None:
        await asyncio.wrap_future(other_thread(outside))
        await cancelled.wait()

    run(main())


def test_the_loop_runs_in_a_thread_of_its_own(loop: Loop) -> None:
    async def name() -> str:
        await asyncio.sleep(0)
        return thread_name()

    thread = threading.Thread(target=loop.run_forever, name="loop's own", daemon=True)
    thread.start()
    assert asyncio.run_coroutine_threadsafe(name(), loop).result() == "loop's own"
    assert loop.is_running()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    assert not loop.is_running()
    assert loop.run_until_complete(name()) == thread_name()


def test_a_job_that_ends_after_its_loop_was_closed_does_no_harm(
    loop: Loop, pool: concurrent.futures.Executor, release: threading.Event
) -> None:
    future = loop.run_in_executor(pool, release.wait)
    future.cancel()
    loop.close()
    release.set()
    pool.shutdown(wait=True)
    assert future.cancelled()


def test_an_idle_loop_waiting_for_a_job_uses_no_processor_time(run: Run, loop: Loop) -> None:
    async def main() -> float:
        release = threading.Event()
        future = loop.run_in_executor(None, release.wait)
        loop.call_later(0.1, release.set)
        before = time.process_time()
        await future
        return time.process_time() - before

    # A loop that spins while it waits would use about 0.1 seconds in each of the tries.
    assert min(run(main()) for _ in range(5)) < 0.05
