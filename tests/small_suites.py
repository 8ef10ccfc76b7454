"""Small suites of tests for the harness that runs CPython's own: they are written, run on both loops, and reported.

Their tests fail, hang and crash on purpose, most of them on the other loop only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

RUN_SUITE = Path(__file__).parent / "cpython" / "run_suite.py"

# What every module of a small suite can use.
PRELUDE = """
import asyncio, os, pathlib, selectors, signal, subprocess, threading, unittest

def on_the_other_loop():
    loop = asyncio.new_event_loop()
    loop.close()
    return not type(loop).__module__.startswith("asyncio.")
"""

OTHER_LOOPS = """
from asyncio import SelectorEventLoop

class Sealed(SelectorEventLoop):
    def __init__(self):
        super().__init__()

    def __init_subclass__(cls):
        raise TypeError("not to be derived from")

def make_sealed():
    return Sealed()

class Foreign:
    def __init__(self):
        self.loop = SelectorEventLoop()

    def __getattr__(self, name):
        if name == "_default_executor":
            raise AttributeError(name)
        return getattr(self.loop, name)
"""


class Report(NamedTuple):
    """What the harness printed, and its exit code."""

    lines: list[str]
    code: int

    def about(self, test: str) -> list[str]:
        """The lines that say something of a test."""
        return [line for line in self.lines if f".{test}:" in line]


class Suite:
    """A package of tests to be run by the harness."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.package = directory / "small_suite"
        self.package.mkdir()
        (self.package / "__init__.py").touch()
        (directory / "other_loops.py").write_text(OTHER_LOOPS)

    def add(self, module: str, body: str) -> None:
        (self.package / f"{module}.py").write_text(PRELUDE + dedent(body))

    def run(self, *options: str) -> Report:
        finished = subprocess.run(
            [sys.executable, str(RUN_SUITE), "--package", "small_suite", *options],
            env={**os.environ, "PYTHONPATH": str(self.directory)},
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Report(finished.stdout.splitlines(), finished.returncode)
