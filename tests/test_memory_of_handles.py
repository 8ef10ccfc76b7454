"""Handles whose memory was another handle's before: nothing of that one is left, and the collector sees them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Callable
from typing import Any

import ioxide
import pytest
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
    class Holder:
        def __init__(self) -> None:
            self.handle = loop.call_soon(self.called)

        def called(self) -> None:
            pass

    for _ in range(3):
        owners = [Holder() for _ in range(50)]
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


WAYS: dict[str, Callable[..., asyncio.Handle]] = {
    "call_soon": lambda loop, callback: loop.call_soon(callback),
    "call_soon_threadsafe": lambda loop, callback: loop.call_soon_threadsafe(callback),
    "call_later": lambda loop, callback: loop.call_later(0, callback),
    "call_at": lambda loop, callback: loop.call_at(0, callback),
}

variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable")


class Owner:
    """Has a handle whose callback is its own method."""

    handle: asyncio.Handle
    loop: asyncio.AbstractEventLoop

    def called(self) -> None:
        """Be called."""


def call_within_a_run(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    """Call something while the loop runs, and let one more turn go by."""
    loop.call_soon(action)
    run_once(loop)
    run_once(loop)


@pytest.mark.parametrize("way", WAYS)
def test_a_handle_made_while_the_loop_runs_is_collected_with_its_callback(
    loop: asyncio.AbstractEventLoop, way: str
) -> None:
    watched: list[weakref.ref[Owner]] = []

    def schedule() -> None:
        for _ in range(20):
            owner = Owner()
            owner.handle = WAYS[way](loop, owner.called)
            watched.append(weakref.ref(owner))

    call_within_a_run(loop, schedule)
    run_once(loop)
    gc.collect()
    assert [reference() for reference in watched] == [None] * 20


@pytest.mark.parametrize("way", WAYS)
def test_a_cancelled_handle_is_collected_with_what_its_context_holds(loop: asyncio.AbstractEventLoop, way: str) -> None:
    watched: list[weakref.ref[Owner]] = []

    def schedule() -> None:
        owner = Owner()
        variable.set(owner)
        owner.handle = WAYS[way](loop, owner.called)
        owner.handle.cancel()
        watched.append(weakref.ref(owner))

    call_within_a_run(loop, schedule)
    gc.collect()
    assert [reference() for reference in watched] == [None]


def forget_a_loop(way: str, is_kept: bool) -> weakref.ref[Owner]:
    """Stop a loop that has something scheduled, and forget it. Returns whose method that is, which has the loop."""
    loop = ioxide.new_event_loop()
    owner = Owner()
    owner.loop = loop

    def schedule() -> None:
        handle = loop.call_later(3600, owner.called) if way == "call_later" else WAYS[way](loop, owner.called)
        if is_kept:
            owner.handle = handle

    loop.call_soon(schedule)
    run_once(loop)
    return weakref.ref(owner)


@pytest.mark.parametrize("is_kept", [False, True], ids=["dropped", "kept"])
@pytest.mark.parametrize("way", ["call_soon", "call_soon_threadsafe", "call_later"])
def test_what_a_forgotten_loop_has_scheduled_is_collected_with_it(way: str, is_kept: bool) -> None:
    watched = forget_a_loop(way, is_kept)
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        gc.collect()
    assert watched() is None
