"""The loop's coroutines for plain sockets: `sock_recv`, `sock_sendall`, `sock_accept`, `sock_connect` and their kin."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Pair = tuple[socket.socket, socket.socket]
Call = Callable[[Loop, socket.socket], Coroutine[Any, Any, Any]]

LARGE = bytes(range(256)) * 40_000

READS: dict[str, Call] = {
    "sock_recv": lambda loop, sock: loop.sock_recv(sock, 100),
    "sock_recv_into": lambda loop, sock: loop.sock_recv_into(sock, bytearray(100)),
    "sock_recvfrom": lambda loop, sock: loop.sock_recvfrom(sock, 100),
    "sock_recvfrom_into": lambda loop, sock: loop.sock_recvfrom_into(sock, bytearray(100)),
}
CALLS: dict[str, Call] = {
    **READS,
    "sock_sendall": lambda loop, sock: loop.sock_sendall(sock, LARGE),
    "sock_sendto": lambda loop, sock: loop.sock_sendto(sock, b"datagram", "/no/such/socket"),
    "sock_accept": lambda loop, sock: loop.sock_accept(sock),
    "sock_connect": lambda loop, sock: loop.sock_connect(sock, "/no/such/socket"),
}


def non_blocking(sock: socket.socket) -> socket.socket:
    """Return the socket, which no longer blocks."""
    sock.setblocking(False)
    return sock


@pytest.fixture
def pair(loop: Loop) -> Iterator[Pair]:
    """Give two connected stream sockets that don't block."""
    ours, theirs = socket.socketpair()
    with non_blocking(ours), non_blocking(theirs):
        yield ours, theirs


@pytest.fixture
def datagrams(loop: Loop) -> Iterator[Pair]:
    """Give two UDP sockets that don't block."""
    with socket.socket(type=socket.SOCK_DGRAM) as ours, socket.socket(type=socket.SOCK_DGRAM) as theirs:
        ours.bind(("127.0.0.1", 0))
        theirs.bind(("127.0.0.1", 0))
        yield non_blocking(ours), non_blocking(theirs)


@pytest.fixture
def listener(loop: Loop) -> Iterator[socket.socket]:
    """Give a listening TCP socket that doesn't block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield non_blocking(listener)


async def receive_exactly(loop: Loop, sock: socket.socket, number: int) -> bytes:
    """Receive so many bytes."""
    received = bytearray()
    while len(received) < number:
        data = await loop.sock_recv(sock, number - len(received))
        assert data
        received += data
    return bytes(received)


async def until_waiting(task: asyncio.Task[Any]) -> None:
    """Give the task time to come to where it waits."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()


