"""Rust futures of an extension that is built apart from ioxide, on a running ioxide loop: what Python sees of them."""

from __future__ import annotations

import asyncio
import collections.abc
import contextvars
import gc
import inspect
import threading
import warnings
from typing import Any

import ioxide
import pytest
from rust_extension import build, load

rust = load("rust_futures", build("tests/extension"))


@pytest.fixture
def loop_factory() -> Any:
    """Only ioxide's loops run Rust futures."""
    return ioxide.new_event_loop


class Noted:
    """Counts its calls, and notes the threads that they came from."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def __call__(self) -> None:
        self.threads.append(threading.get_ident())

    @property
    def count(self) -> int:
        return len(self.threads)


def test_a_ready_future_gives_its_value_without_a_turn(loop: Any, run: Any) -> None:
    async def main() -> None:
        ticks = []
        loop.call_soon(ticks.append, 1)
        for value in [None, 5, "text", (), (1, 2), ValueError("a value"), StopIteration(3)]:
            assert await rust.ready(value) is value
        assert ticks == []

    run(main())


def test_an_error_of_the_futures_is_raised(run: Any) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="its message"):
            await rust.fail("its message")

    run(main())


@pytest.mark.parametrize("turns", [0, 2])
def test_a_panic_becomes_an_exception_and_the_loop_goes_on(run: Any, turns: int) -> None:
    async def main() -> None:
        with pytest.raises(rust.RustPanic, match=r"^its message$"):
            await rust.panics("its message", turns)
        assert await rust.ready(1) == 1

    assert issubclass(rust.RustPanic, Exception)
    run(main())


def test_an_error_that_is_the_end_of_an_iteration_is_not_taken_for_a_result(run: Any) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"^coroutine raised StopIteration$") as raised:
            await rust.call(iter([]).__next__)
        assert type(raised.value.__cause__) is StopIteration
        coroutine = rust.sleep(60)
        with pytest.raises(RuntimeError, match=r"^coroutine raised StopIteration$"):
            coroutine.throw(StopIteration("thrown"))
        with pytest.raises(StopAsyncIteration):
            await rust.call(next_of_nothing)

    def next_of_nothing() -> None:
        raise StopAsyncIteration

    run(main())


def test_a_coroutine_that_goes_while_a_panic_is_on_its_way_leaves_that_alone(run: Any) -> None:
    dropped: list[int] = []

    async def main() -> None:
        with (
            pytest.warns(RuntimeWarning, match="never awaited"),
            pytest.raises(BaseException, match="on purpose") as raised,
        ):
            # The coroutine goes with the frame's stack, when the second argument has raised.
            await asyncio.gather(rust.wait_for_ever(lambda: dropped.append(1)), rust.panic_at_once())
        assert type(raised.value).__name__ == "PanicException"
        await asyncio.sleep(0)

    run(main())
    assert dropped == [1]


def test_a_panic_of_a_rust_task_reaches_who_awaits_it(run: Any) -> None:
    async def main() -> None:
        with pytest.raises(rust.RustPanic, match="its message"):
            await rust.await_task_that_panics("its message")

    run(main())


def test_a_future_that_wakes_itself_takes_turns_with_the_other_tasks(run: Any) -> None:
    trace: list[str] = []

    async def main() -> None:
        async def count(name: str) -> None:
            for _ in range(3):
                trace.append(name)
                await (rust.turns(1) if name == "rust" else asyncio.sleep(0))

        await asyncio.gather(count("rust"), count("python"))

    run(main())
    assert trace == ["rust", "python"] * 3


@pytest.mark.parametrize("wake_ups", [1, 2, 100])
def test_a_thread_wakes_a_future_however_often(run: Any, wake_ups: int) -> None:
    async def main() -> list[int]:
        return await asyncio.gather(*(rust.from_thread(number, wake_ups) for number in range(20)))

    assert run(main()) == list(range(20))


def test_a_future_sleeps(loop: Any, run: Any) -> None:
    async def main() -> None:
        began = loop.time()
        await asyncio.gather(rust.sleep(0.02), rust.sleep(0.01), rust.sleep(0.0))
        assert loop.time() - began >= 0.02

    run(main())


def test_a_shorter_sleep_beside_a_longer_one_is_in_time(loop: Any, run: Any) -> None:
    async def main() -> None:
        long = asyncio.ensure_future(rust.sleep(1000))
        await asyncio.sleep(0)
        await rust.sleep(0.01)
        long.cancel()

    run(main())


def test_a_clock_of_the_programs_own_moves_the_timers_of_rust(loop: Any, run: Any) -> None:
    now = loop.time()
    loop.time = lambda: now

    async def main() -> None:
        nonlocal now
        tasks = [asyncio.create_task(rust.sleep(seconds)) for seconds in (100, 300)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)
        for task in tasks:
            now += 200
            await task

    run(main())
    del loop.time


def test_a_clock_that_goes_back_as_a_timer_goes_off_loses_no_timer(loop: Any, run: Any) -> None:
    now = loop.time()
    loop.time = lambda: now

    def set_clock(time: float) -> None:
        nonlocal now
        now = time

    async def main() -> None:
        start = now
        task = asyncio.create_task(rust.sleep(5))
        await asyncio.sleep(0)
        # Both are due in one turn, and this one is first: when the timer's turn comes it isn't due any more.
        loop.call_at(start + 4, set_clock, start)
        set_clock(start + 6)
        for _ in range(5):
            await asyncio.sleep(0)
        assert (now, task.done()) == (start, False)
        set_clock(start + 10)
        for _ in range(5):
            await asyncio.sleep(0)
        assert task.done()
        await task

    run(main())
    del loop.time


def test_asyncio_takes_it_for_a_coroutine(run: Any) -> None:
    async def main() -> None:
        coroutine = rust.ready(1)
        assert asyncio.iscoroutine(coroutine)
        assert isinstance(coroutine, collections.abc.Coroutine)
        assert inspect.isawaitable(coroutine)
        assert (coroutine.__name__, coroutine.__qualname__) == ("ready", "ready")
        assert repr(coroutine).startswith("<coroutine object ready at 0x")
        assert await coroutine == 1
        assert await asyncio.create_task(rust.ready(2)) == 2
        assert await asyncio.ensure_future(rust.ready(3)) == 3
        assert await asyncio.wait_for(rust.from_thread(4), None) == 4
        assert await asyncio.gather(rust.ready(5), rust.turns(6)) == [5, 6]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(rust.from_thread(number)) for number in range(3)]
        assert [task.result() for task in tasks] == [0, 1, 2]

    run(main())


def test_a_task_of_asyncios_own_class_awaits_it(loop: Any, run: Any) -> None:
    loop.set_task_factory(lambda loop, coroutine, **options: asyncio.Task(coroutine, loop=loop, **options))

    async def main() -> int:
        return await asyncio.create_task(rust.from_thread(1)) + await rust.from_thread(2)

    assert run(main()) == 3


def test_in_debug_mode_it_is_the_same(loop: Any, run: Any) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 100

    async def main() -> int:
        await rust.sleep(0.001)
        return await rust.from_thread(1) + await rust.turns(2)

    assert run(main()) == 3


def test_a_loop_with_methods_of_its_own_makes_and_schedules_its_way() -> None:
    class Counting(ioxide.Loop):
        futures = calls = 0

        def create_future(self) -> Any:
            self.futures += 1
            return super().create_future()

        def call_soon(self, *arguments: Any, **options: Any) -> Any:
            self.calls += 1
            return super().call_soon(*arguments, **options)

    with asyncio.Runner(loop_factory=Counting) as runner:
        runner.run(sleep())
        loop: Any = runner.get_loop()
        assert loop.futures > 0
        assert loop.calls > 0


def test_a_wake_up_while_the_loop_makes_the_future_to_wait_for_is_not_lost() -> None:
    class Nesting(ioxide.Loop):
        wakes: Any = None

        def create_future(self) -> Any:
            if self.wakes is not None:
                wakes, self.wakes = self.wakes, None
                wakes.set_result(7)
                for _ in range(3):
                    self._run_once()  # type: ignore[attr-defined]
            return super().create_future()

    loop: Any = Nesting()
    future = loop.create_future()
    results: list[Any] = []

    def step() -> None:
        loop.stop()
        coroutine = rust.call(lambda: future)
        loop.wakes = future
        yielded = coroutine.send(None)
        try:
            coroutine.send(None)
        except StopIteration as ended:
            results.append((yielded, ended.value))

    loop.call_soon(step)
    loop.run_forever()
    assert results == [(None, 7)]
    # What the wake-up has left behind wakes nobody else.
    loop.run_until_complete(sleep())
    loop.close()


class Foreign:
    """A future of somebody else's, who calls its callback wherever it likes."""

    _asyncio_future_blocking = False

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.callback: Any = None

    def get_loop(self) -> Any:
        return self.loop

    def add_done_callback(self, callback: Any) -> None:
        self.callback = callback

    def result(self) -> int:
        return 7


