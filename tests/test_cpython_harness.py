"""What runs CPython's own tests: whether its report can be trusted.

It is run on small suites that are written for it, whose tests fail, hang and crash on purpose, most of them on the
other loop only. A hang is found by a time limit; nothing else here has to do with time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest

RUN_SUITE = Path(__file__).parent / "cpython" / "run_suite.py"

# What every module of a small suite can use.
PRELUDE = """
import asyncio, os, pathlib, selectors, signal, subprocess, threading, unittest

def on_the_other_loop():
    loop = asyncio.new_event_loop()
    loop.close()
    return not type(loop).__module__.startswith("asyncio.")
"""

OTHER_LOOPS = """
from asyncio import SelectorEventLoop

class Sealed(SelectorEventLoop):
    def __init__(self):
        super().__init__()

    def __init_subclass__(cls):
        raise TypeError("not to be derived from")

def make_sealed():
    return Sealed()

class Foreign:
    def __init__(self):
        self.loop = SelectorEventLoop()

    def __getattr__(self, name):
        if name == "_default_executor":
            raise AttributeError(name)
        return getattr(self.loop, name)
"""


class Report(NamedTuple):
    """What the harness printed, and its exit code."""

    lines: list[str]
    code: int

    def about(self, test: str) -> list[str]:
        """The lines that say something of a test."""
        return [line for line in self.lines if f".{test}:" in line]


class Suite:
    """A package of tests to be run by the harness."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.package = directory / "small_suite"
        self.package.mkdir()
        (self.package / "__init__.py").touch()
        (directory / "other_loops.py").write_text(OTHER_LOOPS)

    def add(self, module: str, body: str) -> None:
        (self.package / f"{module}.py").write_text(PRELUDE + dedent(body))

    def run(self, *options: str) -> Report:
        finished = subprocess.run(
            [sys.executable, str(RUN_SUITE), "--package", "small_suite", *options],
            env={**os.environ, "PYTHONPATH": str(self.directory)},
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Report(finished.stdout.splitlines(), finished.returncode)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """An empty package of tests."""
    return Suite(tmp_path)


def test_the_last_lines_count_the_tests_of_each_loop(suite: Suite) -> None:
    suite.add(
        "test_verdicts",
        """
        class Verdicts(unittest.TestCase):
            def test_good(self): pass
            def test_left_out_by_the_suite(self): self.skipTest("no reason")
            def test_bad_on_the_other(self): self.assertFalse(on_the_other_loop())
            def test_bad_on_both(self): self.fail("as it should")
        """,
    )
    report = suite.run()
    assert report.lines[-2:] == ["asyncio: 2 passed, 1 failed, 1 skipped", "ioxide: 1 passed, 2 failed, 1 skipped"]


def test_a_failure_on_the_other_loop_alone_is_named_with_its_reason_and_is_an_error(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_bad(self): self.assertEqual(on_the_other_loop(), False, "the reason")
        """,
    )
    report = suite.run()
    assert report.code == 1
    assert report.about("test_bad") == [
        "FAILED, and passes on asyncio's loop: small_suite.test_one.One.test_bad: "
        "AssertionError: True != False : the reason"
    ]


def test_a_failure_that_asyncio_shares_is_no_error(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_bad(self): self.fail()
        """,
    )
    report = suite.run()
    assert report.code == 0
    assert report.about("test_bad") == []


def test_a_test_that_fails_in_two_parts_is_one_failure(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_bad(self):
                for part in range(2):
                    with self.subTest(part=part):
                        self.assertFalse(on_the_other_loop())
        """,
    )
    assert suite.run().lines[-1] == "ioxide: 0 passed, 1 failed, 0 skipped"


def test_an_excluded_failure_is_not_counted_among_the_failures(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_internal_fds(self): self.assertFalse(on_the_other_loop())
        """,
    )
    report = suite.run()
    assert report.code == 0
    assert any("1 failures excluded with a reason, 0 tests not run" in line for line in report.lines)
    assert report.lines[-1] == "ioxide: 0 passed, 0 failed, 0 skipped"


def test_a_hanging_test_is_named_and_the_others_of_its_module_are_run(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_1_good(self): pass
            def test_2_hanging(self):
                if on_the_other_loop(): threading.Event().wait()
            def test_3_good(self): pass
        """,
    )
    report = suite.run("--test-limit", "10")
    assert report.code == 1
    assert report.about("test_2_hanging") == [
        "HUNG, and passes on asyncio's loop: small_suite.test_one.One.test_2_hanging: hung"
    ]
    assert report.lines[-1] == "ioxide: 2 passed, 1 failed, 0 skipped"


def test_a_module_may_not_take_longer_than_its_limit(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_1_good(self): pass
            def test_2_hanging(self):
                while on_the_other_loop(): pass
        """,
    )
    report = suite.run("--time-limit", "10")
    assert report.about("test_2_hanging") == [
        "HUNG, and passes on asyncio's loop: small_suite.test_one.One.test_2_hanging: hung"
    ]


def test_a_crashing_test_is_named_with_its_signal_and_the_others_of_its_module_are_run(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_1_good(self): pass
            def test_2_crashing(self):
                if on_the_other_loop(): os.kill(os.getpid(), signal.SIGSEGV)
            def test_3_leaving(self):
                if on_the_other_loop(): os._exit(3)
            def test_4_good(self): pass
        """,
    )
    report = suite.run()
    assert report.code == 1
    assert report.about("test_2_crashing") == [
        "CRASHED, and passes on asyncio's loop: small_suite.test_one.One.test_2_crashing: SIGSEGV"
    ]
    assert report.about("test_3_leaving") == [
        "CRASHED, and passes on asyncio's loop: small_suite.test_one.One.test_3_leaving: exit code 3"
    ]
    assert report.lines[-1] == "ioxide: 2 passed, 2 failed, 0 skipped"


def test_more_than_twenty_crashes_in_a_module_do_not_lose_the_rest(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_z_good(self): pass

        for number in range(21):
            def crash(self):
                if on_the_other_loop(): os.abort()
            setattr(One, f"test_{number}", crash)
        """,
    )
    assert suite.run().lines[-1] == "ioxide: 1 passed, 21 failed, 0 skipped"


def test_a_crash_between_two_tests_is_reported_and_the_rest_is_run(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class First(unittest.TestCase):
            @classmethod
            def tearDownClass(cls):
                if on_the_other_loop(): os.abort()
            def test_good(self): pass
            def test_good_too(self): pass

        class Second(unittest.TestCase):
            def test_good(self): pass
        """,
    )
    report = suite.run()
    assert report.code == 1
    assert (
        "CRASHED, and passes on asyncio's loop: small_suite.test_one outside of any test, after test_good_too: SIGABRT"
        in report.lines
    )
    assert report.lines[-1] == "ioxide: 3 passed, 1 failed, 0 skipped"


def test_a_crash_after_the_last_test_is_reported(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        import atexit

        class One(unittest.TestCase):
            def test_good(self):
                if on_the_other_loop(): atexit.register(os.abort)
        """,
    )
    report = suite.run()
    assert report.code == 1
    assert "CRASHED, and passes on asyncio's loop: small_suite.test_one at its end: SIGABRT" in report.lines


def test_a_process_that_a_test_leaves_behind_is_ended(suite: Suite) -> None:
    pipe = suite.directory / "pipe"
    os.mkfifo(pipe)
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_leaving(self):
                with open(pathlib.Path(__file__).parent.parent / "pipe", "w") as pipe:
                    subprocess.Popen(["sleep", "1000"], stdout=pipe)
        """,
    )
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert suite.run().lines[-1] == "ioxide: 1 passed, 0 failed, 0 skipped"
    os.set_blocking(reader, True)
    # This waits until nobody has the pipe open for writing.
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_module_that_cannot_be_imported_is_a_failure(suite: Suite) -> None:
    suite.add("test_one", "assert not on_the_other_loop(), 'not for others'")
    suite.add(
        "test_two",
        """
        class Two(unittest.TestCase):
            def test_good(self): pass
        """,
    )
    report = suite.run()
    assert report.code == 1
    assert (
        "FAILED, and passes on asyncio's loop: small_suite.test_one outside of any test, after its start: "
        "exit code 1: AssertionError: not for others"
    ) in report.lines
    assert report.lines[-1] == "ioxide: 1 passed, 1 failed, 0 skipped"


def test_tests_that_the_other_loop_never_got_to_are_counted(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            @classmethod
            def setUpClass(cls): assert not on_the_other_loop()
            def test_good(self): pass
            def test_good_too(self): pass
        """,
    )
    report = suite.run()
    assert report.code == 1
    assert any(line.endswith("2 tests not run") for line in report.lines)


