"""asyncio's streams over the loop's transports: reading by lines, lengths and separators, draining, closing, TLS.

The streams are asyncio's own code; what is tested is that the loop's transports give them what they rely on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from recording_protocol import closed, several_turns, tls_contexts

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Handler = Callable[[Reader, Writer], Awaitable[None]]

MUCH = bytes(range(256)) * 16384


@contextlib.asynccontextmanager
async def served_by(handler: Handler, **options: Any) -> AsyncIterator[tuple[Reader, Writer]]:
    """Connect to a server that lets `handler` have its end of the connection, and close both ends afterwards."""

    async def handle(reader: Reader, writer: Writer) -> None:
        async with closing(writer):
            await handler(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), **options)
    async with closing(writer):
        yield reader, writer
    await closed(server)


@contextlib.asynccontextmanager
async def closing(writer: Writer) -> AsyncIterator[None]:
    """Close `writer` in the end and wait until it is, whatever the peer did."""
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def sending(data: bytes) -> Handler:
    """Make a handler that sends `data` and closes."""

    async def send(_: Reader, writer: Writer) -> None:
        writer.write(data)
        await writer.drain()

    return send


async def echo(reader: Reader, writer: Writer) -> None:
    """Send back what comes until the peer ends."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


def test_a_line_goes_to_the_server_and_back(run: Run) -> None:
    async def main() -> None:
        async with served_by(echo) as (reader, writer):
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            writer.writelines([b"by", b"e\n"])
            assert await reader.readline() == b"bye\n"
            assert writer.can_write_eof()
            writer.write_eof()
            assert await reader.read() == b""
            assert reader.at_eof()

    run(main())


def test_what_was_sent_can_be_read_in_every_way(run: Run) -> None:
    async def main() -> None:
        async with served_by(sending(b"one\ntwo;three-----fourteen bytes;and the rest\n...")) as (reader, _):
            assert await reader.readline() == b"one\n"
            assert await reader.readuntil(b";") == b"two;"
            assert await reader.readuntil(b"-----") == b"three-----"
            assert await reader.readexactly(14) == b"fourteen bytes"
            assert await reader.readexactly(0) == b""
            assert await reader.read(0) == b""
            assert await reader.read(1) == b";"
            assert await reader.read(-1) == b"and the rest\n..."
            assert await reader.readline() == b""

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="tuples of separators came with 3.13")
def test_readuntil_takes_several_separators(run: Run) -> None:
    async def main() -> None:
        async with served_by(sending(b"one,two;three--")) as (reader, _):
            assert await reader.readuntil((b";", b",", b"--")) == b"one,"
            assert await reader.readuntil((b"--", b";")) == b"two;"
            assert await reader.readuntil((b"-", b"--")) == b"three-"

    run(main())


def test_a_reader_iterates_over_lines(run: Run) -> None:
    async def main() -> None:
        async with served_by(sending(b"one\ntwo\n\nlast")) as (reader, _):
            assert [line async for line in reader] == [b"one\n", b"two\n", b"\n", b"last"]

    run(main())


def test_an_end_too_early_gives_what_there_was(run: Run) -> None:
    async def main() -> None:
        async with served_by(sending(b"short")) as (reader, _):
            with pytest.raises(asyncio.IncompleteReadError) as caught:
                await reader.readexactly(10)
            assert (caught.value.partial, caught.value.expected) == (b"short", 10)
        async with served_by(sending(b"no separator")) as (reader, _):
            with pytest.raises(asyncio.IncompleteReadError) as caught:
                await reader.readuntil(b"\n")
            assert (caught.value.partial, caught.value.expected) == (b"no separator", None)

    run(main())


