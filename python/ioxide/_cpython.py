"""The private names of the standard library's asyncio that ioxide uses: the only Python module that knows them.

Where a name's form depends on the version of Python, what is defined here has one form. `tests/test_cpython_contract.py`
fails on a version whose asyncio asks for something else.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio import base_events, constants, coroutines, events, format_helpers, tasks, trsock, unix_events
from asyncio.log import logger
from collections.abc import Callable
from typing import Any

try:
    import ssl
except ImportError:
    SSL_SOCKET: Any = ()
else:
    SSL_SOCKET = ssl.SSLSocket

__all__ = [
    "DefaultEventLoopPolicy",
    "SENDFILE_NATIVE",
    "SSL_SOCKET",
    "TransportSocket",
    "accept_retry_delay",
    "attach",
    "coroutine_debug_mode",
    "describe_callback",
    "describe_handle",
    "detach",
    "extract_stack",
    "logger",
    "numeric_address",
    "set_running_loop",
]

TransportSocket = trsock.TransportSocket
SENDFILE_NATIVE = constants._SendfileMode.TRY_NATIVE  # type: ignore[attr-defined]
set_running_loop = events._set_running_loop
coroutine_debug_mode = coroutines._is_debug_mode  # type: ignore[attr-defined]

if sys.version_info >= (3, 14):
    # The public name warns when it is looked up.
    DefaultEventLoopPolicy: Any = unix_events._DefaultEventLoopPolicy
else:
    DefaultEventLoopPolicy = asyncio.DefaultEventLoopPolicy


def accept_retry_delay() -> float:
    """For how many seconds a server that ran out of descriptors leaves its socket alone."""
    return constants.ACCEPT_RETRY_DELAY


def describe_callback(callback: Callable[..., object], arguments: tuple[object, ...], debug: bool) -> str:
    """Describe a callback for a report. The arguments' values are shown in debug mode only, where Python has it so."""
    if sys.version_info >= (3, 13):
        return format_helpers._format_callback_source(callback, arguments, debug=debug)
    return format_helpers._format_callback_source(callback, arguments)


def describe_handle(handle: object) -> str:
    """Describe what ran too long: the task, if it was a step of one."""
    callback = getattr(handle, "_callback", None)
    if isinstance(getattr(callback, "__self__", None), tasks.Task):
        return base_events._format_handle(handle)  # type: ignore[arg-type]
    return str(handle)


def extract_stack() -> object:
    """Take the stack of whoever called into the loop, for debug mode: the caller of the caller of native code."""
    return format_helpers.extract_stack(sys._getframe(1))


if sys.version_info >= (3, 13):

    def attach(server: Any, transport: asyncio.BaseTransport) -> None:
        """Tell a server of a connection that it has."""
        server._attach(transport)

    def detach(server: Any, transport: object) -> None:
        """Tell a server of a connection that it no longer has."""
        server._detach(transport)

else:

    def attach(server: Any, transport: asyncio.BaseTransport) -> None:
        """Tell a server of a connection that it has. Before 3.13 it only counts them."""
        server._attach()

    def detach(server: Any, transport: object) -> None:
        """Tell a server of a connection that it no longer has. Before 3.13 it only counts them."""
        server._detach()


def numeric_address(host: object) -> bool:
    """Tell whether `host` is an IP address, so that resolving it can't block."""
    if not isinstance(host, str):
        return False
    return base_events._ipaddr_info(host, 0, 0, socket.SOCK_STREAM, 0) is not None  # type: ignore[attr-defined]
