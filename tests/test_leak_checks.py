"""What all tests of leaks rely on: that a leak of any kind is noticed."""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from leak_checks import leaves_nothing

Loop = asyncio.AbstractEventLoop


def allocate(size: int) -> int:
    """Allocate memory of the C library's."""
    function = ctypes.pythonapi.PyMem_RawMalloc
    function.restype = ctypes.c_void_p
    address: int = function(ctypes.c_size_t(size))
    return address


def free(address: int) -> None:
    """Free what `allocate` gave."""
    ctypes.pythonapi.PyMem_RawFree(ctypes.c_void_p(address))


@pytest.mark.parametrize(
    ("leak", "undo", "message"),
    [
        (lambda _: os.dup(0), os.close, "descriptor "),
        (lambda loop: loop.create_future(), lambda _: None, r" more of (_asyncio|ioxide)\.Future"),
        (lambda loop: loop.call_later(1000, print), lambda handle: handle.cancel(), r" more of .*\.TimerHandle"),
    ],
    ids=["a descriptor", "a future", "a timer"],
)
def test_a_leak_is_noticed_even_if_it_is_rare(
    loop: Loop, leak: Callable[[Loop], Any], undo: Callable[[Any], None], message: str
) -> None:
    def repeat(_: int) -> None:
        leaked.append(leak(loop))

    leaked: list[Any] = []
    with pytest.raises(AssertionError, match=message):
        leaves_nothing(loop, repeat, patience=0)
    for thing in leaked:
        undo(thing)


@pytest.mark.parametrize(
    ("leak", "undo"),
    [(lambda: bytes(100), lambda _: None), (lambda: allocate(24), free)],
    ids=["a block of Python's", "the smallest chunk of the C library's"],
)
def test_a_leak_of_memory_is_noticed(loop: Loop, leak: Callable[[], Any], undo: Callable[[Any], None]) -> None:
    def repeat(times: int) -> None:
        leaked.extend([leak() for _ in range(times)])

    leaked: list[Any] = []
    with pytest.raises(AssertionError, match="memory grows"):
        leaves_nothing(loop, repeat, patience=0)
    for thing in leaked:
        undo(thing)


def test_a_leak_of_threads_is_noticed(loop: Loop) -> None:
    def repeat(times: int) -> None:
        started = [threading.Thread(target=released.wait) for _ in range(times // 10)]
        for thread in started:
            thread.start()
        threads.extend(started)

    threads: list[threading.Thread] = []
    released = threading.Event()
    try:
        with pytest.raises(AssertionError, match=r"threads .*more threads of the kernel's"):
            leaves_nothing(loop, repeat, patience=0)
    finally:
        released.set()
        for thread in threads:
            thread.join()
