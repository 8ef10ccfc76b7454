"""asyncio's streams: native where they are used per read, write, drain or chunk, the standard library's own elsewhere.

Each class has two bases. The first is native, and does what runs all the time. The second is the running version's
class of that name: it does what happens once per connection, with the attributes that the first one has.
"""

from __future__ import annotations

import abc
import asyncio
import types
from asyncio import streams, subprocess
from collections.abc import Callable
from typing import Any

from ioxide import _cpython
from ioxide._ioxide import (
    NativeFlowControl,
    NativeStreamReader,
    NativeStreamReaderProtocol,
    NativeStreamWriter,
    NativeSubprocessStreams,
)

__all__ = [
    "FlowControlMixin",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "SubprocessStreamProtocol",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_unix_server",
]


# What the functions below find by name: as in the standard library's modules, but for these classes.
_GLOBALS: dict[str, Any] = dict(vars(streams))
_GLOBALS_OF_SUBPROCESS: dict[str, Any] = dict(vars(subprocess))


def _with_classes_of_ours(function: Any, found_by_name: dict[str, Any] = _GLOBALS) -> Any:
    """Return a function of the standard library's that makes these classes instead of its own."""
    copy = types.FunctionType(
        function.__code__, found_by_name, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = function.__qualname__
    copy.__doc__ = function.__doc__
    copy.__module__ = "ioxide"
    return copy


class _ReaderClass(abc.ABCMeta):
    """The class of `StreamReader`.

    A program that holds asyncio's classes from before `install` may give their reader to their writer, which asks
    whether it is an instance of what `asyncio.streams.StreamReader` is by then. It is derived from `ABCMeta` in order
    that a program's class may have an abstract one as its other base.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is StreamReader:
            return isinstance(instance, _cpython.StreamReader)
        return super().__instancecheck__(instance)


class StreamReader(NativeStreamReader, _cpython.StreamReader, metaclass=_ReaderClass):  # type: ignore[misc]
    """Reads from a stream, as `asyncio.StreamReader` does."""


class StreamWriter(NativeStreamWriter, _cpython.StreamWriter):  # type: ignore[misc]
    """Writes to a stream, as `asyncio.StreamWriter` does."""


class FlowControlMixin(NativeFlowControl, _cpython.FlowControlMixin):  # type: ignore[misc]
    """Lets those who drain wait for the transport, as `asyncio.streams.FlowControlMixin` does."""


class StreamReaderProtocol(NativeStreamReaderProtocol, FlowControlMixin, _cpython.StreamReaderProtocol):  # type: ignore[misc]
    """Feeds a `StreamReader` with what a transport receives, as `asyncio.StreamReaderProtocol` does."""

    connection_made = _with_classes_of_ours(_cpython.StreamReaderProtocol.connection_made)


class SubprocessStreamProtocol(NativeSubprocessStreams, FlowControlMixin, _cpython.SubprocessStreamProtocol):  # type: ignore[misc]
    """Feeds the readers of a process with what it writes, as `asyncio.subprocess.SubprocessStreamProtocol` does."""

    __init__ = _cpython.SubprocessStreamProtocol.__init__
    connection_made = _with_classes_of_ours(_cpython.SubprocessStreamProtocol.connection_made, _GLOBALS_OF_SUBPROCESS)


_CLASSES = {"StreamReader": StreamReader, "StreamReaderProtocol": StreamReaderProtocol, "StreamWriter": StreamWriter}
_GLOBALS.update(_CLASSES)
_GLOBALS_OF_SUBPROCESS.update(
    SubprocessStreamProtocol=SubprocessStreamProtocol, streams=types.SimpleNamespace(**vars(streams) | _CLASSES)
)

open_connection: Callable[..., Any] = _with_classes_of_ours(asyncio.open_connection)
open_unix_connection: Callable[..., Any] = _with_classes_of_ours(asyncio.open_unix_connection)
start_server: Callable[..., Any] = _with_classes_of_ours(asyncio.start_server)
start_unix_server: Callable[..., Any] = _with_classes_of_ours(asyncio.start_unix_server)
create_subprocess_exec: Callable[..., Any] = _with_classes_of_ours(
    asyncio.create_subprocess_exec, _GLOBALS_OF_SUBPROCESS
)
create_subprocess_shell: Callable[..., Any] = _with_classes_of_ours(
    asyncio.create_subprocess_shell, _GLOBALS_OF_SUBPROCESS
)
