"""`ioxide.StreamWriter` and the stream protocol beside asyncio's: draining, closing, connections, finalizers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from ioxide import _streams
from recording_protocol import closed
from stream_classes import RecordedTransport, family

__all__ = ["family"]

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]
FUNCTIONS: dict[str, Any] = {"ioxide._cpython": asyncio, "ioxide._streams": _streams}


def functions(family: Any) -> Any:
    """Where `open_connection` and its like are."""
    return FUNCTIONS[family.__name__]


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def make_writer(family: Any, loop: Loop, transport: Any = None) -> tuple[Any, Any, Any, Any]:
    reader = family.StreamReader(loop=loop)
    protocol = family.StreamReaderProtocol(reader, loop=loop)
    transport = transport or RecordedTransport()
    return family.StreamWriter(transport, protocol, reader, loop), transport, protocol, reader


@pytest.fixture
def writer(family: Any, loop: Loop) -> Any:
    """A writer with a transport that notes what it is told. It is closed at the end, so that it doesn't warn."""
    writer, transport, _, _ = make_writer(family, loop)
    yield writer
    transport.closing = True


def test_a_writer_passes_on_to_its_transport(writer: Any, loop: Loop) -> None:
    writer.write(b"one")
    writer.writelines([b"two", b"three"])
    assert writer.can_write_eof() is True
    writer.write_eof()
    assert writer.is_closing() is False
    writer.close()
    assert writer.is_closing() is True
    assert writer.get_extra_info("anything", 5) == 5
    assert writer.get_extra_info("anything") is None
    assert writer.transport is writer._transport
    assert writer.transport.events == [("write", b"one"), ("writelines", [b"two", b"three"]), "write_eof", "close"]
    assert writer._loop is loop
    assert writer._complete_fut.done()


def test_reprs_are_asyncio_s(writer: Any) -> None:
    assert repr(writer) == f"<StreamWriter transport={writer.transport!r} reader=<StreamReader>>"


def test_a_drain_with_nothing_to_wait_for_does_not_suspend(writer: Any) -> None:
    with pytest.raises(StopIteration) as stop:
        writer.drain().send(None)
    assert stop.value.value is None


def test_a_drain_raises_what_the_reader_ended_with(writer: Any, run: Run) -> None:
    writer._reader.set_exception(ValueError("ended"))
    with pytest.raises(ValueError, match="ended"):
        run(writer.drain())


def test_a_drain_of_a_closing_writer_lets_one_turn_pass(writer: Any) -> None:
    writer.close()
    drain = writer.drain()
    assert drain.send(None) is None
    with pytest.raises(StopIteration):
        drain.send(None)
    drain = writer.drain()
    drain.send(None)
    writer._protocol.connection_lost(None)
    with pytest.raises(ConnectionResetError, match="Connection lost"):
        drain.send(None)


def test_who_drains_waits_until_writing_is_resumed(writer: Any, run: Run) -> None:
    async def main() -> None:
        protocol = writer._protocol
        protocol.pause_writing()
        assert protocol._paused
        tasks = [asyncio.ensure_future(writer.drain()) for _ in range(3)]
        await turns()
        assert len(protocol._drain_waiters) == 3
        tasks[1].cancel()
        await turns()
        assert tasks[1].cancelled()
        assert len(protocol._drain_waiters) == 2
        protocol.resume_writing()
        assert [task.done() for task in tasks] == [False, True, False]
        await asyncio.gather(tasks[0], tasks[2])
        assert len(protocol._drain_waiters) == 0

    run(main())


@pytest.mark.parametrize("error", [None, ConnectionResetError("reset")])
def test_who_drains_learns_that_the_connection_is_lost(writer: Any, run: Run, error: Exception | None) -> None:
    async def main() -> None:
        protocol = writer._protocol
        protocol.pause_writing()
        drained = asyncio.ensure_future(writer.drain())
        waited = asyncio.ensure_future(writer.wait_closed())
        await turns()
        protocol.connection_lost(error)
        assert await asyncio.gather(drained, waited, return_exceptions=True) == [error, error]
        assert protocol._stream_reader is None
        assert protocol._transport is None

    run(main())


