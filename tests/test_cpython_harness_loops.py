"""What runs CPython's own tests takes loops of any kind: sealed ones, foreign ones, and classes derived from them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_suites import Suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """An empty package of tests."""
    return Suite(tmp_path)


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


def test_a_loop_alone_may_fail_nothing(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_good(self): self.assertTrue(on_the_other_loop())
            def test_bad(self): self.fail()
        """,
    )
    report = suite.run("--alone")
    assert report.code == 1
    assert report.lines[-1] == "ioxide: 1 passed, 1 failed, 0 skipped"
    assert not any(line.startswith("asyncio:") for line in report.lines)


def test_a_module_that_this_version_does_not_have_is_named_and_left_out(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        class One(unittest.TestCase):
            def test_good(self): pass
        """,
    )
    report = suite.run("test_one", "test_of_the_future")
    assert report.code == 0
    assert any("test_of_the_future" in line and "has no such module" in line for line in report.lines)
    assert suite.run("test_of_the_future").code == 1


def test_the_natives_stand_under_the_names_of_asyncio(suite: Suite) -> None:
    suite.add(
        "test_one",
        """
        import sys
        import ioxide
        class One(unittest.TestCase):
            def test_classes(self):
                self.assertEqual(asyncio.Queue.__module__, "ioxide")
                replaced = sys.version_info < (3, 14)
                self.assertEqual(asyncio.tasks._CTask is ioxide.Task, replaced)
                self.assertEqual(asyncio.Future is ioxide.Future, replaced)
        """,
    )
    assert suite.run("--alone", "--loop", "ioxide-natives").code == 0
