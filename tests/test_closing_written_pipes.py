"""How the writing to a pipe ends: closed, aborted, forgotten, or without a reader."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pipe_ends import PipeEnd, emptied, pipe, reading, reset, tcp_pair, writing

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]
LARGE = os.urandom(1 << 20)


@pytest.mark.parametrize("is_buffered", [False, True], ids=["nothing buffered", "data buffered"])
def test_a_reader_that_leaves_is_noticed_at_once(run: Run, is_buffered: bool) -> None:
    async def main() -> None:
        source, sink = pipe()
        async with writing(sink) as (transport, protocol):
            if is_buffered:
                transport.write(LARGE)
            source.close()
            error = await protocol.lost
            assert type(error) is (BrokenPipeError if is_buffered else type(None))
            assert protocol.calls[-1] == "connection_lost"
            assert transport.get_write_buffer_size() == 0
            assert sink.closed

    run(main())


def test_writing_to_a_pipe_without_a_reader_is_an_error(run: Run) -> None:
    async def main() -> None:
        source, sink = pipe()
        async with writing(sink) as (transport, protocol):
            source.close()
            transport.write(b"nobody there")
            assert transport.is_closing()
            assert type(await protocol.lost) is BrokenPipeError
            assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_writing_to_a_connection_that_was_reset_is_the_error_that_it_was_reset_with(run: Run) -> None:
    """It can be had only once: after it the pipe is broken."""

    async def main() -> None:
        ours, theirs = tcp_pair()
        async with writing(ours) as (transport, protocol):
            reset(theirs)
            transport.write(b"nobody there")
            assert type(await protocol.lost) is ConnectionResetError

    run(main())


def test_writes_after_closing_are_dropped_and_warned_of(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        source, sink = pipe()
        with source:
            async with writing(sink) as (transport, protocol):
                transport.write(b"in time")
                transport.close()
                for _ in range(8):
                    transport.write(b"too late")
                assert await protocol.lost is None
                assert emptied(source) == b"in time"

    run(main())
    message = "pipe closed by peer or os.write(pipe, data) raised exception."
    assert [record.getMessage() for record in caplog.records] == [message] * 3


@pytest.mark.parametrize("way", ["close", "write_eof"])
def test_closing_writes_what_is_buffered_first(run: Run, way: str) -> None:
    async def main() -> None:
        source, sink = pipe()
        async with reading(source) as (_, reader), writing(sink) as (transport, protocol):
            transport.write(LARGE)
            getattr(transport, way)()
            getattr(transport, way)()
            assert transport.is_closing()
            transport.write(b"too late")
            assert await reader.receives(len(LARGE)) == LARGE
            assert await protocol.lost is None
            assert await reader.lost is None
            assert bytes(reader.received) == LARGE

    run(main())


def test_aborting_drops_what_is_buffered(run: Run) -> None:
    async def main() -> None:
        source, sink = pipe()
        with source:
            async with writing(sink) as (transport, protocol):
                transport.write(LARGE)
                taken = len(LARGE) - transport.get_write_buffer_size()
                transport.abort()
                assert transport.get_write_buffer_size() == 0
                assert await protocol.lost is None
                assert emptied(source) == LARGE[:taken]

    run(main())


def test_what_comes_back_through_a_socket_ends_the_writing(run: Run) -> None:
    """Asyncio takes whatever can be read from a socket for its end."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            async with writing(ours) as (_, protocol):
                theirs.send(b"data")
                assert await protocol.lost is None

    run(main())


def test_debug_mode_tells_of_a_reader_that_leaves(run: Run, loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        source, sink = pipe()
        async with writing(sink) as (_, protocol):
            source.close()
            await protocol.lost
        source, sink = pipe()
        async with writing(sink) as (transport, protocol):
            source.close()
            transport.write(b"nobody there")
            await protocol.lost

    loop.set_debug(True)
    with caplog.at_level(logging.DEBUG, "asyncio"):
        run(main())
    for text in ("Write pipe", "was closed by peer", "Fatal write error on pipe transport"):
        assert text in caplog.text


def test_a_forgotten_pipe_is_warned_of(run: Run, loop: Loop) -> None:
    async def main() -> None:
        source, sink = pipe()
        with source:
            transport, protocol = await loop.connect_write_pipe(PipeEnd, sink)
            loop._remove_reader(sink.fileno())  # type: ignore[attr-defined]  # what the loop waits for isn't forgotten
            with pytest.warns(
                ResourceWarning, match=r"unclosed transport <.*WritePipeTransport fd=\d+ idle bufsize=0>"
            ):
                del protocol.transport, transport
            assert sink.closed

    run(main())
