"""The event loop: native where it is used per callback or per message, the standard library's own elsewhere.

`Loop` has two bases. `EventLoop` is native: scheduling, the turn, descriptors, `sock_*`, transports, accepting. The
standard library's selector loop gives the rest, that is everything that runs once per process or per endpoint: the
argument checks and address work of `create_connection` and `create_server`, TLS, executors, exception handling. Both
meet in the private methods through which asyncio's own loop classes are layered. `docs/decisions/001-base-class.md`
gives the reasons, and `tests/test_cpython_contract.py` fails when a version of Python moves the seam.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
import warnings
import weakref
from asyncio import constants
from collections.abc import Callable
from typing import IO, Any

from ioxide._child_watcher import CAN_WATCH, ChildWatcher
from ioxide._cpython import (
    SelectorEventLoop,
    SSLProtocol,
    UnixSubprocessTransport,
    child_watcher_of_the_program,
    coroutine_debug_mode,
    inherited_child_watcher,
    is_inet_address,
    numeric_address,
    set_running_loop,
    show_native_tasks,
)
from ioxide._ioxide import EventLoop, _live_tasks
from ioxide._transports import DatagramTransport, ReadPipeTransport, WritePipeTransport

__all__ = ["Loop", "new_event_loop"]

logger = logging.getLogger("asyncio")

show_native_tasks(_live_tasks)

# From 3.14 on asyncio itself waits by pidfd, with a watcher per loop.
_WATCHES_CHILDREN = CAN_WATCH and sys.version_info < (3, 14)

# The families whose addresses the native datagram transport can write.
_DATAGRAM_FAMILIES = {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}


def _is_replaced(function: Any) -> bool:
    """Tell whether somebody has put a function of their own in the place of one of the socket module's."""
    return getattr(function, "__module__", None) not in ("socket", "_socket")


