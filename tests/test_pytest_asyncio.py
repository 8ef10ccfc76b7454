"""pytest-asyncio with ioxide's loop, in a pytest of its own: by its hook for loop factories and by its policy fixture.

The same tests run on asyncio's loop, so that what pytest-asyncio reports can be compared.
"""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFIGURATION = """
[pytest]
asyncio_default_fixture_loop_scope = function
filterwarnings =
    error
    ignore:Overriding the "event_loop_policy" fixture is deprecated
    ignore:.*EventLoopPolicy.* is deprecated:DeprecationWarning
"""

HOOK = """
import asyncio
import ioxide

def pytest_asyncio_loop_factories(config, item):
    return {{"{name}": {factory}}}
"""

FIXTURE = """
import asyncio
import ioxide
import pytest

@pytest.fixture(scope="session")
def event_loop_policy():
    return {policy}
"""

WAYS = {
    "hook": {
        "asyncio": HOOK.format(name="asyncio", factory="asyncio.SelectorEventLoop"),
        "ioxide": HOOK.format(name="ioxide", factory="ioxide.new_event_loop"),
    },
    "fixture": {
        "asyncio": FIXTURE.format(policy="asyncio.DefaultEventLoopPolicy()"),
        "ioxide": FIXTURE.format(policy="ioxide.EventLoopPolicy()"),
    },
}

CHECK_OF_THE_LOOP = """
import asyncio
import ioxide

def is_expected():
    return isinstance(asyncio.get_running_loop(), ioxide.Loop) is {expected}
"""


@pytest.fixture(autouse=True)
def no_other_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the inner pytest load what it is told to load: what else is installed shall not matter."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture(params=["asyncio", "ioxide"])
def loop_name(request: pytest.FixtureRequest) -> str:
    """The loop that pytest-asyncio is told to use."""
    return str(request.param)


@pytest.fixture(params=sorted(WAYS))
def project(request: pytest.FixtureRequest, pytester: pytest.Pytester, loop_name: str) -> pytest.Pytester:
    """A directory in which pytest runs on that loop, in each of the ways in which pytest-asyncio is told."""
    pytester.makeini(CONFIGURATION)
    pytester.makeconftest(WAYS[request.param][loop_name])
    pytester.makepyfile(check=CHECK_OF_THE_LOOP.format(expected=loop_name == "ioxide"))
    return pytester


