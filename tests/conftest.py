"""Fixtures that run each test on asyncio's own loop and on ioxide, and check what is left behind.

A test takes `loop` (a fresh event loop) or `run` (runs one coroutine on it). Both come twice: the expectation that
holds on asyncio is the one that ioxide has to meet. The teardown closes the loop and fails the test when a task, a
descriptor, or a report to the exception handler is left over.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import ioxide
import pytest
from combinator_objects import NATIVE, STOCK
from lock_programs import KINDS
from task_group_programs import GROUP_CLASSES

if os.environ.get("IOXIDE_TESTS_INSTALLED"):
    # Before a test module imports anything that takes names out of asyncio.
    ioxide.install()

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

LOOP_FACTORIES: dict[str, LoopFactory] = {
    "asyncio": asyncio.SelectorEventLoop,
    "ioxide": ioxide.new_event_loop,
}


def pytest_collection_finish() -> None:
    """Take what was imported out of the collector's sight: each test collects, and would look through all of it."""
    gc.collect()
    gc.freeze()


def open_descriptors() -> set[str]:
    """Name every open descriptor of this process by number and target."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{number} -> {os.readlink(f'/proc/self/fd/{number}')}")
        except OSError:
            continue  # the descriptor that listed the directory
    return found


@pytest.fixture(params=sorted(LOOP_FACTORIES))
def loop_factory(request: pytest.FixtureRequest) -> LoopFactory:
    """What makes a loop: asyncio's, then ioxide's."""
    return LOOP_FACTORIES[request.param]


@pytest.fixture
def reports() -> list[dict[str, Any]]:
    """What reached the loop's exception handler. A test that expects a report takes it out of this list."""
    return []


@pytest.fixture
def loop(loop_factory: LoopFactory, reports: list[dict[str, Any]]) -> Iterator[asyncio.AbstractEventLoop]:
    """A fresh loop, closed and checked at the end of the test."""
    gc.collect()
    before = open_descriptors()
    loop = loop_factory()
    loop.set_exception_handler(lambda _, context: reports.append(context))
    yield loop
    if not loop.is_closed():
        left_over = asyncio.all_tasks(loop)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        assert not left_over, f"tasks still pending: {left_over}"
    gc.collect()
    assert reports == []
    assert open_descriptors() - before == set()


@pytest.fixture
def run(loop: asyncio.AbstractEventLoop) -> Callable[[Awaitable[Any]], Any]:
    """Run one awaitable to its end on the loop under test."""
    return loop.run_until_complete


@pytest.fixture(params=["stock", "native"])
def functions(request: pytest.FixtureRequest) -> Any:
    """Asyncio's functions, then ours under the same names."""
    return STOCK if request.param == "stock" else NATIVE


@pytest.fixture(params=sorted(GROUP_CLASSES))
def group_class(request: pytest.FixtureRequest) -> Any:
    """Asyncio's `TaskGroup`, then ours."""
    return GROUP_CLASSES[request.param]


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Any:
    """Ours of the locks and their kin, then asyncio's."""
    return KINDS[request.param]