def test_pausing_twice_is_a_mistake(writer: Any) -> None:
    writer._protocol.pause_writing()
    with pytest.raises(AssertionError):
        writer._protocol.pause_writing()
    writer._protocol.resume_writing()
    with pytest.raises(AssertionError):
        writer._protocol.resume_writing()


def test_a_protocol_s_own_way_to_drain_is_used(family: Any, loop: Loop, run: Run) -> None:
    calls = []

    class Derived(family.StreamReaderProtocol):  # type: ignore[misc]
        async def _drain_helper(self) -> None:
            calls.append("drain")
            await asyncio.sleep(0)

        def _get_close_waiter(self, stream: Any) -> Any:
            calls.append("close")
            return asyncio.sleep(0)

    transport = RecordedTransport()
    writer = family.StreamWriter(transport, Derived(None, loop=loop), None, loop)
    run(writer.drain())
    assert run(writer.wait_closed()) is None
    assert calls == ["drain", "close"]
    transport.closing = True


def test_a_writer_that_is_forgotten_closes_and_warns(family: Any, loop: Loop) -> None:
    writer, transport, _, _ = make_writer(family, loop)
    forgotten = [writer]
    del writer
    with pytest.warns(ResourceWarning, match=r"unclosed <StreamWriter transport="):
        forgotten.clear()
    assert transport.events == ["close"]


def test_a_writer_that_is_forgotten_after_its_loop_warns_of_that(family: Any) -> None:
    loop = asyncio.new_event_loop()
    writer, transport, _, _ = make_writer(family, loop)
    loop.close()
    forgotten = [writer]
    del writer
    with pytest.warns(ResourceWarning, match="loop is closed"):
        forgotten.clear()
    assert transport.events == []


