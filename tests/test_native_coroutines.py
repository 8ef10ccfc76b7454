"""The coroutines that native functions return. `sleep` stands for all; asyncio's own is driven in the same ways."""

from __future__ import annotations

import asyncio
import collections.abc
import gc
import inspect
import sys
import unittest.mock
import weakref
from typing import Any

import pytest
from combinator_objects import NATIVE
from small_coroutines import Loop, Run


@pytest.mark.parametrize("delay", [0, -1, 0.0, 0.0001])
def test_sleep_returns_what_it_was_given(run: Run, functions: Any, delay: float) -> None:
    assert run(functions.sleep(delay, "result")) == "result"
    assert run(functions.sleep(delay, result=("a", "tuple"))) == ("a", "tuple")
    assert run(functions.sleep(delay)) is None


def test_sleep_of_zero_takes_one_turn(loop: Loop, run: Run, functions: Any) -> None:
    async def main() -> list[str]:
        trace = []
        loop.call_soon(trace.append, "callback")
        await functions.sleep(0)
        trace.append("awake")
        return trace

    assert run(main()) == ["callback", "awake"]


@pytest.mark.parametrize("delay", ["1", None, 1j])
def test_a_delay_that_is_no_number_is_refused_when_it_is_awaited(run: Run, functions: Any, delay: Any) -> None:
    coroutine = functions.sleep(delay)
    with pytest.raises(TypeError):
        run(coroutine)


def test_a_delay_that_is_not_a_number_is_refused_since_python_3_13(run: Run, functions: Any) -> None:
    if sys.version_info >= (3, 13):
        with pytest.raises(ValueError, match="Invalid delay: NaN"):
            run(functions.sleep(float("nan")))
    else:
        run(asyncio.wait_for(functions.sleep(float("nan")), None))


def test_a_sleeper_that_is_cancelled_leaves_no_timer(run: Run) -> None:
    class Witness:
        pass

    async def main() -> None:
        witness = Witness()
        reference = weakref.ref(witness)
        task = asyncio.ensure_future(functions.sleep(3600, witness))
        del witness
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()
        assert reference() is None

    functions = NATIVE
    run(main())


def test_one_that_is_forgotten_warns(functions: Any) -> None:
    with pytest.warns(RuntimeWarning, match="coroutine 'sleep' was never awaited"):
        functions.sleep(1)


def test_one_that_is_closed_before_it_began_does_not_warn(functions: Any) -> None:
    coroutine = functions.sleep(1)
    coroutine.close()
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        coroutine.send(None)


def test_it_is_driven_by_hand(functions: Any) -> None:
    coroutine = functions.sleep(0, "result")
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        coroutine.send(1)
    assert coroutine.send(None) is None
    with pytest.raises(StopIteration) as stop:
        coroutine.send("anything")
    assert stop.value.value == "result"
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        coroutine.send(None)


def test_an_exception_thrown_in_comes_out(functions: Any) -> None:
    for steps in range(2):
        coroutine = functions.sleep(0)
        for _ in range(steps):
            coroutine.send(None)
        with pytest.raises(ValueError, match="thrown"):
            coroutine.throw(ValueError("thrown"))
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            coroutine.send(None)


def test_it_cannot_be_awaited_by_two(run: Run, functions: Any) -> None:
    async def main() -> None:
        coroutine = functions.sleep(0)
        await coroutine
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await coroutine

    run(main())


def test_it_is_a_coroutine_to_whoever_asks(run: Run, functions: Any) -> None:
    coroutine = functions.sleep(0)
    assert asyncio.iscoroutine(coroutine)
    assert inspect.isawaitable(coroutine)
    assert isinstance(coroutine, collections.abc.Coroutine)
    assert (coroutine.__name__, coroutine.__qualname__, coroutine.cr_running) == ("sleep", "sleep", False)
    assert repr(coroutine).startswith("<coroutine object sleep at 0x")
    run(coroutine)


def test_what_it_awaits_can_be_seen(run: Run, functions: Any) -> None:
    async def main() -> None:
        coroutine = functions.sleep(3600)
        assert coroutine.cr_await is None
        coroutine.send(None)
        assert coroutine.cr_await is not None
        coroutine.close()

    run(main())


def test_the_function_is_a_coroutine_function_to_whoever_asks(functions: Any) -> None:
    assert inspect.iscoroutinefunction(functions.sleep)
    if sys.version_info < (3, 14):  # from then on that is deprecated
        assert asyncio.iscoroutinefunction(functions.sleep)
    assert functions.sleep.__name__ == "sleep"
    assert functions.sleep.__doc__
    assert list(inspect.signature(functions.sleep).parameters) == ["delay", "result"]


def test_a_mock_of_the_function_is_asynchronous(functions: Any) -> None:
    with unittest.mock.patch.object(functions, "sleep") as mock:
        assert isinstance(mock, unittest.mock.AsyncMock)


def test_wrong_arguments_are_refused(functions: Any) -> None:
    for arguments, keywords in (((), {}), ((1, 2, 3), {}), ((1,), {"other": 2}), ((1,), {"delay": 2})):
        with pytest.raises(TypeError):
            functions.sleep(*arguments, **keywords)


def test_a_task_of_it_is_described_by_its_name(run: Run, functions: Any) -> None:
    async def main() -> str:
        task = asyncio.ensure_future(functions.sleep(0))
        description = repr(task)
        await task
        return description

    assert "coro=<sleep()" in run(main())
