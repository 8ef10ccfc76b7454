"""How the end of a child process is noticed: on any thread, by many loops, whatever else the program does with it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable
from typing import Any

import ioxide
import pytest
from child_processes import leaves_no_child  # noqa: F401
from conftest import LOOP_FACTORIES, LoopFactory

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

HANG = 100  # seconds after which a process is taken for hung; nothing else depends on it

# Until 3.11 asyncio has a thread for each child. Its own watcher by pidfd is what ioxide's is like.
HAS_PIDFDS = sys.version_info >= (3, 12)


pytestmark = pytest.mark.usefixtures("leaves_no_child")


def pidfds() -> int:
    """Count the pidfds of this process."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += "pidfd" in os.readlink(f"/proc/self/fd/{name}")
    return count


async def exits_with(code: int) -> None:
    """Run a process."""
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"read line; exit {code}", stdin=PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == code


def in_a_thread(target: Callable[[], None]) -> Callable[[], None]:
    """Start a thread, and return what waits for it and raises what it raised."""
    raised = []

    def run() -> None:
        try:
            target()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def join() -> None:
        thread.join()
        if raised:
            raise raised[0]

    return join


def test_on_a_thread_that_is_not_the_main_one(loop_factory: LoopFactory) -> None:
    def target() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(exits_with(7))

    in_a_thread(target)()


def test_by_several_loops_at_once(loop_factory: LoopFactory) -> None:
    async def several(first: int) -> None:
        await asyncio.gather(*(exits_with(first + number) for number in range(5)))

    def start(first: int) -> Callable[[], None]:
        def target() -> None:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(several(first))

        return in_a_thread(target)

    for join in [start(first) for first in (10, 20, 30)]:
        join()


def test_by_one_loop_after_the_other(loop_factory: LoopFactory) -> None:
    for code in range(5):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(exits_with(code))


def test_between_two_runs_of_a_loop(loop: Loop, run: Run) -> None:
    process = run(asyncio.create_subprocess_exec("/bin/sh", "-c", "exit 3"))
    with contextlib.suppress(ChildProcessError):  # the thread of 3.11 was faster
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert run(process.wait()) == 3


def test_other_children_are_left_alone(run: Run) -> None:
    other = subprocess.Popen(["/bin/sh", "-c", "exit 9"])
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    run(exits_with(4))
    assert other.wait() == 9


def test_a_child_that_somebody_else_reaped_is_said_to_have_ended_with_255(
    run: Run, caplog: pytest.LogCaptureFixture, reports: list[dict[str, Any]]
) -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec("/bin/sh", "-c", "read line; exit 4", stdin=PIPE, stdout=DEVNULL)
        assert process.stdin is not None
        os.kill(process.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, 0)
        code = await process.wait()
        if HAS_PIDFDS:
            assert code == 255
        else:
            assert code in (255, -signal.SIGKILL)  # the thread may have been faster
        assert process.returncode == code
        if code == 255:
            (record,) = [record for record in caplog.records if "255" in record.getMessage()]
            assert record.levelname == "WARNING"
            assert "will report returncode 255" in record.getMessage()
            assert str(process.pid) in record.getMessage()

    run(main())


def test_children_while_sigchld_is_ignored(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """The kernel reaps them then: that they end is noticed, but not how."""

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("/bin/sh", "-c", "read line; exit 4", stdin=PIPE)
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 255

    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        run(main())
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert "will report returncode 255" in caplog.text


def test_a_handler_of_sigchld_is_neither_needed_nor_disturbed(run: Run) -> None:
    called = []

    def handler(*_: Any) -> None:
        called.append(signal.getsignal(signal.SIGCHLD))

    before = signal.signal(signal.SIGCHLD, handler)
    try:
        run(exits_with(6))
        assert signal.getsignal(signal.SIGCHLD) is handler
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert called == [handler]


def test_ioxide_waits_without_a_thread_and_without_a_handler() -> None:
    """For which asyncio, until 3.11, takes a thread per child."""

    async def main() -> None:
        before = signal.getsignal(signal.SIGCHLD), threading.enumerate(), pidfds()
        process = await asyncio.create_subprocess_exec("/bin/sh", "-c", "read line", stdin=PIPE)
        assert (signal.getsignal(signal.SIGCHLD), threading.enumerate(), pidfds() - 1) == before
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        assert (signal.getsignal(signal.SIGCHLD), threading.enumerate(), pidfds()) == before

    ioxide.run(main())


def test_a_loop_that_is_closed_waits_no_more_and_leaves_the_child_alone() -> None:
    """On ioxide alone: asyncio's watcher leaves the pidfd open, or its thread waiting."""
    before = pidfds()
    loop = ioxide.new_event_loop()
    transport, _ = loop.run_until_complete(
        loop.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "1000", stdin=None, stdout=None, stderr=None)
    )
    assert pidfds() == before + 1
    loop.close()
    assert pidfds() == before
    popen = transport.get_extra_info("subprocess")
    assert popen.poll() is None
    popen.kill()
    popen.wait()
    with pytest.warns(ResourceWarning, match="unclosed transport <_UnixSubprocessTransport pid="):
        del transport


def test_ioxide_waits_in_a_thread_for_a_process_that_it_has_no_descriptor_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of descriptors just then: the process runs already, and its end isn't missed."""
    called: list[int] = []

    def pidfd_open(pid: int, flags: int = 0) -> int:
        called.append(pid)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def main() -> None:
        monkeypatch.setattr(os, "pidfd_open", pidfd_open)
        await exits_with(5)
        with pytest.raises(ChildProcessError):
            os.waitpid(called[0], os.WNOHANG)

    before = len(os.listdir("/proc/self/fd"))
    ioxide.run(main())
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(called) == 1


OUT_OF_DESCRIPTORS = """
    import asyncio, os, resource
    import ioxide

    async def attempt():
        process = await asyncio.create_subprocess_exec("/bin/sh", "-c", "exit 5", **OPTIONS)
        await process.communicate()
        return process.returncode

    async def main():
        assert await attempt() == 5
        taken = []
        _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, limit))
        while True:
            try:
                taken.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        errors = set()
        while True:
            try:
                code = await attempt()
            except OSError as error:
                errors.add(str(error))
            else:
                break
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pass
            else:
                print("a child is left")
            os.close(taken.pop())
        print(errors, code)
        for fd in taken:
            os.close(fd)

    with asyncio.Runner(loop_factory=FACTORY) as runner:
        runner.run(main())
"""


@pytest.mark.parametrize("stream", ["PIPE", "DEVNULL"])
def test_out_of_descriptors(loop_factory: LoopFactory, stream: str) -> None:
    options = f"dict(stdin=asyncio.subprocess.{stream}, stdout=asyncio.subprocess.{stream})"
    factory = "ioxide.new_event_loop" if loop_factory is LOOP_FACTORIES["ioxide"] else "asyncio.SelectorEventLoop"
    program = textwrap.dedent(OUT_OF_DESCRIPTORS).replace("OPTIONS", options).replace("FACTORY", factory)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=HANG, check=False)
    assert done.stderr == ""
    errors, code = done.stdout.rsplit(maxsplit=1)
    assert errors.startswith("{")
    assert "[Errno 24] Too many open files" in errors
    assert code == "5"
