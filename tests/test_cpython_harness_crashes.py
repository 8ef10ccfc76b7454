"""What runs CPython's own tests goes round those that hang or crash, names them, and runs the rest.

A hang is found by a time limit; nothing else here has to do with time.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_suites import Suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """An empty package of tests."""
    return Suite(tmp_path)


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
