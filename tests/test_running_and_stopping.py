"""The life of a loop: what runs it, stops it and closes it, and what is refused at each stage.

Its end by garbage collection, and the end of the asynchronous generators it drives, belong to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import signal
import socket
import sys
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

import pytest
from conftest import LoopFactory

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]


class Anything:
    """An object that can be weakly referenced."""


def turn(loop: Loop) -> None:
    """Let the loop make exactly one turn."""
    loop.stop()
    loop.run_forever()


def test_run_until_complete_returns_what_the_coroutine_returns(run: Run) -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    assert run(answer()) == 42


def test_run_until_complete_raises_what_the_coroutine_raises(run: Run) -> None:
    async def fail() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        run(fail())


def test_run_until_complete_takes_a_future_and_any_awaitable(loop: Loop) -> None:
    class Later:
        def __await__(self) -> Generator[Any, None, str]:
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    future = loop.create_future()
    loop.call_soon(future.set_result, "set")
    assert loop.run_until_complete(future) == "set"
    assert loop.run_until_complete(future) == "set", "a finished future returns at once"
    assert loop.run_until_complete(Later()) == "awaited"


def test_run_until_complete_refuses_what_cannot_be_awaited(loop: Loop) -> None:
    with pytest.raises(TypeError, match=r"An asyncio\.Future, a coroutine or an awaitable is required"):
        loop.run_until_complete(42)  # type: ignore[arg-type]


def test_run_until_complete_refuses_a_future_of_another_loop(loop: Loop, loop_factory: LoopFactory) -> None:
    with contextlib.closing(loop_factory()) as other:
        future = other.create_future()
        with pytest.raises(ValueError, match="The future belongs to a different loop than the one specified"):
            loop.run_until_complete(future)


def test_run_until_complete_of_a_cancelled_future_raises_cancelled_error(loop: Loop) -> None:
    future = loop.create_future()
    loop.call_soon(future.cancel)
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(future)


def test_a_loop_stopped_before_the_future_is_done_says_so(loop: Loop) -> None:
    future = loop.create_future()
    loop.call_soon(loop.stop)
    with pytest.raises(RuntimeError, match=r"^Event loop stopped before Future completed\.$"):
        loop.run_until_complete(future)
    loop.call_soon(future.set_result, "later")
    assert loop.run_until_complete(future) == "later"


def test_a_loop_stopped_before_it_runs_makes_one_turn(loop: Loop) -> None:
    ran: list[str] = []

    def first() -> None:
        ran.append("first")
        loop.call_soon(ran.append, "next turn")

    loop.call_soon(first)
    turn(loop)
    assert ran == ["first"]
    turn(loop)
    assert ran == ["first", "next turn"]


def test_one_turn_serves_callbacks_ready_descriptors_and_due_timers(loop: Loop) -> None:
    ran: list[str] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        loop.add_reader(ours, ran.append, "descriptor")
        loop.call_later(3600, ran.append, "not due")
        loop.call_at(loop.time() - 1, ran.append, "timer")
        loop.call_soon(ran.append, "callback")
        turn(loop)
        loop.remove_reader(ours)
    assert ran == ["callback", "descriptor", "timer"]


def test_stop_lets_the_turn_end_and_no_more(loop: Loop) -> None:
    ran: list[str] = []
    loop.call_soon(loop.stop)
    loop.call_soon(lambda: loop.call_soon(ran.append, "next turn"))
    loop.call_soon(ran.append, "same turn")
    loop.call_later(3600, ran.append, "timer")
    loop.run_forever()
    assert ran == ["same turn"]


def test_stop_holds_for_one_run(loop: Loop) -> None:
    ran: list[int] = []
    loop.call_soon(loop.stop)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.call_soon(ran.append, 1)
    loop.call_soon(lambda: loop.call_soon(loop.stop))
    loop.run_forever()
    assert ran == [1]


def test_is_running_and_the_running_loop_are_true_only_inside(loop: Loop) -> None:
    seen: list[tuple[bool, bool, Loop]] = []
    loop.call_soon(lambda: seen.append((loop.is_running(), loop.is_closed(), asyncio.get_running_loop())))
    assert not loop.is_running()
    turn(loop)
    assert not loop.is_running()
    assert seen == [(True, False, loop)]
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_the_repr_tells_the_state(loop: Loop) -> None:
    loop.set_debug(False)
    name = type(loop).__name__
    seen: list[str] = []
    loop.call_soon(lambda: seen.append(repr(loop)))
    assert repr(loop) == f"<{name} running=False closed=False debug=False>"
    turn(loop)
    assert seen == [f"<{name} running=True closed=False debug=False>"]
    loop.set_debug(True)
    loop.close()
    assert repr(loop) == f"<{name} running=False closed=True debug=True>"


def test_a_running_loop_cannot_be_run_or_closed(run: Run, loop: Loop) -> None:
    async def main() -> None:
        coroutine = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match=r"^This event loop is already running$"):
            loop.run_until_complete(coroutine)
        with pytest.raises(RuntimeError, match=r"^Cannot close a running event loop$"):
            loop.close()
        coroutine.close()
        assert loop.is_running()
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match=r"^This event loop is already running$"):
            loop.run_forever()
        if sys.version_info[:2] != (3, 13):  # 3.13.0 takes the loop for stopped after this
            assert loop.is_running()

    run(main())


def test_another_loop_cannot_run_inside_a_running_one(run: Run, loop_factory: LoopFactory) -> None:
    async def main() -> None:
        coroutine = asyncio.sleep(0)
        with contextlib.closing(loop_factory()) as other:
            with pytest.raises(RuntimeError, match=r"^Cannot run the event loop while another loop is running$"):
                other.run_until_complete(coroutine)
            with pytest.raises(RuntimeError, match=r"^Cannot run the event loop while another loop is running$"):
                other.run_forever()
            assert not other.is_running()
        coroutine.close()
        await asyncio.sleep(0)

    run(main())


def test_a_closed_loop_refuses_work(loop: Loop) -> None:
    loop.close()
    coroutine = asyncio.sleep(0)
    ours, theirs = socket.socketpair()
    refused: list[Callable[[], Any]] = [
        loop.run_forever,
        lambda: loop.run_until_complete(coroutine),
        lambda: loop.create_task(coroutine),
        lambda: loop.call_soon(print),
        lambda: loop.call_soon_threadsafe(print),
        lambda: loop.call_later(1, print),
        lambda: loop.call_at(1, print),
        lambda: loop.run_in_executor(None, print),
        lambda: loop.add_reader(ours, print),
        lambda: loop.add_writer(ours, print),
        lambda: loop.add_signal_handler(signal.SIGUSR1, print),
    ]
    for call in refused:
        with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
            call()
    coroutine.close()
    ours.close()
    theirs.close()


def test_a_closed_loop_still_answers(loop: Loop) -> None:
    timer = loop.call_later(3600, print)
    handle = loop.call_soon(print)
    loop.close()
    loop.close()
    assert loop.is_closed()
    assert not loop.is_running()
    loop.stop()
    timer.cancel()
    handle.cancel()
    assert loop.time() > 0
    assert loop.create_future().get_loop() is loop
    with open(os.devnull) as file:
        assert loop.remove_reader(file.fileno()) is False
        assert loop.remove_writer(file.fileno()) is False
    assert loop.remove_signal_handler(signal.SIGUSR1) is False


def test_close_drops_pending_callbacks_and_what_they_hold(loop: Loop) -> None:
    held = [Anything() for _ in range(2)]
    references = [weakref.ref(one) for one in held]
    loop.call_soon(print, held[0])
    loop.call_later(3600, print, held[1])
    held.clear()
    gc.collect()
    assert None not in [reference() for reference in references]
    loop.close()
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_an_unclosed_loop_warns_and_is_closed_when_it_is_collected(loop_factory: LoopFactory) -> None:
    def collect() -> None:
        loops.clear()
        gc.collect()

    descriptors = len(os.listdir("/proc/self/fd"))
    loops = [loop_factory()]
    loops[0].call_soon(print)
    expected = f"unclosed event loop {loops[0]!r}"
    with pytest.warns(ResourceWarning) as caught:
        collect()
    assert [str(warning.message) for warning in caught] == [expected]
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_loop_with_pending_callbacks_is_collected(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    waiting = Anything()
    reference = weakref.ref(waiting)
    loop.call_soon(print, loop, waiting)
    loop.call_later(3600, print, loop, waiting)
    loop.itself = loop  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        # The warning is another test's subject, and a recorded one would keep the loop alive.
        warnings.simplefilter("ignore", ResourceWarning)
        loop_reference = weakref.ref(loop)
        del loop, waiting
        gc.collect()
    assert loop_reference() is None
    assert reference() is None


async def count(closed: list[str], name: str = "counter") -> AsyncIterator[int]:
    """Count from nought; record the close, which itself has to wait."""
    try:
        for number in range(10):
            yield number
    finally:
        await asyncio.sleep(0)
        closed.append(name)


def test_shutdown_asyncgens_closes_unfinished_generators(loop: Loop) -> None:
    closed: list[str] = []
    generators = [count(closed, "first"), count(closed, "second")]

    async def begin() -> list[int]:
        return [await anext(generator) for generator in generators]

    assert loop.run_until_complete(begin()) == [0, 0]
    assert closed == []
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert sorted(closed) == ["first", "second"]


def test_a_generator_that_fails_to_close_is_reported(loop: Loop, reports: list[dict[str, Any]]) -> None:
    async def stubborn() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise LookupError("cannot close")

    async def begin() -> None:
        assert await anext(generator) == 1

    generator = stubborn()
    loop.run_until_complete(begin())
    loop.run_until_complete(loop.shutdown_asyncgens())
    (report,) = reports
    assert report["message"] == f"an error occurred during closing of asynchronous generator {generator!r}"
    assert type(report["exception"]) is LookupError
    assert report["asyncgen"] is generator
    reports.clear()


def test_a_generator_first_used_after_the_shutdown_warns(loop: Loop) -> None:
    closed: list[str] = []

    async def main() -> None:
        await loop.shutdown_asyncgens()
        generator = count(closed)
        message = (
            rf"^asynchronous generator {re.escape(repr(generator))} was scheduled after loop\.shutdown_asyncgens\(\)"
        )
        with pytest.warns(ResourceWarning, match=message):
            assert await anext(generator) == 0
        await generator.aclose()  # type: ignore[attr-defined]

    loop.run_until_complete(main())
    assert closed == ["counter"]


def test_an_abandoned_generator_is_closed_by_the_loop(loop: Loop) -> None:
    closed: list[str] = []

    async def main() -> None:
        generator = count(closed)
        assert await anext(generator) == 0
        del generator
        gc.collect()
        assert closed == []
        while not closed:
            await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert closed == ["counter"]


def test_the_hooks_of_asynchronous_generators_are_restored(loop: Loop) -> None:
    before = sys.get_asyncgen_hooks()
    inside: list[Any] = []
    loop.call_soon(lambda: inside.append(sys.get_asyncgen_hooks()))
    turn(loop)
    assert inside[0].firstiter is not None
    assert inside[0].finalizer is not None
    assert sys.get_asyncgen_hooks() == before
