"""`sock_recvfrom`, `sock_recvfrom_into` and `sock_sendto`: results, addresses, waiting and errors."""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from recording_endpoint import udp_socket, unix_socket
from recording_protocol import several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Pair = tuple[socket.socket, socket.socket]
Call = Callable[[Loop, socket.socket], Coroutine[Any, Any, Any]]

CALLS: dict[str, Call] = {
    "sock_recvfrom": lambda loop, sock: loop.sock_recvfrom(sock, 100),
    "sock_recvfrom_into": lambda loop, sock: loop.sock_recvfrom_into(sock, bytearray(100)),
    "sock_sendto": lambda loop, sock: loop.sock_sendto(sock, b"data", ("127.0.0.1", 9)),
}
RECEIVING = [name for name in CALLS if name != "sock_sendto"]


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["version 4", "version 6"])
def pair(loop: Loop, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Two UDP sockets that don't block."""
    with udp_socket(request.param) as ours, udp_socket(request.param) as theirs:
        yield ours, theirs


def full(receiver: str) -> socket.socket:
    """Make a Unix socket that has sent to `receiver` until nothing more went."""
    sending = unix_socket()
    while True:
        try:
            sending.sendto(b"datagram", receiver)
        except BlockingIOError:
            return sending


def test_what_is_there_is_received_with_its_sender(run: Run, loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        ours, theirs = pair
        assert await loop.sock_sendto(theirs, b"hello", ours.getsockname()) == 5
        assert await loop.sock_recvfrom(ours, 100) == (b"hello", theirs.getsockname())
        assert await loop.sock_sendto(theirs, bytearray(b"again"), ours.getsockname()) == 5
        buffer = bytearray(b".......")
        assert await loop.sock_recvfrom_into(ours, buffer) == (5, theirs.getsockname())
        assert buffer == b"again.."

    run(main())


@pytest.mark.parametrize("name", RECEIVING)
def test_waiting_for_a_datagram(run: Run, loop: Loop, pair: Pair, name: str) -> None:
    async def main() -> None:
        ours, theirs = pair
        task = asyncio.ensure_future(CALLS[name](loop, ours))
        await several_turns()
        assert not task.done()
        theirs.sendto(b"hello", ours.getsockname())
        assert await task == (b"hello" if name == "sock_recvfrom" else 5, theirs.getsockname())

    run(main())


def test_the_senders_of_unix_datagrams(run: Run, loop: Loop, tmp_path: Path) -> None:
    path = str(tmp_path / "receiver")
    abstract = b"\0ioxide-test-" + os.urandom(8).hex().encode()
    with unix_socket(path) as ours:
        for name, expected in (
            (None, None),
            (str(tmp_path / "sender"), str(tmp_path / "sender")),
            (abstract, abstract),
        ):
            with unix_socket(name) as theirs:
                assert run(loop.sock_sendto(theirs, b"hello", path)) == 5
                assert run(loop.sock_recvfrom(ours, 100)) == (b"hello", expected)


def test_a_datagram_that_is_longer_than_the_room_is_cut(run: Run, loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    for data in (b"0123456789", b"next"):
        theirs.sendto(data, ours.getsockname())
    assert run(loop.sock_recvfrom(ours, 4)) == (b"0123", theirs.getsockname())
    assert run(loop.sock_recvfrom_into(ours, bytearray(2))) == (2, theirs.getsockname())
    with pytest.raises(BlockingIOError):
        ours.recv(100)


def test_empty_datagrams(run: Run, loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    for _ in range(2):
        assert run(loop.sock_sendto(theirs, b"", ours.getsockname())) == 0
    assert run(loop.sock_recvfrom(ours, 100)) == (b"", theirs.getsockname())
    assert run(loop.sock_recvfrom_into(ours, bytearray(5))) == (0, theirs.getsockname())


def test_no_room_takes_a_datagram_all_the_same(run: Run, loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        ours, theirs = pair
        for receive in (lambda: loop.sock_recvfrom(ours, 0), lambda: loop.sock_recvfrom_into(ours, bytearray())):
            task = asyncio.ensure_future(receive())
            await several_turns()
            assert not task.done()
            theirs.sendto(b"hello", ours.getsockname())
            assert (await task) in ((b"", theirs.getsockname()), (0, theirs.getsockname()))
            with pytest.raises(BlockingIOError):
                ours.recv(100)

    run(main())


def test_how_many_bytes_go_into_a_buffer(run: Run, loop: Loop, pair: Pair) -> None:
    ours, theirs = pair

    def receive(buffer: Any, *arguments: Any, **options: Any) -> Any:
        theirs.sendto(b"0123456789", ours.getsockname())
        return run(loop.sock_recvfrom_into(ours, buffer, *arguments, **options))[0]

    buffer = bytearray(8)
    assert receive(buffer, 3) == 3
    assert buffer == b"012" + bytes(5)
    assert receive(buffer, nbytes=4) == 4
    assert receive(buffer, 0) == 8
    assert receive(buffer, None) == 8
    assert receive(memoryview(bytearray(20))[5:]) == 10
    assert receive(array.array("I", [0, 0, 0])) == 3  # so many items as there are
    assert receive(array.array("I", [0, 0, 0]), 9) == 9


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((bytearray(5), 6), ValueError, "nbytes is greater than the length of the buffer"),
        ((bytearray(5), -1), ValueError, "negative buffersize in recvfrom_into"),
        ((bytearray(5), "x"), TypeError, "cannot be interpreted as an integer"),
        ((b"read-only",), TypeError, "read-write bytes-like object"),
        ((5,), TypeError, r"has no len\(\)"),
        (("text",), TypeError, "read-write bytes-like object"),
    ],
    ids=["too many", "negative", "no number", "read-only", "no buffer", "text"],
)
def test_buffers_that_are_refused(
    run: Run, loop: Loop, pair: Pair, arguments: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(loop.sock_recvfrom_into(pair[0], *arguments))


@pytest.mark.parametrize(
    ("size", "error"), [(-1, ValueError), ("x", TypeError), (1.0, TypeError), (1 << 80, OverflowError)]
)
def test_sizes_that_are_refused(run: Run, loop: Loop, pair: Pair, size: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        run(loop.sock_recvfrom(pair[0], size))


@pytest.mark.parametrize(
    ("data", "address", "error"),
    [
        ("text", ("127.0.0.1", 9), TypeError),
        (b"data", None, TypeError),
        (b"data", ["127.0.0.1", 9], TypeError),
        (b"data", ("127.0.0.1", 65536), OverflowError),
        (b"data", ("127.0.0.1",), TypeError),
        (b"data", ("255.255.255.255", 9), PermissionError),
        (b"data", ("::1", 9), socket.gaierror),
        (memoryview(b"scattered")[::2], ("127.0.0.1", 9), BufferError),
    ],
)
def test_what_cannot_be_sent(run: Run, loop: Loop, data: Any, address: Any, error: type[Exception]) -> None:
    with udp_socket() as sock, pytest.raises(error):
        run(loop.sock_sendto(sock, data, address))


def test_a_datagram_that_is_too_long(run: Run, loop: Loop, pair: Pair) -> None:
    with pytest.raises(OSError, match="Message too long") as caught:
        run(loop.sock_sendto(pair[0], bytes(1 << 17), pair[1].getsockname()))
    assert caught.value.errno == errno.EMSGSIZE


def test_a_refused_datagram_is_the_error_of_the_next_operation(run: Run, loop: Loop) -> None:
    async def main() -> None:
        with udp_socket() as gone:
            address = gone.getsockname()
        with udp_socket() as sock:
            sock.connect(address)
            task = asyncio.ensure_future(loop.sock_recvfrom(sock, 100))
            await several_turns()
            await loop.sock_sendto(sock, b"nobody there", address)
            with pytest.raises(ConnectionRefusedError):
                await task

    run(main())


def test_sending_waits_for_room(run: Run, loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "receiver")
        with unix_socket(path) as receiver, full(path) as sending:
            task = asyncio.ensure_future(loop.sock_sendto(sending, b"the last", path))
            await several_turns()
            assert not task.done()
            while not task.done():
                assert receiver.recv(100) == b"datagram"
                await several_turns()
            assert await task == 8

    run(main())


def test_sending_sees_what_the_buffer_has_become(run: Run, loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "receiver")
        with unix_socket(path) as receiver, full(path) as sending:
            data = bytearray(b"before")
            task = asyncio.ensure_future(loop.sock_sendto(sending, data, path))
            await several_turns()
            data[:] = b"afterwards"
            received = []
            while not task.done():
                received.append(receiver.recv(100))
                await several_turns()
            assert await task == 10
            while received[-1] != b"afterwards":
                received.append(receiver.recv(100))

    run(main())


@pytest.mark.parametrize("name", RECEIVING)
def test_a_cancelled_receive_takes_nothing(run: Run, loop: Loop, pair: Pair, name: str) -> None:
    async def main() -> None:
        ours, theirs = pair
        task = asyncio.ensure_future(CALLS[name](loop, ours))
        await several_turns()
        theirs.sendto(b"hello", ours.getsockname())
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await several_turns()
        assert ours.recv(100) == b"hello"
        assert not loop.remove_reader(ours)

    run(main())


def test_a_cancelled_send_sends_nothing(run: Run, loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "receiver")
        with unix_socket(path) as receiver, full(path) as sending:
            task = asyncio.ensure_future(loop.sock_sendto(sending, b"the last", path))
            await several_turns()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert not loop.remove_writer(sending)
            with contextlib.suppress(BlockingIOError):
                while True:
                    assert receiver.recv(100) == b"datagram"

    run(main())


def test_receivers_take_turns(run: Run, loop: Loop, pair: Pair) -> None:
    """A second one takes the first one's place, as with `sock_recv`."""

    async def main() -> None:
        ours, theirs = pair
        first = asyncio.ensure_future(loop.sock_recvfrom(ours, 100))
        await several_turns()
        second = asyncio.ensure_future(loop.sock_recvfrom(ours, 100))
        await several_turns()
        theirs.sendto(b"hello", ours.getsockname())
        assert await second == (b"hello", theirs.getsockname())
        assert not first.done()
        first.cancel()
        await asyncio.wait([first])

    run(main())


@pytest.mark.parametrize("name", CALLS)
def test_a_blocking_socket_is_refused_in_debug_mode(run: Run, loop: Loop, name: str) -> None:
    loop.set_debug(True)
    with udp_socket() as sock:
        sock.setblocking(True)
        with pytest.raises(ValueError, match=r"^the socket must be non-blocking$"):
            run(CALLS[name](loop, sock))


@pytest.mark.parametrize("name", CALLS)
def test_a_tls_socket_is_refused(run: Run, loop: Loop, name: str) -> None:
    ours, theirs = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    sock = context.wrap_socket(ours, do_handshake_on_connect=False)
    with theirs, sock, pytest.raises(TypeError, match=r"^Socket cannot be of type SSLSocket$"):
        run(CALLS[name](loop, sock))


@pytest.mark.parametrize("name", CALLS)
def test_a_closed_socket_is_a_bad_descriptor(run: Run, loop: Loop, name: str) -> None:
    sock = udp_socket()
    sock.close()
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        run(CALLS[name](loop, sock))
    assert caught.value.errno == errno.EBADF