def run_pytest(project: pytest.Pytester, *options: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider", *options)


def test_tests_run_on_the_loop(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import asyncio
        import check
        import pytest

        @pytest.mark.asyncio
        async def test_the_loop():
            assert check.is_expected()

        @pytest.mark.asyncio
        @pytest.mark.parametrize("number", [1, 2, 3])
        async def test_parameters(number):
            assert await asyncio.sleep(0, number) == number
            assert check.is_expected()
        """
    )
    run_pytest(project).assert_outcomes(passed=4)


def test_the_loop_is_found_to_be_another_where_it_is_another(project: pytest.Pytester, loop_name: str) -> None:
    # Otherwise the check that all these tests rely on might hold for any loop.
    project.makepyfile(check=CHECK_OF_THE_LOOP.format(expected=loop_name != "ioxide"))
    project.makepyfile(
        test_it="""
        import check
        import pytest

        @pytest.mark.asyncio
        async def test_the_loop():
            assert check.is_expected()
        """
    )
    run_pytest(project).assert_outcomes(failed=1)


def test_asynchronous_fixtures_are_set_up_and_torn_down_on_the_loop(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import asyncio
        import check
        import pytest
        import pytest_asyncio

        ended = []

        @pytest_asyncio.fixture
        async def number():
            await asyncio.sleep(0)
            assert check.is_expected()
            return 7

        @pytest_asyncio.fixture
        async def address():
            async def answer(reader, writer):
                writer.write((await reader.readline()).upper())
                writer.close()
                await writer.wait_closed()

            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            async with server:
                yield server.sockets[0].getsockname()
            assert check.is_expected()
            ended.append(asyncio.get_running_loop())

        @pytest.mark.asyncio
        async def test_fixtures(number, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"hello\\n")
            assert await reader.read() == b"HELLO\\n"
            writer.close()
            await writer.wait_closed()
            assert number == 7

        def test_the_fixture_has_ended_and_the_loop_is_closed():
            (loop,) = ended
            assert loop.is_closed()
        """
    )
    run_pytest(project).assert_outcomes(passed=2)


def test_tests_of_a_module_share_its_loop(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import asyncio
        import check
        import pytest
        import pytest_asyncio

        pytestmark = pytest.mark.asyncio(loop_scope="module")
        seen = set()

        @pytest_asyncio.fixture(loop_scope="module", scope="module")
        async def future():
            return asyncio.get_running_loop().create_future()

        async def test_first(future):
            seen.add(asyncio.get_running_loop())
            asyncio.get_running_loop().call_soon(future.set_result, "from the first")
            assert check.is_expected()

        async def test_second(future):
            seen.add(asyncio.get_running_loop())
            assert await future == "from the first"
            assert len(seen) == 1
        """
    )
    run_pytest(project).assert_outcomes(passed=2)


def test_marks_are_not_needed_in_automatic_mode(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import check
        import pytest

        @pytest.fixture
        async def checked():
            return check.is_expected()

        async def test_the_loop(checked):
            assert checked
            assert check.is_expected()
        """
    )
    run_pytest(project, "--asyncio-mode=auto").assert_outcomes(passed=1)


def test_what_fails_is_reported(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import asyncio
        import pytest
        import pytest_asyncio

        pytestmark = pytest.mark.asyncio

        @pytest_asyncio.fixture
        async def broken():
            await asyncio.sleep(0)
            raise LookupError("no fixture")

        async def test_an_assertion():
            await asyncio.sleep(0)
            assert 1 + 1 == 3

        async def test_an_exception():
            async with asyncio.timeout(0):
                await asyncio.get_running_loop().create_future()

        async def test_a_fixture(broken):
            pass

        @pytest.mark.xfail(raises=ZeroDivisionError, strict=True)
        async def test_an_expected_failure():
            1 / 0

        async def test_what_comes_after():
            await asyncio.sleep(0)
        """
    )
    result = run_pytest(project)
    result.assert_outcomes(failed=2, errors=1, xfailed=1, passed=1)
    result.stdout.fnmatch_lines_random(["E*assert (1 + 1) == 3", "E*TimeoutError", "E*LookupError: no fixture"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_task_that_is_left_over_is_cancelled(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import asyncio
        import pytest

        tasks = []

        @pytest.mark.asyncio
        async def test_leaves_a_task():
            tasks.append(asyncio.ensure_future(asyncio.get_running_loop().create_future()))
            tasks.append(asyncio.create_task(asyncio.Event().wait()))
            await asyncio.sleep(0)

        def test_it_was_cancelled():
            assert tasks[1].cancelled()
        """
    )
    run_pytest(project).assert_outcomes(passed=2)


def test_one_test_runs_on_several_loops(pytester: pytest.Pytester) -> None:
    pytester.makeini(CONFIGURATION)
    pytester.makeconftest(
        """
        import asyncio
        import ioxide

        def pytest_asyncio_loop_factories(config, item):
            return {"asyncio": asyncio.SelectorEventLoop, "ioxide": ioxide.new_event_loop}
        """
    )
    pytester.makepyfile(
        """
        import asyncio
        import ioxide
        import pytest

        seen = []

        @pytest.mark.asyncio
        async def test_on_each():
            seen.append(isinstance(asyncio.get_running_loop(), ioxide.Loop))

        @pytest.mark.asyncio(loop_factories=["ioxide"])
        async def test_on_one():
            assert isinstance(asyncio.get_running_loop(), ioxide.Loop)

        def test_both_were_seen():
            assert seen == [False, True]
        """
    )
    run_pytest(pytester).assert_outcomes(passed=4)