def test_receiving_waits_and_takes_what_there_is(run: Run, loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        ours, theirs = pair
        task = asyncio.create_task(loop.sock_recv(ours, 100))
        await until_waiting(task)
        theirs.send(b"first")
        assert await task == b"first"
        theirs.send(b"second")
        assert await loop.sock_recv(ours, 3) == b"sec"
        assert await loop.sock_recv(ours, 100) == b"ond"
        theirs.close()
        assert await loop.sock_recv(ours, 100) == b""

    run(main())


def test_receiving_into_a_buffer(run: Run, loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        ours, theirs = pair
        buffer = bytearray(b"." * 8)
        task = asyncio.create_task(loop.sock_recv_into(ours, memoryview(buffer)[2:6]))
        await until_waiting(task)
        theirs.send(b"abcdef")
        assert await task == 4
        assert buffer == b"..abcd.."
        assert await loop.sock_recv_into(ours, buffer) == 2
        assert buffer == b"efabcd.."
        with pytest.raises(TypeError):
            await loop.sock_recv_into(ours, bytes(8))

    run(main())


def test_datagrams_come_with_their_address(run: Run, loop: Loop, datagrams: Pair) -> None:
    async def main() -> None:
        ours, theirs = datagrams
        task = asyncio.create_task(loop.sock_recvfrom(ours, 100))
        await until_waiting(task)
        assert await loop.sock_sendto(theirs, b"hello", ours.getsockname()) == 5
        assert await task == (b"hello", theirs.getsockname())
        into = asyncio.create_task(loop.sock_recvfrom_into(ours, buffer := bytearray(8)))
        await until_waiting(into)
        assert await loop.sock_sendto(theirs, b"", ours.getsockname()) == 0
        assert await into == (0, theirs.getsockname())
        await loop.sock_sendto(theirs, b"0123456789", ours.getsockname())
        assert await loop.sock_recvfrom_into(ours, buffer, 4) == (4, theirs.getsockname())
        assert buffer == b"0123" + bytes(4)
        await loop.sock_sendto(theirs, b"0123456789", ours.getsockname())
        assert await loop.sock_recvfrom(ours, 3) == (b"012", theirs.getsockname())

    run(main())


def test_sendto_waits_for_room(run: Run, loop: Loop, tmp_path: Path) -> None:
    async def main(sending: socket.socket, receiving: socket.socket) -> None:
        address = str(tmp_path / "socket")
        receiving.bind(address)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += bool(sending.sendto(b"datagram", address))
        task = asyncio.create_task(loop.sock_sendto(sending, b"the last", address))
        await until_waiting(task)
        assert [receiving.recv(100) for _ in range(sent)] == [b"datagram"] * sent
        assert await task == 8
        assert receiving.recv(100) == b"the last"

    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving,
    ):
        run(main(non_blocking(sending), non_blocking(receiving)))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_sendall_sends_much_to_a_slow_reader(run: Run, loop: Loop, pair: Pair, kind: Callable[[bytes], Any]) -> None:
    async def main() -> None:
        ours, theirs = pair
        task = asyncio.create_task(loop.sock_sendall(ours, kind(LARGE)))
        await until_waiting(task)
        received = bytearray()
        while len(received) < len(LARGE):
            received += await loop.sock_recv(theirs, 300_000)
            await asyncio.sleep(0)
        assert received == LARGE
        await task

    run(main())


def test_sendall_of_nothing_sends_nothing(run: Run, loop: Loop, pair: Pair) -> None:
    ours, theirs = pair
    run(loop.sock_sendall(ours, b""))
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


def test_what_can_be_done_at_once_takes_a_single_step(loop: Loop, pair: Pair, listener: socket.socket) -> None:
    ours, theirs = pair
    theirs.send(b"0123456789")
    with socket.create_connection(listener.getsockname()) as client:
        coroutines: list[Coroutine[Any, Any, Any]] = [
            loop.sock_recv(ours, 4),
            loop.sock_recv_into(ours, bytearray(4)),
            loop.sock_sendall(ours, b"small"),
        ]
        tasks = [loop.create_task(coroutine) for coroutine in coroutines]
        accepting = loop.create_task(loop.sock_accept(listener))
        loop.stop()
        loop.run_forever()
        assert [task.result() for task in tasks] == [b"0123", 4, None]
        connection, address = loop.run_until_complete(accepting)
        assert address == client.getsockname()
        connection.close()


def test_accept_gives_a_connection_that_does_not_block(run: Run, loop: Loop, listener: socket.socket) -> None:
    async def main() -> None:
        task = asyncio.create_task(loop.sock_accept(listener))
        await until_waiting(task)
        with socket.create_connection(listener.getsockname()) as client:
            connection, address = await task
            with connection:
                assert type(connection) is socket.socket
                assert address == client.getsockname()
                assert connection.gettimeout() == 0
                client.send(b"hello")
                assert await loop.sock_recv(connection, 100) == b"hello"

    run(main())


def test_many_clients_are_echoed_at_the_same_time(run: Run, loop: Loop, listener: socket.socket) -> None:
    number = 20

    async def echo(connection: socket.socket) -> None:
        with connection:
            while data := await loop.sock_recv(connection, 65536):
                await loop.sock_sendall(connection, data)

    async def serve() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(number):
                connection, _ = await loop.sock_accept(listener)
                group.create_task(echo(connection))

    async def client(name: int) -> bytes:
        with non_blocking(socket.socket()) as sock:
            await loop.sock_connect(sock, listener.getsockname())
            message = f"client {name} ".encode() * 5000
            _, echoed = await asyncio.gather(
                loop.sock_sendall(sock, message), receive_exactly(loop, sock, len(message))
            )
            assert echoed == message
            return echoed[:9]

    async def main() -> list[bytes]:
        server = asyncio.create_task(serve())
        names = await asyncio.gather(*(client(name) for name in range(number)))
        await server
        return names

    assert sorted(run(main())) == sorted(f"client {name} ".encode()[:9] for name in range(number))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_connecting_by_number_and_by_name(run: Run, loop: Loop, listener: socket.socket, host: str) -> None:
    async def main() -> None:
        with non_blocking(socket.socket()) as sock:
            await loop.sock_connect(sock, (host, listener.getsockname()[1]))
            assert sock.getpeername() == listener.getsockname()

    run(main())


def test_a_refused_connection_names_the_address(run: Run, loop: Loop) -> None:
    async def main() -> None:
        with socket.socket() as bound, non_blocking(socket.socket()) as sock:
            bound.bind(("127.0.0.1", 0))  # and nobody listens
            with pytest.raises(ConnectionRefusedError) as caught:
                await loop.sock_connect(sock, bound.getsockname())
            assert caught.value.errno == errno.ECONNREFUSED
            assert caught.value.strerror == f"Connect call failed {bound.getsockname()}"

    run(main())


def test_connecting_to_unix_sockets(run: Run, loop: Loop, tmp_path: Path) -> None:
    async def connect(address: Any) -> Any:
        with non_blocking(socket.socket(socket.AF_UNIX)) as sock:
            await loop.sock_connect(sock, address)
            return sock.getpeername()

    for address in (str(tmp_path / "socket"), b"\0ioxide-test-" + str(id(run)).encode()):
        with socket.socket(socket.AF_UNIX) as listener:
            with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
                run(connect(address))
            listener.bind(address)
            with pytest.raises(ConnectionRefusedError):
                run(connect(address))
            listener.listen()
            assert run(connect(address)) == address


def test_the_errors_of_the_peer_are_raised(run: Run, loop: Loop, listener: socket.socket) -> None:
    async def main() -> None:
        client = socket.create_connection(listener.getsockname())
        connection, _ = await loop.sock_accept(listener)
        with connection:
            task = asyncio.create_task(loop.sock_recv(connection, 100))
            await until_waiting(task)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()  # which now resets the connection
            with pytest.raises(ConnectionResetError):
                await task
            with pytest.raises(BrokenPipeError):
                await loop.sock_sendall(connection, b"anyone?")
            assert loop.remove_reader(connection) is False

    run(main())


@pytest.mark.parametrize("name", CALLS)
def test_nothing_happens_before_the_await(loop: Loop, pair: Pair, name: str) -> None:
    ours, theirs = pair
    theirs.send(b"data")
    coroutine = CALLS[name](loop, ours)
    assert asyncio.iscoroutine(coroutine)
    assert inspect.isawaitable(coroutine)
    coroutine.close()
    assert ours.recv(100) == b"data"
    with pytest.raises(BlockingIOError):
        theirs.recv(100)


@pytest.mark.parametrize("name", CALLS)
def test_a_socket_that_blocks_is_refused_in_debug_mode(run: Run, loop: Loop, pair: Pair, name: str) -> None:
    ours, _ = pair
    loop.set_debug(True)
    for timeout in (None, 5):
        ours.settimeout(timeout)
        with pytest.raises(ValueError, match=r"^the socket must be non-blocking$"):
            run(CALLS[name](loop, ours))


@pytest.mark.parametrize("name", CALLS)
def test_a_tls_socket_is_refused(run: Run, loop: Loop, pair: Pair, name: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    wrapped = context.wrap_socket(pair[0], do_handshake_on_connect=False, server_hostname="localhost")
    with wrapped, pytest.raises(TypeError, match=r"^Socket cannot be of type SSLSocket$"):
        run(CALLS[name](loop, wrapped))


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("sock_connect", "sock_sendto")])
def test_a_closed_socket_is_a_bad_descriptor(run: Run, loop: Loop, pair: Pair, name: str) -> None:
    ours, _ = pair
    ours.close()
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        run(CALLS[name](loop, ours))
    assert caught.value.errno == errno.EBADF