@contextlib.asynccontextmanager
async def connected(family: Any, handler: Any, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    server = await functions(family).start_server(handler, "127.0.0.1", 0)
    reader, writer = await functions(family).open_connection(*server.sockets[0].getsockname(), **options)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        await closed(server)


def test_connections_are_of_the_family(family: Any, run: Run) -> None:
    async def main() -> None:
        seen = []

        async def handle(reader: Any, writer: Any) -> None:
            seen.extend([type(reader), type(writer), type(writer._protocol)])
            writer.write(await reader.readline())
            writer.close()

        async with connected(family, handle) as (reader, writer):
            assert (type(reader), type(writer)) == (family.StreamReader, family.StreamWriter)
            writer.write(b"hello\n")
            assert await reader.read() == b"hello\n"
        assert seen == [family.StreamReader, family.StreamWriter, family.StreamReaderProtocol]

    run(main())


def test_what_comes_faster_than_it_is_read_pauses_the_transport(family: Any, run: Run) -> None:
    async def main() -> None:
        async def handle(_: Any, writer: Any) -> None:
            for _round in range(100):
                writer.write(bytes(10_000))
                await writer.drain()
            writer.close()

        async with connected(family, handle, limit=1000) as (reader, writer):
            received = len(await reader.readexactly(2000))
            while not reader._paused:
                await asyncio.sleep(0)
            assert not writer.transport.is_reading()
            while data := await reader.read(7000):
                received += len(data)
            assert received == 1_000_000

    run(main())


def test_a_derived_protocol_gets_the_data_itself(family: Any, loop: Loop, run: Run) -> None:
    class Derived(family.StreamReaderProtocol):  # type: ignore[misc]
        def data_received(self, data: bytes) -> None:
            super().data_received(data.upper())

    async def main() -> bytes:
        ours, other = socket.socketpair()
        with other:
            reader = family.StreamReader(loop=loop)
            protocol = Derived(reader, loop=loop)
            transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
            writer = family.StreamWriter(transport, protocol, reader, loop)
            other.send(b"shout\n")
            line: bytes = await reader.readline()
            writer.close()
            await writer.wait_closed()
            return line

    assert run(main()) == b"SHOUT\n"


def test_what_comes_for_a_reader_that_is_gone_is_lost(family: Any, loop: Loop) -> None:
    reader = family.StreamReader(loop=loop)
    protocol = family.StreamReaderProtocol(reader, loop=loop)
    assert protocol._stream_reader is reader
    del reader
    gc.collect()
    assert protocol._stream_reader is None
    protocol.data_received(b"nobody")
    assert protocol.eof_received() is True
    protocol._over_ssl = True
    assert protocol.eof_received() is False


def test_a_server_s_protocol_keeps_the_reader_until_the_connection_is_made(family: Any, loop: Loop) -> None:
    seen = []
    protocol = family.StreamReaderProtocol(
        family.StreamReader(loop=loop), lambda reader, writer: seen.append((reader, writer)), loop=loop
    )
    gc.collect()
    transport = RecordedTransport()
    protocol.connection_made(transport)
    (reader, writer) = seen.pop()
    assert protocol._stream_reader is reader
    assert reader._transport is transport
    assert protocol._strong_reader is None
    transport.closing = True
    del writer


def test_an_exception_that_nobody_waits_for_is_not_reported(family: Any, loop: Loop, reports: Reports) -> None:
    protocol = family.StreamReaderProtocol(None, loop=loop)
    protocol.connection_lost(ValueError("unseen"))
    del protocol
    gc.collect()
    assert reports == []


def test_a_coroutine_that_handles_a_connection_and_fails_is_reported(family: Any, run: Run, reports: Reports) -> None:
    async def main() -> None:
        async def handle(_: Any, __: Any) -> None:
            raise ValueError("handler")

        async with connected(family, handle) as (reader, _):
            assert await reader.read() == b""

    run(main())
    report = reports.pop()
    assert report["message"] == "Unhandled exception in client_connected_cb"
    assert str(report["exception"]) == "handler"
    assert set(report) == {"message", "exception", "transport"}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_handlers_may_be_eager_tasks(family: Any, loop: Loop, run: Run) -> None:
    async def main() -> None:
        loop.set_task_factory(asyncio.eager_task_factory)

        async def handle(reader: Any, writer: Any) -> None:
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async with connected(family, handle) as (reader, writer):
            writer.write(b"eager\n")
            await writer.drain()
            assert await reader.read() == b"eager\n"

    run(main())


def test_a_process_s_streams_are_of_the_family(family: Any, loop: Loop, run: Run) -> None:
    async def main() -> tuple[int | None, bytes]:
        protocol = None

        def factory() -> Any:
            nonlocal protocol
            protocol = family.SubprocessStreamProtocol(limit=1 << 16, loop=loop)
            return protocol

        program = "import sys; sys.stdout.write(sys.stdin.readline() * 3); sys.stdout.flush()"
        transport, _ = await loop.subprocess_exec(factory, sys.executable, "-c", program, stderr=None)
        process = asyncio.subprocess.Process(transport, protocol, loop)  # type: ignore[arg-type]
        out, _ = await process.communicate(b"line\n")
        assert "SubprocessStreamProtocol stdin=<StreamWriter" in repr(protocol)
        return process.returncode, out

    assert run(main()) == (0, b"line\n" * 3)


def test_debug_mode_logs_pauses(family: Any, loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_debug(True)
    protocol = family.StreamReaderProtocol(None, loop=loop)
    with caplog.at_level("DEBUG", "asyncio"):
        protocol.pause_writing()
        protocol.resume_writing()
    assert [record.message.rpartition("> ")[2] for record in caplog.records] == ["pauses writing", "resumes writing"]


def test_nothing_warns_when_all_is_closed(family: Any, run: Run) -> None:
    async def main() -> None:
        async def handle(_: Any, writer: Any) -> None:
            writer.close()

        async with connected(family, handle) as (reader, _):
            assert await reader.read() == b""

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main())
        gc.collect()
