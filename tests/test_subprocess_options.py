"""What is passed on to `subprocess.Popen`: the child's directory, environment, descriptors, ids and session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from child_processes import children
from conftest import LoopFactory

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may start a process as somebody else")


async def shell(script: str, **options: Any) -> Process:
    """Start a shell on a script."""
    return await asyncio.create_subprocess_exec("/bin/sh", "-c", script, **options)


async def said(script: str, **options: Any) -> bytes:
    """Return what a script writes to its standard output, without the end of the line."""
    process = await shell(script, stdout=PIPE, **options)
    result, _ = await process.communicate()
    assert process.returncode == 0
    return result.rstrip(b"\n")


def test_a_working_directory(run: Run, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    for cwd in (tmp_path / "directory", str(tmp_path / "directory"), os.fsencode(tmp_path / "directory")):
        assert run(said("pwd -P", cwd=cwd)) == os.fsencode((tmp_path / "directory").resolve())
    with pytest.raises(FileNotFoundError):
        run(shell("pwd", cwd=tmp_path / "missing"))


def test_an_environment(run: Run) -> None:
    assert run(said("echo $NAME:$HOME", env={"NAME": "value"})) == b"value:"
    assert run(said("echo $NAME", env={b"NAME": b"\xff"})) == b"\xff"


def test_an_executable_beside_the_name(run: Run) -> None:
    async def main() -> bytes:
        process = await asyncio.create_subprocess_exec("any name", "-c", "echo $0", stdout=PIPE, executable="/bin/sh")
        return (await process.communicate())[0]

    assert run(main()) == b"any name\n"


def test_a_program_may_be_a_path_or_bytes(run: Run) -> None:
    async def main() -> None:
        for program in (Path("/bin/sh"), b"/bin/sh"):
            process = await asyncio.create_subprocess_exec(program, "-c", b"echo ok", stdout=PIPE)
            assert await process.communicate() == (b"ok\n", None)

    run(main())


def test_descriptors_are_passed_on_or_closed(run: Run) -> None:
    reading, writing = os.pipe()
    try:
        assert run(said(f"echo passed > /proc/self/fd/{writing}; echo ok", pass_fds=[writing])) == b"ok"
        assert os.read(reading, 100) == b"passed\n"
        os.set_inheritable(writing, True)
        assert run(said(f"[ -e /proc/self/fd/{writing} ] && echo open || echo closed")) == b"closed"
        assert run(said(f"[ -e /proc/self/fd/{writing} ] && echo open || echo closed", close_fds=False)) == b"open"
    finally:
        os.close(reading)
        os.close(writing)


def inheritable() -> list[int]:
    """Return the descriptors of this process that its children get."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.get_inheritable(int(name)):
                found.append(int(name))
    return sorted(found)


def test_children_inherit_nothing_of_the_loop(loop_factory: LoopFactory) -> None:
    """Neither what the loop waits with, nor the pipes and pidfds of other children."""

    async def main() -> None:
        other = await shell("read line", stdin=PIPE, stdout=PIPE, stderr=PIPE)
        assert inheritable() == before
        assert other.stdin is not None
        other.stdin.close()
        assert await other.wait() == 1

    before = inheritable()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def test_what_runs_in_the_child_first(run: Run) -> None:
    assert run(said("echo $NAME", preexec_fn=lambda: os.environ.update(NAME="too late"), env={})) == b""
    assert run(said("umask", preexec_fn=lambda: os.umask(0o051))) in (b"0051", b"051")


def test_what_runs_in_the_child_first_may_fail(run: Run) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        before = children()
        with pytest.raises(Exception, match=r"^Exception occurred in preexec_fn\.$"):
            await shell("true", preexec_fn=fail)
        assert children() == before

    run(main())


def test_sessions_and_groups(run: Run) -> None:
    show = "read -r _ _ _ _ group session _ < /proc/$$/stat; echo $$ $group $session"

    async def main() -> None:
        pid, group, session = map(int, (await said(show, start_new_session=True)).split())
        assert pid == group == session
        pid, group, session = map(int, (await said(show, process_group=0)).split())
        assert pid == group
        assert session == os.getsid(0)
        pid, group, session = map(int, (await said(show)).split())
        assert (group, session) == (os.getpgrp(), os.getsid(0))

    run(main())


