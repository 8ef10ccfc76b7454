"""What runs CPython's own tests: whether its report can be trusted. It is run on small suites.

A hang is found by a time limit; nothing else here has to do with time.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from small_suites import Suite


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
