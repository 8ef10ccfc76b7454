"""Debug mode: how it is switched on, and each thing it finds that a loop otherwise lets pass."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import ioxide
import pytest
from conftest import LoopFactory
from recording_protocol import RecordingProtocol, facing_a_socket

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]


@pytest.fixture
def debugged(loop: Loop) -> Loop:
    """Give the loop in debug mode."""
    loop.set_debug(True)
    loop.slow_callback_duration = 3600  # a slow machine is no finding
    return loop


def turn(loop: Loop) -> None:
    """Let the loop make one turn."""
    loop.stop()
    loop.run_forever()


def callback(*arguments: Any) -> None:
    """Do nothing."""


def slow_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings about slow callbacks."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "asyncio" and record.levelno == logging.WARNING
    ]


def test_debug_mode_is_off_until_it_is_set(loop_factory: LoopFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONASYNCIODEBUG", raising=False)
    loop = loop_factory()
    assert loop.get_debug() is sys.flags.dev_mode
    loop.set_debug(True)
    assert loop.get_debug()
    loop.set_debug(False)
    assert not loop.get_debug()
    loop.close()


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("x", True), ("", False), (None, False)])
def test_the_environment_switches_it_on(
    loop_factory: LoopFactory, monkeypatch: pytest.MonkeyPatch, value: str | None, expected: bool
) -> None:
    if value is None:
        monkeypatch.delenv("PYTHONASYNCIODEBUG", raising=False)
    else:
        monkeypatch.setenv("PYTHONASYNCIODEBUG", value)
    loop = loop_factory()
    assert loop.get_debug() is (expected or sys.flags.dev_mode)
    loop.close()


@pytest.mark.parametrize(("options", "expected"), [(["-X", "dev"], "True"), ([], "True"), (["-E"], "False")])
def test_the_interpreter_switches_it_on_or_ignores_the_environment(
    loop_factory: LoopFactory, monkeypatch: pytest.MonkeyPatch, options: list[str], expected: str
) -> None:
    factory = "ioxide.new_event_loop" if loop_factory is ioxide.new_event_loop else "asyncio.SelectorEventLoop"
    program = f"""