class Loop(EventLoop, SelectorEventLoop):
    """An asyncio event loop. It has every method of `asyncio.SelectorEventLoop`, and behaves as it does."""

    # As long as nothing is in the instance's `__dict__`, the interpreter finds a method of the loop without a look-up.
    __slots__ = (
        "_asyncgens",
        "_asyncgens_shutdown_called",
        "_child_watcher",
        "_clock_resolution",
        "_coroutine_origin_tracking_enabled",
        "_coroutine_origin_tracking_saved_depth",
        "_csock",
        "_current_handle",
        "_default_executor",
        "_exception_handler",
        "_executor_shutdown_called",
        "_internal_fds",
        "_selector",
        "_signal_handlers",
        "_ssock",
        "_transports",
        "_unix_server_sockets",
        "_watcher",
        "slow_callback_duration",
    )

    def __init__(self) -> None:
        # The standard library's constructors are not called: they would make a selector and a pair of sockets that
        # nothing uses. These are the attributes that the inherited methods work with.
        self._default_executor = None
        self._exception_handler = None
        self._current_handle = None
        self._coroutine_origin_tracking_enabled = False
        self._coroutine_origin_tracking_saved_depth = None
        self._asyncgens: weakref.WeakSet[Any] = weakref.WeakSet()
        self._asyncgens_shutdown_called = False
        self._executor_shutdown_called = False
        self._signal_handlers: dict[int, asyncio.Handle] = {}
        self._unix_server_sockets: dict[socket.socket, int] = {}
        self._transports: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._internal_fds = 0
        self._child_watcher = ChildWatcher(self)
        self._watcher = inherited_child_watcher()
        self._clock_resolution = time.get_clock_info("monotonic").resolution
        self._ssock: socket.socket | None = None
        self._csock: socket.socket | None = None
        self._selector: _Selector | None = _Selector(self)
        self.slow_callback_duration = 0.1
        self.set_debug(coroutine_debug_mode())

    def run_forever(self) -> None:
        """Run until `stop` is called."""
        self._check_closed()
        self._check_running()
        hooks = sys.get_asyncgen_hooks()
        self._set_coroutine_origin_tracking(self._debug)
        try:
            sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook)
            set_running_loop(self)
            self._run()
        finally:
            set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*hooks)

    def close(self) -> None:
        """Close the loop: drop what is scheduled, give up the executor, remove the signal handlers."""
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if self.is_closed():
            return
        if self._debug:
            logger.debug("Close %r", self)
        self._close_self_pipe()
        self._close()
        self._child_watcher.close()
        self._executor_shutdown_called = True
        executor, self._default_executor = self._default_executor, None
        if executor is not None:
            executor.shutdown(wait=False)
        self._selector = None
        # Last: it raises on any thread but the main one.
        self._remove_signal_handlers()

    def _remove_signal_handlers(self) -> None:
        if not sys.is_finalizing():
            for signal_number in list(self._signal_handlers):
                self.remove_signal_handler(signal_number)
        elif self._signal_handlers:
            message = f"Closing the loop {self!r} on interpreter shutdown stage, skipping signal handlers removal"
            warnings.warn(message, ResourceWarning, source=self, stacklevel=3)
            self._signal_handlers.clear()

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]
        """Call `callback(*args)` in the loop when the process gets the signal `sig`."""
        if self._csock is None and not self.is_closed():
            self._make_self_pipe()
        super().add_signal_handler(sig, callback, *args)

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[Any, ...]]:
        """Resolve a host and a port, on a thread of the loop's own. A numeric address is answered at once."""
        is_plain = isinstance(host, (str, bytes)) and (port is None or isinstance(port, (str, bytes, int)))
        if _is_replaced(socket.getaddrinfo) or self._debug or not is_plain:
            return await super().getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags)
        if numeric_address(host) and (port is None or isinstance(port, int)):
            return socket.getaddrinfo(host, port, family, type, proto, flags)
        sys.audit("socket.getaddrinfo", host, port, family, type, proto)
        if isinstance(host, str):
            host = host.encode("idna")
        service = str(port) if isinstance(port, int) else port
        found = await self._look_up_addresses(_text(host), _text(service), (family, type, proto, flags))
        return [
            (_enumerated(socket.AddressFamily, family), _enumerated(socket.SocketKind, kind), *rest)
            for family, kind, *rest in found
        ]

    async def getnameinfo(
        self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int = 0
    ) -> tuple[str, str]:
        """Resolve a numeric address, on a thread of the loop's own."""
        if _is_replaced(socket.getnameinfo) or not is_inet_address(sockaddr):
            return await super().getnameinfo(sockaddr, flags)
        host, port, flow_info, scope_id = (*sockaddr, 0, 0)[:4]
        sys.audit("socket.getnameinfo", sockaddr)
        return await self._look_up_names(host, port, flow_info, scope_id, flags)

    def _make_self_pipe(self) -> None:
        """Open the pair of sockets by which Python tells of signals. Only loops that handle signals have one."""
        super()._make_self_pipe()

    def _close_self_pipe(self) -> None:
        if self._csock is not None:
            super()._close_self_pipe()

    def _add_callback(self, handle: asyncio.Handle) -> None:
        """Schedule a handle that the standard library made: a signal handler's."""
        self.call_soon(_run_unless_cancelled, handle)

    def _add_callback_signalsafe(self, handle: asyncio.Handle) -> None:
        self.call_soon_threadsafe(_run_unless_cancelled, handle)

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: Any,
        sslcontext: Any,
        waiter: Any = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: Any = None,
        server: Any = None,
        ssl_handshake_timeout: float | None = constants.SSL_HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout: float | None = constants.SSL_SHUTDOWN_TIMEOUT,
        context: Any = None,
    ) -> Any:
        """Put TLS, as asyncio has it, on a native transport. Returns the transport for what isn't encrypted."""
        ssl_protocol = SSLProtocol(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        self._make_socket_transport(rawsock, ssl_protocol, extra=extra, server=server, context=context)
        return ssl_protocol._app_transport

    def _make_datagram_transport(
        self, sock: socket.socket, protocol: Any, address: Any = None, waiter: Any = None, extra: Any = None
    ) -> Any:
        if sock.family not in _DATAGRAM_FAMILIES:
            return super()._make_datagram_transport(sock, protocol, address, waiter, extra)
        self._ensure_fd_no_transport(sock)
        return DatagramTransport(self, sock, protocol, address, waiter, extra)

    def _make_read_pipe_transport(self, pipe: Any, protocol: Any, waiter: Any = None, extra: Any = None) -> Any:
        return ReadPipeTransport(self, pipe, protocol, waiter, extra)

    def _make_write_pipe_transport(self, pipe: Any, protocol: Any, waiter: Any = None, extra: Any = None) -> Any:
        return WritePipeTransport(self, pipe, protocol, waiter, extra)

    async def _make_subprocess_transport(
        self,
        protocol: Any,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        extra: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Start a process, and wait for its end by pidfd, unless the program has chosen another way to wait."""
        process = (args, shell, stdin, stdout, stderr, bufsize)
        if not _WATCHES_CHILDREN or child_watcher_of_the_program() is not None:
            return await super()._make_subprocess_transport(protocol, *process, extra, **kwargs)
        waiter = self.create_future()
        transport = UnixSubprocessTransport(self, protocol, *process, waiter=waiter, extra=extra, **kwargs)
        self._child_watcher.watch(transport)
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            await transport._wait()
            raise
        return transport

    async def _sendfile_native(self, transp: Any, file: IO[bytes], offset: int, count: int | None) -> int:
        """Send a file by the kernel, once the transport has written what it has buffered."""
        # Made first: it raises if another file is on its way, which mustn't be disturbed.
        emptied = transp._make_empty_waiter()
        was_reading = transp.is_reading()
        transp.pause_reading()
        transp._lend_descriptor(True)
        try:
            await emptied
            return await self.sock_sendfile(transp._sock, file, offset, count, fallback=False)
        finally:
            transp._reset_empty_waiter()
            transp._lend_descriptor(False)
            if was_reading:
                transp.resume_reading()


class _Selector:
    """What the standard library's transports ask of a loop's selector for their reprs: who waits for what."""

    def __init__(self, loop: Loop) -> None:
        self._loop = weakref.ref(loop)

    def get_key(self, fileobj: Any) -> Any:
        """Return what `selectors.BaseSelector.get_key` does, of which only `events` is set."""
        loop = self._loop()
        reads, writes = loop._interest(fileobj) if loop is not None else (False, False)
        if not (reads or writes):
            raise KeyError(fileobj)
        return _SelectorKey(reads | (writes << 1))


class _SelectorKey:
    """Events in the numbers of `selectors`."""

    def __init__(self, events: int) -> None:
        self.events = events


def _run_unless_cancelled(handle: asyncio.Handle) -> None:
    if not handle.cancelled():
        handle._run()


def _text(value: bytes | bytearray | str | None) -> str | None:
    return value.decode() if isinstance(value, (bytes, bytearray)) else value


def _enumerated(kind: Any, number: int) -> Any:
    """Make a number a member of an enumeration, as the socket module does: one that isn't a member stays a number."""
    try:
        return kind(number)
    except ValueError:
        return number


def new_event_loop() -> Loop:
    """Make an event loop: what `loop_factory` arguments take."""
    return Loop()
