"""Handles whose memory was another handle's before: nothing of that one is left, and the collector sees them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref

import ioxide
from ioxide import _ioxide

MORE_THAN_ARE_KEPT = 3000


def run_once(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_more_handles_than_are_kept_run_in_order_again_and_again(loop: asyncio.AbstractEventLoop) -> None:
    for _ in range(3):
        ran: list[int] = []
        for number in range(MORE_THAN_ARE_KEPT):
            loop.call_soon(ran.append, number)
        run_once(loop)
        assert ran == list(range(MORE_THAN_ARE_KEPT))


def test_a_handle_begins_anew(loop: asyncio.AbstractEventLoop) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    context = contextvars.copy_context()
    context.run(variable.set, "set")
    for _ in range(10):
        loop.call_soon(variable.get, context=context).cancel()
    run_once(loop)
    seen: list[str] = []
    handles = [loop.call_soon(lambda: seen.append(variable.get())) for _ in range(20)]
    assert not any(handle.cancelled() for handle in handles)
    run_once(loop)
    assert seen == ["unset"] * 20


def test_the_collector_sees_every_handle(loop: asyncio.AbstractEventLoop) -> None:
    for _ in range(3):
        handles = [loop.call_soon(int) for _ in range(50)]
        assert all(map(gc.is_tracked, handles))
        run_once(loop)
        del handles


def test_a_handle_that_its_own_callback_holds_is_collected(loop: asyncio.AbstractEventLoop) -> None:
    class Owner:
        def __init__(self) -> None:
            self.handle = loop.call_soon(self.called)

        def called(self) -> None:
            pass

    for _ in range(3):
        owners = [Owner() for _ in range(50)]
        watched = [weakref.ref(owner) for owner in owners]
        run_once(loop)
        del owners
        gc.collect()
        assert [reference() for reference in watched] == [None] * 50


def test_handles_of_a_derived_class_have_memory_of_their_own() -> None:
    loop = ioxide.new_event_loop()
    timers = [loop.call_later(0, int) for _ in range(100)]
    for timer in timers:
        timer.cancel()
    del timers, timer
    assert {type(loop.call_soon(int)) for _ in range(200)} == {_ioxide.Handle}
    assert {type(loop.call_later(0, int)) for _ in range(200)} == {_ioxide.TimerHandle}
    loop.close()
