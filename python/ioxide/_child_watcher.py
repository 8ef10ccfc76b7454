"""Waiting for child processes by pidfd: without a thread and without a handler of SIGCHLD (Linux 5.3, pidfd_open(2)).

A pidfd is readable once its process has ended, so that a loop on any thread waits for it as for a socket. Only the
process that a pidfd was opened for is reaped: nobody else's children are touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from typing import Any, Protocol

__all__ = ["CAN_WATCH", "ChildWatcher"]

logger = logging.getLogger("asyncio")


def _kernel_has_pidfds() -> bool:
    """Tell whether there are pidfds, and this process may open one: a security policy can forbid it."""
    if not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


CAN_WATCH = _kernel_has_pidfds()


class _Loop(Protocol):
    def _add_reader(self, fd: Any, callback: Any, *args: Any) -> asyncio.Handle: ...
    def _remove_reader(self, fd: Any) -> bool: ...
    def call_soon(self, callback: Any, *args: Any) -> asyncio.Handle: ...
    def call_soon_threadsafe(self, callback: Any, *args: Any) -> asyncio.Handle: ...
    def get_debug(self) -> bool: ...


class ChildWatcher:
    """Waits for the child processes of one loop."""

    def __init__(self, loop: _Loop) -> None:
        self._loop = loop
        self._pidfds: set[int] = set()

    def watch(self, transport: Any) -> None:
        """Tell the transport of a process when the process has ended."""
        pid = transport.get_pid()
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            # It has ended and somebody else has reaped it, or SIGCHLD is ignored and the kernel has.
            self._loop.call_soon(self._reap, pid, transport)
        except OSError:
            # Out of descriptors: the process runs already, and its end mustn't be missed.
            name = f"ioxide-waitpid-{pid}"
            threading.Thread(target=self._wait_in_thread, args=(pid, transport), name=name, daemon=True).start()
        else:
            self._pidfds.add(pidfd)
            self._loop._add_reader(pidfd, self._pidfd_ready, pidfd, pid, transport)

    def close(self) -> None:
        """Wait no more. Processes that still run go on."""
        for pidfd in self._pidfds:
            os.close(pidfd)
        self._pidfds.clear()

    def _pidfd_ready(self, pidfd: int, pid: int, transport: Any) -> None:
        self._loop._remove_reader(pidfd)
        self._pidfds.remove(pidfd)
        os.close(pidfd)
        self._reap(pid, transport)

    def _wait_in_thread(self, pid: int, transport: Any) -> None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._reap, pid, transport)

    def _reap(self, pid: int, transport: Any) -> None:
        try:
            _, status = os.waitpid(pid, 0)
        except ChildProcessError:
            return_code = 255
            logger.warning("child process pid %d exit status already read:  will report returncode 255", pid)
        else:
            return_code = os.waitstatus_to_exitcode(status)
            if self._loop.get_debug():
                logger.debug("process %s exited with returncode %s", pid, return_code)
        self._loop.call_soon(transport._process_exited, return_code)
