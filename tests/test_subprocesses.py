"""Child processes: starting them, talking to them, waiting for them, and ending them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from child_processes import leaves_no_child  # noqa: F401
from recording_protocol import several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

LARGE = os.urandom(1 << 20)


async def shell(script: str, **options: Any) -> Process:
    """Start a shell on a script."""
    return await asyncio.create_subprocess_exec("/bin/sh", "-c", script, **options)


async def output(started: Coroutine[Any, Any, Process], data: bytes | None = None) -> bytes:
    """Return all that a process writes, which has to end well."""
    process = await started
    result, _ = await process.communicate(data)
    assert process.returncode == 0
    return result


pytestmark = pytest.mark.usefixtures("leaves_no_child")


def test_communicating(run: Run) -> None:
    async def main() -> None:
        process = await shell("cat; echo to the other >&2", stdin=PIPE, stdout=PIPE, stderr=PIPE)
        assert process.returncode is None
        assert await process.communicate(LARGE) == (LARGE, b"to the other\n")
        assert process.returncode == 0
        assert await process.wait() == 0

    run(main())


def test_talking_line_by_line(run: Run) -> None:
    async def main() -> None:
        process = await shell("while read line; do echo got $line; done", stdin=PIPE, stdout=PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(10):
            process.stdin.write(b"%d\n" % number)
            await process.stdin.drain()
            assert await process.stdout.readline() == b"got %d\n" % number
        process.stdin.close()
        assert await process.wait() == 0
        assert await process.stdout.read() == b""

    run(main())


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exit_codes(run: Run, code: int) -> None:
    async def main() -> None:
        process = await shell(f"exit {code}")
        assert await process.wait() == code
        assert process.returncode == code

    run(main())


@pytest.mark.parametrize("way", ["kill", "terminate", "send_signal"])
def test_a_process_that_a_signal_ends(run: Run, way: str) -> None:
    number = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM, "send_signal": signal.SIGUSR1}[way]

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("sleep", "1000")
        getattr(process, way)(*[number] * (way == "send_signal"))
        assert await process.wait() == -number
        assert process.returncode == -number
        # Nobody is there any more.
        with pytest.raises(ProcessLookupError):
            process.kill()

    run(main())


def test_a_process_that_kills_itself(run: Run) -> None:
    async def main() -> None:
        assert await (await shell("kill -SEGV $$")).wait() == -signal.SIGSEGV

    run(main())


def test_many_wait_for_one_process(run: Run) -> None:
    async def main() -> None:
        process = await shell("read line; exit 3", stdin=PIPE)
        waiting = [asyncio.ensure_future(process.wait()) for _ in range(5)]
        await several_turns()
        waiting.pop().cancel()
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.gather(*waiting) == [3] * 4

    run(main())


def test_many_processes_at_once(run: Run) -> None:
    async def one(number: int) -> int:
        process = await shell(f"cat; exit {number}", stdin=PIPE, stdout=PIPE)
        assert await process.communicate(b"%d" % number) == (b"%d" % number, None)
        assert process.returncode is not None
        return process.returncode

    async def main() -> None:
        assert await asyncio.gather(*map(one, range(40))) == list(range(40))

    run(main())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["/no/such/program"], FileNotFoundError),
        (["no-such-program-anywhere"], FileNotFoundError),
        (["{directory}/plain"], PermissionError),
        (["{directory}"], PermissionError),
        (["{directory}/broken"], OSError),
        (["{directory}/plain/below"], NotADirectoryError),
    ],
)
def test_what_cannot_be_started(run: Run, tmp_path: Path, arguments: list[str], error: type[Exception]) -> None:
    (tmp_path / "plain").touch()
    (tmp_path / "broken").write_text("no program")
    (tmp_path / "broken").chmod(0o700)

    async def main() -> None:
        command = [argument.format(directory=tmp_path) for argument in arguments]
        with pytest.raises(error) as caught:
            await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        assert type(caught.value) is error

    run(main())


def test_a_process_that_is_cancelled_while_it_starts(run: Run, loop: Loop) -> None:
    """However far it has come: nothing is left of it, or it has been made."""

    async def attempt(turns: int) -> bool:
        task = asyncio.ensure_future(asyncio.create_subprocess_exec("sleep", "1000", stdin=PIPE, stdout=PIPE))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if task.cancelled():
            return False
        process = task.result()
        process.kill()
        await process.communicate()
        return True

    async def main() -> None:
        turns = 0
        while not await attempt(turns):
            turns += 1
        assert turns > 1

    run(main())


def test_a_process_that_ignores_its_input(run: Run) -> None:
    async def main() -> None:
        process = await shell("exec <&-; echo done", stdin=PIPE, stdout=PIPE)
        assert await process.communicate(LARGE) == (b"done\n", None)
        assert process.returncode == 0

    run(main())


def test_a_communication_that_is_given_up(run: Run) -> None:
    async def main() -> None:
        process = await shell("cat; exec sleep 1000", stdin=PIPE, stdout=PIPE)
        task = asyncio.ensure_future(process.communicate(b"data"))
        await several_turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    run(main())


def test_the_shell(run: Run) -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_shell("echo $((6 * 7)); exit 9", stdout=PIPE)
        assert await process.communicate() == (b"42\n", None)
        assert process.returncode == 9
        assert await output(asyncio.create_subprocess_shell(b"echo bytes", stdout=PIPE)) == b"bytes\n"
        assert (
            await output(asyncio.create_subprocess_shell("echo to one >&2", stdout=PIPE, stderr=STDOUT)) == b"to one\n"
        )

    run(main())


def test_debug_mode_tells_of_processes(run: Run, loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        process = await shell("exit 3")
        await process.wait()

    loop.set_debug(True)
    with caplog.at_level("DEBUG", "asyncio"):
        run(main())
    assert re.search(r"process '/bin/sh' created: pid \d+", caplog.text)
    assert re.search(r"execute program '/bin/sh': <_UnixSubprocessTransport pid=\d+ ", caplog.text)
    assert re.search(r"exited with return code 3", caplog.text)


def test_processes_of_a_python_program(run: Run) -> None:
    """Its output is longer than a pipe, and comes while its input is still being written."""

    async def main() -> None:
        program = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer, 4096)"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdin=PIPE, stdout=PIPE)
        assert await process.communicate(LARGE) == (LARGE, None)
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    run(main())
