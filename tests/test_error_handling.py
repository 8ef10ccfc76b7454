"""What becomes of what callbacks raise: the exception handler for errors, the caller of the loop for interrupts."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import socket
import sys
import traceback
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def turn(loop: Loop) -> None:
    """Let the loop make one turn."""
    loop.stop()
    loop.run_forever()


def fail(message: str = "failed") -> None:
    """Raise what the exception handler is to get."""
    raise LookupError(message)


def errors_logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what the asyncio logger got that is as bad as an error."""
    return [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.ERROR]


def test_the_handler_can_be_set_read_and_reset(loop: Loop) -> None:
    def handler(_: Loop, __: dict[str, Any]) -> None:
        pass

    loop.set_exception_handler(handler)
    assert loop.get_exception_handler() is handler
    with pytest.raises(TypeError, match=r"^A callable object or None is expected, got 42$"):
        loop.set_exception_handler(42)  # type: ignore[arg-type]
    assert loop.get_exception_handler() is handler
    loop.set_exception_handler(None)
    assert loop.get_exception_handler() is None


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later"])
def test_a_failing_callback_is_reported_and_the_loop_goes_on(loop: Loop, method: str, reports: Reports) -> None:
    loop.set_debug(False)  # which adds to the report
    ran: list[str] = []
    arguments = (0,) if method == "call_later" else ()
    handle = getattr(loop, method)(*arguments, fail, "lost")
    loop.call_later(0, ran.append, "on")
    turn(loop)
    assert ran == ["on"]
    (report,) = reports
    reports.clear()
    assert sorted(report) == ["exception", "handle", "message"]
    assert report["message"].startswith("Exception in callback fail(")
    assert f" at {__file__}:" in report["message"]
    assert report["handle"] is handle
    error = report["exception"]
    assert type(error) is LookupError
    assert error.args == ("lost",)
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    assert innermost.f_code is fail.__code__


def test_a_failing_reader_and_writer_are_reported_and_stay(loop: Loop, reports: Reports) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        loop.add_reader(ours, fail, "reader")
        loop.add_writer(ours, fail, "writer")
        turn(loop)
        turn(loop)
        assert loop.remove_reader(ours)
        assert loop.remove_writer(ours)
    assert [str(report["exception"]) for report in reports] == ["reader", "writer"] * 2
    assert all(isinstance(report["handle"], asyncio.Handle) for report in reports)
    reports.clear()


def test_a_cancelled_error_out_of_a_callback_is_reported(loop: Loop, reports: Reports) -> None:
    def cancelled() -> None:
        raise asyncio.CancelledError

    def left() -> None:
        raise GeneratorExit

    loop.call_soon(cancelled)
    loop.call_soon(left)
    turn(loop)
    assert [type(report["exception"]) for report in reports] == [asyncio.CancelledError, GeneratorExit]
    reports.clear()


def test_a_failing_done_callback_of_a_future_is_reported(loop: Loop, reports: Reports) -> None:
    future = loop.create_future()
    future.add_done_callback(lambda _: fail())
    future.set_result(None)
    turn(loop)
    (report,) = reports
    assert report["message"].startswith("Exception in callback test_a_failing_done_callback_of_a_future_is_reported")
    assert type(report["exception"]) is LookupError
    reports.clear()


def test_call_exception_handler_hands_the_context_on(loop: Loop) -> None:
    got: list[tuple[Loop, dict[str, Any]]] = []
    loop.set_exception_handler(lambda *arguments: got.append(arguments))
    context = {"message": "something", "my own": 1}
    loop.call_exception_handler(context)
    (arguments,) = got
    assert arguments[0] is loop
    assert arguments[1] is context


