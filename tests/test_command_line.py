"""`python -m ioxide` runs a program as `python` does: the same program is run by both, and what comes out is compared.

Where the event loop is the point, the program says whether its loop is an `ioxide.Loop`: `python` says no, ioxide yes.
The console is also driven through a pseudo-terminal, as a person types into it.
"""

from __future__ import annotations

import os
import pty
import py_compile
import re
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ioxide
import pytest

HANG = 100  # seconds after which a process is taken for hung; nothing else depends on it

# The order of outputs is worth comparing only where they are buffered.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@dataclass(frozen=True)
class Outcome:
    """What a process left: its two outputs, in which addresses are masked, and its status as subprocess gives it."""

    output: str
    errors: str
    status: int


@dataclass(frozen=True)
class Start:
    """A way to start a program: the arguments that name it, and whether its text comes by standard input."""

    arguments: tuple[str, ...]
    by_standard_input: bool = False


STARTS = {
    "script": Start(("app.py",)),
    "script in the current directory": Start(("./app.py",)),
    "script in another directory": Start(("elsewhere/../elsewhere/app.py",)),
    "script by its absolute path": Start(("{directory}/app.py",)),
    "link to a script": Start(("link.py",)),
    "bytecode": Start(("compiled.pyc",)),
    "directory": Start(("directory",)),
    "directory with a slash": Start(("directory/",)),
    "zip file": Start(("archive.zip",)),
    "module": Start(("-m", "app")),
    "module joined to its option": Start(("-mapp",)),
    "package": Start(("-m", "package")),
    "module of a package": Start(("-m", "package.inner")),
    "code": Start(("-c", "{program}")),
    "code joined to its option": Start(("-c{program}",)),
    "standard input": Start(("-",), by_standard_input=True),
}
# One start of each kind that the command line tells apart.
KINDS = ("script", "zip file", "module", "code", "standard input")


class Workshop:
    """A directory with one program in every form in which it can be started, and what starts it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.program = ""

    def write(self, program: str) -> None:
        """Put the program where every start finds it."""
        self.program = textwrap.dedent(program).lstrip("\n")
        names = ["app.py", "elsewhere/app.py", "directory/__main__.py", "package/__main__.py", "package/inner.py"]
        for name in names:
            path = self.directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(self.program)
        (self.directory / "package/__init__.py").write_text("import sys; print(sys.argv)")
        with zipfile.ZipFile(self.directory / "archive.zip", "w") as archive:
            archive.writestr("__main__.py", self.program)
        (self.directory / "link.py").symlink_to("elsewhere/app.py")

    def compile(self) -> None:
        """Make the bytecode file, for a program that can be compiled."""
        py_compile.compile(str(self.directory / "app.py"), str(self.directory / "compiled.pyc"), doraise=True)

    def run(self, *arguments: str, typed: str = "", merged: bool = False) -> Outcome:
        """Run the interpreter with these arguments to its end."""
        process = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            input=typed.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            env=ENVIRONMENT,
            timeout=HANG,
        )
        texts = [re.sub("0x[0-9a-f]+", "0x", (stream or b"").decode()) for stream in (process.stdout, process.stderr)]
        return Outcome(texts[0], texts[1], process.returncode)

    def run_both(
        self, *arguments: str, options: tuple[str, ...] = (), typed: str = "", merged: bool = False
    ) -> tuple[Outcome, Outcome]:
        """Run these arguments by `python` and by `python -m ioxide`; the options are the interpreter's own."""
        by_python = self.run(*options, *arguments, typed=typed, merged=merged)
        return by_python, self.run(*options, "-m", "ioxide", *arguments, typed=typed, merged=merged)

    def start_both(self, start: str, *rest: str, merged: bool = False) -> tuple[Outcome, Outcome]:
        """Start the program that was written, in the way of that name, by `python` and by `python -m ioxide`."""
        way = STARTS[start]
        filled = [argument.format(directory=self.directory, program=self.program) for argument in way.arguments]
        return self.run_both(*filled, *rest, typed=self.program if way.by_standard_input else "", merged=merged)


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


