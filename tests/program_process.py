"""The programs of examples/ as their users run them: a process of its own, on either loop.

`python examples/x.py` runs on asyncio's loop, `python -m ioxide examples/x.py` on ioxide's with everything installed.
A test takes both from `LOOPS`:

    @pytest.fixture(params=LOOPS)
    def program(request: pytest.FixtureRequest) -> Program:
        return Program("crawler", request.param)

    def test_it_refuses_a_depth_below_zero(program: Program) -> None:
        done = program.run("http://127.0.0.1/", "pages", "-1")
        assert (done.exit_code, done.stdout, done.messages) == (2, "", [...])

What has to be done to a process while it runs is done in `with program.started(...) as process`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

# A warning is an error for the tests' programs as it is for the tests. One from a finalizer lands on stderr.
PYTHON = [sys.executable, "-W", "error"]
LAUNCHERS = {"asyncio": [], "ioxide": ["-m", "ioxide"]}
LOOPS = sorted(LAUNCHERS)
LOOP_NAMES = {"asyncio": "asyncio's _UnixSelectorEventLoop", "ioxide": "ioxide."}

PATIENCE = 100  # seconds after which a process is taken for hung; nothing else depends on it

# Debug mode, which development mode turns on, tells of callbacks that the machine was slow to run.
SLOW_CALLBACK = re.compile(r"^Executing .* took [0-9.]+ seconds\n", re.MULTILINE)


@dataclass(frozen=True)
class Finished:
    """What a process left: its outputs, and its status as subprocess gives it, below zero after a signal."""

    program: str
    loop_name: str
    exit_code: int
    stdout: str
    stderr: str

    @property
    def messages(self) -> list[str]:
        """The lines of stderr after the first, which has to name the loop that the program was to run on."""
        announcement, *messages = self.stderr.splitlines()
        assert announcement.startswith(f"{self.program}: running on {LOOP_NAMES[self.loop_name]}")
        return messages


class Running:
    """A program's process that hasn't been waited for yet."""

    def __init__(self, program: Program, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self.program = program
        self.process = process
        self._errors = errors
        self._printed: list[str] = []

    def line(self) -> str:
        """Wait for the next line that the program prints; empty when it has closed its output."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self._printed.append(line)
        return line.rstrip("\n")

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self) -> Finished:
        """Wait until the process has ended, and tell all that it printed."""
        assert self.process.stdout is not None
        self._printed.append(self.process.stdout.read())
        exit_code = self.process.wait(timeout=PATIENCE)
        self._errors.seek(0)
        return self.program.finished(exit_code, "".join(self._printed), self._errors.read())


class Program:
    """Runs one program of the examples on one of the two loops, in a directory of the test's own if it names one."""

    def __init__(
        self, name: str, loop_name: str, directory: Path | None = None, *, development_mode: bool = False
    ) -> None:
        self.name = name
        self.loop_name = loop_name
        self.directory = directory
        self._python = [*PYTHON, "-X", "dev"] if development_mode else PYTHON

    def command(self, *arguments: str | Path) -> list[str]:
        launcher = [*self._python, *LAUNCHERS[self.loop_name]]
        return [*launcher, str(EXAMPLES / f"{self.name}.py"), *map(str, arguments)]

    def run(self, *arguments: str | Path) -> Finished:
        """Run the program to its end, with nothing on its standard input."""
        with self.started(*arguments) as process:
            return process.finish()

    @contextmanager
    def started(self, *arguments: str | Path) -> Iterator[Running]:
        """Start the program. It is killed at the end of the block unless it has ended by then."""
        # A pipe for stderr could fill up, with nobody reading it.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as errors, self._process(errors, *arguments) as process:
            try:
                yield Running(self, process, errors)
            finally:
                process.kill()  # does nothing to a process that was waited for

    def run_on_a_terminal(self, *arguments: str | Path) -> tuple[Finished, str]:
        """Run the program with a terminal as its stderr, and tell apart what it showed there, with all its escapes."""
        our_end, its_end = os.openpty()
        termios.tcsetwinsize(our_end, (24, 80))
        shown = b""
        with open(our_end, "rb", buffering=0) as screen, self._process(its_end, *arguments) as process:
            os.close(its_end)
            try:
                while piece := screen.read(4096):
                    shown += piece
            except OSError:
                pass  # EIO: the process has closed its end
            stdout, _ = process.communicate(timeout=PATIENCE)
        return self.finished(process.returncode, stdout, ""), shown.decode()

    def _process(self, stderr: IO[str] | int, *arguments: str | Path) -> subprocess.Popen[str]:
        with interruptible_children():
            return subprocess.Popen(
                self.command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                encoding="utf-8",
                cwd=self.directory,
            )

    def finished(self, exit_code: int, stdout: str, stderr: str) -> Finished:
        return Finished(self.name, self.loop_name, exit_code, stdout, SLOW_CALLBACK.sub("", stderr))


@contextmanager
def interruptible_children() -> Iterator[None]:
    """Have children take SIGINT as from a terminal, even where this process was started with it ignored."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
