"""`python -m ioxide` runs a program as `python` does, with its options, its faults, and what it needs to work.

The same program is run by both, and what comes out is compared.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ioxide
import pytest
from program_workshop import STARTS, Outcome, Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Give an empty directory to write programs in."""
    return Workshop(tmp_path)


WHAT_A_PROGRAM_SEES = """
    '''The documentation of the program.'''
    from __future__ import annotations
    import os, sys
    main = sys.modules["__main__"]
    print(sys.argv)
    print(sys.path)
    print(os.getcwd())
    print(vars(main) is globals(), type(main), main)
    print({name: value for name, value in globals().items() if name.startswith("__")})
    answer: undefined = 42
    print(main.answer, __annotations__, sorted(globals()))
    print("asyncio" in globals(), sys.excepthook is sys.__excepthook__, sys.flags, sys.warnoptions)
"""


@pytest.mark.parametrize("start", STARTS)
def test_a_program_sees_what_it_sees_under_python(workshop: Workshop, start: str) -> None:
    workshop.write(WHAT_A_PROGRAM_SEES)
    workshop.compile()
    rest = ["one", "-m", "--version", "-h", "--", "-c", ""]
    by_python, by_ioxide = workshop.start_both(start, *rest)
    assert by_python.status == 0
    assert repr(rest)[1:] in by_python.output
    assert by_ioxide == by_python


@pytest.mark.parametrize(
    "arguments", [("app.py",), ("directory",), ("archive.zip",), ("-c", "import sys; print(sys.path)")]
)
def test_a_safe_path_stays_safe(workshop: Workshop, arguments: tuple[str, ...]) -> None:
    workshop.write("import sys; print(sys.path, sys.argv)")
    by_python, by_ioxide = workshop.run_both(*arguments, options=("-P",))
    assert by_python.status == 0
    assert by_ioxide == by_python


def test_the_call_stack_ends_with_that_of_python(workshop: Workshop) -> None:
    workshop.write("import traceback; traceback.print_stack()")
    by_python, by_ioxide = workshop.start_both("script")
    assert "app.py" in by_python.errors
    assert by_ioxide.errors.endswith(by_python.errors)


@pytest.mark.parametrize(
    "arguments",
    [
        ("missing.py",),
        ("missing/missing.py",),
        ("app.py/missing.py",),
        ("empty",),
        ("-m", "missing"),
        ("-m", "missing.inner"),
        ("-m", "empty"),
        ("-m", "package.missing"),
        ("-m", "app.py"),
        ("-m", ".app"),
        ("-m", ""),
    ],
    ids=" ".join,
)
def test_a_program_that_is_missing_is_reported_as_by_python(workshop: Workshop, arguments: tuple[str, ...]) -> None:
    workshop.write("")
    (workshop.directory / "empty").mkdir()
    by_python, by_ioxide = workshop.run_both(*arguments)
    assert by_python.errors
    assert by_python.status == (2 if arguments[0].endswith(".py") else 1)
    assert by_ioxide == by_python


def test_a_program_reads_its_standard_input(workshop: Workshop) -> None:
    workshop.write("import sys; print(input(), sys.stdin.read())")
    by_python, by_ioxide = workshop.run_both("app.py", typed="first\nsecond\nthird\n")
    assert by_python.output == "first second\nthird\n\n"
    assert by_ioxide == by_python


def test_source_is_decoded_as_its_cookie_says(workshop: Workshop) -> None:
    (workshop.directory / "app.py").write_bytes("# coding: latin-1\nprint(ascii('é'))\n1 / 0  # é\n".encode("latin-1"))
    by_python, by_ioxide = workshop.run_both("app.py")
    assert by_python.output == "'\\xe9'\n"
    assert by_ioxide == by_python


def test_inspection_after_the_program_works_in_its_main_module(workshop: Workshop) -> None:
    workshop.write("import sys\nanswer = 42\nsys.exit('not yet')")
    by_python, by_ioxide = workshop.run_both("app.py", options=("-i",), typed="print(answer)\nprint(sys.last_value)\n")
    assert "42" in by_python.output
    assert "SystemExit: not yet" in by_python.errors
    assert by_ioxide == by_python


def test_the_interpreter_s_own_options_keep_working(workshop: Workshop) -> None:
    workshop.write("""
        import asyncio, sys, warnings
        async def main():
            print(asyncio.get_running_loop().get_debug(), sys.flags.dev_mode, sys.warnoptions, __debug__)
        asyncio.run(main())
        warnings.warn("an error by now", DeprecationWarning)
    """)
    by_python, by_ioxide = workshop.run_both("app.py", options=("-X", "dev", "-W", "error", "-O"))
    assert by_python.output == "True True ['default', 'error'] False\n"
    assert by_python.errors.endswith("DeprecationWarning: an error by now\n")
    assert by_ioxide == by_python


@pytest.mark.parametrize("start", ["script", "module", "directory"])
def test_objects_of_a_program_s_classes_can_be_pickled(workshop: Workshop, start: str) -> None:
    workshop.write("""
        import atexit, pickle
        class Point:
            def __init__(self, x):
                self.x = x
        def check():
            copy = pickle.loads(pickle.dumps(Point(42)))
            print(Point.__module__, copy.x, type(copy) is Point)
        check()
        atexit.register(check)
    """)
    by_python, by_ioxide = workshop.start_both(start)
    assert by_python.output == "__main__ 42 True\n" * 2
    assert by_ioxide == by_python


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("start", ["script", "module"])
def test_multiprocessing_from_a_program(workshop: Workshop, start: str, method: str) -> None:
    workshop.write("""
        import multiprocessing, sys
        class Point:
            def __init__(self, x):
                self.x = x
        def double(point):
            return Point(2 * point.x)
        if __name__ == "__main__":
            with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
                points = pool.map(double, [Point(1), Point(2)])
                pool.close()
                pool.join()
            print([point.x for point in points], {type(point) is Point for point in points}, sys.argv[1:])
    """)
    by_python, by_ioxide = workshop.start_both(start, method)
    assert by_python == Outcome(f"[2, 4] {{True}} ['{method}']\n", "", 0)
    assert by_ioxide == by_python


def test_the_version(workshop: Workshop) -> None:
    version = ".".join(map(str, sys.version_info[:3]))
    expected = f"ioxide {ioxide.__version__} (CPython {version})\n"
    assert workshop.run("-m", "ioxide", "--version") == Outcome(expected, "", 0)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help(workshop: Workshop, option: str) -> None:
    outcome = workshop.run("-m", "ioxide", option, "app.py")
    assert (outcome.errors, outcome.status) == ("", 0)
    assert outcome.output.startswith("usage: python -m ioxide ")
    for described in ("-m module", "-c code", "--version", "--help", "standard input"):
        assert described in outcome.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--debug", "app.py"), "unknown option --debug"),
        (("-X", "dev", "app.py"), "unknown option -X"),
        (("-m",), "argument expected for the -m option"),
        (("-c",), "argument expected for the -c option"),
    ],
)
def test_a_wrong_command_line_is_refused(workshop: Workshop, arguments: tuple[str, ...], problem: str) -> None:
    outcome = workshop.run("-m", "ioxide", *arguments)
    assert (outcome.output, outcome.status) == ("", 2)
    assert outcome.errors.startswith(f"python -m ioxide: {problem}\nusage: python -m ioxide ")


def test_importing_the_command_line_does_nothing(workshop: Workshop) -> None:
    program = "import ioxide.__main__, asyncio, ioxide; print(isinstance(asyncio.new_event_loop(), ioxide.Loop))"
    assert workshop.run("-c", program) == Outcome("False\n", "", 0)