def test_what_is_awaited_in_rust_may_end_where_no_loop_runs(loop: Any, run: Any) -> None:
    async def main() -> None:
        foreign = Foreign(loop)
        task = asyncio.create_task(rust.call(lambda: foreign))
        await asyncio.sleep(0)
        errors: list[Exception] = []

        def end() -> None:
            try:
                foreign.callback(foreign)
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=end)
        thread.start()
        assert await asyncio.wait_for(task, 5) == 7
        thread.join()
        assert errors == []

    run(main())


async def sleep() -> None:
    await rust.sleep(0.001)


def test_driven_by_hand_it_yields_a_future_and_ends_as_coroutines_do(run: Any) -> None:
    async def main() -> None:
        coroutine = rust.sleep(0.001)
        with pytest.raises(TypeError, match="just-started coroutine"):
            coroutine.send(1)
        waiter = coroutine.send(None)
        assert asyncio.isfuture(waiter)
        waiter._asyncio_future_blocking = False
        await waiter
        with pytest.raises(StopIteration) as ended:
            coroutine.send(None)
        assert ended.value.value is None
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            coroutine.send(None)
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            coroutine.throw(ValueError)
        assert coroutine.close() is None

    run(main())


def test_a_step_before_the_wake_up_polls_in_vain(run: Any) -> None:
    async def main() -> None:
        dropped = Noted()
        coroutine = rust.wait_for_ever(dropped)
        first, second = coroutine.send(None), coroutine.send(None)
        assert first is not second
        assert dropped.count == 0
        coroutine.close()
        assert dropped.count == 1

    run(main())