FAILS_ONCE = """
class One(unittest.TestCase):
    def test_bad_once(self):
        mark = pathlib.Path(__file__).with_name("was_run")
        if on_the_other_loop() and not mark.exists():
            mark.touch()
            self.fail("the first time")
"""


def test_what_fails_beside_another_module_is_run_again_alone_and_reported_if_it_passes(suite: Suite) -> None:
    suite.add("test_one", FAILS_ONCE)
    report = suite.run("--jobs", "2")
    assert report.code == 0
    assert report.about("test_bad_once") == [
        "PASSED ALONE on ioxide, failed beside another module: small_suite.test_one.One.test_bad_once: "
        "AssertionError: the first time"
    ]
    assert report.lines[-1] == "ioxide: 1 passed, 0 failed, 0 skipped"


def test_what_fails_with_nothing_beside_it_is_not_run_again(suite: Suite) -> None:
    suite.add("test_one", FAILS_ONCE)
    report = suite.run("--jobs", "1")
    assert report.code == 1
    assert report.lines[-1] == "ioxide: 0 passed, 1 failed, 0 skipped"


def test_what_hangs_once_is_reported_and_not_forgiven(suite: Suite) -> None:
    suite.add("test_one", FAILS_ONCE.replace('self.fail("the first time")', "threading.Event().wait()"))
    report = suite.run("--jobs", "2", "--test-limit", "10")
    assert report.code == 1
    assert report.about("test_bad_once") == [
        "PASSED ALONE on ioxide, hung beside another module: small_suite.test_one.One.test_bad_once: hung",
        "HUNG, and passes on asyncio's loop: small_suite.test_one.One.test_bad_once: hung",
    ]


