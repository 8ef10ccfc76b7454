"""`add_reader`, `add_writer` and their removal: readiness is level-triggered, and one callback stands for each side."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import errno
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Loop = asyncio.AbstractEventLoop
Pair = tuple[socket.socket, socket.socket]

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def pair(loop: Loop) -> Iterator[Pair]:
    """Give two connected sockets that don't block."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs
        if not loop.is_closed() and ours.fileno() != -1:
            loop.remove_reader(ours)
            loop.remove_writer(ours)


@pytest.fixture
def pipe(loop: Loop) -> Iterator[tuple[int, int]]:
    """Give the two ends of a pipe. A test may close either."""
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(end)


def ready_pair(stack: contextlib.ExitStack) -> Pair:
    """Make a pair of sockets with a byte to read from the first."""
    ours, theirs = socket.socketpair()
    stack.enter_context(ours)
    stack.enter_context(theirs)
    theirs.send(b"x")
    return ours, theirs


def turn(loop: Loop, number: int = 1) -> None:
    """Let the loop make so many turns, none of which waits."""
    for _ in range(number):
        loop.stop()
        loop.run_forever()


def fill(sock: socket.socket) -> int:
    """Write until the socket takes no more; return how much it took."""
    written = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            written += sock.send(bytes(65536))
    return written


def drain(sock: socket.socket) -> int:
    """Read all there is; return how much it was."""
    read = 0
    with contextlib.suppress(BlockingIOError):
        while data := sock.recv(1 << 20):
            read += len(data)
    return read


