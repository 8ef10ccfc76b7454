"""`add_signal_handler` and `remove_signal_handler`: signals become callbacks of the loop."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

USED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture(autouse=True)
def dispositions() -> Iterator[None]:
    """Start from the interpreter's own dispositions, and put back what was there before."""
    before = {number: signal.getsignal(number) for number in USED}
    for number in USED:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    assert signal.set_wakeup_fd(-1) == -1, "the loop left its wake-up descriptor behind"


def turn(loop: Loop, number: int = 1) -> None:
    """Let the loop make so many turns, none of which waits."""
    for _ in range(number):
        loop.stop()
        loop.run_forever()


def test_the_handler_runs_in_the_loop_with_its_arguments(loop: Loop) -> None:
    def handle(*arguments: Any) -> None:
        seen.append((asyncio.get_running_loop(), *arguments))
        loop.stop()

    seen: list[tuple[Any, ...]] = []
    loop.add_signal_handler(signal.SIGUSR1, handle, 1, "two")
    loop.call_soon(signal.raise_signal, signal.SIGUSR1)
    loop.run_forever()
    assert seen == [(loop, 1, "two")]


def test_the_handler_does_not_interrupt_a_callback(loop: Loop) -> None:
    ran: list[str] = []

    def callback() -> None:
        ran.append("before")
        signal.raise_signal(signal.SIGUSR1)
        ran.append("after")

    loop.add_signal_handler(signal.SIGUSR1, ran.append, "signal")
    loop.call_soon(callback)
    turn(loop, 3)
    assert ran == ["before", "after", "signal"]


def test_a_signal_wakes_a_sleeping_loop(loop: Loop) -> None:
    asleep = threading.Event()

    def send() -> None:
        asleep.wait()
        os.kill(os.getpid(), signal.SIGUSR1)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    loop.call_soon(loop.call_soon, asleep.set)
    loop.run_forever()
    thread.join()


def test_a_handler_starts_a_task(run: Run, loop: Loop) -> None:
    async def answer() -> None:
        await asyncio.sleep(0)
        done.set()

    async def main() -> None:
        loop.add_signal_handler(signal.SIGUSR1, lambda: tasks.append(asyncio.create_task(answer())))
        signal.raise_signal(signal.SIGUSR1)
        await done.wait()

    done = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []
    run(main())
    assert len(tasks) == 1


def test_the_handler_keeps_the_context_it_was_added_in(loop: Loop) -> None:
    seen: list[str] = []
    token = variable.set("when it was added")
    loop.add_signal_handler(signal.SIGUSR1, lambda: seen.append(variable.get()))
    variable.reset(token)
    signal.raise_signal(signal.SIGUSR1)
    turn(loop, 2)
    assert seen == ["when it was added"]


def test_several_signals_have_a_handler_each(loop: Loop) -> None:
    ran: list[str] = []
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        loop.add_signal_handler(number, ran.append, number.name)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGUSR2)
    turn(loop, 2)
    assert ran == ["SIGTERM", "SIGUSR2"]
    assert loop.remove_signal_handler(signal.SIGUSR2) is True
    signal.raise_signal(signal.SIGUSR1)
    turn(loop, 2)
    assert ran == ["SIGTERM", "SIGUSR2", "SIGUSR1"]


def test_a_second_handler_takes_the_place_of_the_first(loop: Loop) -> None:
    ran: list[str] = []
    loop.add_signal_handler(signal.SIGUSR1, ran.append, "first")
    loop.add_signal_handler(signal.SIGUSR1, ran.append, "second")
    signal.raise_signal(signal.SIGUSR1)
    turn(loop, 2)
    assert ran == ["second"]
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    assert loop.remove_signal_handler(signal.SIGUSR1) is False


def test_signals_that_come_while_the_loop_does_not_run_are_delivered_when_it_does(loop: Loop) -> None:
    ran: list[str] = []
    loop.add_signal_handler(signal.SIGUSR1, ran.append, "signal")
    turn(loop)
    for _ in range(3):
        signal.raise_signal(signal.SIGUSR1)
    assert ran == []
    turn(loop, 2)
    assert ran == ["signal"] * 3


def test_a_handler_removed_before_the_signal_is_looked_at_does_not_run(loop: Loop) -> None:
    ran: list[str] = []
    loop.add_signal_handler(signal.SIGUSR1, ran.append, "signal")
    signal.raise_signal(signal.SIGUSR1)
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    turn(loop, 2)
    assert ran == []


def test_remove_puts_the_default_back(loop: Loop) -> None:
    for number in (signal.SIGUSR1, signal.SIGINT):
        assert loop.remove_signal_handler(number) is False
        loop.add_signal_handler(number, print)
        assert signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler)
        assert loop.remove_signal_handler(number) is True
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.set_wakeup_fd(-1) == -1


def test_close_puts_the_defaults_back(loop: Loop) -> None:
    for number in USED:
        loop.add_signal_handler(number, print)
    loop.close()
    assert [signal.getsignal(number) for number in USED] == [signal.SIG_DFL] * 3 + [signal.default_int_handler]
    assert signal.set_wakeup_fd(-1) == -1
    assert loop.remove_signal_handler(signal.SIGUSR1) is False


def test_an_interrupt_with_a_handler_raises_nothing(loop: Loop) -> None:
    ran: list[str] = []
    loop.add_signal_handler(signal.SIGINT, ran.append, "interrupt")
    loop.call_soon(signal.raise_signal, signal.SIGINT)
    turn(loop, 3)
    assert ran == ["interrupt"]


