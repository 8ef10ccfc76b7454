"""The chat server of the examples, run as its users run it, with members on sockets of the tests' own."""

from __future__ import annotations

import random
import re
import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from program_process import LOOPS, PATIENCE, Program, Running

FULL = 1 << 26  # bytes that nothing between two sockets has room for, but for an unbounded buffer
STUCK = 0.5  # seconds without any progress after which a sender is taken to be held up; if wrongly, no test fails


class Client:
    """Somebody who is connected to the server."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self._left = False
        self._file = self.socket.makefile("r", encoding="utf-8", newline="\n")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def say(self, *lines: str) -> None:
        self.socket.sendall("".join(f"{line}\n" for line in lines).encode())

    def line(self) -> str:
        return self._file.readline().rstrip("\n")

    def lines(self, number: int) -> list[str]:
        return [self.line() for _ in range(number)]

    def rest(self) -> list[str]:
        """Read until the server says that no more will come, and say the same."""
        lines = self._file.read().splitlines()
        self.leave()
        return lines

    def leave(self) -> None:
        """Say that no more will come."""
        if not self._left:
            self._left = True
            self.socket.shutdown(socket.SHUT_WR)

    def join(self, name: str) -> Client:
        """Say the name, and wait until the server has let everybody know."""
        assert self.line() == "* what is your name?"
        self.say(name)
        assert self.line() == f"* {name} came"
        return self


@pytest.fixture(params=LOOPS)
def program(request: pytest.FixtureRequest) -> Program:
    return Program("chat_server", request.param)


@contextmanager
def serving(program: Program, *options: str) -> Iterator[tuple[Running, int]]:
    with program.started("--port", "0", *options) as process:
        found = re.fullmatch(r"listening on 127\.0\.0\.1 port (\d+)", process.line())
        assert found
        yield process, int(found[1])


@pytest.fixture
def server(program: Program) -> Iterator[tuple[Running, int]]:
    """A server that has to end in order, when the test is done with it."""
    with serving(program) as (process, port):
        yield process, port
        process.send_signal(signal.SIGTERM)
        done = process.finish()
        assert (done.exit_code, done.messages) == (0, [])


Server = tuple[Running, int]


def messages_of(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("* ")]


def test_everybody_gets_every_message_its_author_too(server: Server) -> None:
    with Client(server[1]).join("ada") as ada, Client(server[1]).join("grace") as grace:
        assert ada.line() == "* grace came"
        ada.say("hello", "", "  again  ")
        expected = ["ada: hello", "ada: again"]
        assert ada.lines(2) == grace.lines(2) == expected
        grace.say("Grüße")
        assert ada.line() == grace.line() == "grace: Grüße"
        grace.leave()
        assert grace.rest() == []
        assert ada.line() == "* grace left"


def test_who_says_all_at_once_and_leaves_still_gets_it_back(server: Server) -> None:
    with Client(server[1]) as ada:
        ada.say("ada", "one", "two")
        ada.leave()
        assert ada.rest() == ["* what is your name?", "* ada came", "ada: one", "ada: two"]


def test_all_members_see_the_same_messages_in_the_same_order(server: Server) -> None:
    names, each = [f"member{number}" for number in range(20)], 50
    seen: dict[str, list[str]] = {}

    def read(name: str, client: Client) -> None:
        seen[name] = []
        while len(seen[name]) < each * len(names):
            seen[name] += messages_of([client.line()])

    with ExitStack() as stack:
        clients = {name: stack.enter_context(Client(server[1]).join(name)) for name in names}
        readers = [threading.Thread(target=read, args=item) for item in clients.items()]
        for reader in readers:
            reader.start()
        for number in range(each):
            for client in clients.values():
                client.say(str(number))
        for reader in readers:
            reader.join()
    assert len({tuple(lines) for lines in seen.values()}) == 1
    for name in names:
        own = [line for line in seen[name] if line.startswith(f"{name}: ")]
        assert own == [f"{name}: {number}" for number in range(each)]


@pytest.mark.parametrize("name", ["", "x" * 21, "two words", "a:b", "*", "\x1b[2J"])
def test_a_name_that_is_none_is_refused(server: Server, name: str) -> None:
    with Client(server[1]) as client:
        client.say(name)
        assert client.rest() == ["* what is your name?", "* a name has 1 to 20 letters and digits"]


def test_a_name_is_taken_until_its_owner_has_left(server: Server) -> None:
    with Client(server[1]).join("ada") as ada:
        with Client(server[1]) as other:
            other.say("ada")
            assert other.rest() == ["* what is your name?", "* the name ada is taken"]
        ada.leave()
        assert ada.rest() == []
        with Client(server[1]).join("bob") as bob:
            # The end of the connection is what frees the name; we may be faster than the server closes its side.
            while True:
                with Client(server[1]) as again:
                    again.say("ada")
                    if "* ada came" in again.lines(2):
                        break
            assert bob.line() == "* ada came"


def test_a_line_that_is_too_long_ends_the_membership(server: Server) -> None:
    with Client(server[1]).join("ada") as ada, Client(server[1]).join("bob") as bob:
        bob.say("x" * 8000, "y" * 20_000, "never read")
        assert bob.rest() == ["bob: " + "x" * 8000, "* a line has at most 8192 bytes"]
        assert ada.lines(3) == ["* bob came", "bob: " + "x" * 8000, "* bob left"]


def test_what_could_harm_a_terminal_is_replaced(server: Server) -> None:
    with Client(server[1]).join("ada") as ada:
        ada.socket.sendall(b"\x1b[2J\xff\x07\r\n")
        assert ada.line() == "ada: �[2J��"


def test_a_line_without_an_end_is_no_message(server: Server) -> None:
    with Client(server[1]).join("ada") as ada:
        ada.say("whole")
        ada.socket.sendall(b"cut of")
        ada.leave()
        assert ada.rest() == ["ada: whole"]


def test_a_connection_that_is_reset_is_a_member_that_left(server: Server) -> None:
    with Client(server[1]).join("ada") as ada:
        bob = Client(server[1]).join("bob")
        bob.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        with bob:
            pass
        assert ada.lines(2) == ["* bob came", "* bob left"]


def send_until_stuck(client: Client, line: bytes) -> int:
    """Send this line until there is no room for it anywhere, and tell how many bytes were sent."""
    sent = 0
    while sent < FULL and select.select([], [client.socket], [], STUCK)[1]:
        sent += client.socket.send(line[sent % len(line) :] + line * 8)
    return sent


def test_a_slow_reader_holds_up_who_sends_and_gets_everything(program: Program) -> None:
    line = b"z" * 7999 + b"\n"
    with (
        serving(program, "--patience", str(PATIENCE)) as (process, port),
        Client(port, receive_buffer=4096).join("slow") as slow,
        Client(port).join("fast") as fast,
    ):
        echoed: list[str] = []
        reader = threading.Thread(target=lambda: echoed.extend(fast.rest()))
        reader.start()
        sent = send_until_stuck(fast, line)
        assert sent < FULL / 2
        unfinished = -sent % len(line)
        writer = threading.Thread(target=fast.socket.sendall, args=(line[len(line) - unfinished :],))
        writer.start()
        sent += unfinished
        received = slow.lines(1 + sent // len(line))
        assert received == ["* fast came"] + ["fast: " + "z" * 7999] * (sent // len(line))
        writer.join()
        fast.leave()
        reader.join()
        assert echoed == received[1:]
        assert slow.line() == "* fast left"
        process.send_signal(signal.SIGTERM)
        assert slow.rest() == []
        done = process.finish()
    assert (done.exit_code, done.messages) == (0, [])
    assert done.stdout.endswith(f"\n{sent // len(line)} messages, 2 visitors, 0 dropped\n")


def test_who_does_not_read_at_all_is_dropped_and_the_others_go_on(program: Program) -> None:
    number = 1500
    with (
        serving(program, "--patience", "2") as (process, port),
        Client(port, receive_buffer=4096).join("deaf"),
        Client(port).join("fast") as fast,
    ):
        writer = threading.Thread(target=lambda: fast.say(*["z" * 8000] * number))
        writer.start()
        received = [fast.line()]
        while received.count("fast: " + "z" * 8000) < number:
            received.append(fast.line())
        writer.join()
        assert received.count("* deaf left") == 1
        process.send_signal(signal.SIGTERM)
        assert fast.rest() == []
        done = process.finish()
    assert (done.exit_code, done.messages) == (1, ["chat_server: dropped deaf, who doesn't read"])
    assert done.stdout.endswith(f"\n{number} messages, 2 visitors, 1 dropped\n")


class Chatterer:
    """A member that sends as fast as it can and reads all that comes, from two threads, until the server closes."""

    def __init__(self, client: Client, name: str, alarm: threading.Event, alarm_at: int) -> None:
        self.seen: list[str] = []
        self._client = client
        self._name = name
        self._alarm = alarm
        self._alarm_at = alarm_at
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._read)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        number = 0
        try:
            while True:
                self._client.say(*(str(number + more) for more in range(10)))
                number += 10
        except OSError:
            pass  # the server has closed, and `_read` our side of the connection

    def _read(self) -> None:
        while line := self._client.line():
            self.seen += messages_of([line])
            if len(self.seen) == self._alarm_at:
                self._alarm.set()
        self._client.leave()


@pytest.mark.parametrize("moment", random.Random(8).sample(range(1, 2000), 10))
def test_sigterm_loses_no_message_that_was_accepted(program: Program, moment: int) -> None:
    names = ["ada", "grace", "edsger", "alan"]
    alarm = threading.Event()
    with serving(program) as (process, port), ExitStack() as stack:
        clients = [stack.enter_context(Client(port).join(name)) for name in names]
        # Somebody who is only about to say a name doesn't hold the server up.
        visitor = stack.enter_context(Client(port))
        assert visitor.line() == "* what is your name?"
        members = [Chatterer(*pair, alarm, moment) for pair in zip(clients, names, strict=True)]
        for member in members:
            member.start()
        assert alarm.wait(PATIENCE)
        process.send_signal(signal.SIGTERM)
        assert visitor.rest() == []
        for member in members:
            member.join()
        done = process.finish()
    first = members[0].seen
    assert len(first) >= moment
    assert all(member.seen == first for member in members)
    for name in names:
        own = [line for line in first if line.startswith(f"{name}: ")]
        assert own == [f"{name}: {number}" for number in range(len(own))]
    assert (done.exit_code, done.messages) == (0, [])
    assert done.stdout.endswith(f"\n{len(first)} messages, 4 visitors, 0 dropped\n")


def test_it_is_silent_in_development_mode(program: Program) -> None:
    program = Program("chat_server", program.loop_name, development_mode=True)
    with serving(program) as (process, port), Client(port).join("ada") as ada, Client(port) as other:
        other.say("y" * 20_000)
        assert other.rest() == ["* what is your name?", "* a line has at most 8192 bytes"]
        process.send_signal(signal.SIGTERM)
        assert ada.rest() == []
        done = process.finish()
    assert (done.exit_code, done.messages) == (0, [])


def test_ctrl_c_closes_in_order(program: Program) -> None:
    with serving(program) as (process, port), Client(port).join("ada") as ada:
        ada.say("last")
        assert ada.line() == "ada: last"
        process.send_signal(signal.SIGINT)
        assert ada.rest() == []
        done = process.finish()
    assert (done.exit_code, done.messages) == (130, ["chat_server: interrupted"])
    assert done.stdout.endswith("\n1 messages, 1 visitors, 0 dropped\n")


def test_there_is_no_room_for_more_than_it_was_told(program: Program) -> None:
    with serving(program, "--members", "1") as (process, port), Client(port).join("ada") as ada:
        with Client(port) as other:
            assert other.rest() == ["* there is no room for more"]
        process.send_signal(signal.SIGTERM)
        assert ada.rest() == []
        assert process.finish().exit_code == 0


def test_a_port_that_is_in_use_is_one_clear_line(program: Program) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = program.run("--port", str(port))
    assert done.exit_code == 2
    assert done.messages == [f"chat_server: cannot listen on 127.0.0.1 port {port}: Address already in use"]


@pytest.mark.parametrize(
    "arguments", [["--port", "65536"], ["--port", "x"], ["--members", "0"], ["--patience", "0"], ["more"]]
)
def test_wrong_use_is_refused(program: Program, arguments: list[str]) -> None:
    done = program.run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: chat_server.py ")