def test_a_reader_that_takes_one_byte_of_ten_is_called_ten_times(loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    received: list[bytes] = []
    loop.add_reader(ours, lambda: received.append(ours.recv(1)))
    theirs.send(b"0123456789")
    turn(loop, 20)
    assert received == [bytes([byte]) for byte in b"0123456789"]


def test_a_sleeping_loop_wakes_for_what_arrives(loop: Loop, pair: Pair) -> None:
    ours, theirs = pair

    def read() -> None:
        received.append(ours.recv(100))
        if len(received) == 2:
            loop.stop()
        else:
            loop.call_soon(theirs.send, b"second")

    received: list[bytes] = []
    loop.add_reader(ours, read)
    loop.call_soon(lambda: loop.call_soon(theirs.send, b"first"))
    loop.run_forever()
    assert received == [b"first", b"second"]


def test_a_writer_is_called_in_each_turn_while_there_is_room(loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    called: list[str] = []
    loop.add_writer(ours, called.append, "writable")
    turn(loop, 3)
    assert called == ["writable"] * 3
    fill(ours)
    turn(loop, 3)
    assert called == ["writable"] * 3
    drain(theirs)
    turn(loop)
    assert called == ["writable"] * 4


def test_a_callback_gets_its_arguments_and_context(loop: Loop, pair: Pair) -> None:
    def look(*arguments: Any) -> None:
        seen.append((variable.get(), *arguments))

    ours, theirs = pair
    seen: list[tuple[Any, ...]] = []
    theirs.send(b"x")
    token = variable.set("at registration")
    loop.add_reader(ours, look, "reader", 1)
    loop.add_writer(ours, look, "writer", 2)
    variable.reset(token)
    turn(loop)
    assert seen == [("at registration", "reader", 1), ("at registration", "writer", 2)]


def test_reader_and_writer_of_one_descriptor_are_apart(loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    called: list[str] = []
    theirs.send(b"x")
    loop.add_writer(ours, called.append, "writer")
    loop.add_reader(ours, called.append, "reader")
    turn(loop)
    assert called == ["reader", "writer"]
    assert loop.remove_reader(ours) is True
    turn(loop)
    assert called == ["reader", "writer", "writer"]
    assert loop.remove_writer(ours) is True
    turn(loop)
    loop.add_reader(ours, called.append, "reader again")
    turn(loop)
    assert called[3:] == ["reader again"]


def test_remove_tells_whether_there_was_one(loop: Loop, pair: Pair) -> None:
    ours, _ = pair
    for add, remove, remove_other in (
        (loop.add_reader, loop.remove_reader, loop.remove_writer),
        (loop.add_writer, loop.remove_writer, loop.remove_reader),
    ):
        assert remove(ours) is False
        add(ours, print)
        assert remove_other(ours) is False
        assert remove(ours) is True
        assert remove(ours) is False


def test_numbers_sockets_and_files_are_all_taken_and_mean_the_same(loop: Loop, pair: Pair) -> None:
    class File:
        def fileno(self) -> int:
            return ours.fileno()

    ours, theirs = pair
    called: list[str] = []
    theirs.send(b"x")
    loop.add_reader(ours, called.append, "socket")
    loop.add_reader(ours.fileno(), called.append, "number")
    turn(loop)
    loop.add_reader(File(), called.append, "file")
    turn(loop)
    assert called == ["number", "file"]
    assert loop.remove_reader(ours.fileno()) is True
    assert loop.remove_reader(ours) is False


@pytest.mark.parametrize("wrong", [object(), None, "3", 1.5, -1])
def test_what_is_no_descriptor_is_refused(loop: Loop, wrong: Any) -> None:
    for call in (
        lambda: loop.add_reader(wrong, print),
        lambda: loop.add_writer(wrong, print),
        lambda: loop.remove_reader(wrong),
        lambda: loop.remove_writer(wrong),
    ):
        with pytest.raises(ValueError, match=r"^Invalid file "):
            call()


def test_a_number_that_is_not_open_is_refused_by_the_system(loop: Loop, pipe: tuple[int, int]) -> None:
    reading, _ = pipe
    os.close(reading)
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        loop.add_reader(reading, print)
    assert caught.value.errno == errno.EBADF
    assert loop.remove_reader(reading) is False


@pytest.mark.parametrize("side", ["reader", "writer"])
def test_a_number_beyond_all_descriptors_is_refused_by_the_system(loop: Loop, side: str) -> None:
    largest = 2**31 - 1
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        getattr(loop, f"add_{side}")(largest, print)
    assert caught.value.errno == errno.EBADF
    assert getattr(loop, f"remove_{side}")(largest) is False
    with pytest.raises(OverflowError):
        getattr(loop, f"add_{side}")(largest + 1, print)


def test_regular_files_are_refused_by_the_system(loop: Loop, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        with pytest.raises(PermissionError):
            loop.add_writer(file, print)
        assert loop.remove_writer(file) is False
        with pytest.raises(PermissionError):
            loop.add_reader(file.fileno(), print)


@pytest.mark.parametrize("instead", [True, False])
def test_a_callback_removed_or_replaced_in_its_turn_does_not_run(loop: Loop, instead: bool) -> None:
    with contextlib.ExitStack() as stack:
        one, other = ready_pair(stack)[0], ready_pair(stack)[0]
        called: list[str] = []

        def first(own: socket.socket, rival: socket.socket) -> None:
            called.append("first")
            loop.remove_reader(own)
            if instead:
                loop.add_reader(rival, called.append, "instead")
            else:
                loop.remove_reader(rival)

        # Both are ready in the same turn: whichever runs first takes the other's place.
        loop.add_reader(one, first, one, other)
        loop.add_reader(other, first, other, one)
        turn(loop)
        assert called == ["first"]
        turn(loop)
        assert called == (["first", "instead"] if instead else ["first"])
        assert loop.remove_reader(one) + loop.remove_reader(other) == instead


def test_a_callback_may_remove_or_replace_itself(loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    called: list[str] = []

    def replace() -> None:
        called.append("first")
        loop.add_reader(ours, remove)

    def remove() -> None:
        called.append("second")
        assert loop.remove_reader(ours) is True

    theirs.send(b"x")
    loop.add_reader(ours, replace)
    turn(loop, 4)
    assert called == ["first", "second"]


def test_a_callback_may_close_its_descriptor(loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    called: list[str] = []

    def close() -> None:
        called.append("close")
        loop.remove_reader(ours)
        ours.close()

    theirs.send(b"x")
    loop.add_reader(ours, close)
    loop.add_writer(theirs, called.append, "writable")
    turn(loop, 2)
    assert called.count("close") == 1
    assert called.count("writable") == 2
    loop.remove_writer(theirs)


@pytest.mark.parametrize("how", ["close", "shutdown"])
def test_the_end_of_a_socket_is_readable(loop: Loop, pair: Pair, how: str) -> None:
    ours, theirs = pair
    received: list[bytes] = []
    loop.add_reader(ours, lambda: received.append(ours.recv(10)))
    turn(loop)
    assert received == []
    theirs.send(b"last")
    theirs.close() if how == "close" else theirs.shutdown(socket.SHUT_WR)
    turn(loop, 3)
    assert received == [b"last", b"", b""]


def test_the_end_of_a_pipe_is_readable(loop: Loop, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    received: list[bytes] = []
    loop.add_reader(reading, lambda: received.append(os.read(reading, 10)))
    turn(loop)
    os.close(writing)
    turn(loop, 2)
    assert received == [b"", b""]
    assert loop.remove_reader(reading) is True


def test_a_pipe_nobody_reads_is_writable_so_that_the_write_can_fail(loop: Loop, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    errors: list[type[BaseException]] = []
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))

    def write() -> None:
        try:
            os.write(writing, b"x")
        except OSError as error:
            errors.append(type(error))

    loop.add_writer(writing, write)
    turn(loop)
    assert errors == []
    os.close(reading)
    turn(loop)
    assert errors == [BrokenPipeError]
    assert loop.remove_writer(writing) is True


def test_a_hangup_is_told_to_a_writer_alone(loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    called: list[str] = []
    fill(ours)
    loop.add_writer(ours, called.append, "writer")
    turn(loop)
    assert called == []
    theirs.close()
    turn(loop)
    assert called == ["writer"]


def test_a_socket_closed_before_it_is_removed_can_still_be_removed(loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    called: list[str] = []
    number = ours.fileno()
    loop.add_reader(ours, called.append, "old")
    ours.close()
    theirs.close()
    turn(loop)
    assert loop.remove_reader(ours) is True
    assert loop.remove_reader(number) is False
    assert called == []


@pytest.mark.parametrize("removed", ["before the number is taken again", "afterwards"])
def test_the_number_of_a_closed_descriptor_can_be_used_again(loop: Loop, removed: str) -> None:
    called: list[str] = []
    with contextlib.ExitStack() as stack:
        ours, _ = ready_pair(stack)
        new, _ = ready_pair(stack)
        number = ours.fileno()
        loop.add_reader(number, called.append, "old")
        turn(loop)
        ours.close()
        if removed == "before the number is taken again":
            assert loop.remove_reader(number) is True
        os.dup2(new.fileno(), number)
        if removed == "afterwards":
            assert loop.remove_reader(number) is True
        loop.add_reader(number, called.append, "new")
        turn(loop)
        assert loop.remove_reader(number) is True
        os.close(number)
    assert called == ["old", "new"]


def test_a_descriptor_of_a_transport_is_refused(loop: Loop, pair: Pair) -> None:
    ours, _ = pair
    transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=ours))
    calls: list[Callable[[Any], Any]] = [
        lambda fd: loop.add_reader(fd, print),
        lambda fd: loop.add_writer(fd, print),
        loop.remove_reader,
        loop.remove_writer,
    ]
    for fd in (ours, ours.fileno(), transport.get_extra_info("socket")):
        for call in calls:
            with pytest.raises(RuntimeError, match=rf"^File descriptor {re.escape(repr(fd))} is used by transport <"):
                call(fd)
    transport.close()
    turn(loop, 2)


def test_a_hundred_descriptors_are_served_in_one_turn(loop: Loop) -> None:
    with contextlib.ExitStack() as stack:
        called: list[int] = []
        pairs = [ready_pair(stack) for _ in range(100)]
        for number, (ours, _) in enumerate(pairs):
            loop.add_reader(ours, called.append, number)
        turn(loop)
        assert sorted(called) == list(range(100))
        for ours, _ in pairs:
            assert loop.remove_reader(ours)


def test_callbacks_that_schedule_themselves_do_not_starve_descriptors(loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    spun = 0

    def spin() -> None:
        nonlocal spun
        spun += 1
        assert spun < 10_000
        loop.call_soon(spin)

    theirs.send(b"x")
    loop.add_reader(ours, loop.stop)
    loop.call_soon(spin)
    loop.run_forever()


def test_closing_the_loop_leaves_watched_descriptors_open(loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    loop.add_reader(ours, print)
    loop.add_writer(ours, print)
    loop.close()
    theirs.send(b"still open")
    assert ours.recv(100) == b"still open"
