"""Rust futures of an extension, and loops: the wrong one, none, several, closed ones, and the interpreter's end."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ioxide
import pytest
from rust_extension import build
from test_rust_extension import Noted, rust


@pytest.fixture
def loop_factory() -> Any:
    """Only ioxide's loops run Rust futures."""
    return ioxide.new_event_loop


async def one() -> int:
    await rust.sleep(0.001)
    return await rust.from_thread(1)


def test_without_a_running_loop_there_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"^no running event loop$"):
        rust.ready()
    with pytest.raises(RuntimeError, match=r"^no running event loop$"):
        rust.spawn_for_ever(Noted())


def test_a_child_that_a_running_loop_forks_has_no_running_loop() -> None:
    async def main() -> int:
        child = os.fork()
        if child == 0:
            try:
                with pytest.raises(RuntimeError, match=r"^no running event loop$"):
                    rust.ready()
                os._exit(7)
            finally:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    with warnings.catch_warnings():
        # From 3.12 on, a fork beside other threads warns. Tests before this one may have left idle ones.
        warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
        assert ioxide.run(main()) == 7


def test_a_loop_that_is_not_ioxides_is_refused_by_name() -> None:
    async def main() -> None:
        rust.ready()

    with (
        asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner,
        pytest.raises(RuntimeError, match=r"isn't ioxide's: it is a asyncio\.unix_events\._UnixSelectorEventLoop"),
    ):
        runner.run(main())


def test_a_coroutine_of_another_loop_is_refused() -> None:
    dropped = Noted()

    async def make() -> Any:
        return rust.wait_for_ever(dropped)

    async def use(coroutine: Any) -> None:
        with pytest.raises(RuntimeError, match="attached to a different loop"):
            await coroutine

    first, second = ioxide.new_event_loop(), ioxide.new_event_loop()
    coroutine = first.run_until_complete(make())
    second.run_until_complete(use(coroutine))
    assert dropped.count == 0
    second.close()
    first.close()
    assert dropped.count == 1
    coroutine.close()


def test_a_closed_loop_has_dropped_its_futures_and_tasks() -> None:
    dropped = Noted()

    async def main() -> Any:
        rust.spawn_for_ever(dropped)
        waiting, created = rust.wait_for_ever(dropped), rust.wait_for_ever(dropped)
        waiting.send(None)
        await asyncio.sleep(0)
        return waiting, created

    loop = ioxide.new_event_loop()
    waiting, created = loop.run_until_complete(main())
    assert dropped.count == 0
    loop.close()
    assert dropped.count == 3
    with pytest.raises(RuntimeError, match="no running event loop"):
        waiting.send(None)
    created.close()


def test_a_loop_that_another_thread_closes_drops_its_futures_on_its_own() -> None:
    dropped = Noted()

    async def main() -> None:
        rust.spawn_for_ever(dropped)
        await asyncio.sleep(0)

    loop = ioxide.new_event_loop()
    loop.run_until_complete(main())
    closing = threading.Thread(target=loop.close)
    closing.start()
    closing.join()
    assert dropped.count == 0
    assert ioxide.run(one()) == 1
    assert dropped.threads == [threading.get_ident()]


def test_a_future_whose_drop_makes_the_first_future_of_the_next_loop_shares_its_loop() -> None:
    made = []

    async def leave() -> None:
        rust.spawn_for_ever(lambda: made.append(rust.turns(1)))
        await asyncio.sleep(0)

    async def take_up() -> int:
        own = rust.turns(2)
        return await made.pop() + await own

    loop = ioxide.new_event_loop()
    loop.run_until_complete(leave())
    closing = threading.Thread(target=loop.close)
    closing.start()
    closing.join()
    assert ioxide.run(take_up()) == 3


def test_a_thread_that_ends_without_closing_its_loop_drops_its_futures() -> None:
    dropped = Noted()
    loops = []

    async def main() -> None:
        rust.spawn_for_ever(dropped)
        await asyncio.sleep(0)

    def work() -> None:
        loops.append(ioxide.new_event_loop())
        loops[0].run_until_complete(main())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    loops[0].close()
    # The thread's own end comes a little after Python's notice of it.
    assert dropped.count <= 1