def test_a_process_group_is_ended_together(run: Run) -> None:
    async def main() -> None:
        process = await shell("sleep 1000 & sleep 1000 & echo started; wait", stdout=PIPE, start_new_session=True)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"started\n"
        os.killpg(process.pid, signal.SIGKILL)
        assert await process.stdout.read() == b""  # the last of them has left
        assert await process.wait() == -signal.SIGKILL

    run(main())


@needs_root
def test_users_and_groups(run: Run) -> None:
    async def main() -> None:
        assert await said("id -u", user=65534) == b"65534"
        assert await said("id -u", user="nobody") == b"65534"
        assert await said("id -g", group=65534) == b"65534"
        assert await said("id -G", extra_groups=[5, 6]) == b"0 5 6"
        with pytest.raises(KeyError, match="no such user"):
            await shell("true", user="no such user")

    run(main())


@needs_root
def test_a_process_of_somebody_else_is_waited_for(run: Run) -> None:
    async def main() -> None:
        process = await shell("read line; exit 5", user=65534, stdin=PIPE)
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 5
        process = await shell("exec sleep 1000", user=65534)
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    run(main())


def test_a_umask(run: Run) -> None:
    assert run(said("umask", umask=0o077)) in (b"0077", b"077")


def test_files_as_the_standard_streams(run: Run, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"from a file")

    async def main() -> None:
        with (tmp_path / "input").open("rb") as stdin, (tmp_path / "output").open("wb") as stdout:
            process = await shell("cat; echo error >&2", stdin=stdin, stdout=stdout, stderr=PIPE)
            assert (process.stdin, process.stdout) == (None, None)
            assert await process.communicate() == (None, b"error\n")
        assert (tmp_path / "output").read_bytes() == b"from a file"

    run(main())


def test_descriptors_as_the_standard_streams(run: Run) -> None:
    async def main() -> None:
        reading, writing = os.pipe()
        process = await shell("echo one; echo two >&2", stdin=DEVNULL, stdout=writing, stderr=writing)
        os.close(writing)
        assert await process.wait() == 0
        with os.fdopen(reading, "rb") as file:
            assert file.read() == b"one\ntwo\n"

    run(main())


def test_a_socket_as_the_standard_streams(run: Run, loop: Loop) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours:
            with theirs:
                process = await shell("cat", stdin=theirs, stdout=theirs)
            await loop.sock_sendall(ours, b"there and back")
            assert await loop.sock_recv(ours, 100) == b"there and back"
            ours.shutdown(socket.SHUT_WR)
            assert await process.wait() == 0
            assert await loop.sock_recv(ours, 100) == b""

    run(main())


def test_errors_beside_the_output_and_in_it(run: Run) -> None:
    async def main() -> None:
        script = "echo one; echo two >&2; echo three"
        process = await shell(script, stdout=PIPE, stderr=STDOUT)
        assert process.stderr is None
        assert await process.communicate() == (b"one\ntwo\nthree\n", None)
        process = await shell(script, stdout=DEVNULL, stderr=PIPE)
        assert await process.communicate() == (None, b"two\n")
        process = await shell(script, stdout=DEVNULL, stderr=DEVNULL)
        assert await process.communicate() == (None, None)

    run(main())


def test_a_limit_of_the_readers(run: Run) -> None:
    async def main() -> None:
        process = await shell("echo 0123456789; echo", stdout=PIPE, limit=4)
        assert process.stdout is not None
        with pytest.raises(ValueError, match=r"longer than limit|exceed the limit"):
            await process.stdout.readline()
        assert await process.wait() == 0

    run(main())


def test_a_pipe_of_another_size(run: Run) -> None:
    assert run(said("head -c 100000 /dev/zero | wc -c", pipesize=1 << 20)) == b"100000"
