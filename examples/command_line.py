"""What the command lines of these programs have in common: whose loop they run on, exit codes, Ctrl-C, arguments.

Nothing in here names an event loop: `asyncio.run` takes whichever is the default.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Coroutine
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

    That is what `main` returns, or what the error that ended it asks for. After Ctrl-C it is 130: `asyncio.run` cancels
    `main` and waits for it, so that what it does in `finally` has been done by then.
    """

    async def announced() -> int:
        print(f"{program}: running on {name_of_running_loop()}", file=sys.stderr)
        return await main

    try:
        return asyncio.run(announced())
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except ProgramError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code


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
