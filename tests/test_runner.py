"""Who makes and drives a loop: `asyncio.Runner` and `run`, threads, forked children, and subclasses of the loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import signal
import socket
import sys
import threading
import traceback
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import ioxide
import pytest
from conftest import LoopFactory

Loop = asyncio.AbstractEventLoop

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def runner(loop_factory: LoopFactory) -> Iterator[asyncio.Runner]:
    """Give a runner of the loop under test, closed at the end."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        yield runner


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Have an interrupt raise KeyboardInterrupt, however this process was started."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_a_runner_runs_several_coroutines_on_one_loop(runner: asyncio.Runner) -> None:
    async def look() -> Loop:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    loop = runner.get_loop()
    assert runner.run(look()) is loop
    assert runner.run(look()) is loop
    assert not loop.is_closed()
    runner.close()
    assert loop.is_closed()
    runner.close()
    with pytest.raises(RuntimeError, match=r"^Runner is closed$"):
        runner.get_loop()


def test_a_runner_keeps_one_context_or_takes_the_one_given(runner: asyncio.Runner) -> None:
    async def change(value: str) -> str:
        before = variable.get()
        variable.set(value)
        return before

    context = contextvars.copy_context()
    assert runner.run(change("first")) == "unset"
    assert runner.run(change("second")) == "first"
    assert runner.run(change("apart"), context=context) == "unset"
    assert runner.run(change("third")) == "second"
    assert context[variable] == "apart"
    assert variable.get() == "unset"


@pytest.mark.parametrize("debug", [True, False, None])
def test_a_runner_sets_debug_mode(loop_factory: LoopFactory, debug: bool | None) -> None:
    with asyncio.Runner(debug=debug, loop_factory=loop_factory) as runner:
        assert runner.get_loop().get_debug() is (sys.flags.dev_mode if debug is None else debug)


def test_a_runner_raises_what_the_coroutine_raises_and_runs_on(runner: asyncio.Runner) -> None:
    async def fail(error: BaseException) -> None:
        raise error

    for error in (LookupError("lost"), SystemExit(3), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            runner.run(fail(error))
    assert runner.run(asyncio.sleep(0, "still")) == "still"


def test_a_runner_cannot_run_inside_a_loop(runner: asyncio.Runner, loop_factory: LoopFactory) -> None:
    async def main() -> None:
        coroutine = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match=r"^Runner\.run\(\) cannot be called from a running event loop$"):
            runner.run(coroutine)
        coroutine.close()

    runner.run(main())


def test_closing_a_runner_cancels_tasks_closes_generators_and_reports_errors(loop_factory: LoopFactory) -> None:
    ended: list[str] = []
    reports: list[dict[str, Any]] = []

    async def forever() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("task")

    async def stubborn() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise LookupError("not like this") from None

    async def generate() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            ended.append("generator")

    async def main() -> None:
        tasks.extend(asyncio.create_task(coroutine) for coroutine in (forever(), stubborn()))
        await anext(generator)
        await asyncio.to_thread(ended.append, "thread")

    tasks: list[asyncio.Task[None]] = []
    generator = generate()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: reports.append(context))
        runner.run(main())
    assert ended == ["thread", "task", "generator"]
    (report,) = reports
    assert report["message"] == "unhandled exception during asyncio.run() shutdown"
    assert report["task"] is tasks[1]


