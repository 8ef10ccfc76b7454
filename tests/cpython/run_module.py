"""Runs one module of CPython's own asyncio tests on a given loop, and writes down what each test did.

    python run_module.py LOOP MODULE JOURNAL [SKIPPED TEST ID ...]

LOOP is "asyncio" or "ioxide". The journal has a line of JSON for each event, written at once: if this process hangs or
crashes, the last test that was begun is the one to blame.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import importlib
import json
import sys
import unittest
import warnings
from typing import IO, Any

# A module of this name can be imported by child processes that unpickle something of ours.
PolicyBase: Any = getattr(asyncio.events, "_BaseDefaultEventLoopPolicy", None) or asyncio.DefaultEventLoopPolicy
loops_made = 0


def put_ioxide_in_place() -> None:
    """Make asyncio's names for the loop and its policy stand for ioxide's, so that the tests truly run on it."""
    import ioxide

    class Loop(ioxide.Loop):
        def __init__(self, selector: Any = None) -> None:
            global loops_made
            loops_made += 1
            if selector is not None:
                selector.close()  # the suite makes one for each kind of selector
            super().__init__()

    class Policy(ioxide.EventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            return Loop()

    set_policy = asyncio.events.set_event_loop_policy

    def set_event_loop_policy(policy: Any) -> None:
        # The suite's modules end with `set_event_loop_policy(None)`, which would bring the stock loop back.
        set_policy(Policy() if policy is None else policy)

    namespaces: tuple[Any, ...] = (asyncio, asyncio.events)
    for namespace in namespaces:
        for name in ("set_event_loop_policy", "_set_event_loop_policy"):
            if hasattr(namespace, name):
                setattr(namespace, name, set_event_loop_policy)
    patched: Any = asyncio
    patched.SelectorEventLoop = Loop
    patched.DefaultEventLoopPolicy = Policy
    if sys.version_info >= (3, 13):
        patched.EventLoop = Loop
    set_event_loop_policy(None)


class JournalResult(unittest.TestResult):
    """Writes each outcome to the journal."""

    def __init__(self, journal: IO[str]) -> None:
        super().__init__()
        self.journal = journal

    def note(self, event: str, test: unittest.TestCase, detail: str = "") -> None:
        """Write one event."""
        self.journal.write(json.dumps({"event": event, "test": test.id(), "detail": detail}) + "\n")
        self.journal.flush()

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        """Note that a test begins."""
        super().startTest(test)
        self.note("begun", test)

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        """Note that a test passed."""
        self.note("passed", test)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        """Note that a test was skipped by the suite."""
        self.note("skipped", test, reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        """Note that a test failed as the suite expects."""
        self.note("passed", test)

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
    loop, module, journal_path, *skipped = sys.argv[1:]
    warnings.simplefilter("ignore")
    if loop == "ioxide":
        put_ioxide_in_place()
    tests = flat(unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(module)))
    suite = unittest.TestSuite(test for test in tests if test.id() not in skipped)
    with open(journal_path, "a") as journal:
        suite.run(JournalResult(journal))
        journal.write(json.dumps({"event": "ended", "test": module, "detail": str(loops_made)}) + "\n")


if __name__ == "__main__":
    main()