def test_what_crashes_once_is_not_forgiven(suite: Suite) -> None:
    suite.add("test_one", FAILS_ONCE.replace('self.fail("the first time")', "os.abort()"))
    report = suite.run("--jobs", "2")
    assert report.code == 1
    assert report.lines[-1] == "ioxide: 0 passed, 1 failed, 0 skipped"


def test_tests_that_make_a_loop_are_counted_apart(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_without(self): pass
            def test_with_two(self):
                asyncio.new_event_loop().close()
                asyncio.SelectorEventLoop().close()
            def test_with_a_runner(self):
                asyncio.run(asyncio.sleep(0))
                self.skipTest("has seen enough")

        class Set(unittest.IsolatedAsyncioTestCase):
            async def test_with_what_unittest_makes(self):
                pass
        """,
    )
    report = suite.run()
    start = report.lines.index("ioxide, 4 loops made:")
    assert report.lines[start + 1 : start + 3] == [
        "  all tests: 3 passed, 0 failed, 1 skipped; of the failed 0 hung, 0 crashed",
        "  those that made a loop: 2 passed, 0 failed, 1 skipped; of the failed 0 hung, 0 crashed",
    ]


def test_a_loop_that_allows_no_subclasses_and_takes_no_selector_can_be_run(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_kinds(self):
                selector = selectors.SelectSelector()
                for loop in (
                    asyncio.new_event_loop(),
                    asyncio.SelectorEventLoop(),
                    asyncio.SelectorEventLoop(selector),
                    asyncio.DefaultEventLoopPolicy().new_event_loop(),
                ):
                    self.assertIsInstance(loop, asyncio.SelectorEventLoop)
                    self.assertTrue(issubclass(type(loop), asyncio.SelectorEventLoop))
                    loop.close()
                self.assertIsNone(selector.get_map())
            def test_bad(self):
                self.assertFalse(on_the_other_loop())
        """,
    )
    report = suite.run("--loop", "other_loops:make_sealed")
    assert report.lines[-1] == "other_loops: 1 passed, 1 failed, 0 skipped"
    assert "other_loops, 5 loops made:" in report.lines


def test_a_loop_without_private_attributes_is_closed_as_the_suite_closes_its_own(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        from test.test_asyncio import utils

        class One(utils.TestCase):
            def test_1_good(self):
                One.loop = asyncio.new_event_loop()
                self.set_event_loop(One.loop)
            def test_2_closed(self):
                self.assertTrue(One.loop.is_closed())
        """,
    )
    assert suite.run("--loop", "other_loops:Foreign").lines[-1] == "other_loops: 2 passed, 0 failed, 0 skipped"


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio has no child watchers any more")
def test_a_loop_with_subprocesses_of_its_own_is_spared_of_asyncios_child_watchers(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_watcher(self):
                loop = asyncio.new_event_loop()
                self.addCleanup(loop.close)
                watcher = asyncio.SafeChildWatcher()
                watcher.attach_loop(loop)
                asyncio.set_child_watcher(watcher)
                before = signal.getsignal(signal.SIGCHLD)
                asyncio.set_child_watcher(None)
                watcher.attach_loop(None)
                self.assertEqual(before, signal.SIG_DFL)
        """,
    )
    assert suite.run("--loop", "other_loops:Foreign").lines[-2:] == [
        "asyncio: 0 passed, 1 failed, 0 skipped",
        "other_loops: 1 passed, 0 failed, 0 skipped",
    ]


def test_a_class_can_be_derived_from_the_loop_under_test(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class Derived(asyncio.SelectorEventLoop):
            def time(self):
                return 42.0

        class One(unittest.TestCase):
            def test_derived(self):
                loop = Derived()
                self.addCleanup(loop.close)
                self.assertIsInstance(loop, asyncio.SelectorEventLoop)
                self.assertEqual(loop.time(), 42.0)
        """,
    )
    assert suite.run().lines[-1] == "ioxide: 1 passed, 0 failed, 0 skipped"


def test_a_loop_that_is_not_installed_is_refused(suite: Suite) -> None:
    report = suite.run("--loop", "no_such_project:Loop")
    assert report.code == 2
    assert report.lines[-1].endswith("there is no module no_such_project")
