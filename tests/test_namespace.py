"""`import ioxide as asyncio`: every name of asyncio's is there, and what it stands for runs on ioxide's loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import warnings
from typing import Any

import ioxide
import pytest

NAMESPACE: Any = ioxide


@pytest.mark.parametrize("name", asyncio.__all__)
def test_every_public_name_is_there(name: str) -> None:
    found, stock = getattr(NAMESPACE, name), getattr(asyncio, name)
    assert name in NAMESPACE.__all__
    if name in ioxide.native():
        assert found is not stock
    elif not isinstance(stock, type):
        assert callable(found) == callable(stock)
    elif isinstance(found, type):
        # A native class of its own says that it is asyncio's to `isinstance`.
        assert found is stock or issubclass(found, stock) or name in ("EventLoop", "Future", "Task")


def test_a_star_import_brings_all_of_asyncio() -> None:
    brought: dict[str, Any] = {}
    exec("from ioxide import *", brought)  # this form is what is tested
    assert set(asyncio.__all__) <= set(brought)
    assert brought["Queue"] is NAMESPACE.Queue is not asyncio.Queue


def test_submodules_and_private_names_are_those_of_asyncio() -> None:
    assert NAMESPACE.subprocess is asyncio.subprocess
    assert NAMESPACE.exceptions is asyncio.exceptions
    assert NAMESPACE._get_running_loop is asyncio._get_running_loop
    with pytest.raises(AttributeError, match="module 'ioxide' has no attribute 'nothing'"):
        NAMESPACE.nothing  # noqa: B018 - the look-up is what is tested
    assert not hasattr(ioxide, "__path_of_nothing__")


def test_to_import_it_warns_of_nothing() -> None:
    command = [sys.executable, "-W", "error", "-c", "import ioxide"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_run_and_runner_take_an_ioxide_loop_or_what_the_factory_makes() -> None:
    async def running() -> type:
        return type(NAMESPACE.get_running_loop())

    assert NAMESPACE.run(running()) is ioxide.Loop
    assert NAMESPACE.run(running(), loop_factory=asyncio.SelectorEventLoop) is asyncio.SelectorEventLoop
    with NAMESPACE.Runner() as runner:
        assert runner.run(running()) is ioxide.Loop
    with NAMESPACE.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(running()) is asyncio.SelectorEventLoop


def test_get_event_loop_gives_the_running_and_the_current_loop() -> None:
    async def running() -> bool:
        return NAMESPACE.get_event_loop() is asyncio.get_running_loop()

    assert NAMESPACE.run(running())
    loop = asyncio.SelectorEventLoop()
    asyncio.set_event_loop(loop)
    try:
        assert NAMESPACE.get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def in_a_fresh_process(program: str) -> str:
    """Run a program of which nothing has touched asyncio's state; return what it prints."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from Python 3.14 on get_event_loop makes none")
def test_a_loop_that_get_event_loop_makes_is_of_ioxide() -> None:
    assert (
        in_a_fresh_process("""
        import asyncio as stock
        import ioxide as asyncio
        loop = asyncio.get_event_loop()
        print(type(loop) is asyncio.Loop, stock.get_event_loop() is loop, type(stock.new_event_loop()).__name__)
    """)
        == "True True _UnixSelectorEventLoop"
    )


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from Python 3.14 on get_event_loop makes none")
def test_a_policy_of_the_program_goes_on_making_what_it_makes() -> None:
    assert (
        in_a_fresh_process("""
        import asyncio as stock
        import ioxide as asyncio
        class Policy(stock.DefaultEventLoopPolicy):
            def new_event_loop(self):
                print("made by the program")
                return super().new_event_loop()
        asyncio.set_event_loop_policy(Policy())
        print(type(asyncio.get_event_loop()).__name__)
    """)
        == "made by the program\n_UnixSelectorEventLoop"
    )


@pytest.mark.skipif(sys.version_info < (3, 14), reason="before Python 3.14 get_event_loop makes a loop")
def test_without_a_current_loop_get_event_loop_raises() -> None:
    with warnings.catch_warnings(), pytest.raises(RuntimeError, match="no current event loop"):
        NAMESPACE.get_event_loop()


def test_a_program_of_the_namespace_meets_native_objects_everywhere() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main() -> list[Any]:
        server = await NAMESPACE.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await NAMESPACE.open_connection("127.0.0.1", port)
            writer.write(b"line\n")
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
        process = await NAMESPACE.create_subprocess_exec("echo", "hello", stdout=NAMESPACE.subprocess.PIPE)
        output, _ = await process.communicate()
        queue = NAMESPACE.Queue()
        async with NAMESPACE.TaskGroup() as group:
            group.create_task(queue.put("item"))
        classes = [type(reader), type(writer), type(process.stdout)]
        return [line, output, await queue.get(), *classes]

    expected = [b"line\n", b"hello\n", "item", ioxide.StreamReader, ioxide.StreamWriter, ioxide.StreamReader]
    assert NAMESPACE.run(main()) == expected
