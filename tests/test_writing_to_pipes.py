"""Writing to pipes, and to what else `connect_write_pipe` takes: FIFOs, sockets and terminals."""

from __future__ import annotations

import array
import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pipe_ends import PipeEnd, emptied, fill, opened, pipe, reading, sources, writing
from recording_protocol import several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]

LARGE = os.urandom(1 << 20)


@pytest.mark.parametrize("kind", ["pipe", "FIFO", "socket", "master", "slave"])
def test_data_go_to_all_kinds_of_pipe(run: Run, tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        source, sink = sources(tmp_path)[kind]()
        with source:
            async with writing(sink) as (transport, protocol):
                assert transport.get_extra_info("pipe") is sink
                assert transport.get_protocol() is protocol
                assert isinstance(transport, asyncio.WriteTransport)
                assert not os.get_blocking(sink.fileno())
                assert transport.can_write_eof()
                for _ in range(3):
                    transport.write(b"data")
                    assert os.read(source.fileno(), 100) == b"data"
                assert protocol.calls == ["connection_made"]
            assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_regular_files_are_refused(run: Run, loop: Loop, tmp_path: Path) -> None:
    with (
        (tmp_path / "regular").open("wb") as file,
        pytest.raises(ValueError, match=r"^Pipe transport is only for pipes, "),
    ):
        run(loop.connect_write_pipe(PipeEnd, file))


@pytest.mark.parametrize(
    "data",
    [b"data", bytearray(b"data"), memoryview(b"data"), memoryview(b"no data")[3:], memoryview(b"data").cast("c")],
)
def test_whatever_is_like_bytes_is_written(run: Run, data: Any) -> None:
    async def main() -> None:
        source, sink = pipe()
        with source:
            async with writing(sink) as (transport, _):
                transport.write(data)
                assert emptied(source) == b"data"
                for empty in (b"", bytearray(), memoryview(b"")):
                    transport.write(empty)
                assert emptied(source) == b""

    run(main())


@pytest.mark.parametrize("data", ["text", None, 5, array.array("b", [1])], ids=lambda data: type(data).__name__)
def test_what_is_not_like_bytes_is_refused(run: Run, data: Any) -> None:
    async def main() -> None:
        source, sink = pipe()
        with source:
            async with writing(sink) as (transport, _):
                with pytest.raises(AssertionError, match=f"^{re.escape(repr(data))}$"):
                    transport.write(data)
                assert not transport.is_closing()

    run(main())


def test_writelines_writes_all(run: Run) -> None:
    async def main() -> None:
        source, sink = pipe()
        with source:
            async with writing(sink) as (transport, _):
                transport.writelines([b"one ", bytearray(b"two "), memoryview(b"three")])
                assert emptied(source) == b"one two three"

    run(main())


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_more_than_the_pipe_holds_arrives_whole(run: Run, kind: Callable[[bytes], Any]) -> None:
    async def main() -> None:
        source, sink = pipe()
        async with reading(source) as (_, reader), writing(sink) as (transport, _):
            data = kind(LARGE)
            transport.write(data)
            assert 0 < transport.get_write_buffer_size() < len(LARGE)
            if kind is bytearray:
                data.clear()  # it was copied
            transport.write(b"and the rest")
            transport.close()
            assert await reader.receives(len(LARGE) + 12) == LARGE + b"and the rest"
            assert await reader.lost is None

    run(main())


@pytest.mark.parametrize("form", ["I", "two dimensions"])
def test_a_view_of_larger_items_is_written_in_bytes(run: Run, reports: Reports, form: str) -> None:
    async def main() -> None:
        source, sink = pipe()
        with source:
            async with writing(sink) as (transport, _):
                view = memoryview(b"some data" * 4)
                transport.write(view.cast("I") if form == "I" else view.cast("B", (6, 6)))
                assert emptied(source) == b"some data" * 4

    run(main())
    # The standard library takes the number of items for the number of bytes, and waits to write what isn't there.
    assert all("Data should not be empty" in str(report["exception"]) for report in reports)
    reports.clear()


def test_a_scattered_view_ends_the_transport(run: Run, reports: Reports) -> None:
    async def main() -> None:
        source, sink = pipe()
        with source:
            async with writing(sink) as (transport, protocol):
                transport.write(memoryview(b"scattered")[::2])
                assert type(await protocol.lost) is BufferError
                assert reports[0]["transport"] is transport

    run(main())
    assert [report["message"] for report in reports] == ["Fatal write error on pipe transport"]
    reports.clear()


def test_a_full_pipe_pauses_the_protocol(run: Run) -> None:
    async def main() -> None:
        source, sink = pipe()
        with source:
            size = fill(sink)
            async with writing(sink) as (transport, protocol):
                transport.set_write_buffer_limits(high=1000, low=200)
                assert transport.get_write_buffer_limits() == (200, 1000)
                transport.write(b"a" * 1000)
                assert transport.get_write_buffer_size() == 1000
                assert protocol.calls == ["connection_made"]
                transport.write(b"b")
                transport.write(b"c")
                assert protocol.calls == ["connection_made", "pause_writing"]
                await several_turns()
                assert transport.get_write_buffer_size() == 1002
                received = b""
                while "resume_writing" not in protocol.calls:
                    received += emptied(source)
                    await asyncio.sleep(0)
                received += emptied(source)
                assert received[size:] == b"a" * 1000 + b"bc"
                assert protocol.calls == ["connection_made", "pause_writing", "resume_writing"]

    run(main())


def test_a_small_write_does_not_overtake_what_is_buffered(run: Run) -> None:
    async def main() -> None:
        source, sink = pipe()
        with source:
            size = fill(sink)
            async with writing(sink) as (transport, protocol):
                transport.write(b"first ")
                received = os.read(source.fileno(), 1 << 20)  # there is room again, but the loop doesn't know
                transport.write(b"second")
                transport.close()
                while not protocol.lost.done():
                    await asyncio.sleep(0)
                    received += emptied(source)
                received += emptied(source)
                assert received[size:] == b"first second"

    run(main())


def test_several_writers_of_a_pipe_do_not_tear_each_others_lines(run: Run, tmp_path: Path) -> None:
    lines = 500

    async def main() -> None:
        source, sink = pipe()
        other = opened(os.dup(sink.fileno()), "wb")
        async with reading(source) as (_, reader), writing(sink) as (first, _), writing(other) as (second, _):
            for number in range(lines):
                first.write(b"first %d\n" % number)
                second.write(b"second %d\n" % number)
                if not number % 50:
                    await asyncio.sleep(0)
            first.close()
            second.close()
            assert await reader.lost is None
            received = bytes(reader.received).splitlines()
            for name in (b"first", b"second"):
                own = [line for line in received if line.startswith(name + b" ")]
                assert own == [b"%s %d" % (name, number) for number in range(lines)]
            assert len(received) == 2 * lines

    run(main())


def test_pause_writing_may_raise(run: Run, reports: Reports) -> None:
    class Failing(PipeEnd):
        def pause_writing(self) -> None:
            super().pause_writing()
            raise ZeroDivisionError

    async def main() -> None:
        source, sink = pipe()
        async with reading(source) as (_, reader), writing(sink, Failing) as (transport, protocol):
            transport.write(LARGE)
            assert protocol.calls == ["connection_made", "pause_writing"]
            transport.close()
            assert await reader.receives(len(LARGE)) == LARGE

    run(main())
    assert [report["message"] for report in reports] == ["protocol.pause_writing() failed"]
    reports.clear()


def test_what_a_transport_says(run: Run) -> None:
    async def main() -> None:
        source, sink = pipe()
        with source:
            fd = sink.fileno()
            async with writing(sink) as (transport, protocol):
                name, *words = repr(transport).strip("<>").split()
                assert name.endswith("WritePipeTransport")
                assert words == [f"fd={fd}", "idle", "bufsize=0"]
                transport.write(LARGE)
                size = transport.get_write_buffer_size()
                assert repr(transport).strip("<>").split()[1:] == [f"fd={fd}", "polling", f"bufsize={size}"]
                transport.close()
                assert repr(transport).strip("<>").split()[1:] == ["closing", f"fd={fd}", "polling", f"bufsize={size}"]
                transport.abort()
                await protocol.lost
                await asyncio.sleep(0)
                assert repr(transport).strip("<>").split()[1:] == ["closed", f"fd={fd}", "closed"]
                transport.close()

    run(main())


def test_streams_on_pipes(run: Run, loop: Loop) -> None:
    async def main() -> None:
        source, sink = pipe()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sink)
        writer = asyncio.StreamWriter(transport, protocol, None, loop)

        async def write() -> None:
            for _ in range(16):
                writer.write(LARGE)
                await writer.drain()
            writer.close()

        task = asyncio.create_task(write())
        data = await reader.read()
        await task
        assert data == LARGE * 16
        while not (source.closed and sink.closed):
            await asyncio.sleep(0)

    run(main())
