"""Servers of blocking sockets and threads, for the tests of the load generator: no loop has a part in them."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator

MEBIBYTE = 1 << 20

Talk = Callable[[socket.socket], None]
"""What a server does with a connection."""


@contextlib.contextmanager
def serving(talk: Talk) -> Iterator[str]:
    """Talk to each connection in a thread of its own, and give the address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                talk(self.request)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        request_queue_size = 100

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield "{}:{}".format(*server.server_address)
        finally:
            server.shutdown()
            thread.join()


def lines(connection: socket.socket) -> Iterator[bytes]:
    with connection.makefile("rb") as file:
        yield from file


def echo(change: Callable[[int, bytes], bytes] = lambda number, line: line) -> Talk:
    """Send each line back, or what `change` makes of it."""

    def talk(connection: socket.socket) -> None:
        for number, line in enumerate(lines(connection)):
            connection.sendall(change(number, line))

    return talk


class Counter:
    """Counts from several threads."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self.counts.append(count)


def echo_and_count(counter: Counter) -> Talk:
    def talk(connection: socket.socket) -> None:
        count = 0
        try:
            for line in lines(connection):
                connection.sendall(line)
                count += 1
        finally:
            counter.add(count)

    return talk


@contextlib.contextmanager
def serving_datagrams(answer: Callable[[int, bytes], list[bytes]]) -> Iterator[str]:
    """Answer the datagrams, the first being number 0, until an empty one comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def talk() -> None:
            number = 0
            while True:
                data, client = server.recvfrom(65536)
                if not data:
                    return
                for part in answer(number, data):
                    server.sendto(part, client)
                number += 1

        thread = threading.Thread(target=talk)
        thread.start()
        try:
            yield "{}:{}".format(*server.getsockname())
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopper:
                stopper.sendto(b"", server.getsockname())
            thread.join()


def count_blocks(answers: Callable[[int], int]) -> Talk:
    """Answer the block of each number with so many bytes."""

    def talk(connection: socket.socket) -> None:
        received = number = 0
        while data := connection.recv(65536):
            received += len(data)
            while received >= (number + 1) * MEBIBYTE:
                connection.sendall(b"." * answers(number))
                number += 1

    return talk


def send_blocks(pattern: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        while asked := connection.recv(100):
            connection.sendall(pattern * (MEBIBYTE // len(pattern)) * len(asked))

    return talk


def answer_requests(body: Callable[[int], bytes], status: str = "200 OK") -> Talk:
    def talk(connection: socket.socket) -> None:
        ends = (line for line in lines(connection) if line == b"\r\n")
        for number, _ in enumerate(ends):
            content = body(number)
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)

    return talk
