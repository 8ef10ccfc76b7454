"""The benchmarks' load generator: it fails when a server loses or changes anything, and counts what truly happened.

The servers here are threads with blocking sockets, so that no loop has a part in it. Where a server loses something the
generator's patience ends the test; nothing else is decided by time.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blocking_servers import (
    MEBIBYTE,
    Counter,
    Talk,
    answer_requests,
    count_blocks,
    echo,
    echo_and_count,
    lines,
    send_blocks,
    serving,
    serving_datagrams,
)
from recording_protocol import authority

ROOT = Path(__file__).parent.parent
SIZE = 64


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    """The paths of `load` and `floor`, which cargo builds if need be."""
    cargo = shutil.which("cargo")
    assert cargo is not None, "the benchmarks' native programs are built by cargo, as ioxide is"
    command = [cargo, "build", "--quiet", "--package", "ioxide-load", "--message-format", "json"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return {
        message["target"]["name"]: message["executable"]
        for message in messages
        if message["reason"] == "compiler-artifact" and message["executable"]
    }


def run_load(programs: dict[str, str], address: str, *options: str) -> subprocess.CompletedProcess[str]:
    times = ["--warm-up", "0.05", "--duration", "0.1", "--size", str(SIZE)]
    command = [programs["load"], *times, *options, address]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def succeed(programs: dict[str, str], address: str, *options: str) -> dict[str, float]:
    run = run_load(programs, address, *options)
    assert (run.returncode, run.stderr) == (0, "")
    report: dict[str, float] = json.loads(run.stdout)
    return report


def fail(programs: dict[str, str], address: str, *options: str) -> str:
    """Run it against a server that does something wrong, and return what it says."""
    run = run_load(programs, address, "--patience", "0.5", *options)
    assert (run.returncode, run.stdout) == (1, "")
    return run.stderr


@contextlib.contextmanager
def running_floor(programs: dict[str, str], *options: str) -> Iterator[str]:
    with subprocess.Popen([programs["floor"], *options], stdout=subprocess.PIPE, text=True) as floor:
        try:
            assert floor.stdout is not None
            yield floor.stdout.readline().strip()
        finally:
            floor.kill()


def test_every_message_is_counted_once(programs: dict[str, str]) -> None:
    counter = Counter()
    with serving(echo_and_count(counter)) as address:
        report = succeed(programs, address, "--connections", "3", "--in-flight", "4")
    assert len(counter.counts) == 3
    assert sum(counter.counts) == report["messages_in_all"] >= report["requests"] > 0
    assert report["requests_per_second"] == pytest.approx(report["requests"] / report["seconds"])
    assert report["mebibytes_per_second"] == pytest.approx(report["requests_per_second"] * SIZE / MEBIBYTE)


def test_every_accepted_connection_is_counted_once(programs: dict[str, str]) -> None:
    counter = Counter()
    with serving(echo_and_count(counter)) as address:
        report = succeed(programs, address, "--mode", "accept", "--connections", "3")
    assert set(counter.counts) == {1}
    assert len(counter.counts) == report["messages_in_all"] > report["requests"] > 0


def test_idle_connections_send_a_first_message_and_a_last_one(programs: dict[str, str]) -> None:
    counter = Counter()
    with serving(echo_and_count(counter)) as address:
        report = succeed(programs, address, "--connections", "5", "--busy", "2")
    assert sorted(counter.counts)[:3] == [2, 2, 2]
    assert len(counter.counts) == 5
    assert sum(counter.counts) == report["messages_in_all"]


def test_a_slowed_server_is_seen_slowed(programs: dict[str, str]) -> None:
    def slowly(number: int, line: bytes) -> bytes:
        time.sleep(0.02)
        return line

    with serving(echo(slowly)) as address:
        report = succeed(programs, address)
    assert report["p50_us"] >= 20_000
    assert report["requests_per_second"] <= 50


def test_what_the_server_costs_is_that_of_the_measured_time(programs: dict[str, str]) -> None:
    with subprocess.Popen([programs["floor"]], stdout=subprocess.PIPE, text=True) as floor:
        try:
            assert floor.stdout is not None
            address = floor.stdout.readline().strip()
            report = succeed(programs, address, "--duration", "0.5", "--process", str(floor.pid))
        finally:
            floor.kill()
    used = report["server_user_seconds"] + report["server_system_seconds"]
    # One thread, told to the tick of 10 ms, at both ends of the measured time.
    assert 0 <= used <= report["seconds"] + 0.02
    assert report["server_peak_memory"] > 100_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda number, line: b"" if number == 9 else line, "a message was lost", id="lost"),
        pytest.param(lambda number, line: line[:-2] + b"?\n" if number == 9 else line, "something else", id="changed"),
        pytest.param(lambda number, line: line[:-1] if number == 9 else line, "something else", id="byte lost"),
        pytest.param(lambda number, line: line * 2 if number == 9 else line, "more than it was sent", id="doubled"),
    ],
)
def test_a_message_that_is_lost_or_changed_or_doubled_fails(
    programs: dict[str, str], change: Callable[[int, bytes], bytes], said: str
) -> None:
    with serving(echo(change)) as address:
        # One message under way: with more, the message after a lost one would be the wrong one.
        assert said in fail(programs, address, "--connections", "2") or said == "something else"
        assert fail(programs, address, "--connections", "2", "--in-flight", "8")


def test_messages_in_the_wrong_order_fail(programs: dict[str, str]) -> None:
    def talk(connection: socket.socket) -> None:
        incoming = lines(connection)
        connection.sendall(next(incoming))  # the one that says that the connection was accepted
        for first, second in zip(incoming, incoming, strict=False):
            connection.sendall(second + first)

    with serving(talk) as address:
        assert "something else" in fail(programs, address, "--in-flight", "4")


def test_an_answer_to_another_connection_fails(programs: dict[str, str]) -> None:
    both = threading.Barrier(2)
    swapped: dict[int, bytes] = {}

    def talk(connection: socket.socket) -> None:
        incoming = lines(connection)
        line = next(incoming)
        place = both.wait()
        swapped[place] = line
        both.wait()
        connection.sendall(swapped[1 - place])
        for line in incoming:
            connection.sendall(line)

    with serving(talk) as address:
        assert "something else" in fail(programs, address, "--connections", "2")


def test_a_forgotten_idle_connection_fails(programs: dict[str, str]) -> None:
    seen = Counter()

    def talk(connection: socket.socket) -> None:
        seen.add(1)
        is_last = len(seen.counts) == 3
        for number, line in enumerate(lines(connection)):
            if not (is_last and number == 1):
                connection.sendall(line)

    with serving(talk) as address:
        assert "a message was lost" in fail(programs, address, "--connections", "3", "--busy", "1")


def test_a_closed_connection_fails(programs: dict[str, str]) -> None:
    def talk(connection: socket.socket) -> None:
        for _, line in zip(range(20), lines(connection), strict=False):
            connection.sendall(line)

    with serving(talk) as address:
        assert fail(programs, address)


def test_a_server_that_is_not_there_fails(programs: dict[str, str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert "cannot connect" in fail(programs, "{}:{}".format(*unused.getsockname()))


def test_datagrams_are_counted(programs: dict[str, str]) -> None:
    counter = Counter()

    def answer(number: int, data: bytes) -> list[bytes]:
        counter.add(1)
        return [data]

    with serving_datagrams(answer) as address:
        report = succeed(programs, address, "--protocol", "udp", "--connections", "2")
    assert len(counter.counts) == report["messages_in_all"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda number, data: [] if number == 9 else [data], id="lost"),
        pytest.param(lambda number, data: [data[:-1]] if number == 9 else [data], id="cut"),
        pytest.param(lambda number, data: [data, data] if number == 9 else [data], id="doubled"),
    ],
)
def test_a_datagram_that_is_lost_or_cut_or_doubled_fails(
    programs: dict[str, str], answer: Callable[[int, bytes], list[bytes]]
) -> None:
    with serving_datagrams(answer) as address:
        assert fail(programs, address, "--protocol", "udp")


def test_what_goes_up_is_what_the_server_acknowledges(programs: dict[str, str]) -> None:
    counter = Counter()

    def one(number: int) -> int:
        counter.add(1)
        return 1

    with serving(count_blocks(one)) as address:
        report = succeed(programs, address, "--mode", "up", "--size", "65536")
    assert len(counter.counts) == report["messages_in_all"]
    assert report["mebibytes_per_second"] == pytest.approx(report["requests"] / report["seconds"])


@pytest.mark.parametrize("answers", [lambda number: int(number != 3), lambda number: 1 + 100 * (number == 3)])
def test_a_server_that_counts_wrongly_fails(programs: dict[str, str], answers: Callable[[int], int]) -> None:
    with serving(count_blocks(answers)) as address:
        assert fail(programs, address, "--mode", "up", "--size", "65536")


def test_what_comes_down_is_checked(programs: dict[str, str]) -> None:
    with serving(send_blocks(bytes(range(256)))) as address:
        assert succeed(programs, address, "--mode", "down", "--in-flight", "2")["requests"] > 0
    with serving(send_blocks(bytes(range(255)) + b"?")) as address:
        assert "something else" in fail(programs, address, "--mode", "down")


def test_answers_of_a_web_server_are_counted(programs: dict[str, str]) -> None:
    counter = Counter()

    def body(number: int) -> bytes:
        counter.add(1)
        return b"hello"

    with serving(answer_requests(body)) as address:
        report = succeed(programs, address, "--mode", "http", "--connections", "2")
    assert len(counter.counts) == report["messages_in_all"]


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(answer_requests(lambda number: b"hello" if number != 9 else b"hallo"), id="another body"),
        pytest.param(answer_requests(lambda number: b"", status="500 Internal Server Error"), id="an error"),
    ],
)
def test_a_web_server_that_answers_wrongly_fails(programs: dict[str, str], talk: Talk) -> None:
    with serving(talk) as address:
        assert fail(programs, address, "--mode", "http")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options by which `floor` finds a certificate."""
    issued = authority().issue_cert("localhost")
    directory = tmp_path_factory.mktemp("certificate")
    issued.cert_chain_pems[0].write_to_path(directory / "certificate.pem")
    issued.private_key_pem.write_to_path(directory / "key.pem")
    return ["--certificate", str(directory / "certificate.pem"), "--key", str(directory / "key.pem")]