@pytest.mark.parametrize("size", [1 << 56, 1 << 62], ids=["no address space", "no machine"])
def test_receiving_more_than_memory_can_hold_is_a_memory_error(run: Run, loop: Loop, pair: Pair, size: int) -> None:
    ours, theirs = pair
    theirs.send(b"kept")
    with pytest.raises(MemoryError):
        run(loop.sock_recv(ours, size))
    assert run(loop.sock_recv(ours, 100)) == b"kept"


@pytest.mark.parametrize("name", READS)
def test_a_cancelled_receive_takes_nothing_and_leaves_nothing(run: Run, loop: Loop, pair: Pair, name: str) -> None:
    async def main() -> None:
        ours, theirs = pair
        task = asyncio.create_task(READS[name](loop, ours))
        await until_waiting(task)
        task.cancel()
        theirs.send(b"data")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop.remove_reader(ours) is False
        assert await loop.sock_recv(ours, 100) == b"data"

    run(main())


def test_a_cancelled_sendall_leaves_nothing(run: Run, loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        ours, theirs = pair
        task = asyncio.create_task(loop.sock_sendall(ours, LARGE))
        await until_waiting(task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop.remove_writer(ours) is False
        sent = len(theirs.recv(len(LARGE)))
        assert 0 < sent < len(LARGE)
        await loop.sock_sendall(theirs, b"still usable")
        assert await loop.sock_recv(ours, 100) == b"still usable"

    run(main())


def test_a_cancelled_accept_leaves_the_connection_to_the_next(run: Run, loop: Loop, listener: socket.socket) -> None:
    async def main() -> None:
        task = asyncio.create_task(loop.sock_accept(listener))
        await until_waiting(task)
        task.cancel()
        with socket.create_connection(listener.getsockname()) as client:
            with pytest.raises(asyncio.CancelledError):
                await task
            assert loop.remove_reader(listener) is False
            connection, address = await loop.sock_accept(listener)
            connection.close()
            assert address == client.getsockname()

    run(main())


def test_a_cancelled_connect_leaves_nothing(run: Run, loop: Loop) -> None:
    async def main(listener: socket.socket) -> None:
        # With its queue full, the system drops whatever else wants to connect: the attempt stays under way.
        with socket.create_connection(listener.getsockname()), non_blocking(socket.socket()) as sock:
            task = asyncio.create_task(loop.sock_connect(sock, listener.getsockname()))
            await until_waiting(task)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert loop.remove_writer(sock) is False

    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        run(main(listener))


def test_a_second_receive_takes_the_place_of_the_first(run: Run, loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        ours, theirs = pair
        first = asyncio.create_task(loop.sock_recv(ours, 1))
        await until_waiting(first)
        second = asyncio.create_task(loop.sock_recv(ours, 1))
        await until_waiting(second)
        theirs.send(b"x")
        assert await second == b"x"
        third = asyncio.create_task(loop.sock_recv(ours, 1))
        await until_waiting(third)
        assert not first.done()
        first.cancel()
        await until_waiting(third)
        assert first.cancelled()
        theirs.send(b"y")
        assert await third == b"y"

    run(main())


def test_a_socket_of_a_transport_is_refused(run: Run, loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        ours, _ = pair
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        with pytest.raises(RuntimeError, match=rf"^File descriptor {ours.fileno()} is used by transport <"):
            await loop.sock_recv(ours, 1)
        transport.close()
        await asyncio.sleep(0)

    run(main())
