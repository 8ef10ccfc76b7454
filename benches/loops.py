"""The loops that are compared: where each comes from and how one is made.

A peer is added by one line of `LOOPS`. Nothing is imported before it is asked for: several peers replace parts of
asyncio when they are imported, and must not meet in one process.
"""

from __future__ import annotations

import asyncio
import importlib
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any


@dataclass(frozen=True)
class Loop:
    """A loop by the name that the tables use, the distribution that it is installed from, and its factory."""

    name: str
    distribution: str | None
    """None for the standard library's."""
    factory: str
    """`module:callable`, which makes a loop."""
    prepare: str | None = None
    """`module:callable`, called once before the loop is made."""
    python: tuple[int, int] = (3, 11)
    """The oldest Python that it is for."""


LOOPS = {
    loop.name: loop
    for loop in (
        Loop("asyncio", None, "asyncio:SelectorEventLoop"),
        Loop("uvloop", "uvloop", "uvloop:new_event_loop"),
        Loop("rloop", "rloop", "rloop:new_event_loop"),
        Loop("rsloop", "rsloop", "rsloop:new_event_loop"),
        Loop("zuvloop", "zuvloop", "zuvloop:new_event_loop", python=(3, 14)),
        Loop("zloop", "zloop", "zloop:new_event_loop", python=(3, 14)),
        Loop("ioxide", "ioxide", "ioxide:new_event_loop"),
        Loop("ioxide installed", "ioxide", "ioxide:new_event_loop", prepare="ioxide:install"),
    )
}

OURS = ("ioxide", "ioxide installed")
"""The loops that are no peer: ratios to the best peer leave them out."""


def resolve(path: str) -> Callable[..., Any]:
    """Import `module:callable`."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def named(name: str) -> Loop:
    """Return the loop of that name. Any other loop is named by what makes it: `module:callable`."""
    if name not in LOOPS and ":" in name:
        return Loop(name, None, name)
    return LOOPS[name]


def new_event_loop(name: str) -> asyncio.AbstractEventLoop:
    """Make the loop of that name. rsloop's isn't an `AbstractEventLoop`, but behaves as one."""
    loop = named(name)
    if loop.prepare is not None:
        resolve(loop.prepare)()
    made: asyncio.AbstractEventLoop = resolve(loop.factory)()
    return made


def version(name: str) -> str | None:
    """Return which version of the loop is installed, or None if it is absent."""
    distribution = named(name).distribution
    if distribution is None:
        return platform.python_version()
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def why_absent(name: str) -> str | None:
    """Say why the loop can't be measured here, or None if it can."""
    loop = named(name)
    if sys.version_info < loop.python:
        return f"for Python {loop.python[0]}.{loop.python[1]} and later"
    if version(name) is None:
        return f"{loop.distribution} isn't installed"
    return None