ENDINGS = {
    "the last line": "def nothing(x: print('annotations are evaluated')): pass",
    "sys.exit with a number": "import sys; sys.exit(3)",
    "sys.exit with a large number": "import sys; sys.exit(300)",
    "sys.exit with nothing": "import sys; sys.exit()",
    "sys.exit with a text": "import sys; sys.exit('the reason')",
    "sys.exit with an object": "import sys; sys.exit((1, 2))",
    "os._exit": "import os; os._exit(7)",
    "an exception": """
        def outer():
            inner()
        def inner():
            raise LookupError("not there")
        outer()
    """,
    "an exception with a cause": """
        try:
            1 / 0
        except ZeroDivisionError as error:
            raise ValueError("wrong") from error
    """,
    "an exception in the handling of another": """
        try:
            1 / 0
        finally:
            {}["key"]
    """,
    "an exception group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "an exception with a note": """
        error = ValueError("wrong")
        error.add_note("and why")
        raise error
    """,
    "an exception that leaves an import": """
        import importlib.util
        importlib.import_module("no_such_module")
    """,
    "GeneratorExit": "raise GeneratorExit",
    "KeyboardInterrupt": "raise KeyboardInterrupt('now')",
    "a subclass of KeyboardInterrupt": """
        class Interrupt(KeyboardInterrupt):
            pass
        raise Interrupt
    """,
    "SIGINT": "import signal; signal.raise_signal(signal.SIGINT)",
    "SIGTERM": "import signal; signal.raise_signal(signal.SIGTERM)",
    "a syntax error": "x = 1\ndef f(:\n    pass\n",
    "a syntax error that the compiler finds": "x = 1\nreturn x\n",
    "an indentation error": "if True:\nprint()\n",
    "an unfinished bracket": "x = (1,\n",
    "an unfinished text": "x = '''abc\n",
    "a syntax warning, then an exception": "x = 1\nassert (x, 'always true')\nprint(x is 1)\n1 / 0\n",
    "an exception hook": """
        import sys, traceback
        def report(kind, value, trace):
            print(kind, value, traceback.format_tb(trace), sys.excepthook is report)
            print(value.__traceback__ is trace is sys.last_traceback, sys.last_value is value, sys.last_type)
        sys.excepthook = report
        raise ValueError("wrong")
    """,
    "an exception hook that sees a KeyboardInterrupt": """
        import sys
        sys.excepthook = lambda *what: print("reported", what[:2])
        raise KeyboardInterrupt
    """,
    "an exception hook that fails": """
        import sys
        def report(*what):
            fail()
        def fail():
            raise LookupError("no report")
        sys.excepthook = report
        raise ValueError("wrong")
    """,
    "an exception hook that exits": """
        import sys
        sys.excepthook = lambda *what: sys.exit(9)
        raise ValueError("wrong")
    """,
    "an exception hook that can't be called": """
        import sys
        sys.excepthook = None
        raise ValueError("wrong")
    """,
    "an exit handler after an exception": """
        import atexit, sys, traceback
        def at_exit():
            print(sys.last_type, sys.last_value, traceback.format_tb(sys.last_traceback))
            print(sys.excepthook is sys.__excepthook__, sys.modules["__main__"].at_exit is at_exit)
        atexit.register(at_exit)
        raise ValueError("wrong")
    """,
    "an exit handler after sys.exit": """
        import atexit, sys
        atexit.register(lambda: print(sys.excepthook is sys.__excepthook__, hasattr(sys, "last_value")))
        sys.exit(4)
    """,
    "an exit handler that fails": "import atexit; atexit.register(lambda: 1 / 0)",
    "a thread that outlives the program's last line": """
        import pickle, sys, threading
        class Point:
            pass
        def outlive():
            threading.main_thread().join()
            print(type(pickle.loads(pickle.dumps(Point()))) is Point is sys.modules["__main__"].Point)
        threading.Thread(target=outlive).start()
    """,
    "no standard output": "import sys; sys.stdout = None; 1 / 0",
    "no standard error": "import sys; sys.stderr = None; 1 / 0",
}


@pytest.mark.parametrize("start", KINDS)
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_ends_as_it_ends_under_python(workshop: Workshop, ending: str, start: str) -> None:
    workshop.write(ENDINGS[ending])
    by_python, by_ioxide = workshop.start_both(start)
    assert by_ioxide == by_python


def test_the_statuses_that_are_compared_are_those_of_the_endings(workshop: Workshop) -> None:
    statuses = {
        "the last line": 0,
        "sys.exit with a number": 3,
        "sys.exit with a text": 1,
        "an exception": 1,
        "KeyboardInterrupt": -signal.SIGINT,
        "a subclass of KeyboardInterrupt": -signal.SIGINT if sys.version_info >= (3, 14) else 1,
        "SIGTERM": -signal.SIGTERM,
        "an exception hook that exits": 9,
    }
    for number, (ending, status) in enumerate(statuses.items()):
        (workshop.directory / f"{number}.py").write_text(textwrap.dedent(ENDINGS[ending]))
        assert workshop.run("-m", "ioxide", f"{number}.py").status == status, ending


@pytest.mark.parametrize("start", KINDS)
def test_the_outputs_of_a_program_keep_their_order(workshop: Workshop, start: str) -> None:
    workshop.write("""
        import atexit, os, sys
        atexit.register(os.write, 1, b"written by the exit handler\\n")
        print("printed")
        if sys.argv[-1] == "fail":
            raise ValueError("wrong")
    """)
    for rest in ("succeed", "fail"):
        by_python, by_ioxide = workshop.start_both(start, rest, merged=True)
        assert "printed" in by_python.output
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


CONSOLE_INPUT = """\
import ioxide
isinstance(asyncio.get_running_loop(), ioxide.Loop)
await asyncio.sleep(0, 'slept')
1 / 0
"""


@pytest.mark.parametrize(("last_line", "status"), [("exit(3)\n", 3), ("", 0)], ids=["exit", "end of input"])
def test_without_arguments_there_is_the_console_of_asyncio(workshop: Workshop, last_line: str, status: int) -> None:
    by_python = workshop.run("-m", "asyncio", typed=CONSOLE_INPUT + last_line)
    by_ioxide = workshop.run("-m", "ioxide", typed=CONSOLE_INPUT + last_line)
    assert "'slept'" in by_python.output
    assert by_ioxide.output == by_python.output.replace("False", "True")
    assert (by_python.status, by_ioxide.status) == (status, status)
    # A traceback's own lines are left out: they depend on which of the console's two threads was first.
    reports = [[line for line in by.errors.splitlines() if line[:2] != "  "] for by in (by_python, by_ioxide)]
    assert "ZeroDivisionError: division by zero" in reports[0]
    assert reports[1] == reports[0]


@contextmanager
def a_console(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[str], str], Callable[[str], None]]]:
    """Start `python -m ioxide` on a terminal: gives its process, what reads up to a text, and what types a line."""
    terminal, its_side = pty.openpty()
    environment = {**ENVIRONMENT, "TERM": "dumb", "PYTHON_BASIC_REPL": "1", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "ioxide", *arguments],
        stdin=its_side,
        stdout=its_side,
        stderr=its_side,
        env=environment,
        start_new_session=True,
    )
    os.close(its_side)
    unread = ""

    def read_to(text: str) -> str:
        nonlocal unread
        while text not in unread:
            unread += os.read(terminal, 4096).decode()  # raises once the process has ended
        before, _, unread = unread.partition(text)
        return before

    def type_line(line: str) -> None:
        os.write(terminal, line.encode() + b"\n")

    try:
        yield process, read_to, type_line
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


@pytest.mark.parametrize("arguments", [(), ("-",)], ids=["no argument", "dash"])
def test_the_console_on_a_terminal(arguments: tuple[str, ...]) -> None:
    with a_console(*arguments) as (process, read_to, type_line):
        read_to(">>> import asyncio")
        read_to(">>> ")
        type_line("import ioxide; isinstance(asyncio.get_running_loop(), ioxide.Loop)")
        read_to("\nTrue")
        read_to(">>> ")
        type_line("await asyncio.sleep(0, 6 * 7)")
        read_to("\n42")
        read_to(">>> ")
        type_line("print(6 * 8) or await asyncio.Event().wait()")
        read_to("\n48")
        process.send_signal(signal.SIGINT)
        read_to("KeyboardInterrupt")
        read_to(">>> ")
        type_line("exit(4)")
        assert process.wait(HANG) == 4


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
