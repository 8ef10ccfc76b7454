"""A thousand Rust futures of an extension, and a thousand loops that had some, leave nothing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import ioxide
import pytest
from leak_checks import in_batches, leaves_nothing
from test_rust_extension import rust


@pytest.fixture
def loop_factory() -> Any:
    """Only ioxide's loops run Rust futures."""
    return ioxide.new_event_loop


async def cancel_a_wait() -> None:
    task = asyncio.ensure_future(rust.wait_for_ever(int))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


async def fail() -> None:
    with contextlib.suppress(ValueError):
        await rust.fail("its message")


async def nothing() -> int:
    return 1


USES = {
    "ready": lambda: rust.ready(object()),
    "turns": lambda: rust.turns(2),
    "from_thread": lambda: rust.from_thread(1),
    "sleep": lambda: rust.sleep(0),
    "fail": fail,
    "call": lambda: rust.call(nothing),
    "cancel": cancel_a_wait,
}


@pytest.mark.parametrize("use", USES)
def test_a_thousand_futures_leave_nothing(loop: Any, use: str) -> None:
    leaves_nothing(loop, lambda times: in_batches(times, USES[use]))


def test_a_thousand_loops_leave_nothing(loop: Any) -> None:
    def run_loops(times: int) -> None:
        for _ in range(times):
            ioxide.run(one_of_each())

    async def one_of_each() -> None:
        rust.spawn_for_ever(int)
        await rust.turns(1)

    leaves_nothing(loop, run_loops)