def test_the_default_handler_logs_the_message_the_keys_and_the_exception(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    error = LookupError("lost")
    loop.set_exception_handler(None)
    loop.call_exception_handler({"message": "It went wrong", "exception": error, "zebra": "z", "aardvark": [1]})
    (record,) = errors_logged(caplog)
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "It went wrong\naardvark: [1]\nzebra: 'z'"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


@pytest.mark.parametrize("context", [{}, {"message": ""}, {"exception": None}])
def test_the_default_handler_has_a_message_of_its_own(
    loop: Loop, caplog: pytest.LogCaptureFixture, context: dict[str, Any]
) -> None:
    loop.set_exception_handler(None)
    loop.call_exception_handler(context)
    loop.default_exception_handler(context)
    records = errors_logged(caplog)
    assert [record.getMessage() for record in records] == ["Unhandled exception in event loop"] * 2
    assert not any(record.exc_info for record in records)


def test_a_failing_callback_is_logged_by_the_default_handler(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_debug(False)  # which adds to the log
    loop.set_exception_handler(None)
    loop.call_soon(fail, "lost")
    turn(loop)
    (record,) = errors_logged(caplog)
    first, second = record.getMessage().split("\n")
    assert first.startswith("Exception in callback fail(")
    assert second.startswith("handle: <Handle fail(")
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError


def test_a_custom_handler_may_call_the_default_one(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_debug(False)  # which adds to the log
    loop.set_exception_handler(lambda loop, context: loop.default_exception_handler({"message": "mine"}))
    loop.call_soon(fail)
    turn(loop)
    assert [record.getMessage() for record in errors_logged(caplog)] == ["mine"]


def test_a_handler_that_fails_is_logged_with_what_it_was_given(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    def bad_handler(_: Loop, __: dict[str, Any]) -> None:
        raise ZeroDivisionError("in the handler")

    ran: list[str] = []
    loop.set_exception_handler(bad_handler)
    loop.call_soon(fail, "lost")
    loop.call_soon(ran.append, "on")
    turn(loop)
    assert ran == ["on"]
    (record,) = errors_logged(caplog)
    assert record.getMessage().startswith("Unhandled error in exception handler\ncontext: {'message': ")
    assert "LookupError('lost')" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_an_overridden_default_handler_is_used_and_its_failure_logged(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    base: Any = type(loop)

    class Overriding(base):  # type: ignore[misc]
        def default_exception_handler(self, context: dict[str, Any]) -> None:
            seen.append(context)
            raise ZeroDivisionError

    def bad_handler(_: Loop, __: dict[str, Any]) -> None:
        raise KeyError

    seen: list[dict[str, Any]] = []
    overriding = Overriding()
    overriding.call_soon(fail)
    turn(overriding)
    overriding.set_exception_handler(bad_handler)
    overriding.call_soon(fail)
    turn(overriding)
    overriding.close()
    assert [type(context["exception"]) for context in seen] == [LookupError, KeyError]
    assert [record.getMessage() for record in errors_logged(caplog)] == [
        "Exception in default exception handler",
        "Exception in default exception handler while handling an unexpected error in custom exception handler",
    ]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_the_handler_leaves_the_loop(loop: Loop, interrupt: type[BaseException]) -> None:
    def interrupting(_: Loop, __: dict[str, Any]) -> None:
        raise interrupt

    ran: list[str] = []
    loop.set_exception_handler(interrupting)
    loop.call_soon(fail)
    loop.call_soon(ran.append, "next time")
    with pytest.raises(interrupt):
        loop.run_forever()
    assert not loop.is_running()
    assert ran == []
    turn(loop)
    assert ran == ["next time"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the handler runs in the context of the failure since 3.12")
@pytest.mark.parametrize("source", ["callback", "timer", "task", "future"])
def test_the_handler_runs_in_the_context_of_what_failed(loop: Loop, source: str) -> None:
    async def fail_in_task() -> None:
        variable.set("of the task")
        fail()

    seen: list[str] = []
    loop.set_exception_handler(lambda _, __: seen.append(variable.get()))
    context = contextvars.copy_context()
    context.run(variable.set, "given")
    if source == "callback":
        loop.call_soon(fail, context=context)
    elif source == "timer":
        loop.call_later(0, fail, context=context)
    elif source == "task":
        loop.create_task(fail_in_task(), context=context)
    else:  # a future has no context
        loop.create_future().set_exception(LookupError())
    turn(loop)
    turn(loop)
    gc.collect()
    assert seen == [{"task": "of the task", "future": "unset"}.get(source, "given")]


def test_what_failed_is_not_kept_after_the_report(loop: Loop) -> None:
    class Anything:
        pass

    def fail_with(_: Anything) -> None:
        fail()

    argument = Anything()
    reference = weakref.ref(argument)
    loop.set_exception_handler(lambda *_: None)
    loop.call_soon(fail_with, argument)
    loop.call_later(0, fail_with, argument)
    del argument
    turn(loop)
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["callback", "timer", "reader", "task"])
def test_an_interrupt_leaves_the_loop_at_once_and_it_runs_again(
    loop: Loop, where: str, interrupt: type[BaseException]
) -> None:
    def fail() -> None:
        raise interrupt("out")

    def fail_in_reader() -> None:
        loop.remove_reader(ours)
        fail()

    async def fail_in_task() -> None:
        fail()

    ran: list[str] = []
    task: asyncio.Task[None] | None = None
    ours, theirs = socket.socketpair()
    with ours, theirs:
        if where == "callback":
            loop.call_soon(fail)
        elif where == "timer":
            loop.call_later(0, fail)
        elif where == "reader":
            theirs.send(b"x")
            loop.add_reader(ours, fail_in_reader)
        else:
            task = loop.create_task(fail_in_task())
        loop.call_soon(loop.call_later, 0, ran.append, "after")
        with pytest.raises(interrupt, match="out"):
            loop.run_forever()
    assert not loop.is_running()
    assert ran == []
    if task is not None:
        assert type(task.exception()) is interrupt
    loop.call_soon(lambda: loop.call_soon(loop.call_later, 0, loop.stop))
    loop.run_forever()
    assert ran == ["after"]


def test_an_interrupt_in_the_main_coroutine_reaches_the_caller(loop: Loop) -> None:
    async def main() -> None:
        await asyncio.sleep(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(main())
    assert loop.run_until_complete(asyncio.sleep(0, "again")) == "again"


def test_callbacks_behind_an_interrupt_run_next_time(loop: Loop) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    ran: list[int] = []
    loop.call_soon(ran.append, 1)
    loop.call_soon(interrupt)
    loop.call_soon(ran.append, 2)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert ran == [1]
    turn(loop)
    assert ran == [1, 2]
