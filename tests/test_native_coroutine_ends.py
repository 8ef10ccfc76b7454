"""How native coroutines end: the `StopIteration` belongs to whoever gets it, and shutting down finds them waiting."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import weakref
from typing import Any

import pytest
from ioxide import _ioxide
from small_coroutines import Run

LOCKS: list[Any] = [asyncio.Lock, _ioxide.Lock]

both = pytest.mark.parametrize("lock_class", LOCKS, ids=["stock", "native"])


def end(coroutine: Any) -> StopIteration:
    """Step a coroutine that needn't wait to its end."""
    try:
        next(coroutine.__await__())
    except StopIteration as error:
        # Without it, whatever caught the exception would still hold it.
        error.__traceback__ = None
        return error
    raise AssertionError("it waits")


@both
@pytest.mark.parametrize("change", ["value", "args", "context", "note", "attribute"])
def test_what_a_program_does_to_a_stop_iteration_is_seen_by_nobody_else(lock_class: Any, change: str) -> None:
    error = end(lock_class().acquire())
    match change:
        case "value":
            error.value = 7
        case "args":
            error.args = (7,)
        case "context":
            error.__context__ = ValueError()
        case "note":
            error.add_note("noted")
        case "attribute":
            error.mark = True  # type: ignore[attr-defined]
    del error
    fresh = end(lock_class().acquire())
    assert (fresh.value, fresh.args, fresh.__context__, vars(fresh)) == (True, (True,), None, {})

    async def acquire() -> bool:
        acquired: bool = await lock_class().acquire()
        return acquired

    assert asyncio.run(acquire()) is True


@both
def test_two_ends_at_once_have_two_exceptions(lock_class: Any) -> None:
    first, second = end(lock_class().acquire()), end(lock_class().acquire())
    assert first is not second
    assert first.value is second.value is True


@both
def test_who_drives_a_coroutine_by_send_is_not_kept_by_its_end(lock_class: Any) -> None:
    class Local:
        pass

    def drive(coroutine: Any) -> weakref.ref[Local]:
        local = Local()
        reference = weakref.ref(local)
        try:
            coroutine.send(None)
        except StopIteration:
            return reference
        raise AssertionError("it waits")

    reference = drive(lock_class().acquire())
    gc.collect()
    assert reference() is None


WAITS = ["e.wait()", "ioxide.sleep(60)", "ioxide.Queue().get()", "ioxide.wait([loop.create_future()])"]


@pytest.mark.parametrize("waiting", WAITS)
def test_one_that_waits_as_the_interpreter_ends_says_nothing(waiting: str) -> None:
    program = textwrap.dedent(f"""
        import asyncio, sys, ioxide
        loop = ioxide.new_event_loop()
        e = ioxide.Event()
        async def main():
            sys.task = asyncio.create_task({waiting})
            sys.task._log_destroy_pending = False
            await asyncio.sleep(0)
        loop.run_until_complete(main())
    """)
    command = [sys.executable, "-W", "ignore::ResourceWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_end_of_iteration_of_the_programs_is_not_taken_for_a_result(run: Run, kind: Any) -> None:
    states = iter(())

    async def main() -> None:
        condition = kind.Condition()
        async with condition:
            with pytest.raises(RuntimeError, match=r"^coroutine raised StopIteration$") as raised:
                await condition.wait_for(lambda: next(states) == "ready")
            assert type(raised.value.__cause__) is StopIteration
            assert raised.value.__context__ is raised.value.__cause__
            # As a task, which has to end.
            waiting = asyncio.ensure_future(condition.wait_for(lambda: next(states) == "ready"))
            with pytest.raises(RuntimeError, match=r"^coroutine raised StopIteration$"):
                await waiting

    run(main())


def test_a_coroutine_that_somebody_awaits_is_refused_to_another(run: Run, functions: Any) -> None:
    async def main() -> list[Any]:
        shared = functions.sleep(0, "result")

        async def wait() -> Any:
            return await shared

        first, second = asyncio.ensure_future(wait()), asyncio.ensure_future(wait())
        return await asyncio.gather(first, second, return_exceptions=True)

    first, second = run(main())
    assert (first, type(second), str(second)) == ("result", RuntimeError, "coroutine is being awaited already")


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.skipif(sys.version_info < (3, 12), reason="wait_for isn't native before 3.12")
def test_coroutines_that_await_each_other_without_end_are_an_error(run: Run, functions: Any) -> None:
    nested = functions.sleep(0)
    for _ in range(5000):
        nested = functions.wait_for(nested, None)
    with pytest.raises(RecursionError, match="maximum recursion depth exceeded"):
        run(nested)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.skipif(sys.version_info < (3, 12), reason="wait_for isn't native before 3.12")
def test_a_long_chain_of_coroutines_that_nobody_awaits_goes_without_a_deep_stack(functions: Any) -> None:
    nested = functions.sleep(0)
    alive = weakref.ref(nested)
    for _ in range(50_000):
        nested = functions.wait_for(nested, None)
    del nested
    assert alive() is None