def test_an_interrupt_without_a_handler_leaves_the_loop(loop: Loop) -> None:
    loop.call_soon(signal.raise_signal, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert not loop.is_running()


def test_an_interrupt_without_a_handler_leaves_a_sleeping_loop(loop: Loop) -> None:
    asleep, left = threading.Event(), threading.Event()
    main = threading.get_ident()

    def send() -> None:
        asleep.wait()
        signal.pthread_kill(main, signal.SIGINT)
        # If it came between Python's last look at signals and the wait for events, it is seen after another.
        while not left.wait(0.05):
            signal.pthread_kill(main, signal.SIGUSR2)

    signal.signal(signal.SIGUSR2, lambda *_: None)
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    loop.call_soon(loop.call_soon, asleep.set)
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    finally:
        asleep.set()
        left.set()
        thread.join()
    assert not loop.is_running()
    assert loop.run_until_complete(asyncio.sleep(0, "again")) == "again"


def test_an_interrupt_between_the_last_look_at_signals_and_the_wait_is_not_lost() -> None:
    # The other thread asked for the GIL by the time that `sum` returns. The loop looks at signals, and gives the GIL
    # away to wait: the signal comes before the wait begins. Nothing else ends the wait.
    program = """
import os, signal, threading, ioxide

def interrupt():
    began.wait()
    os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
loop = ioxide.new_event_loop()
for _ in range(3):
    began = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    loop.call_soon(began.set)
    loop.call_soon(sum, range(2_000_000))
    try:
        loop.run_forever()
    except KeyboardInterrupt:
        print("interrupted")
    thread.join()
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "interrupted\n" * 3


def test_call_soon_threadsafe_from_a_plain_handler_wakes_a_sleeping_loop(loop: Loop) -> None:
    asleep, woken = threading.Event(), threading.Event()
    main = threading.get_ident()

    def send() -> None:
        asleep.wait()
        signal.pthread_kill(main, signal.SIGUSR1)
        # If it came between Python's last look at signals and the wait for events, it is seen after another.
        while not woken.wait(0.05):
            signal.pthread_kill(main, signal.SIGUSR2)

    signal.signal(signal.SIGUSR1, lambda *_: loop.call_soon_threadsafe(loop.stop))
    signal.signal(signal.SIGUSR2, lambda *_: None)
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    loop.call_soon(loop.call_soon, asleep.set)
    try:
        loop.run_forever()
    finally:
        asleep.set()
        woken.set()
        thread.join()


def test_handlers_of_the_signal_module_still_run_beside_the_loops(loop: Loop) -> None:
    ran: list[str] = []
    signal.signal(signal.SIGUSR2, lambda *_: ran.append("plain"))
    loop.add_signal_handler(signal.SIGUSR1, ran.append, "loop's")
    for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR2):
        loop.call_soon(signal.raise_signal, number)
    turn(loop, 3)
    assert sorted(ran) == ["loop's", "plain", "plain"]


def test_a_handler_that_fails_is_reported_and_stays(loop: Loop, reports: list[dict[str, Any]]) -> None:
    loop.add_signal_handler(signal.SIGUSR1, divmod, 1, 0)
    for _ in range(2):
        signal.raise_signal(signal.SIGUSR1)
        turn(loop, 2)
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError] * 2
    assert reports[0]["message"].startswith("Exception in callback ")
    reports.clear()


def test_a_handler_that_interrupts_leaves_the_loop(loop: Loop) -> None:
    def leave() -> None:
        raise SystemExit(3)

    loop.add_signal_handler(signal.SIGTERM, leave)
    loop.call_soon(signal.raise_signal, signal.SIGTERM)
    with pytest.raises(SystemExit):
        loop.run_forever()


@pytest.mark.parametrize("method", ["add_signal_handler", "remove_signal_handler"])
def test_what_is_no_signal_is_refused(loop: Loop, method: str) -> None:
    arguments = (print,) if method == "add_signal_handler" else ()
    call = getattr(loop, method)
    for wrong in ("SIGUSR1", None, 10.0):
        with pytest.raises(TypeError, match=rf"^sig must be an int, not {wrong!r}$"):
            call(wrong, *arguments)
    for invalid in (0, -1, 65, 1000):
        with pytest.raises(ValueError, match=rf"^invalid signal number {invalid}$"):
            call(invalid, *arguments)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_signal_that_cannot_be_caught_is_refused(loop: Loop, number: signal.Signals) -> None:
    with pytest.raises(RuntimeError, match=rf"^sig {number.value} cannot be caught$"):
        loop.add_signal_handler(number, print)
    assert signal.set_wakeup_fd(-1) == -1
    assert loop.remove_signal_handler(number) is False


def test_coroutines_are_refused_as_handlers(loop: Loop) -> None:
    async def coroutine_function() -> None:
        pass

    coroutine = coroutine_function()
    for wrong in (coroutine, coroutine_function):
        with pytest.raises(TypeError, match=r"^coroutines cannot be used with add_signal_handler\(\)$"):
            loop.add_signal_handler(signal.SIGUSR1, wrong)  # type: ignore[arg-type]
    coroutine.close()
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_only_the_main_thread_may_add_a_handler(loop: Loop) -> None:
    errors: list[BaseException] = []

    def add() -> None:
        try:
            loop.add_signal_handler(signal.SIGUSR1, print)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=add)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert "main thread" in str(errors[0])
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    assert loop.remove_signal_handler(signal.SIGUSR1) is False


def test_a_burst_of_signals_is_not_lost(loop: Loop) -> None:
    number = 200
    ran: list[int] = []
    loop.add_signal_handler(signal.SIGUSR1, ran.append, 1)
    for _ in range(number):
        loop.call_soon(signal.raise_signal, signal.SIGUSR1)
    turn(loop, 3)
    assert len(ran) == number