def test_a_line_beyond_the_limit_is_refused(run: Run) -> None:
    async def main() -> None:
        async with served_by(sending(b"x" * 100 + b"\nnext\n" + b"y" * 100), limit=64) as (reader, _):
            with pytest.raises(ValueError, match=r"chunk is longer than limit|chunk exceed the limit"):
                await reader.readline()
            rest = await reader.read()
            assert rest.endswith(b"y" * 100)
        async with served_by(sending(b"x" * 1000), limit=10) as (reader, _):
            with pytest.raises(asyncio.LimitOverrunError) as caught:
                await reader.readuntil(b"\n")
            assert caught.value.consumed >= 10
            assert await reader.readexactly(caught.value.consumed) == b"x" * caught.value.consumed

    run(main())


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_positive(loop: Loop, run: Run, limit: int) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="Limit cannot be <= 0"):
            await asyncio.open_connection("127.0.0.1", 1, limit=limit)

    run(main())


def test_two_cannot_read_at_once(run: Run) -> None:
    async def main() -> None:
        async with served_by(echo) as (reader, writer):
            first = asyncio.ensure_future(reader.read(1))
            await several_turns()
            with pytest.raises(RuntimeError, match="another coroutine is already waiting for incoming data"):
                await reader.read(1)
            writer.write(b"x")
            assert await first == b"x"

    run(main())


def test_a_reader_that_is_full_holds_the_sender_back(run: Run) -> None:
    async def main() -> None:
        drained = asyncio.Event()

        async def send_much(_: Reader, writer: Writer) -> None:
            for _round in range(16):
                writer.write(MUCH)
                await writer.drain()
            drained.set()

        async with served_by(send_much, limit=1000) as (reader, writer):
            received = len(await reader.readexactly(1))
            await several_turns()
            assert isinstance(writer.transport, asyncio.Transport)
            assert not writer.transport.is_reading()
            assert not drained.is_set()
            while data := await reader.read(1 << 20):
                received += len(data)
            assert received == 16 * len(MUCH)
            assert drained.is_set()

    run(main())


def test_much_data_is_echoed_under_flow_control(run: Run) -> None:
    async def main() -> None:
        async with served_by(echo) as (reader, writer):

            async def send() -> None:
                for start in range(0, len(MUCH), 100_000):
                    writer.write(MUCH[start : start + 100_000])
                    await writer.drain()
                writer.write_eof()

            _, received = await asyncio.gather(send(), reader.read())
            assert received == MUCH

    run(main())


def fill(writer: Writer) -> int:
    """Write until something is left in the transport's buffer and has to be drained; return how much in all."""
    writer.transport.set_write_buffer_limits(high=0)
    total = 0
    while not writer.transport.get_write_buffer_size():
        writer.write(MUCH)
        total += len(MUCH)
    return total