def test_threads_that_end_leave_no_descriptor_in_a_loop_that_goes_on() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    loop = ioxide.new_event_loop()
    try:
        assert loop.run_until_complete(one()) == 1
        before = descriptors()
        for _ in range(20):
            thread = threading.Thread(target=lambda: loop.run_until_complete(one()))
            thread.start()
            thread.join()
        assert descriptors() == before
        assert loop.run_until_complete(one()) == 1
    finally:
        loop.close()


def test_loops_follow_each_other_and_run_beside_each_other() -> None:
    for _ in range(3):
        assert ioxide.run(one()) == 1
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(ioxide.run(one()))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 5


def test_two_loops_take_turns_on_one_thread() -> None:
    loops = [ioxide.new_event_loop() for _ in range(2)]
    for _ in range(3):
        for loop in loops:
            assert loop.run_until_complete(one()) == 1
    for loop in loops:
        loop.close()


def test_a_loop_that_moves_to_another_thread_has_futures_there() -> None:
    loop = ioxide.new_event_loop()
    dropped = Noted()

    async def main() -> int:
        rust.spawn_for_ever(dropped)
        rust.spawn_call(one)
        return await one()

    results = []
    for _ in range(2):
        assert loop.run_until_complete(main()) == 1
        thread = threading.Thread(target=lambda: results.append(loop.run_until_complete(main())))
        thread.start()
        thread.join()
    loop.close()
    assert results == [1, 1]


def on_another_thread(loop: Any, awaitable: Any) -> None:
    """Run a loop on another thread until something is done."""
    thread = threading.Thread(target=lambda: loop.run_until_complete(awaitable))
    thread.start()
    thread.join()


async def started(make: Callable[[], Any]) -> asyncio.Task[Any]:
    """Make a task, and return it after its first step."""
    task = asyncio.ensure_future(make())
    await asyncio.sleep(0)
    return task


def test_a_timer_that_comes_due_on_another_thread_goes_off_when_the_loop_is_back() -> None:
    loop = ioxide.new_event_loop()
    task = loop.run_until_complete(started(lambda: rust.sleep(0.01)))
    on_another_thread(loop, asyncio.sleep(0.05))
    assert not task.done()
    assert loop.run_until_complete(asyncio.wait_for(task, 5)) is None
    # And what is asked for from now on comes, too.
    assert loop.run_until_complete(asyncio.wait_for(one(), 5)) == 1
    loop.close()


def test_a_wake_up_that_comes_on_another_thread_is_there_when_the_loop_is_back() -> None:
    loop = ioxide.new_event_loop()
    future = loop.create_future()

    async def wake() -> None:
        future.set_result(7)
        for _ in range(5):
            await asyncio.sleep(0)

    task = loop.run_until_complete(started(lambda: rust.call(lambda: future)))
    on_another_thread(loop, wake())
    assert not task.done()
    assert loop.run_until_complete(asyncio.wait_for(task, 5)) == 7
    assert loop.run_until_complete(asyncio.wait_for(one(), 5)) == 1
    loop.close()


def test_a_turn_that_was_asked_for_as_the_loop_stopped_is_taken_when_the_loop_is_back() -> None:
    loop = ioxide.new_event_loop()
    seen: list[int] = []

    async def start(number: int) -> None:
        rust.spawn_call(lambda: asyncio.sleep(0, seen.append(number)))

    loop.call_soon(loop.stop)
    task = loop.create_task(start(1))
    loop.run_forever()
    assert (task.done(), seen) == (True, [])
    on_another_thread(loop, asyncio.sleep(0))
    assert seen == []
    loop.run_until_complete(asyncio.sleep(0))
    assert seen == [1]
    loop.run_until_complete(start(2))
    loop.run_until_complete(asyncio.wait_for(one(), 5))
    assert seen == [1, 2]
    loop.close()


PROGRAM = """
import asyncio, sys, threading
sys.path.insert(0, sys.argv[2])
from rust_extension import load
import ioxide
rust = load("rust_futures", sys.argv[1])

async def main():
    rust.spawn_for_ever(lambda: None)
    task = asyncio.ensure_future(rust.wait_for_ever(lambda: None))
    late = asyncio.ensure_future(rust.from_thread(1))
    await asyncio.sleep(0)
    return task, late

"""

