"""Repeats something a thousand times and asserts that nothing of it is left.

What is counted, and why each:

* open descriptors, by number and target;
* live objects of ioxide, asyncio, and the modules below them. Each of these types takes part in garbage collection, so
  the collector lists all that are alive;
* threads, Python's and the kernel's: a native thread has no `threading.Thread`;
* what Python's allocator and the C library's have given out. These see what the collector doesn't list: numbers, bytes,
  and what Rust allocates.

The first three have to be back where they were. Memory may grow for good reasons (a table doubles, a cache fills), but
not each time: the least that it grew in one of several rounds is what counts. That needs a C library with `mallinfo2`.
"""

from __future__ import annotations

import asyncio
import collections
import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from conftest import open_descriptors

TIMES = 1000
ROUNDS = 4
# Memory that grew in all of the rounds gets some more, for what takes long to reach its size.
MORE_ROUNDS = 8
AT_ONCE = 10
# Enough for each pool of threads and each cache to reach the size that it keeps.
WARM_UP = 100
# A pool starts another thread when none is idle at that moment, so their number isn't exact before it is closed.
LARGEST_POOL = 32
# Half an object for each repetition, and half of the smallest chunk of memory that there is.
BLOCKS_EACH = 0.5
BYTES_EACH = 16
# For what ends on its own, at a time that the kernel decides: a thread that has done its work, for one.
PATIENCE = 20

OWNERS = {"ioxide", "asyncio", "_asyncio", "ssl", "_ssl", "socket", "_socket", "subprocess", "selectors"}

Repeat = Callable[[int], Awaitable[None] | None]


class MallocState(ctypes.Structure):
    """`struct mallinfo2` of the C library."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "top",
        )
    ]


mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = MallocState


@dataclass
class InUse:
    """What this process has in use."""

    descriptors: set[str]
    objects: collections.Counter[str]
    threads: list[str]
    kernel_threads: int

    def beyond(self, before: InUse, spare_threads: int = 0) -> list[str]:
        """Say what there is more of than before."""
        found = [f"descriptor {name}" for name in sorted(self.descriptors - before.descriptors)]
        found += [f"{number} more of {name}" for name, number in (self.objects - before.objects).items()]
        if len(self.threads) > len(before.threads) + spare_threads:
            found.append(f"threads {self.threads}")
        if self.kernel_threads > before.kernel_threads + spare_threads:
            found.append(f"{self.kernel_threads - before.kernel_threads} more threads of the kernel's")
        return found


def in_use() -> InUse:
    """Collect what can be collected, and count the rest."""
    gc.collect()
    objects = collections.Counter(
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in map(type, gc.get_objects())
        if kind.__module__.partition(".")[0] in OWNERS
    )
    names = [thread.name for thread in threading.enumerate()]
    return InUse(open_descriptors(), objects, names, len(os.listdir("/proc/self/task")))


def memory() -> tuple[int, int]:
    """Return how many blocks Python's allocator has given out, and how many bytes the C library's."""
    gc.collect()
    state = mallinfo()
    return sys.getallocatedblocks(), state.uordblks + state.hblkhd


async def in_batches(times: int, once: Callable[[], Awaitable[object]], at_once: int = AT_ONCE) -> None:
    """Do something so many times, several at a time."""
    for _ in range(times // at_once):
        await asyncio.gather(*(once() for _ in range(at_once)))


def leaves_nothing(loop: asyncio.AbstractEventLoop, repeat: Repeat, *, patience: float = PATIENCE) -> None:
    """Assert that doing something a thousand times leaves nothing: not while the loop is open, nor when it is closed.

    `repeat(times)` does it so many times, on the loop if it is a coroutine function. The loop is closed afterwards.
    """

    def again(times: int) -> None:
        awaitable = repeat(times)
        if awaitable is not None:
            loop.run_until_complete(awaitable)

    at_first = in_use()
    again(WARM_UP)
    before = in_use()
    grown: list[tuple[int, int]] = []
    while len(grown) < ROUNDS or (grows(grown) and len(grown) < ROUNDS + MORE_ROUNDS):
        blocks, size = memory()
        again(TIMES // ROUNDS)
        blocks_after, size_after = memory()
        grown.append((blocks_after - blocks, size_after - size))

    deadline = time.monotonic() + patience
    while (left := in_use().beyond(before, LARGEST_POOL)) and time.monotonic() < deadline:
        loop.run_until_complete(asyncio.sleep(0.01))
    assert not left, f"left open: {left}"
    assert not grows(grown), f"memory grows, in blocks and bytes by round: {grown}"

    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    deadline = time.monotonic() + patience
    while (left := threads_beyond(at_first)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"left by the loop: {left}"


def grows(grown: list[tuple[int, int]]) -> bool:
    """Tell whether memory grew in every round, by what even the smallest leak of all repetitions would add."""
    blocks, size = min(blocks for blocks, _ in grown), min(size for _, size in grown)
    return blocks >= BLOCKS_EACH * TIMES / ROUNDS or size >= BYTES_EACH * TIMES / ROUNDS


def threads_beyond(before: InUse) -> list[str]:
    """Say which threads there are more of than before."""
    now = in_use()
    return InUse(set(), collections.Counter(), now.threads, now.kernel_threads).beyond(before)