def test_run_runs_a_program_and_closes_its_loop(loop_factory: LoopFactory) -> None:
    async def main() -> tuple[Loop, str, bool]:
        loop = asyncio.get_running_loop()
        return loop, await asyncio.sleep(0, "result"), loop.get_debug()

    run: Any = ioxide.run if loop_factory is ioxide.new_event_loop else asyncio.run
    for debug in (None, True):
        loop, result, in_debug_mode = run(main(), debug=debug)
        assert result == "result"
        assert loop.is_closed()
        assert in_debug_mode is (debug or sys.flags.dev_mode)
    if sys.version_info >= (3, 14):
        error, message = TypeError, "An asyncio.Future, a coroutine or an awaitable is required"
    else:
        error, message = ValueError, "a coroutine was expected, got 42"
    with pytest.raises(error, match=message):
        run(42)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_cancels_the_main_task_which_can_clean_up(runner: asyncio.Runner) -> None:
    steps: list[str] = []

    async def main() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
            steps.append("goes on to its next await")
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            steps.append("cleaned up")
            raise

    with pytest.raises(KeyboardInterrupt):
        runner.run(main())
    assert steps == ["goes on to its next await", "cleaned up"]
    assert runner.run(asyncio.sleep(0, "again")) == "again"


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_wakes_a_sleeping_loop(runner: asyncio.Runner) -> None:
    asleep, left = threading.Event(), threading.Event()
    main_thread = threading.get_ident()

    def send() -> None:
        asleep.wait()
        signal.pthread_kill(main_thread, signal.SIGINT)
        # If it came between Python's last look at signals and the wait for events, it is seen after another.
        while not left.wait(0.05):
            signal.pthread_kill(main_thread, signal.SIGUSR2)

    async def main() -> None:
        asyncio.get_running_loop().call_soon(asleep.set)
        await asyncio.get_running_loop().create_future()

    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            runner.run(main())
    finally:
        asleep.set()
        left.set()
        thread.join()
        signal.signal(signal.SIGUSR2, before)


@pytest.mark.usefixtures("interruptible")
def test_a_main_task_that_swallows_the_interrupt_returns_its_result(runner: asyncio.Runner) -> None:
    async def main() -> str:
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return "cleaned up"
        return "not interrupted"

    assert runner.run(main()) == "cleaned up"


@pytest.mark.usefixtures("interruptible")
def test_a_second_interrupt_leaves_at_once(runner: asyncio.Runner) -> None:
    async def main() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(3600)
        finally:
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the second interrupt was not raised")

    with pytest.raises(KeyboardInterrupt):
        runner.run(main())


@pytest.mark.usefixtures("interruptible")
def test_the_loops_own_handler_of_the_interrupt_goes_first(runner: asyncio.Runner) -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        interrupted = asyncio.Event()
        loop.add_signal_handler(signal.SIGINT, interrupted.set)
        signal.raise_signal(signal.SIGINT)
        await interrupted.wait()
        loop.remove_signal_handler(signal.SIGINT)
        return "handled"

    assert runner.run(main()) == "handled"


