"""What the tests of native task groups have in common: both classes, and coroutines to make tasks of."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import ioxide

native: Any = ioxide._ioxide
GROUP_CLASSES: dict[str, Any] = {"asyncio": asyncio.TaskGroup, "ioxide": native.TaskGroup}


async def nothing() -> None:
    """End at the first step."""


async def give(value: object) -> object:
    """Return a value in the turn after the first step."""
    await asyncio.sleep(0)
    return value


async def fail(error: BaseException | None = None) -> None:
    """Fail at the first step."""
    raise error or ValueError("failed")


class Caught:
    """The exception group that a block has raised."""

    error: Any = None

    def failures(self) -> list[str]:
        """Describe what it holds."""
        return sorted(repr(error) for error in self.error.exceptions)


@contextlib.contextmanager
def raises_group() -> Iterator[Caught]:
    """Expect the block to raise an exception group."""
    caught = Caught()
    try:
        yield caught
    except ExceptionGroup as error:
        caught.error = error
    assert caught.error is not None, "nothing was raised"
