"""What the command lines of these programs have in common: whose loop they run on, exit codes, Ctrl-C, arguments.

Nothing in here names an event loop: `asyncio.run` takes whichever is the default.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

DONE = 0
PARTLY_FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130  # what a shell shows for a program that SIGINT ended


class ProgramError(Exception):
    """What ends a program: its message is the one line that the user sees."""

    def __init__(self, message: str, exit_code: int = WRONG_USE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run(program: str, main: Coroutine[Any, Any, int]) -> int:
    """Run a program's coroutine on the default loop, saying which one that is, and return the program's exit code.

    That is what `main` returns, or what the error that ended it asks for, also out of a task group. After Ctrl-C it is
    130: `asyncio.run` cancels `main` and waits for it, so that what it does in `finally` has been done by then.
    """

    async def announced() -> int:
        print(f"{program}: running on {name_of_running_loop()}", file=sys.stderr)
        return await main

    try:
        exit_code = asyncio.run(announced())
    except* KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        exit_code = INTERRUPTED
    except* ProgramError as errors:
        # Several tasks may have met the same trouble: one line is enough.
        error = first_of(errors)
        print(f"{program}: {error}", file=sys.stderr)
        exit_code = error.exit_code
    return exit_code


def first_of(errors: ExceptionGroup[ProgramError]) -> ProgramError:
    """Take the first error out of a group, which may hold groups in its turn."""
    first = errors.exceptions[0]
    return first_of(first) if isinstance(first, ExceptionGroup) else first


def name_of_running_loop() -> str:
    """Name the event loop by its package and class: `ioxide.Loop`, or `asyncio's …` for one that comes with Python."""
    kind = type(asyncio.get_running_loop())
    package = kind.__module__.partition(".")[0]
    return f"asyncio's {kind.__qualname__}" if package == "asyncio" else f"{package}.{kind.__qualname__}"


def count(text: str) -> int:
    """Read a whole number of at least 1 from the command line."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def seconds(text: str) -> float:
    """Read a time above zero from the command line."""
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise ValueError
    return number


def read_urls(path: Path) -> list[str]:
    """Read a file of URLs: one a line, each counted once, without blank lines and those that start with `#`."""
    try:
        # utf-8-sig: some editors open a file with a byte order mark, which isn't part of the first URL.
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n")]
    except OSError as error:
        raise ProgramError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ProgramError(f"cannot read {path}: not UTF-8 text") from None
    urls = list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not urls:
        raise ProgramError(f"no URLs in {path}")
    return urls
