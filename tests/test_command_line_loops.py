"""A program that `python -m ioxide` runs is on ioxide, however it makes its loop: `python` says no, ioxide yes.

The program says itself whether its loop is an `ioxide.Loop`.
"""

from __future__ import annotations

import signal
import sys
import textwrap
from pathlib import Path

import pytest
from program_workshop import KINDS, Outcome, Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Give an empty directory to write programs in."""
    return Workshop(tmp_path)


LOOPS = {
    "asyncio.run": "asyncio.run(tell())",
    "asyncio.Runner": """
        with asyncio.Runner() as runner:
            runner.run(tell())
    """,
    "asyncio.get_event_loop": """
        loop = asyncio.get_event_loop()
        loop.run_until_complete(tell())
        loop.close()
    """,
    "asyncio.new_event_loop": """
        loop = asyncio.new_event_loop()
        loop.run_until_complete(tell())
        loop.close()
    """,
    "asyncio.new_event_loop and asyncio.set_event_loop": """
        asyncio.set_event_loop(asyncio.new_event_loop())
        asyncio.get_event_loop().run_until_complete(tell())
        asyncio.get_event_loop().close()
    """,
    "the policy": """
        policy = asyncio.get_event_loop_policy()
        assert isinstance(policy, asyncio.DefaultEventLoopPolicy)
        loop = policy.new_event_loop()
        loop.run_until_complete(tell())
        loop.close()
    """,
    "a thread": """
        import threading
        thread = threading.Thread(target=lambda: asyncio.run(tell()))
        thread.start()
        thread.join()
    """,
    "unittest": """
        import unittest
        class Test(unittest.IsolatedAsyncioTestCase):
            async def test(self):
                await tell()
        Test("test").debug()
    """,
    "a forked process": """
        import multiprocessing
        process = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(tell()))
        process.start()
        process.join()
    """,
}
if sys.version_info >= (3, 14):
    del LOOPS["asyncio.get_event_loop"]  # makes no loop any more
TELL = """
import asyncio, ioxide, sys
async def tell():
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    sys.stdout.write(f"{isinstance(loop, ioxide.Loop)}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("start", LOOPS)
def test_asyncio_makes_loops_of_ioxide(workshop: Workshop, start: str) -> None:
    workshop.write(TELL + textwrap.dedent(LOOPS[start]))
    by_python, by_ioxide = workshop.run_both("app.py", options=("-W", "always"))
    assert (by_python.output, by_python.status) == ("False\n", 0)
    assert by_ioxide == Outcome("True\n", by_python.errors, 0)


def test_get_event_loop_makes_a_loop_where_python_does(workshop: Workshop) -> None:
    workshop.write("import asyncio; asyncio.get_event_loop().close()")
    by_python, by_ioxide = workshop.start_both("script")
    assert by_python.status == (1 if sys.version_info >= (3, 14) else 0)
    assert by_ioxide == by_python


@pytest.mark.parametrize("start", KINDS)
def test_asyncio_makes_loops_of_ioxide_however_the_program_is_started(workshop: Workshop, start: str) -> None:
    workshop.write(TELL + "asyncio.run(tell())")
    by_python, by_ioxide = workshop.start_both(start)
    assert (by_python.output, by_ioxide.output) == ("False\n", "True\n")


def test_a_loop_that_the_program_names_is_the_one_it_gets(workshop: Workshop) -> None:
    workshop.write(TELL + "with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner: runner.run(tell())")
    by_python, by_ioxide = workshop.start_both("script")
    assert by_python == Outcome("False\n", "", 0)
    assert by_ioxide == by_python


def test_a_spawned_process_is_on_asyncio_s_own_loop(workshop: Workshop) -> None:
    start_a_process = """
        import multiprocessing
        def child():
            asyncio.run(tell())
        if __name__ == "__main__":
            process = multiprocessing.get_context("spawn").Process(target=child)
            process.start()
            process.join()
    """
    workshop.write(TELL + textwrap.dedent(start_a_process))
    by_python, by_ioxide = workshop.start_both("script")
    assert by_python == Outcome("False\n", "", 0)
    assert by_ioxide == by_python


def test_an_exception_leaves_asyncio_run_as_under_python(workshop: Workshop) -> None:
    workshop.write("""
        import asyncio, sys
        async def main():
            await asyncio.sleep(0)
            if sys.argv[1] == "fail":
                raise LookupError("not there")
            sys.exit(5)
        asyncio.run(main())
    """)
    for rest, status, last_line in (("fail", 1, "LookupError: not there\n"), ("exit", 5, "")):
        by_python, by_ioxide = workshop.start_both("script", rest)
        assert (by_python.status, by_ioxide.status) == (status, status)
        assert by_python.errors.endswith(last_line)
        assert by_ioxide.errors.endswith(last_line)
        assert bool(by_ioxide.errors) == bool(last_line)


def test_an_interrupt_cancels_the_main_task_and_ends_the_process_by_the_signal(workshop: Workshop) -> None:
    workshop.write("""
        import asyncio, signal
        async def main():
            try:
                signal.raise_signal(signal.SIGINT)
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                print("cancelled")
                raise
        asyncio.run(main())
    """)
    by_python, by_ioxide = workshop.start_both("script")
    for outcome in (by_python, by_ioxide):
        assert (outcome.output, outcome.status) == ("cancelled\n", -signal.SIGINT)
        assert outcome.errors.endswith("KeyboardInterrupt\n")