def test_several_may_drain_at_once(run: Run) -> None:
    async def main() -> None:
        async with served_by(echo) as (reader, writer):
            total = fill(writer)
            draining = [asyncio.ensure_future(writer.drain()) for _ in range(3)]
            await asyncio.sleep(0)
            assert not any(task.done() for task in draining)
            received = await reader.readexactly(total)
            assert received == MUCH * (total // len(MUCH))
            await asyncio.gather(*draining)

    run(main())


def reset(writer: Writer) -> None:
    """Make the peer of `writer` see a reset."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def test_a_reset_reaches_who_reads_drains_and_waits(run: Run) -> None:
    async def reset_at_once(reader: Reader, writer: Writer) -> None:
        await reader.readexactly(1)
        reset(writer)

    async def main() -> None:
        async with served_by(reset_at_once) as (reader, writer):
            writer.write(b"!")
            for _ in range(2):
                with pytest.raises(ConnectionResetError, match="Connection reset by peer"):
                    await reader.read()
            with pytest.raises(ConnectionResetError, match="Connection reset by peer"):
                await writer.drain()
            assert writer.is_closing()
            with pytest.raises(ConnectionResetError, match="Connection reset by peer"):
                await writer.wait_closed()

    run(main())


def test_draining_a_closed_writer_says_that_the_connection_is_lost(run: Run) -> None:
    async def main() -> None:
        async with served_by(echo) as (_, writer):
            writer.close()
            await writer.wait_closed()
            await writer.wait_closed()
            with pytest.raises(ConnectionResetError, match="Connection lost"):
                await writer.drain()

    run(main())


def hold(writer: Writer) -> None:
    """Read no more from the peer of `writer`."""
    assert isinstance(writer.transport, asyncio.Transport)
    writer.transport.pause_reading()


def test_who_waits_for_the_buffer_learns_that_the_connection_was_reset(run: Run) -> None:
    async def main() -> None:
        filled = asyncio.Event()

        async def reset_when_full(_: Reader, writer: Writer) -> None:
            hold(writer)
            await filled.wait()
            reset(writer)

        async with served_by(reset_when_full) as (_, writer):
            fill(writer)
            draining = asyncio.ensure_future(writer.drain())
            await asyncio.sleep(0)
            filled.set()
            with pytest.raises(ConnectionResetError, match="Connection reset by peer"):
                await draining

    run(main())


def test_who_waits_for_the_buffer_is_let_go_when_the_writer_aborts(run: Run) -> None:
    async def main() -> None:
        aborted = asyncio.Event()

        async def wait_without_reading(_: Reader, writer: Writer) -> None:
            hold(writer)
            await aborted.wait()

        async with served_by(wait_without_reading) as (reader, writer):
            fill(writer)
            draining = asyncio.ensure_future(writer.drain())
            await asyncio.sleep(0)
            writer.transport.abort()
            await draining
            assert await reader.read() == b""
            aborted.set()

    run(main())


def test_a_plain_function_can_be_told_of_connections(loop: Loop, run: Run) -> None:
    async def main() -> None:
        accepted: asyncio.Future[tuple[Reader, Writer]] = loop.create_future()

        def note(reader: Reader, writer: Writer) -> None:
            accepted.set_result((reader, writer))

        server = await asyncio.start_server(note, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        _, other = await accepted
        other.write(b"noted")
        async with closing(other), closing(writer):
            assert await reader.readexactly(5) == b"noted"
        await closed(server)

    run(main())


def test_an_exception_in_a_handler_is_reported_and_closes_its_connection(
    run: Run, reports: list[dict[str, Any]]
) -> None:
    error = ValueError("raised")

    async def main() -> None:
        async def fail(_: Reader, __: Writer) -> None:
            raise error

        server = await asyncio.start_server(fail, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        async with closing(writer):
            assert await reader.read() == b""
        await closed(server)
        report = reports.pop()
        assert report.keys() == {"message", "exception", "transport"}
        assert report["message"] == "Unhandled exception in client_connected_cb"
        assert report["exception"] is error
        assert report["transport"].is_closing()

    run(main())


def test_streams_go_over_unix_sockets(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async def handle(reader: Reader, writer: Writer) -> None:
            async with closing(writer):
                await echo(reader, writer)

        server = await asyncio.start_unix_server(handle, tmp_path / "socket")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
        async with closing(writer):
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
        await closed(server)

    run(main())


def test_streams_go_over_tls(run: Run) -> None:
    server_context, client_context = tls_contexts()

    async def main() -> None:
        async def handle(reader: Reader, writer: Writer) -> None:
            async with closing(writer):
                writer.write(await reader.readexactly(len(MUCH)))
                await writer.drain()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=server_context)
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address, ssl=client_context, server_hostname="localhost")
        async with closing(writer):
            assert not writer.can_write_eof()
            assert writer.get_extra_info("peercert") is not None
            writer.write(MUCH)
            assert await reader.read() == MUCH
        await closed(server)

    run(main())


def test_streams_are_upgraded_to_tls_on_both_sides(run: Run) -> None:
    server_context, client_context = tls_contexts()

    async def upgrade(reader: Reader, writer: Writer) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"ready\n")
        await writer.start_tls(server_context)
        assert writer.get_extra_info("cipher") is not None
        writer.write(b"echo: " + await reader.readline())
        await writer.drain()

    async def main() -> None:
        async with served_by(upgrade) as (reader, writer):
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"ready\n"
            plain = writer.transport
            await writer.start_tls(client_context, server_hostname="localhost")
            assert writer.transport is not plain
            assert writer.get_extra_info("sslcontext") is client_context
            writer.write(b"secret\n")
            assert await reader.read() == b"echo: secret\n"

    run(main())
