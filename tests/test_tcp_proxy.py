"""The proxy of the examples, run as its users run it, between sockets of the tests' own."""

from __future__ import annotations

import random
import re
import select
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from program_process import LOOPS, PATIENCE, Finished, Program, Running

FULL = 1 << 26  # bytes that nothing between two sockets has room for, but for an unbounded buffer
STUCK = 0.5  # seconds without any progress after which a sender is taken to be held up; if wrongly, no test fails


@pytest.fixture(params=LOOPS)
def program(request: pytest.FixtureRequest) -> Program:
    return Program("tcp_proxy", request.param)


@pytest.fixture
def target() -> Iterator[socket.socket]:
    """What the proxy forwards to: a socket that listens."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
        listening.settimeout(PATIENCE)
        yield listening


@contextmanager
def proxying(program: Program, target: socket.socket, *options: str) -> Iterator[tuple[Running, int]]:
    with program.started("0", "127.0.0.1", str(target.getsockname()[1]), *options) as process:
        found = re.fullmatch(r"listening on 127\.0\.0\.1 port (\d+)", process.line())
        assert found
        yield process, int(found[1])


def terminate(process: Running) -> Finished:
    process.send_signal(signal.SIGTERM)
    return process.finish()


def connect(port: int, receive_buffer: int | None = None) -> socket.socket:
    client = socket.socket()
    client.settimeout(PATIENCE)
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        client.connect(("127.0.0.1", port))
    except OSError:
        client.close()
        raise
    return client


def connect_and_be_reset(port: int) -> int:
    """Connect to a proxy that resets the connection, maybe before `connect` returns; tell the port on our side."""
    with socket.socket() as client:
        client.settimeout(PATIENCE)
        client.bind(("127.0.0.1", 0))
        own_port: int = client.getsockname()[1]
        with pytest.raises(ConnectionResetError):  # noqa: PT012
            client.connect(("127.0.0.1", port))
            client.recv(1)
    return own_port


def accept(target: socket.socket) -> socket.socket:
    accepted, _ = target.accept()
    accepted.settimeout(PATIENCE)
    return accepted


def read_to_the_end(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def read_exactly(connection: socket.socket, number: int) -> bytes:
    read = bytearray()
    while len(read) < number:
        piece = connection.recv(number - len(read))
        assert piece, "the end came too early"
        read += piece
    return bytes(read)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_what_is_sent_arrives_both_ways_whole_and_at_once(program: Program, target: socket.socket) -> None:
    there, back = (random.Random(seed).randbytes(3_000_000) for seed in (1, 2))
    with proxying(program, target) as (process, port), connect(port) as client, accept(target) as server:
        received: list[bytes] = []
        threads = [
            threading.Thread(target=client.sendall, args=(there,)),
            threading.Thread(target=server.sendall, args=(back,)),
            threading.Thread(target=lambda: received.append(read_exactly(client, len(back)))),
        ]
        for thread in threads:
            thread.start()
        assert read_exactly(server, len(there)) == there
        for thread in threads:
            thread.join()
        assert received == [back]
        client.close()
        assert read_to_the_end(server) == b""
        server.close()
        done = terminate(process)
    assert (done.exit_code, done.messages) == (0, [])
    assert done.stdout.endswith("\n1 connections, 6000000 bytes, 0 failed, 0 cut\n")


def test_a_side_that_sends_no_more_still_receives(program: Program, target: socket.socket) -> None:
    with proxying(program, target) as (process, port), connect(port) as client, accept(target) as server:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert read_to_the_end(server) == b"question"
        server.sendall(b"answer")
        server.shutdown(socket.SHUT_WR)
        assert read_to_the_end(client) == b"answer"
        assert terminate(process).exit_code == 0


def test_it_is_silent_in_development_mode(program: Program, target: socket.socket) -> None:
    program = Program("tcp_proxy", program.loop_name, development_mode=True)
    with proxying(program, target) as (process, port), connect(port) as client, accept(target) as server:
        client.sendall(b"question")
        assert read_exactly(server, 8) == b"question"
        reset(server)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        done = terminate(process)
    assert (done.exit_code, done.messages) == (0, [])


def test_many_connections_do_not_wait_for_each_other(program: Program, target: socket.socket) -> None:
    number = 60
    with proxying(program, target) as (process, port), ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(number)]
        for mark, client in enumerate(clients):
            client.sendall(bytes([mark]))
        servers = [stack.enter_context(accept(target)) for _ in range(number)]
        marks = [server.recv(1)[0] for server in servers]
        assert sorted(marks) == list(range(number))
        # The last comes first: each is answered while all the others are silent.
        for mark, server in sorted(zip(marks, servers, strict=True), reverse=True, key=lambda pair: pair[0]):
            server.sendall(b"for %d" % mark)
            server.close()
            assert read_to_the_end(clients[mark]) == b"for %d" % mark
            clients[mark].close()
        done = terminate(process)
    assert (done.exit_code, done.messages) == (0, [])


@pytest.mark.parametrize("who_is_slow", ["client", "target"])
def test_a_slow_reader_holds_up_who_sends_and_gets_everything(
    program: Program, target: socket.socket, who_is_slow: str
) -> None:
    target.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with proxying(program, target) as (process, port), connect(port, 4096) as client, accept(target) as server:
        slow, fast = (client, server) if who_is_slow == "client" else (server, client)
        piece = random.Random(3).randbytes(1 << 16)
        sent = 0
        while sent < FULL and select.select([], [fast], [], STUCK)[1]:
            sent += fast.send(piece[sent % len(piece) :])
        assert sent < FULL / 2
        # Both have said all that they will say, with most of it still on the way.
        fast.shutdown(socket.SHUT_WR)
        slow.shutdown(socket.SHUT_WR)
        process.send_signal(signal.SIGTERM)
        assert read_to_the_end(slow) == (piece * (sent // len(piece) + 1))[:sent]
        done = process.finish()
    assert (done.exit_code, done.messages) == (0, [])
    assert done.stdout.endswith(f"\n1 connections, {sent} bytes, 0 failed, 0 cut\n")


@pytest.mark.parametrize("who", ["client", "target"])
def test_a_reset_is_forwarded(program: Program, target: socket.socket, who: str) -> None:
    with proxying(program, target) as (process, port), connect(port) as client, accept(target) as server:
        # Both have heard of each other before one of them is reset.
        client.sendall(b"1")
        assert server.recv(1) == b"1"
        first, second = (client, server) if who == "client" else (server, client)
        reset(first)
        with pytest.raises(ConnectionResetError):
            second.recv(1)
        done = terminate(process)
    assert (done.exit_code, done.messages) == (0, [])


def test_a_target_that_refuses_is_reported_and_the_client_is_reset(program: Program, target: socket.socket) -> None:
    with proxying(program, target) as (process, port):
        target.close()
        own_port = connect_and_be_reset(port)
        done = terminate(process)
    target_port = process.process.args[-1]  # type: ignore[index]
    problem = f"cannot connect to 127.0.0.1 port {target_port!s}: Connection refused"
    assert done.messages == [f"tcp_proxy: connection from 127.0.0.1 port {own_port}: {problem}"]
    assert done.exit_code == 0
    assert done.stdout.endswith("\n1 connections, 0 bytes, 1 failed, 0 cut\n")


def test_there_is_no_room_for_more_than_it_was_told(program: Program, target: socket.socket) -> None:
    with proxying(program, target, "--connections", "1") as (process, port), connect(port) as client:
        with accept(target):
            own_port = connect_and_be_reset(port)
        assert read_to_the_end(client) == b""
        client.close()
        done = terminate(process)
    problem = "no room for more connections"
    assert done.messages == [f"tcp_proxy: connection from 127.0.0.1 port {own_port}: {problem}"]


def test_on_sigterm_open_connections_go_on_to_their_end(program: Program, target: socket.socket) -> None:
    data = random.Random(4).randbytes(2_000_000)
    patience = ("--patience", str(PATIENCE))
    with proxying(program, target, *patience) as (process, port), connect(port) as client, accept(target) as server:
        server.sendall(data[:1000])
        assert read_exactly(client, 1000) == data[:1000]
        process.send_signal(signal.SIGTERM)
        assert process.line() == "closing, with 1 connections open"
        with pytest.raises(ConnectionRefusedError):
            connect(port)
        sender = threading.Thread(target=lambda: (server.sendall(data[1000:]), server.close()))
        sender.start()
        assert read_to_the_end(client) == data[1000:]
        sender.join()
        client.close()
        done = process.finish()
    assert (done.exit_code, done.messages) == (0, [])
    assert done.stdout.endswith("\n1 connections, 2000000 bytes, 0 failed, 0 cut\n")


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 1), (signal.SIGINT, 130)])
def test_what_was_read_is_delivered_when_a_connection_is_cut(
    program: Program, target: socket.socket, number: signal.Signals, exit_code: int
) -> None:
    patience = ("--patience", "0.3")
    with proxying(program, target, *patience) as (process, port), connect(port) as client, accept(target) as server:
        own_port = client.getsockname()[1]
        client.sendall(b"said before")
        assert server.recv(4) == b"said"
        process.send_signal(number)
        assert read_to_the_end(server) == b" before"
        assert read_to_the_end(client) == b""
        done = process.finish()
    interrupted = ["tcp_proxy: interrupted"] if number == signal.SIGINT else []
    assert done.messages == [f"tcp_proxy: cut the connection from 127.0.0.1 port {own_port}", *interrupted]
    assert done.exit_code == exit_code
    assert done.stdout.endswith("\n1 connections, 11 bytes, 0 failed, 1 cut\n")


def test_a_port_that_is_in_use_is_one_clear_line(program: Program, target: socket.socket) -> None:
    port = target.getsockname()[1]
    done = program.run(str(port), "127.0.0.1", "1")
    assert done.exit_code == 2
    assert done.messages == [f"tcp_proxy: cannot listen on 127.0.0.1 port {port}: Address already in use"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["1"], ["1", "host"], ["x", "host", "1"], ["1", "host", "65536"], ["1", "host", "1", "--patience", "-1"]],
    ids=" ".join,
)
def test_wrong_use_is_refused(program: Program, arguments: list[str]) -> None:
    done = program.run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: tcp_proxy.py ")