ENDINGS = {
    "the loop closed": "ioxide.run(main())",
    "the loop open and kept": "loop = ioxide.new_event_loop()\nkept = loop.run_until_complete(main())",
    "on a thread that has ended": (
        "kept = []\n"
        "def work():\n"
        "    loop = ioxide.new_event_loop()\n"
        "    kept.extend([loop, loop.run_until_complete(main())])\n"
        "thread = threading.Thread(target=work)\nthread.start()\nthread.join()"
    ),
    "the loop open after a future that was ready": (
        "async def end():\n    await rust.ready()\nloop = ioxide.new_event_loop()\nloop.run_until_complete(end())"
    ),
    "the loop open after one that was cancelled": (
        "async def end(task):\n    task.cancel()\n    await asyncio.sleep(0)\n"
        "async def begin():\n    task = asyncio.ensure_future(rust.sleep(10))\n    await asyncio.sleep(0)\n"
        "    return task\n"
        "loop = ioxide.new_event_loop()\nkept = loop.run_until_complete(begin())\nloop.run_until_complete(end(kept))"
    ),
    "a coroutine suspended": (
        "async def begin():\n    kept = rust.sleep(10)\n    kept.send(None)\n    return kept\n"
        "loop = ioxide.new_event_loop()\nkept = loop.run_until_complete(begin())"
    ),
    "a coroutine suspended, in a cycle": (
        "async def begin():\n    kept = rust.wait_for_ever(lambda: None)\n    kept.send(None)\n    return [kept]\n"
        "loop = ioxide.new_event_loop()\nkept = loop.run_until_complete(begin())\nkept.append(kept)\ndel loop, kept"
    ),
    "in the middle": "async def end():\n    kept = await main()\n    sys.exit()\nioxide.run(end())",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_that_ends_with_pending_futures_ends_well(ending: str) -> None:
    paths = [str(build("tests/extension")), str(Path(__file__).parent)]
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM + ENDINGS[ending], *paths]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    assert "panicked" not in outcome.stderr
    assert "Fatal" not in outcome.stderr


OTHER_VERSION = """
import asyncio, ctypes, sys
sys.path.insert(0, sys.argv[2])
from rust_extension import load
import ioxide._ioxide
rust = load("rust_futures", sys.argv[1])

table = (ctypes.c_uint32 * 64)(999, 256)
make = ctypes.pythonapi.PyCapsule_New
make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
name = ctypes.create_string_buffer(b"ioxide._ioxide._loop_api")
ioxide._ioxide._loop_api = make(ctypes.addressof(table), ctypes.addressof(name), None)

async def main():
    try:
        rust.ready()
    except ImportError as error:
        print(error)

ioxide.run(main())
"""


def test_an_ioxide_of_another_version_is_refused() -> None:
    program = OTHER_VERSION.replace("ctypes.c_char_p, ctypes.c_void_p]", "ctypes.c_void_p, ctypes.c_void_p]")
    paths = [str(build("tests/extension")), str(Path(__file__).parent)]
    outcome = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True)
    assert outcome.stderr == ""
    assert outcome.stdout == (
        "this extension was built for version 1 of ioxide's loop API, "
        "and the ioxide that is installed has version 999\n"
    )


OTHER_GUEST = """
import asyncio, ctypes, sys
import ioxide, ioxide._ioxide

get = ctypes.pythonapi.PyCapsule_GetPointer
get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
table = get(ioxide._ioxide._loop_api, b"ioxide._ioxide._loop_api")
# Behind version and size, and the function that is asked for the running loop.
address = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))[2]
attach = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)(address)
guest = (ctypes.c_uint32 * 64)(int(sys.argv[1]), int(sys.argv[2]))

async def main():
    try:
        attach(ctypes.addressof(guest), None, 0)
    except RuntimeError as error:
        print(error)

loop = ioxide.new_event_loop()
loop.run_until_complete(main())
"""


@pytest.mark.parametrize(("version", "size"), [(999, 256), (1, 8)])
def test_an_extension_of_another_version_is_refused_before_its_functions_are_looked_at(version: int, size: int) -> None:
    command = [sys.executable, "-c", OTHER_GUEST, str(version), str(size)]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert outcome.stderr == ""
    assert outcome.stdout == "the extension was built for another version of ioxide\n"


def test_a_collection_as_a_loop_gets_its_first_future_finds_the_same_loop() -> None:
    made = []

    class Makes:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            made.append(rust.turns(1))

    async def main() -> int:
        threshold = gc.get_threshold()
        gc.collect()
        gc.disable()
        Makes()
        gc.set_threshold(1)
        gc.enable()
        own = rust.turns(2)
        gc.set_threshold(*threshold)
        gc.collect()
        return await made.pop() + await own

    assert ioxide.run(main()) == 3
