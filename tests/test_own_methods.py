"""Methods and attributes that a program puts into one loop: native code calls them, too."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import ioxide
import pytest
from ioxide import _ioxide

NATIVE: Any = _ioxide


class Spy:
    """Stands for a method of a loop, and counts how often it is called."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        self.calls: list[Any] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append(args[0] if args else None)
        return self.method(*args, **kwargs)


def put_spy(loop: asyncio.AbstractEventLoop, name: str) -> Spy:
    """Put a spy into the loop, which has run before without one: nothing about it is remembered."""
    loop.run_until_complete(asyncio.sleep(0))
    spy = Spy(getattr(loop, name))
    setattr(loop, name, spy)
    return spy


def test_a_future_gives_its_callbacks_to_the_call_soon_of_the_loop(loop: asyncio.AbstractEventLoop) -> None:
    spy = put_spy(loop, "call_soon")
    future: asyncio.Future[str] = loop.create_future()
    ended: list[asyncio.Future[str]] = []
    future.add_done_callback(ended.append)
    future.set_result("result")
    assert len(spy.calls) == 1
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert ended == [future]


def test_each_step_of_a_task_goes_through_the_call_soon_of_the_loop(loop: asyncio.AbstractEventLoop) -> None:
    spy = put_spy(loop, "call_soon")

    async def three_steps() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    task = loop.create_task(three_steps())
    task.add_done_callback(lambda _: loop.stop())
    loop.run_forever()
    # The three steps, and the callback.
    assert len(spy.calls) == 4


@pytest.mark.parametrize("sleep", [asyncio.sleep, NATIVE.sleep], ids=["stock", "native"])
def test_sleeping_asks_the_loop_for_a_future_and_a_timer(loop: asyncio.AbstractEventLoop, sleep: Any) -> None:
    futures, timers = put_spy(loop, "create_future"), put_spy(loop, "call_later")
    loop.run_until_complete(sleep(0.001))
    assert len(futures.calls) == 1
    assert timers.calls == [0.001]


@pytest.mark.parametrize("gather", [asyncio.gather, NATIVE.gather], ids=["stock", "native"])
def test_gather_has_its_tasks_made_by_the_loop(loop: asyncio.AbstractEventLoop, gather: Any) -> None:
    async def main() -> list[int]:
        spy = Spy(loop.create_task)
        loop.create_task = spy  # type: ignore[method-assign]
        numbers: list[int] = await gather(number(1), number(2))
        assert len(spy.calls) == 2
        return numbers

    async def number(value: int) -> int:
        return value

    assert loop.run_until_complete(main()) == [1, 2]


def test_a_method_that_was_taken_out_again_is_not_called(loop: asyncio.AbstractEventLoop) -> None:
    spy = put_spy(loop, "call_soon")
    del loop.call_soon
    loop.run_until_complete(asyncio.sleep(0))
    assert spy.calls == []
    with pytest.raises(AttributeError):
        del loop.call_soon


def test_a_loop_takes_attributes_that_it_knows_nothing_of(loop: asyncio.AbstractEventLoop) -> None:
    loop.label = "the first"  # type: ignore[attr-defined]
    assert vars(loop)["label"] == "the first"
    del loop.label  # type: ignore[attr-defined]
    assert not hasattr(loop, "label")


def test_what_the_loop_itself_needs_is_not_in_its_dictionary() -> None:
    loop = ioxide.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(loop.run_in_executor(None, int))
    loop.add_signal_handler(signal.SIGUSR1, int)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    # The interpreter finds the methods of an object without a look-up only as long as this is so.
    assert vars(loop) == {}


def test_a_clock_that_a_class_puts_past_the_loop_s_notice_is_asked_all_the_same() -> None:
    class Unnoticed(ioxide.Loop):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "time":
                self.__dict__[name] = value
            else:
                super().__setattr__(name, value)

    loop = Unnoticed()
    try:
        loop.call_later(1, print).cancel()
        loop.time = lambda: 5.0  # type: ignore[method-assign]
        timer = loop.call_later(1, print)
        assert timer.when() == 6.0
        timer.cancel()
    finally:
        loop.close()


def test_a_clock_that_a_class_gets_later_is_asked_by_its_loops() -> None:
    class Later(ioxide.Loop):
        pass

    loop = Later()
    try:
        loop.call_later(1, print).cancel()
        Later.time = lambda self: 5.0  # type: ignore[method-assign]
        timer = loop.call_later(1, print)
        assert timer.when() == 6.0
        timer.cancel()
    finally:
        loop.close()


ALL = ["call_at", "call_later", "call_soon", "create_future", "create_task", "time"]


def test_native_code_goes_past_the_methods_that_nobody_has_replaced() -> None:
    class CallsSoon(ioxide.Loop):
        def call_soon(self, *args: Any, **kwargs: Any) -> Any:
            return super().call_soon(*args, **kwargs)

    plain, derived, patched = ioxide.new_event_loop(), CallsSoon(), ioxide.new_event_loop()
    patched.time = plain.time  # type: ignore[method-assign]
    try:
        assert plain._native_methods == ALL
        assert derived._native_methods == [name for name in ALL if name != "call_soon"]
        assert patched._native_methods == []
    finally:
        for loop in (plain, derived, patched):
            loop.close()


async def answer() -> int:
    return 42


USES_OF_METHODS: dict[str, Callable[[asyncio.AbstractEventLoop], Any]] = {
    "call_at": lambda loop: loop.call_later(0, int),
    "call_later": lambda loop: loop.run_until_complete(NATIVE.sleep(0.001)),
    "call_soon": lambda loop: loop.run_until_complete(NATIVE.sleep(0)),
    "create_future": lambda loop: loop.run_until_complete(NATIVE.sleep(0.001)),
    "create_task": lambda loop: loop.run_until_complete(gather_an_answer()),
}


async def gather_an_answer() -> list[int]:
    answers: list[int] = await NATIVE.gather(answer())
    return answers


@pytest.mark.parametrize("name", USES_OF_METHODS)
def test_a_method_that_a_class_gets_later_is_called_by_native_code(name: str) -> None:
    class Later(ioxide.Loop):
        pass

    calls: list[str] = []

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return getattr(ioxide.Loop, name)(self, *args, **kwargs)

    loop = Later()
    try:
        USES_OF_METHODS[name](loop)
        setattr(Later, name, method)
        USES_OF_METHODS[name](loop)
        assert calls != []
        calls.clear()
        delattr(Later, name)
        USES_OF_METHODS[name](loop)
        assert calls == []
    finally:
        loop.close()
