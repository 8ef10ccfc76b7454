"""Random programs of tasks and futures do the same on ioxide as on asyncio, event by event.

`task_programs` makes the programs, `task_interpreter` runs them and says what is compared. The last test shows that the
programs find what is wrong with a loop: each of its faults is one that such a loop might well have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ioxide
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from task_interpreter import first_difference, run_program
from task_programs import Program, programs

# A guess of hypothesis's, by counts of references, that is wrong for its own object on 3.14.
pytestmark = pytest.mark.filterwarnings("ignore:It looks like `register_random` was passed an object")

# Without `Phase.shrink`, which takes minutes: add it to look for the shortest program that fails.
REPRODUCIBLE: dict[str, Any] = {
    "phases": [Phase.generate],
    "derandomize": True,
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


@settings(max_examples=150, **REPRODUCIBLE)
@given(programs())
def test_a_program_leaves_the_same_trace_on_both_loops(program: Program) -> None:
    expected = run_program(asyncio.SelectorEventLoop, program)
    found = run_program(ioxide.Loop, program)
    assert found == expected, "\n".join(first_difference(expected, found))


@settings(max_examples=150, **REPRODUCIBLE)
@given(programs())
def test_a_program_leaves_the_same_trace_with_everything_installed(program: Program) -> None:
    """Asyncio's own functions and classes on its loop, beside ours on ours."""
    expected = run_program(asyncio.SelectorEventLoop, program, shows_internals=False)
    ioxide.install()
    try:
        found = run_program(ioxide.Loop, program, shows_internals=False)
    finally:
        ioxide.uninstall()
    assert found == expected, "\n".join(first_difference(expected, found))


class WithoutMessages(asyncio.Task):  # type: ignore[type-arg]
    """Tasks that drop the message of a cancellation."""

    def cancel(self, msg: Any = None) -> bool:
        return super().cancel()


class WithoutUncancel(asyncio.Task):  # type: ignore[type-arg]
    """Tasks that count no request to cancel down."""

    def uncancel(self) -> int:
        return self.cancelling()


class FaultyLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, with tasks of a class that isn't right."""

    tasks: type[asyncio.Task[Any]]

    def create_task(self, coro: Any, **options: Any) -> Any:
        return self.tasks(coro, loop=self, **options)


class LateWakeups(asyncio.SelectorEventLoop):
    """asyncio's loop, with done callbacks that come a turn late."""

    def call_soon(self, callback: Any, *arguments: Any, context: Any = None) -> Any:
        if arguments and asyncio.isfuture(arguments[0]):
            return super().call_soon(super().call_soon, callback, *arguments, context=context)
        return super().call_soon(callback, *arguments, context=context)


FAULTS: dict[str, Callable[[], type[asyncio.AbstractEventLoop]]] = {
    "drops cancel messages": lambda: type("Faulty", (FaultyLoop,), {"tasks": WithoutMessages}),
    "ignores uncancel": lambda: type("Faulty", (FaultyLoop,), {"tasks": WithoutUncancel}),
    "wakes late": lambda: LateWakeups,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_loop_with_a_fault_is_told_apart_from_asyncio(fault: str) -> None:
    faulty = FAULTS[fault]()

    def differs(program: Program) -> bool:
        return run_program(asyncio.SelectorEventLoop, program) != run_program(faulty, program)

    find(programs(), differs, settings=settings(max_examples=150, **REPRODUCIBLE))
