"""Call graphs: who awaits whom, as `asyncio.print_call_graph` and `python -m asyncio ps` show it, from Python 3.14 on.

asyncio follows them through the attributes of futures, tasks and coroutines. The coroutines of `sock_recv` and its kin
are native, and must not get in the way. `python -m asyncio ps` reads the tasks of asyncio's C class out of another
process's memory: a program that wants to be seen there has a task factory that makes such.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import runpy
import socket
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from recording_protocol import several_turns

pytestmark = pytest.mark.skipif(sys.version_info < (3, 14), reason="asyncio has call graphs from Python 3.14 on")

Run = Callable[[Awaitable[Any]], Any]


async def child(blocked: asyncio.Future[None]) -> None:
    await blocked


async def parent(task: asyncio.Task[None]) -> None:
    await task


def functions(graph: Any) -> list[str]:
    """Name the functions of a graph's own stack, the innermost first."""
    return [entry.frame.f_code.co_name for entry in graph.call_stack]


def test_a_call_graph_tells_who_awaits_a_task(run: Run) -> None:
    async def main() -> None:
        blocked = asyncio.get_running_loop().create_future()
        inner = asyncio.create_task(child(blocked), name="inner")
        outer = asyncio.create_task(parent(inner), name="outer")
        await several_turns()
        graph = asyncio.capture_call_graph(inner)
        assert graph is not None
        assert (graph.future, functions(graph)) == (inner, ["child"])
        assert [(by.future, functions(by)) for by in graph.awaited_by] == [(outer, ["parent"])]
        blocked.set_result(None)
        await outer

    run(main())


def test_the_call_graph_of_the_current_task_is_printed(run: Run) -> None:
    async def inner() -> str:
        output = io.StringIO()
        asyncio.print_call_graph(file=output)
        return output.getvalue()

    async def main() -> str:
        return await asyncio.create_task(inner(), name="inner")

    printed = run(main())
    assert re.search(r"Task\(name='inner', id=0x[0-9a-f]+\)", printed)
    assert re.search(r"in async .*main\(\)", printed)


def test_a_task_group_is_in_the_call_graph(run: Run) -> None:
    async def group(blocked: asyncio.Future[None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(child(blocked), name="inner")

    async def main() -> None:
        blocked = asyncio.get_running_loop().create_future()
        outer = asyncio.create_task(group(blocked), name="outer")
        await several_turns()
        (inner,) = [task for task in asyncio.all_tasks() if task.get_name() == "inner"]
        graph = asyncio.capture_call_graph(inner)
        assert graph is not None
        assert [by.future for by in graph.awaited_by] == [outer]
        blocked.set_result(None)
        await outer

    run(main())


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("sock_recv", (10,)),
        ("sock_recv_into", (bytearray(10),)),
        ("sock_recvfrom", (10,)),
        ("sock_sendall", (bytes(1 << 24),)),
        ("sock_accept", ()),
    ],
)
def test_the_call_graph_of_a_task_that_waits_for_a_socket(run: Run, operation: str, arguments: tuple[Any, ...]) -> None:
    async def wait_for_a_socket(sock: socket.socket, *arguments: Any) -> None:
        await getattr(asyncio.get_running_loop(), operation)(sock, *arguments)

    async def main(sock: socket.socket, *arguments: Any) -> None:
        waiting = asyncio.create_task(wait_for_a_socket(sock, *arguments), name="waiting")
        await several_turns()
        graph = asyncio.capture_call_graph(waiting)
        assert graph is not None
        assert functions(graph)[-1] == "wait_for_a_socket"
        assert "wait_for_a_socket()" in asyncio.format_call_graph(waiting)
        waiting.cancel()
        await asyncio.wait([waiting])

    with contextlib.ExitStack() as sockets:
        pair = (socket.create_server(("127.0.0.1", 0)),) if operation == "sock_accept" else socket.socketpair()
        for sock in pair:
            sockets.enter_context(sock)
        pair[0].setblocking(False)
        run(main(pair[0], *arguments))


APP = """
import asyncio

async def child(blocked):
    await blocked

async def parent(task):
    await task

async def handle(reader, writer):
    asyncio.current_task().set_name("handler")
    accepted.set()
    await asyncio.get_running_loop().create_future()

async def main():
    blocked = asyncio.get_running_loop().create_future()
    inner = asyncio.create_task(child(blocked), name="inner")
    outer = asyncio.create_task(parent(inner), name="outer")
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    connection = await asyncio.open_connection(*server.sockets[0].getsockname())
    await accepted.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: print(type(loop).__name__, flush=True))  # once all of them wait
    await outer

def make_task(loop, coro, **kwargs):
    return asyncio.Task(coro, loop=loop, **kwargs)

accepted = asyncio.Event()
with asyncio.Runner() as runner:
    runner.get_loop().set_task_factory(make_task)
    runner.run(main())
"""


@pytest.fixture
def applications(tmp_path: Any) -> Iterator[dict[str, int]]:
    """Start a program on each of both loops. Gives the process id by the name of the loop's class."""
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    commands = {"_UnixSelectorEventLoop": ["app.py"], "Loop": ["-m", "ioxide", "app.py"]}
    started = {}
    try:
        for name, arguments in commands.items():
            started[name] = subprocess.Popen(
                [sys.executable, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
            )
            assert started[name].stdout.readline() == f"{name}\n".encode()  # type: ignore[union-attr]
        yield {name: process.pid for name, process in started.items()}
    finally:
        for process in started.values():
            process.kill()
            process.communicate()


# A process may look into its children, if not into others.
def inspect(command: str, process: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Do what `python -m asyncio COMMAND PROCESS` does."""
    monkeypatch.setattr(sys, "argv", ["asyncio", command, str(process)])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("asyncio", run_name="__main__")
    captured = capsys.readouterr()
    if "insufficient permissions" in captured.out + captured.err:
        pytest.skip("this system lets no process look into another")
    assert end.value.code == 0, captured
    return re.sub(r"0x[0-9a-f]+|\d{4,}", "0x", captured.out)


@pytest.mark.parametrize("command", ["ps", "pstree"])
def test_the_tasks_of_another_process(
    applications: dict[str, int], command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = {name: inspect(command, process, monkeypatch, capsys) for name, process in applications.items()}
    for name in ("inner", "outer", "handler"):
        assert name in shown["_UnixSelectorEventLoop"]
    assert shown["Loop"] == shown["_UnixSelectorEventLoop"]
