"""`loop.sendfile` and `loop.sock_sendfile`: by the kernel, and by reading and writing where the kernel can't."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recording_protocol import RecordingProtocol, drained, facing_a_socket

Run = Callable[[Awaitable[Any]], Any]
CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def file(tmp_path: Path) -> Iterator[io.BufferedReader]:
    """A file of one mebibyte, open for reading."""
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        yield file


async def sent_and_received(
    transport: asyncio.Transport, peer: socket.socket, file: Any, *arguments: Any, **options: Any
) -> tuple[int, bytes]:
    """Send a file, close the transport, and return what `sendfile` says and what the peer got."""
    receiving = asyncio.create_task(drained(peer))
    count = await asyncio.get_running_loop().sendfile(transport, file, *arguments, **options)
    transport.close()
    return count, await receiving


def test_a_file_is_sent_whole_behind_what_was_written_before(run: Run, file: io.BufferedReader) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, _, peer):
            transport.write(CONTENT)
            count, received = await sent_and_received(transport, peer, file)
            assert count == len(CONTENT)
            assert received == CONTENT * 2
            assert file.tell() == len(CONTENT)

    run(main())


def test_a_part_of_a_file_is_sent(run: Run, file: io.BufferedReader) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, peer):
            count, received = await sent_and_received(transport, peer, file, 100, 1000)
            assert (count, received) == (1000, CONTENT[100:1100])

    run(main())


def test_what_is_no_regular_file_is_read_and_written(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, _, peer):
            count, received = await sent_and_received(transport, peer, io.BytesIO(CONTENT))
            assert (count, received) == (len(CONTENT), CONTENT)

    run(main())


def test_without_fallback_what_is_no_regular_file_is_refused(run: Run) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, _, _):
            with pytest.raises(asyncio.SendfileNotAvailableError):
                await asyncio.get_running_loop().sendfile(transport, io.BytesIO(CONTENT), fallback=False)
            assert transport.is_reading()

    run(main())


def test_while_a_file_is_sent_nothing_else_is_written(run: Run, file: io.BufferedReader) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, _, peer):
            transport.write(CONTENT)
            sending = asyncio.create_task(sent_and_received(transport, peer, file))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="sendfile is in progress"):
                transport.write(b"in between")
            assert (await sending)[1] == CONTENT * 2

    run(main())


def test_what_was_written_before_is_sent_although_the_file_is_cancelled(
    run: Run, file: io.BufferedReader, reports: list[dict[str, Any]]
) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, protocol, peer):
            transport.write(CONTENT)
            sending = asyncio.create_task(asyncio.get_running_loop().sendfile(transport, file))
            await asyncio.sleep(0)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            received = bytearray()
            while transport.get_write_buffer_size():
                received += await asyncio.get_running_loop().sock_recv(peer, len(CONTENT))
            transport.abort()
            assert received + await drained(peer) == CONTENT
            assert await protocol.lost is None
        # asyncio settles the future that was cancelled, at the end of the buffer and of the connection, and reports it.
        assert all(type(report["exception"]) is asyncio.InvalidStateError for report in reports)
        reports.clear()

    run(main())


def test_a_closing_transport_refuses_a_file(run: Run, file: io.BufferedReader) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol) as (transport, protocol, _):
            transport.close()
            with pytest.raises(RuntimeError, match="Transport is closing"):
                await asyncio.get_running_loop().sendfile(transport, file)
            await protocol.lost

    run(main())


def test_a_socket_sends_a_file(run: Run, file: io.BufferedReader) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            receiving = asyncio.create_task(drained(theirs))
            assert await asyncio.get_running_loop().sock_sendfile(ours, file) == len(CONTENT)
            ours.close()
            assert await receiving == CONTENT

    run(main())


def test_a_second_file_does_not_disturb_the_first(run: Run, file: io.BufferedReader, tmp_path: Path) -> None:
    async def main() -> None:
        async with facing_a_socket(RecordingProtocol, send_buffer=4096) as (transport, _, peer):
            loop = asyncio.get_running_loop()
            first = asyncio.create_task(loop.sendfile(transport, file))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            path = tmp_path / "second"
            path.write_bytes(b"second")
            with path.open("rb") as second, pytest.raises((RuntimeError, KeyError)):
                await loop.sendfile(transport, second, fallback=False)
            with pytest.raises(RuntimeError, match="sendfile is in progress"):
                transport.write(b"in between")
            receiving = asyncio.create_task(drained(peer))
            assert await first == len(CONTENT)
            transport.close()
            assert await receiving == CONTENT

    run(main())
