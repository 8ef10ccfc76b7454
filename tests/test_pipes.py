"""Reading from pipes, and from what else `connect_read_pipe` takes: FIFOs, sockets and terminals."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import termios
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pipe_ends import PipeEnd, opened, pipe, reading, reset, sources, tcp_pair, terminal, writing
from recording_protocol import several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]

AT_ONCE = 256 * 1024  # as much as is read in one go


@pytest.mark.parametrize("kind", ["pipe", "FIFO", "socket", "master", "slave"])
def test_data_come_from_all_kinds_of_pipe(run: Run, tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        source, sink = sources(tmp_path)[kind]()
        with sink:
            async with reading(source) as (transport, protocol):
                assert transport.get_extra_info("pipe") is source
                assert transport.get_protocol() is protocol
                assert isinstance(transport, asyncio.ReadTransport)
                assert not os.get_blocking(source.fileno())
                for number in range(1, 4):
                    sink.write(b"data")
                    assert await protocol.receives(4 * number) == b"data" * number
                assert protocol.calls == ["connection_made"] + ["data_received"] * 3
            assert protocol.calls[4:] == ["connection_lost"]
            assert await protocol.lost is None

    run(main())


@pytest.mark.parametrize("kind", ["pipe", "FIFO", "socket"])
def test_the_end_comes_after_the_data(run: Run, tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        source, sink = sources(tmp_path)[kind]()
        async with reading(source) as (transport, protocol):
            sink.write(b"the last")
            sink.close()
            assert await protocol.lost is None
            assert bytes(protocol.received) == b"the last"
            assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]
            assert transport.is_closing()
            assert not transport.is_reading()

    run(main())


def test_large_data_are_read_in_pieces(run: Run) -> None:
    data = os.urandom(1 << 20)

    async def main() -> None:
        source, sink = pipe()
        async with reading(source) as (_, protocol), writing(sink) as (transport, _):
            transport.write(data)
            assert await protocol.receives(len(data)) == data
            assert max(protocol.chunk_sizes) <= AT_ONCE

    run(main())


@pytest.mark.parametrize("mode", ["rb", "r+b"])
def test_regular_files_are_refused(run: Run, loop: Loop, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "regular"
    path.touch()
    with path.open(mode) as file, pytest.raises(ValueError, match=r"^Pipe transport is for pipes/sockets only\.$"):
        run(loop.connect_read_pipe(PipeEnd, file))


def test_a_pause_holds_data_back(run: Run) -> None:
    async def main() -> None:
        source, sink = pipe()
        with sink:
            async with reading(source) as (transport, protocol):
                assert transport.is_reading()
                transport.pause_reading()
                transport.pause_reading()
                assert not transport.is_reading()
                sink.write(b"held back")
                await several_turns()
                assert protocol.calls == ["connection_made"]
                transport.resume_reading()
                transport.resume_reading()
                assert transport.is_reading()
                assert await protocol.receives(9) == b"held back"

    run(main())


def test_a_pause_within_data_received(run: Run) -> None:
    class Pausing(PipeEnd):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()

    async def main() -> None:
        source, sink = pipe()
        async with reading(source, Pausing) as (transport, protocol):
            sink.write(b"one")
            await protocol.receives(3)
            sink.write(b"two")
            sink.close()
            await several_turns()
            assert protocol.calls == ["connection_made", "data_received"]
            transport.resume_reading()
            assert await protocol.receives(6) == b"onetwo"
            transport.resume_reading()
            assert await protocol.lost is None
            assert protocol.calls[2:] == ["data_received", "eof_received", "connection_lost"]

    run(main())


def test_a_pause_before_reading_begins(run: Run) -> None:
    class Pausing(PipeEnd):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.pause_reading()

    async def main() -> None:
        source, sink = pipe()
        with sink:
            sink.write(b"data")
            async with reading(source, Pausing) as (transport, protocol):
                await several_turns()
                assert protocol.calls == ["connection_made"]
                transport.resume_reading()
                assert await protocol.receives(4) == b"data"

    run(main())


def test_closing_within_data_received(run: Run) -> None:
    class Closing(PipeEnd):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.close()

    async def main() -> None:
        source, sink = pipe()
        with sink:
            sink.write(bytes(4096))
            async with reading(source, Closing) as (_, protocol):
                assert await protocol.lost is None
                assert protocol.calls == ["connection_made", "data_received", "connection_lost"]
                assert source.closed

    run(main())


def test_exceptions_are_reported_and_the_rest_still_comes(run: Run, reports: Reports) -> None:
    class Failing(PipeEnd):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            raise ZeroDivisionError

    async def main() -> None:
        source, sink = pipe()
        async with reading(source, Failing) as (_, protocol):
            for number in range(1, 4):
                sink.write(b"data")
                await protocol.receives(4 * number)
            sink.close()
            assert await protocol.lost is None
            assert protocol.calls[-2:] == ["eof_received", "connection_lost"]

    run(main())
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError] * 3
    assert all("_read_ready" in report["message"] for report in reports)
    reports.clear()


def test_a_protocol_that_is_replaced_gets_nothing_more(run: Run) -> None:
    async def main() -> None:
        source, sink = pipe()
        with sink:
            transport, protocol = await asyncio.get_running_loop().connect_read_pipe(PipeEnd, source)
            sink.write(b"one")
            await protocol.receives(3)
            heir = PipeEnd()
            transport.set_protocol(heir)
            assert transport.get_protocol() is heir
            sink.write(b"two")
            assert await heir.receives(3) == b"two"
            transport.close()
            assert await heir.lost is None
            assert protocol.calls == ["connection_made", "data_received"]

    run(main())


def test_the_end_that_is_typed_on_a_terminal(run: Run) -> None:
    """It can be read only once: the terminal goes on after it."""

    async def main() -> None:
        master, slave = os.openpty()
        attributes = termios.tcgetattr(slave)
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        with opened(master, "r+b") as keyboard:
            async with reading(opened(slave, "rb")) as (_, protocol):
                keyboard.write(b"a line\n\x04")
                await protocol.receives(7)
                keyboard.write(b"\n")  # whoever missed the end gets this, which is better than waiting for ever
                while not (protocol.ended.done() or len(protocol.received) > 7):
                    await asyncio.sleep(0)
                assert bytes(protocol.received) == b"a line\n"
                assert await protocol.lost is None
                assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]

    run(main())


def test_a_terminal_that_hangs_up(run: Run, reports: Reports) -> None:
    """The slave's last holder leaves: `EIO`, which isn't worth a report. The master leaves: the slave has its end."""

    async def main() -> None:
        keyboard, screen = terminal()
        async with reading(keyboard) as (_, protocol):
            screen.write(b"bye")
            await protocol.receives(3)
            screen.close()
            assert isinstance(await protocol.lost, OSError)
            assert protocol.calls == ["connection_made", "data_received", "connection_lost"]
        keyboard, screen = terminal()
        async with reading(screen) as (_, protocol):
            keyboard.close()
            error = await protocol.lost
            assert error is None or isinstance(error, OSError)
            assert protocol.calls[-1] == "connection_lost"

    run(main())


@pytest.mark.parametrize("kind", ["TCP", "Unix"])
def test_a_connection_that_is_reset_is_lost_with_the_error(run: Run, reports: Reports, kind: str) -> None:
    """The error can be read only once: after it there is the end."""

    async def main() -> None:
        ours, theirs = tcp_pair() if kind == "TCP" else socket.socketpair()
        async with reading(ours) as (transport, protocol):
            if kind == "TCP":
                reset(theirs)
            else:
                ours.send(b"never read")
                theirs.close()
            assert type(await protocol.lost) is ConnectionResetError
            assert protocol.calls == ["connection_made", "connection_lost"]
            assert [report["message"] for report in reports] == ["Fatal read error on pipe transport"]
            assert reports[0]["transport"] is transport
            assert reports[0]["protocol"] is protocol

    run(main())
    reports.clear()


def test_an_empty_datagram_is_the_end(run: Run) -> None:
    """As a pipe, a datagram socket ends with an empty read, which can be read only once."""

    async def main() -> None:
        ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
        with theirs:
            async with reading(ours) as (_, protocol):
                for data in (b"data", b"", b"too late"):
                    theirs.send(data)
                while not (protocol.ended.done() or len(protocol.received) > 4):
                    await asyncio.sleep(0)
                assert bytes(protocol.received) == b"data"
                assert await protocol.lost is None
                assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]

    run(main())


def test_what_a_transport_says(run: Run) -> None:
    async def main() -> None:
        source, sink = pipe()
        with sink:
            fd = source.fileno()
            async with reading(source) as (transport, protocol):
                await several_turns()
                name, *words = repr(transport).strip("<>").split()
                assert name.endswith("ReadPipeTransport")
                assert words == [f"fd={fd}", "polling"]
                transport.pause_reading()
                assert repr(transport).strip("<>").split()[1:] == [f"fd={fd}", "idle"]
                transport.close()
                assert transport.is_closing()
                assert repr(transport).strip("<>").split()[1:] == ["closing", f"fd={fd}", "idle"]
                await protocol.lost
                await asyncio.sleep(0)
                assert repr(transport).strip("<>").split()[1:] == ["closed", f"fd={fd}", "closed"]
                assert source.closed
                transport.close()
                transport.resume_reading()

    run(main())


def test_debug_mode_tells_of_pauses_and_of_the_end(run: Run, loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        source, sink = pipe()
        async with reading(source) as (transport, protocol):
            transport.pause_reading()
            transport.resume_reading()
            sink.close()
            await protocol.lost

    loop.set_debug(True)
    with caplog.at_level(logging.DEBUG, "asyncio"):
        run(main())
    for text in ("Read pipe", "pauses reading", "resumes reading", "was closed by peer"):
        assert text in caplog.text


def test_a_forgotten_pipe_is_warned_of(run: Run, loop: Loop) -> None:
    async def main() -> None:
        source, sink = pipe()
        with sink:
            transport, protocol = await loop.connect_read_pipe(PipeEnd, source)
            transport.pause_reading()  # what the loop waits for isn't forgotten
            with pytest.warns(ResourceWarning, match=r"unclosed transport <.*ReadPipeTransport fd=\d+ idle>"):
                del protocol.transport, transport
            assert source.closed
            assert protocol.calls == ["connection_made"]

    run(main())