def test_loops_run_side_by_side_in_threads_and_call_each_other(loop_factory: LoopFactory) -> None:
    """Pass a number around a ring of loops, each of which adds one."""
    laps, number = 50, 4
    loops = [loop_factory() for _ in range(number)]
    seen: list[set[Loop]] = [set() for _ in range(number)]
    finished: list[int] = []

    def receive(position: int, token: int) -> None:
        seen[position].add(asyncio.get_running_loop())
        if token == laps * number:
            finished.append(token)
            for loop in loops:
                loop.call_soon_threadsafe(loop.stop)
        else:
            following = (position + 1) % number
            loops[following].call_soon_threadsafe(receive, following, token + 1)

    threads = [threading.Thread(target=loop.run_forever, daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    loops[0].call_soon_threadsafe(receive, 0, 0)
    for thread, loop in zip(threads, loops, strict=True):
        thread.join()
        loop.close()
    assert finished == [laps * number]
    assert seen == [{loop} for loop in loops]


def test_a_runner_works_in_a_thread(loop_factory: LoopFactory) -> None:
    async def main() -> str:
        await asyncio.sleep(0)
        return await asyncio.to_thread(lambda: "from a thread of a thread")

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            results.append(runner.run(main()))

    results: list[str] = []
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    assert results == ["from a thread of a thread"]


def exit_code_of_a_child(work: Callable[[], None]) -> int:
    """Fork a child that does the work; return 0 when it came to its end."""
    with warnings.catch_warnings():
        # From 3.12 on, a fork beside other threads warns. The threads here are idle ones of an executor.
        warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(60)
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def use_a_loop(loop_factory: LoopFactory) -> None:
    """Use each part of a new loop that a fork could have broken: descriptors, timers, threads, signals."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            loop.call_later(0.001, theirs.send, b"x")
            assert await loop.sock_recv(ours, 1) == b"x"
        assert await asyncio.to_thread(lambda: 42) == 42
        signalled = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, signalled.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await signalled.wait()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def test_a_forked_child_runs_a_loop_of_its_own(loop: Loop, loop_factory: LoopFactory) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        received: list[bytes] = []
        loop.add_reader(ours, lambda: received.append(ours.recv(10)))
        loop.run_until_complete(loop.run_in_executor(None, os.getpid))
        assert exit_code_of_a_child(lambda: use_a_loop(loop_factory)) == 0
        theirs.send(b"parent's")
        loop.run_until_complete(asyncio.sleep(0.001))
        assert received == [b"parent's"]
        assert loop.remove_reader(ours) is True


def test_a_child_forked_by_a_running_loop_runs_a_loop_of_its_own(loop: Loop, loop_factory: LoopFactory) -> None:
    async def main() -> None:
        loop.add_signal_handler(signal.SIGUSR1, print)
        assert exit_code_of_a_child(lambda: use_a_loop(loop_factory)) == 0
        await asyncio.sleep(0.001)
        assert asyncio.get_running_loop() is loop

    loop.run_until_complete(main())


@pytest.mark.usefixtures("loop")
def test_a_subclass_overrides_methods_and_keeps_attributes_of_its_own(loop_factory: LoopFactory) -> None:
    with contextlib.closing(loop_factory()) as loop:
        base: Any = type(loop)

    class Recording(base):  # type: ignore[misc]
        extra = "of the class"

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name
            self.calls: list[str] = []

        def call_soon(self, callback: Any, *arguments: Any, context: Any = None) -> Any:
            self.calls.append("call_soon")
            return super().call_soon(callback, *arguments, context=context)

        def create_task(self, coroutine: Any, **options: Any) -> Any:
            self.calls.append("create_task")
            return super().create_task(coroutine, **options)

        def run_in_executor(self, executor: Any, function: Any, *arguments: Any) -> Any:
            self.calls.append("run_in_executor")
            return super().run_in_executor(executor, function, *arguments)

        def close(self) -> None:
            self.calls.append("close")
            super().close()

    async def main(loop: Any) -> Any:
        running: Any = asyncio.get_running_loop()
        assert running is loop
        loop.calls.clear()
        await asyncio.create_task(asyncio.sleep(0))
        assert loop.calls[0] == "create_task"
        assert loop.calls.count("call_soon") >= 3, "the first step, the second, and waking us up"
        await asyncio.to_thread(print, end="")
        assert "run_in_executor" in loop.calls
        return loop.name + " " + loop.extra

    loop = Recording("named")
    assert isinstance(loop, base)
    assert repr(loop).startswith("<Recording running=False ")
    assert loop.run_until_complete(main(loop)) == "named of the class"
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert loop.calls[-1] == "close"


def test_attributes_can_be_set_and_methods_patched_on_a_loop(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[Any] = []
    original = loop.create_task

    def create_task(coroutine: Any, **options: Any) -> Any:
        created.append(original(coroutine, **options))
        return created[-1]

    async def main() -> Any:
        task = asyncio.create_task(asyncio.sleep(0, "done"), name="patched")
        assert task is created[-1]
        return await task

    loop.anything = ["at all"]
    assert loop.anything == ["at all"]
    del loop.anything
    assert not hasattr(loop, "anything")
    monkeypatch.setattr(loop, "create_task", create_task)
    assert loop.run_until_complete(main()) == "done"
    assert created[-1].get_name() == "patched"


def test_a_loop_is_an_event_loop_to_asyncio_and_a_key_to_dictionaries(loop: Loop, loop_factory: LoopFactory) -> None:
    assert isinstance(loop, asyncio.AbstractEventLoop)
    with contextlib.closing(loop_factory()) as other:
        assert loop != other
        assert {loop: 1, other: 2}[loop] == 1
        assert weakref.WeakKeyDictionary({loop: "weak"})[loop] == "weak"