def test_a_coroutine_that_steps_itself_is_refused(run: Any) -> None:
    errors = []

    async def nothing() -> None:
        pass

    async def main() -> None:
        def step() -> Any:
            for use in (lambda: coroutine.send(None), lambda: coroutine.throw(KeyError), coroutine.close):
                try:
                    use()
                except ValueError as error:
                    errors.append(str(error))
            return nothing()

        coroutine = rust.call(step)
        await coroutine

    run(main())
    assert errors == ["coroutine already executing"] * 3


def test_a_coroutine_that_is_never_awaited_warns_and_drops_its_future(run: Any) -> None:
    async def main() -> None:
        dropped = Noted()
        with pytest.warns(RuntimeWarning, match="coroutine 'wait_for_ever' was never awaited"):
            rust.wait_for_ever(dropped)
        assert dropped.count == 1

    run(main())


def test_a_coroutine_that_is_forgotten_while_it_waits_drops_its_future(run: Any) -> None:
    async def main() -> None:
        dropped = Noted()
        coroutine = rust.wait_for_ever(dropped)
        coroutine.send(None)
        del coroutine
        assert dropped.count == 1

    run(main())


def test_one_that_is_forgotten_on_another_thread_drops_its_future_on_its_own(run: Any) -> None:
    async def main() -> None:
        dropped = Noted()
        held = [rust.wait_for_ever(dropped)]
        held[0].send(None)
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
        while not dropped.count:
            await asyncio.sleep(0)
        assert dropped.threads == [threading.get_ident()]

    run(main())


def test_context_variables_are_those_of_the_task(run: Any) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def look() -> str:
        return variable.get()

    async def main() -> None:
        variable.set("of main")
        assert await rust.call(look) == "of main"
        context = contextvars.copy_context()
        context.run(variable.set, "of the task")
        assert await asyncio.create_task(rust.call(look), context=context) == "of the task"
        assert variable.get() == "of main"

    run(main())


def test_a_spawned_task_has_the_context_of_its_caller(run: Any) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen = []

    async def main() -> None:
        is_seen = asyncio.Event()

        async def look() -> None:
            seen.append(variable.get())
            is_seen.set()

        variable.set("then")
        rust.spawn_call(look)
        variable.set("now")
        await is_seen.wait()
        assert variable.get() == "now"

    run(main())
    assert seen == ["then"]


def test_what_python_raises_reaches_the_rust_future_that_awaits_it(run: Any) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("its key")

    async def main() -> None:
        with pytest.raises(KeyError, match="its key"):
            await rust.call(fail)
        with pytest.raises(TypeError):
            await rust.call(lambda: 5)

    run(main())


def test_what_is_awaited_in_rust_may_be_done_already(loop: Any, run: Any) -> None:
    async def main() -> None:
        future = loop.create_future()
        future.set_result(7)
        assert await rust.call(lambda: future) == 7

    run(main())


def test_nested_rust_and_python_coroutines_end_in_order(run: Any) -> None:
    async def descend(depth: int) -> int:
        if depth == 0:
            return await rust.from_thread(0)
        return 1 + await rust.call(lambda: descend(depth - 1))

    assert run(descend(20)) == 20


def test_garbage_collection_of_a_pending_future_is_quiet(run: Any) -> None:
    async def main() -> None:
        dropped = Noted()
        task = asyncio.create_task(rust.wait_for_ever(dropped))
        await asyncio.sleep(0)
        gc.collect()
        assert dropped.count == 0
        task.cancel()
        await asyncio.wait([task])
        assert dropped.count == 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main())
