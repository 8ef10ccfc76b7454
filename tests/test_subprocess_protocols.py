"""What a `SubprocessProtocol` is told of a child process, in which order, and what its transport says."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from asyncio.subprocess import DEVNULL
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from child_processes import leaves_no_child  # noqa: F401

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
LARGE = os.urandom(1 << 20)


pytestmark = pytest.mark.usefixtures("leaves_no_child")


class Recorder(asyncio.SubprocessProtocol):
    """Keeps every call, without the data."""

    transport: asyncio.SubprocessTransport

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.data: dict[int, bytes] = {}
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self.transport = transport
        self.calls.append("connection_made")

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.data[fd] = self.data.get(fd, b"") + data
        self.calls.append(("pipe_data_received", fd))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.calls.append(("pipe_connection_lost", fd, type(exc)))

    def process_exited(self) -> None:
        self.calls.append(("process_exited", self.transport.get_returncode()))

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("connection_lost")
        self.lost.set_result(exc)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"universal_newlines": True}, "universal_newlines must be False"),
        ({"text": True}, "text must be False"),
        ({"encoding": "utf-8"}, "encoding must be None"),
        ({"errors": "strict"}, "errors must be None"),
        ({"bufsize": 1}, "bufsize must be 0"),
    ],
)
def test_arguments_that_asyncio_has_not(run: Run, loop: Loop, options: dict[str, Any], message: str) -> None:
    for call in (
        lambda: loop.subprocess_exec(Recorder, "true", **options),
        lambda: loop.subprocess_shell(Recorder, "true", **options),
        lambda: asyncio.create_subprocess_exec("true", **options),
        lambda: asyncio.create_subprocess_shell("true", **options),
    ):

        async def main(call: Any = call) -> None:
            with pytest.raises(ValueError, match=f"^{message}$"):
                await call()

        run(main())


def test_more_arguments_that_are_refused(run: Run, loop: Loop) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=r"^shell must be False$"):
            await loop.subprocess_exec(Recorder, "true", shell=True)
        with pytest.raises(ValueError, match=r"^shell must be True$"):
            await loop.subprocess_shell(Recorder, "true", shell=False)
        with pytest.raises(ValueError, match=r"^cmd must be a string$"):
            await loop.subprocess_shell(Recorder, ["true"])  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="no_such_option"):
            await loop.subprocess_exec(Recorder, "true", no_such_option=1)
        with pytest.raises(TypeError):
            await loop.subprocess_exec(Recorder, "echo", 5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="null byte"):
            await loop.subprocess_exec(Recorder, "echo", "a\0b")

    run(main())


def test_the_order_of_what_is_told(run: Run, loop: Loop) -> None:
    async def main() -> None:
        script = "read line; echo $line; echo other >&2; exec >&-; read line; exec 2>&-; read line; exit 5"
        transport, protocol = await loop.subprocess_exec(Recorder, "/bin/sh", "-c", script)
        stdin = transport.get_pipe_transport(0)
        assert isinstance(stdin, asyncio.WriteTransport)

        async def told(*calls: Any) -> None:
            while not all(call in protocol.calls for call in calls):
                await asyncio.sleep(0)

        assert protocol.calls == ["connection_made"]
        stdin.write(b"first\n")
        await told(("pipe_connection_lost", 1, type(None)), ("pipe_data_received", 2))
        assert protocol.data == {1: b"first\n", 2: b"other\n"}
        stdin.write(b"second\n")
        await told(("pipe_connection_lost", 2, type(None)))
        assert transport.get_returncode() is None
        stdin.write(b"third\n")
        assert await protocol.lost is None
        assert sorted(protocol.calls[1:4], key=str) == [
            ("pipe_connection_lost", 1, type(None)),
            ("pipe_data_received", 1),
            ("pipe_data_received", 2),
        ]
        assert protocol.calls[4] == ("pipe_connection_lost", 2, type(None))
        assert sorted(protocol.calls[5:7], key=str) == [
            ("pipe_connection_lost", 0, type(None)),
            ("process_exited", 5),
        ]
        assert protocol.calls[7:] == ["connection_lost"]
        transport.close()

    run(main())


def test_output_that_outlives_the_process_is_waited_for(run: Run, loop: Loop, tmp_path: Path) -> None:
    """A grandchild holds the pipe: the process has exited, but its connection isn't lost."""
    os.mkfifo(tmp_path / "release")

    async def main() -> None:
        script = f"(read line < {tmp_path}/release; echo from the grandchild) & exit 4"
        transport, protocol = await loop.subprocess_exec(Recorder, "/bin/sh", "-c", script, stdin=DEVNULL, stderr=None)
        while ("process_exited", 4) not in protocol.calls:
            await asyncio.sleep(0)
        assert protocol.calls == ["connection_made", ("process_exited", 4)]
        assert not protocol.lost.done()
        await asyncio.to_thread((tmp_path / "release").write_text, "\n")
        assert await protocol.lost is None
        assert protocol.calls[2:] == [
            ("pipe_data_received", 1),
            ("pipe_connection_lost", 1, type(None)),
            "connection_lost",
        ]
        transport.close()

    run(main())


def test_a_transport_tells_of_its_process(run: Run, loop: Loop) -> None:
    async def main() -> None:
        transport, protocol = await loop.subprocess_exec(Recorder, "cat", stderr=DEVNULL)
        popen = transport.get_extra_info("subprocess")
        assert isinstance(popen, subprocess.Popen)
        assert transport.get_pid() == popen.pid
        assert transport.get_returncode() is None
        assert transport.get_protocol() is protocol
        assert not transport.is_closing()
        assert isinstance(transport.get_pipe_transport(0), asyncio.WriteTransport)
        assert isinstance(transport.get_pipe_transport(1), asyncio.ReadTransport)
        assert transport.get_pipe_transport(2) is None
        pattern = rf"<_UnixSubprocessTransport pid={popen.pid} running stdin=<.* stdout=<.*>"
        assert re.fullmatch(pattern, repr(transport))
        transport.get_pipe_transport(0).close()  # type: ignore[union-attr]
        assert await protocol.lost is None
        assert transport.get_returncode() == popen.returncode == 0
        assert "returncode=0" in repr(transport)
        transport.close()
        assert transport.is_closing()
        with pytest.raises(ProcessLookupError):
            transport.kill()

    run(main())


def test_closing_a_transport_kills_the_process(run: Run, loop: Loop) -> None:
    async def main() -> None:
        transport, protocol = await loop.subprocess_exec(Recorder, "sleep", "1000")
        transport.close()
        transport.close()
        assert await protocol.lost is None
        assert ("process_exited", -signal.SIGKILL) in protocol.calls
        assert transport.get_returncode() == -signal.SIGKILL

    run(main())


def test_a_failing_protocol_factory_starts_nothing(run: Run, loop: Loop) -> None:
    def factory() -> asyncio.SubprocessProtocol:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(loop.subprocess_exec(factory, "true"))
