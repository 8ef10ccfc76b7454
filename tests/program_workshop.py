"""One program in every form in which `python` starts it, and what runs it by `python` and by `python -m ioxide`."""

from __future__ import annotations

import os
import py_compile
import re
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import dataclass
from pathlib import Path

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