@pytest.mark.parametrize("protocol", ["tcp", "tls", "unix"])
@pytest.mark.parametrize(
    ("mode", "size"),
    [
        *((mode, size) for mode in ("echo", "accept") for size in (1, 1000, 60_000, 262_144)),
        ("up", 60_000),
        ("down", 64),
        ("http", 64),
    ],
)
def test_the_floor_does_everything_right(
    programs: dict[str, str], certificate: list[str], tmp_path: Path, protocol: str, mode: str, size: int
) -> None:
    options = [*certificate, *([str(tmp_path / "socket")] if protocol == "unix" else [])]
    service = "echo" if mode == "accept" else mode
    with running_floor(programs, "--protocol", protocol, "--mode", service, *options) as address:
        words = ["--protocol", protocol, "--mode", mode, "--size", str(size), "--connections", "3", "--in-flight", "2"]
        assert succeed(programs, address, *words)["requests"] > 0


@pytest.mark.parametrize("size", [1, 1000, 60_000])
def test_the_floor_echoes_datagrams(programs: dict[str, str], size: int) -> None:
    with running_floor(programs, "--protocol", "udp") as address:
        words = ["--protocol", "udp", "--size", str(size), "--connections", "3"]
        assert succeed(programs, address, *words)["requests"] > 0
