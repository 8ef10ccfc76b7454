"""What a thousand subprocesses leave: no child, no pipe, no thread that waits for one, no object."""

from __future__ import annotations

import asyncio
import functools
import subprocess

import pytest
from child_processes import leaves_no_child  # noqa: F401
from leak_checks import in_batches, leaves_nothing

Loop = asyncio.AbstractEventLoop
PIPE = subprocess.PIPE


pytestmark = pytest.mark.usefixtures("leaves_no_child")


def test_processes_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        process = await asyncio.create_subprocess_exec("true", stdin=PIPE, stdout=PIPE, stderr=PIPE)
        assert await process.communicate() == (b"", b"")
        assert process.returncode == 0

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_processes_that_are_talked_to_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        process = await asyncio.create_subprocess_shell("cat", stdin=PIPE, stdout=PIPE)
        output, _ = await process.communicate(b"hello")
        assert output == b"hello"

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_processes_that_are_killed_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        process.kill()
        assert await process.wait() == -9
        output, _ = await process.communicate()
        assert output == b""

    leaves_nothing(loop, functools.partial(in_batches, once=once))


def test_processes_that_cannot_be_started_leave_nothing(loop: Loop) -> None:
    async def once() -> None:
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("/nonexistent/program", stdin=PIPE, stdout=PIPE, stderr=PIPE)

    leaves_nothing(loop, functools.partial(in_batches, once=once))
