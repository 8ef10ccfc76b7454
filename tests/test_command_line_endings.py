"""A program that `python -m ioxide` runs ends as it ends under `python`: status, reports, and what still runs then."""

from __future__ import annotations

import signal
import sys
import textwrap
from pathlib import Path

import pytest
from program_workshop import KINDS, Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Give an empty directory to write programs in."""
    return Workshop(tmp_path)


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
