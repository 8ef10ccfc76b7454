"""A program that has chosen how child processes are waited for has its way: child watchers, which 3.14 has no more."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import warnings
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python has no child watchers from 3.14 on")

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]


async def exits_with(code: int) -> None:
    """Run a process."""
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"read line; exit {code}", stdin=PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == code


def recording_watcher() -> Any:
    """Make a watcher of a class of our own, which keeps the processes that it was given in `watched`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)

        class Watcher(asyncio.ThreadedChildWatcher):
            def __init__(self) -> None:
                super().__init__()
                self.watched: list[int] = []

            def add_child_handler(self, pid: int, callback: Any, *args: Any) -> None:
                self.watched.append(pid)
                super().add_child_handler(pid, callback, *args)

    return Watcher()


@contextlib.contextmanager
def chosen(make: Callable[[], Any]) -> Iterator[Any]:
    """Choose a watcher for a while."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        watcher = make()
        asyncio.set_child_watcher(watcher)
    try:
        yield watcher
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            asyncio.set_event_loop(None)
            asyncio.set_child_watcher(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["SafeChildWatcher", "FastChildWatcher", "MultiLoopChildWatcher"])
def test_one_of_asyncios(loop: Loop, run: Run, name: str) -> None:
    before = signal.getsignal(signal.SIGCHLD)
    with chosen(lambda: getattr(asyncio, name)()) as watcher:
        asyncio.set_event_loop(loop)
        watcher.attach_loop(loop)
        assert signal.getsignal(signal.SIGCHLD) is not before
        run(exits_with(5))
    assert signal.getsignal(signal.SIGCHLD) == before


def test_one_of_the_programs_own(run: Run) -> None:
    with chosen(recording_watcher) as watcher:
        run(exits_with(5))
    assert len(watcher.watched) == 1


def test_one_that_is_not_active_starts_nothing(run: Run) -> None:
    with chosen(lambda: asyncio.SafeChildWatcher()), pytest.raises(RuntimeError, match="is not activated"):
        run(exits_with(5))


def test_one_of_the_programs_own_policy(run: Run) -> None:
    watcher = recording_watcher()

    class Policy(asyncio.DefaultEventLoopPolicy):
        def get_child_watcher(self) -> Any:
            return watcher

    asyncio.set_event_loop_policy(Policy())
    try:
        run(exits_with(5))
    finally:
        asyncio.set_event_loop_policy(None)
    assert len(watcher.watched) == 1
