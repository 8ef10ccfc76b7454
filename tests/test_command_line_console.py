"""The console of `python -m ioxide`, beside that of `python -m asyncio`.

It is also driven through a pseudo-terminal, as a person types into it.
"""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from program_workshop import ENVIRONMENT, HANG, Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Give an empty directory to write programs in."""
    return Workshop(tmp_path)


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