import sys
sys.path[:] = {sys.path!r}
import asyncio, ioxide
loop = {factory}()
print(loop.get_debug())
loop.close()
"""
    if "-X" not in options:
        monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    finished = subprocess.run(
        [sys.executable, *options, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert finished.stdout.strip() == expected


async def coroutine_function() -> None:
    """Do nothing, as a coroutine."""


SCHEDULING: dict[str, Callable[[Loop, Any], Any]] = {
    "call_soon": lambda loop, wrong: loop.call_soon(wrong),
    "call_soon_threadsafe": lambda loop, wrong: loop.call_soon_threadsafe(wrong),
    "call_at": lambda loop, wrong: loop.call_at(0, wrong),
    "call_later": lambda loop, wrong: loop.call_later(0, wrong),
    "run_in_executor": lambda loop, wrong: loop.run_in_executor(None, wrong),
}


@pytest.mark.parametrize("method", SCHEDULING)
def test_coroutines_and_what_cannot_be_called_are_refused(debugged: Loop, method: str) -> None:
    name = "call_at" if method == "call_later" else method
    coroutine = coroutine_function()
    for wrong in (coroutine, coroutine_function):
        with pytest.raises(TypeError, match=rf"^coroutines cannot be used with {name}\(\)$"):
            SCHEDULING[method](debugged, wrong)
    coroutine.close()
    with pytest.raises(TypeError, match=rf"^a callable object was expected by {name}\(\), got 42$"):
        SCHEDULING[method](debugged, 42)


@pytest.mark.parametrize("debug", [True, False])
def test_calls_that_are_not_thread_safe_are_refused_from_another_thread(debugged: Loop, debug: bool) -> None:
    errors: list[str] = []

    def call_from_outside() -> None:
        for call in (
            lambda: debugged.call_soon(callback),
            lambda: debugged.call_later(0, callback),
            lambda: debugged.call_at(0, callback),
            lambda: future.set_result(None),
        ):
            try:
                call()
            except RuntimeError as error:
                errors.append(str(error))
        debugged.call_soon_threadsafe(debugged.stop)

    debugged.set_debug(debug)
    future = debugged.create_future()
    future.add_done_callback(callback)
    thread = threading.Thread(target=call_from_outside)
    debugged.call_soon(thread.start)
    debugged.run_forever()
    thread.join()
    expected = "Non-thread-safe operation invoked on an event loop other than the current one"
    assert errors == ([expected] * 4 if debug else [])


def test_a_loop_that_does_not_run_may_be_called_from_any_thread(debugged: Loop) -> None:
    ran: list[str] = []
    thread = threading.Thread(target=debugged.call_soon, args=(ran.append, "from outside"))
    thread.start()
    thread.join()
    turn(debugged)
    assert ran == ["from outside"]


class Clock:
    """A clock that a callback can put forward."""

    now = 100.0

    def __call__(self) -> float:
        return self.now

    def forward(self, by: float) -> None:
        """Put the clock forward."""
        self.now += by


def test_a_slow_callback_is_logged_with_its_duration(debugged: Loop, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    debugged.time = clock  # type: ignore[method-assign]
    debugged.slow_callback_duration = 0.25
    line = sys._getframe().f_lineno + 1
    debugged.call_soon(clock.forward, 0.5)
    debugged.call_soon(clock.forward, 0.125)
    debugged.call_later(0, clock.forward, 0.25)
    turn(debugged)
    soon = f"<Handle Clock.forward(0.5) created at {__file__}:{line}>"
    timer = f"<TimerHandle when=100.0 Clock.forward(0.25) created at {__file__}:{line + 2}>"
    assert slow_warnings(caplog) == [
        f"Executing {soon} took 0.500 seconds",
        f"Executing {timer} took 0.250 seconds",
    ]


def test_a_slow_callback_that_cancelled_itself_is_still_named(debugged: Loop, caplog: pytest.LogCaptureFixture) -> None:
    debugged.slow_callback_duration = 0
    handles: list[asyncio.Handle] = []
    handles.append(debugged.call_soon(lambda: handles[0].cancel()))
    turn(debugged)
    (message,) = slow_warnings(caplog)
    assert message.startswith("Executing <Handle cancelled test_a_slow_callback_that_cancelled_itself_is_still_named.")


def test_a_slow_step_of_a_task_is_logged_as_the_task(debugged: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def slow() -> None:
        debugged.slow_callback_duration = 0
        await asyncio.sleep(0)
        debugged.slow_callback_duration = 3600

    debugged.run_until_complete(debugged.create_task(slow(), name="the slow one"))
    (message,) = slow_warnings(caplog)
    assert re.match(r"Executing <Task pending name='the slow one' coro=<.*slow\(\) running at .*> .* took ", message)


def test_nothing_is_slow_out_of_debug_mode(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_debug(False)
    assert loop.slow_callback_duration == 0.1
    loop.slow_callback_duration = 0
    loop.call_soon(callback)
    turn(loop)
    assert slow_warnings(caplog) == []


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
def test_a_report_tells_where_the_callback_was_scheduled(debugged: Loop, reports: Reports, method: str) -> None:
    deadline = (0,) if method in ("call_later", "call_at") else ()
    getattr(debugged, method)(*deadline, divmod, 1, 0); line = sys._getframe().f_lineno  # fmt: skip # noqa: E702
    turn(debugged)
    (report,) = reports
    reports.clear()
    last: traceback.FrameSummary = report["source_traceback"][-1]
    assert (last.filename, last.lineno, last.name) == (__file__, line, sys._getframe().f_code.co_name)


def test_a_report_has_no_traceback_of_the_source_out_of_debug_mode(loop: Loop, reports: Reports) -> None:
    loop.set_debug(False)
    loop.call_soon(divmod, 1, 0)
    turn(loop)
    (report,) = reports
    assert "source_traceback" not in report
    reports.clear()


def test_tasks_and_futures_tell_where_they_were_made(debugged: Loop, reports: Reports) -> None:
    async def fail() -> None:
        raise LookupError

    line = sys._getframe().f_lineno + 1
    task, future = debugged.create_task(fail()), debugged.create_future()
    future.set_exception(LookupError())
    assert f" created at {__file__}:{line}" in repr(task)
    turn(debugged)
    turn(debugged)
    del task, future
    gc.collect()
    assert len(reports) == 2
    for report in reports:
        assert (__file__, line) in [(frame.filename, frame.lineno) for frame in report["source_traceback"]]
    reports.clear()


def test_the_default_handler_logs_where_things_were_made(debugged: Loop, caplog: pytest.LogCaptureFixture) -> None:
    debugged.set_exception_handler(None)
    debugged.call_soon(divmod, 1, 0); line = sys._getframe().f_lineno  # fmt: skip # noqa: E702
    debugged.call_soon(debugged.call_exception_handler, {"message": "from a callback"})
    turn(debugged)
    failed, called = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "\nsource_traceback: Object created at (most recent call last):\n" in failed
    assert f'  File "{__file__}", line {line}, in ' in failed
    assert called.startswith("from a callback\nhandle_traceback: Handle created at (most recent call last):\n")
    assert f'  File "{__file__}", line {line + 1}, in ' in called


def test_the_default_handler_logs_what_a_protocol_raised_with_its_traceback(
    debugged: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    class Protocol(RecordingProtocol):
        def data_received(self, data: bytes) -> None:
            raise error

    async def main() -> Protocol:
        async with facing_a_socket(Protocol) as (_, protocol, peer):
            peer.send(b"data")
            assert await protocol.lost is error
            return protocol

    error = ValueError("raised")
    debugged.set_exception_handler(None)
    protocol = debugged.run_until_complete(main())
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage().startswith("Fatal error: protocol.data_received() call failed.\n")
    assert f"\nprotocol: {protocol!r}\ntransport: <" in record.getMessage()
    assert record.exc_info == (ValueError, error, error.__traceback__)
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    assert innermost.f_code is Protocol.data_received.__code__


def test_the_origin_of_coroutines_is_tracked_while_the_loop_runs(loop: Loop) -> None:
    depths: list[int] = []

    def look() -> None:
        depths.append(sys.get_coroutine_origin_tracking_depth())

    for debug in (False, True, False):
        loop.set_debug(debug)
        loop.call_soon(look)
        turn(loop)
        look()
    assert depths == [0, 0, 10, 0, 0, 0]


def test_the_depth_of_origin_tracking_is_restored(debugged: Loop) -> None:
    sys.set_coroutine_origin_tracking_depth(3)
    try:
        turn(debugged)
        assert sys.get_coroutine_origin_tracking_depth() == 3
    finally:
        sys.set_coroutine_origin_tracking_depth(0)


def test_a_coroutine_never_awaited_tells_where_it_was_made(debugged: Loop) -> None:
    async def main() -> None:
        forget()

    def forget() -> None:
        coroutine_function()  # type: ignore[unused-coroutine]
        gc.collect()

    with pytest.warns(RuntimeWarning, match=r"was never awaited\nCoroutine created at \(most recent call last\)"):
        debugged.run_until_complete(main())


def test_set_debug_works_while_the_loop_runs(run: Run, loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        loop.set_debug(True)
        await asyncio.sleep(0)
        assert sys.get_coroutine_origin_tracking_depth() == 10
        with pytest.raises(TypeError, match="coroutines cannot be used with"):
            loop.call_soon(coroutine_function)
        loop.slow_callback_duration = 0
        loop.call_soon(callback)
        await asyncio.sleep(0)
        assert [warning for warning in slow_warnings(caplog) if warning.startswith("Executing <Handle callback() at ")]
        loop.set_debug(False)
        await asyncio.sleep(0)
        assert sys.get_coroutine_origin_tracking_depth() == 0
        before = slow_warnings(caplog)
        loop.call_soon(callback)
        await asyncio.sleep(0)
        assert slow_warnings(caplog) == before

    run(main())


def test_closing_is_logged(loop_factory: LoopFactory, caplog: pytest.LogCaptureFixture) -> None:
    loop = loop_factory()
    loop.set_debug(True)
    with caplog.at_level(logging.DEBUG, logger="asyncio"):
        loop.close()
        loop.close()
    assert caplog.text.count(f"Close <{type(loop).__name__} running=False closed=False debug=True>") == 1


@pytest.mark.parametrize(("value", "expected"), [(1, True), (0, False), (None, False), ("yes", True)])
def test_anything_true_switches_debug_mode_on(loop: Loop, value: Any, expected: bool) -> None:
    loop.set_debug(value)
    assert bool(loop.get_debug()) is expected
    loop.set_debug(False)
