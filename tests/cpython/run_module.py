"""Runs one module of CPython's own asyncio tests on a given loop, and writes down what each test did.

    python run_module.py LOOP MODULE JOURNAL but|only [TEST ID ...]

`loop_under_test.py` says what LOOP can be. The last arguments choose the module's tests: all but those that are named,
or only those. The journal has a line of JSON for each event, written at once: if this process hangs or crashes, a test
that was begun and not finished is the one to blame.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import importlib
import json
import sys
import unittest
import warnings
from collections.abc import Callable
from typing import IO, Any

from loop_under_test import NATIVES, StandIn, close_without_private_names, spare_of_child_watchers

# A module of this name can be imported by child processes that unpickle something of ours.
PolicyBase: Any = getattr(asyncio.events, "_BaseDefaultEventLoopPolicy", None) or asyncio.DefaultEventLoopPolicy


def put_in_place(name: str, made: Callable[[], None]) -> None:
    """Make asyncio's names for the loop and its policy stand for another's, so that the tests truly run on it."""
    stand_in = StandIn(name, made)
    spare_of_child_watchers(stand_in.loop_class)
    is_ours = name in ("ioxide", NATIVES)
    base: Any = importlib.import_module("ioxide").EventLoopPolicy if is_ours else PolicyBase

    class Policy(base):  # type: ignore[misc]
        def new_event_loop(self) -> Any:
            return stand_in()

    def set_event_loop_policy(policy: Any) -> None:
        # The suite's modules end with `set_event_loop_policy(None)`, which would bring the stock loop back.
        set_policy(Policy() if policy is None else policy)

    patched: Any = asyncio
    if sys.version_info >= (3, 14):
        # The public names warn, and lead to these.
        set_policy = patched.events._set_event_loop_policy
        patched.events._set_event_loop_policy = set_event_loop_policy
        patched.unix_events._DefaultEventLoopPolicy = Policy
    else:
        set_policy = patched.events.set_event_loop_policy
        patched.set_event_loop_policy = patched.events.set_event_loop_policy = set_event_loop_policy
        patched.DefaultEventLoopPolicy = Policy
    patched.SelectorEventLoop = stand_in
    if sys.version_info >= (3, 13):
        patched.EventLoop = stand_in
    set_event_loop_policy(None)


def write(journal: IO[str], event: str, test: str, detail: str = "") -> None:
    """Write one event, so that it is there whatever becomes of this process."""
    journal.write(json.dumps({"event": event, "test": test, "detail": detail}) + "\n")
    journal.flush()


class JournalResult(unittest.TestResult):
    """Writes each outcome to the journal."""

    def __init__(self, journal: IO[str]) -> None:
        super().__init__()
        self.journal = journal

    def note(self, event: str, test: Any, detail: str = "") -> None:
        """Write one event. What happens to a part of a test happens to the test."""
        whole = getattr(test, "test_case", None)
        write(self.journal, event, (whole if isinstance(whole, unittest.TestCase) else test).id(), detail)

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        """Note that a test begins."""
        super().startTest(test)
        self.note("begun", test)

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        """Note that nothing of a test is left to be run."""
        super().stopTest(test)
        self.note("finished", test)

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        """Note that a test passed."""
        self.note("passed", test)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        """Note that a test was skipped by the suite."""
        self.note("skipped", test, reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        """Note that a test failed as the suite expects."""
        self.note("passed", test)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        """Note that a test passed which the suite expects to fail."""
        self.note("failed", test, "passed, which the suite doesn't expect")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        """Note that a test failed."""
        self.note("failed", test, self.describe(err))

    addError = addFailure  # noqa: N815

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:  # noqa: N802
        """Note that a part of a test failed."""
        if err is not None:
            self.note("failed", test, self.describe(err))

    @staticmethod
    def describe(err: Any) -> str:
        """Put an exception into a line."""
        return f"{err[0].__name__}: {err[1]}"


def flat(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    """List the tests of a suite."""
    tests: list[unittest.TestCase] = []
    for entry in suite:
        tests.extend(flat(entry) if isinstance(entry, unittest.TestSuite) else [entry])
    return tests


def main() -> None:
    """Run the module."""
    loop, module, journal_path, choice, *named = sys.argv[1:]
    warnings.simplefilter("ignore")
    with open(journal_path, "a") as journal:
        if loop == NATIVES:
            importlib.import_module("natives").put_natives_in_place()
        put_in_place(loop, lambda: write(journal, "made a loop", module))
        imported = importlib.import_module(module)
        close_without_private_names(importlib.import_module("test.test_asyncio.utils").TestCase)
        tests = flat(unittest.defaultTestLoader.loadTestsFromModule(imported))
        chosen = [test for test in tests if (test.id() in named) == (choice == "only")]
        unittest.TestSuite(chosen).run(JournalResult(journal))
        write(journal, "ended", module)


if __name__ == "__main__":
    main()
