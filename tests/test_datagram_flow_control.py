"""Datagrams that can't be sent now, which a full Unix socket brings about: buffering, pausing, closing and aborting."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from recording_endpoint import endpoint, unix_socket
from recording_protocol import several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]


# What a buffered datagram counts beside its bytes.
HEADER = 8 if sys.version_info >= (3, 13) else 0


class Full:
    """An endpoint whose receiver takes nothing, so that what it sends is buffered. Datagrams are numbered."""

    def __init__(self, path: Path, is_connected: bool) -> None:
        self.path = str(path)
        self.is_connected = is_connected
        self.receiver = unix_socket(self.path)
        self.sent = 0

    async def __aenter__(self) -> Full:
        options = {"remote_addr": self.path} if self.is_connected else {}
        self._endpoint = endpoint(family=socket.AF_UNIX, **options)
        self.transport, self.protocol = await self._endpoint.__aenter__()
        while not self.buffered():
            self.send()
        return self

    async def __aexit__(self, *exception: Any) -> None:
        await self._endpoint.__aexit__(*exception)
        self.receiver.close()

    def send(self, length: int = 1000) -> None:
        """Send one more datagram."""
        self.transport.sendto(b"%d " % self.sent + bytes(length), None if self.is_connected else self.path)  # type: ignore
        self.sent += 1

    def buffered(self) -> int:
        """Return the size of the buffer."""
        size: int = self.transport.get_write_buffer_size()  # type: ignore[attr-defined]
        return size

    async def receive(self, until: Callable[[], bool]) -> list[int]:
        """Receive until `until`, and return the numbers of what came."""
        numbers = []
        while not until():
            try:
                numbers.append(int(self.receiver.recv(1 << 17).split()[0]))
            except BlockingIOError:
                await asyncio.sleep(0)
        return numbers

    def left(self) -> list[int]:
        """Return the numbers of what waits in the receiver."""
        numbers = []
        while True:
            try:
                numbers.append(int(self.receiver.recv(1 << 17).split()[0]))
            except BlockingIOError:
                return numbers


@pytest.fixture(params=[False, True], ids=["to an address", "to the peer"])
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Full:
    """Give an endpoint that can't send."""
    return Full(tmp_path / "receiver", request.param)


def test_what_is_not_taken_is_buffered(run: Run, full: Full) -> None:
    async def main() -> None:
        async with full:
            length = len(b"%d " % (full.sent - 1)) + 1000
            assert full.buffered() == length + HEADER
            # Another that would fit, if order didn't matter.
            full.send(0)
            assert full.buffered() == length + len(b"%d " % (full.sent - 1)) + 2 * HEADER
            assert "write=<polling, bufsize=" in repr(full.transport)
            assert full.protocol.calls == ["connection_made"]

    run(main())


def test_writing_is_paused_and_resumed(run: Run, full: Full) -> None:
    async def main() -> None:
        async with full:
            full.transport.set_write_buffer_limits(high=5000, low=2000)  # type: ignore[attr-defined]
            assert full.transport.get_write_buffer_limits() == (2000, 5000)  # type: ignore[attr-defined]
            while full.buffered() <= 5000:
                assert "pause_writing" not in full.protocol.calls
                full.send()
            assert full.protocol.calls[1:] == ["pause_writing"]
            full.send()
            assert full.protocol.calls[1:] == ["pause_writing"]
            received = await full.receive(lambda: "resume_writing" in full.protocol.calls)
            assert full.protocol.calls[1:] == ["pause_writing", "resume_writing"]
            received += await full.receive(lambda: "bufsize=0" in repr(full.transport) or HEADER > 0)
            while len(received) < full.sent:
                received += full.left()
                await asyncio.sleep(0)
            assert received == list(range(full.sent))

    run(main())


def test_closing_sends_what_is_buffered_first(run: Run, full: Full) -> None:
    async def main() -> None:
        async with full:
            for _ in range(20):
                full.send()
            full.transport.close()
            assert full.transport.is_closing()
            received = await full.receive(full.protocol.lost.done)
            received += full.left()
            assert received == list(range(full.sent))
            assert await full.protocol.lost is None

    run(main())


def test_aborting_drops_what_is_buffered(run: Run, full: Full) -> None:
    async def main() -> None:
        async with full:
            taken = full.sent - 1
            for _ in range(20):
                full.send()
            full.transport.abort()
            assert await full.protocol.lost is None
            assert full.left() == list(range(taken))
            assert full.protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_aborting_after_closing_drops_what_is_buffered(run: Run, full: Full) -> None:
    async def main() -> None:
        async with full:
            taken = full.sent - 1
            full.transport.close()
            await several_turns()
            assert not full.protocol.lost.done()
            full.transport.abort()
            assert await full.protocol.lost is None
            assert full.left() == list(range(taken))

    run(main())


def test_what_is_buffered_is_a_copy(run: Run, full: Full) -> None:
    async def main() -> None:
        async with full:
            data = bytearray(b"%d before" % full.sent)
            full.sent += 1
            full.transport.sendto(data, None if full.is_connected else full.path)  # type: ignore[arg-type]
            data[:] = b"999 later"
            data.clear()
            full.transport.close()
            received = await full.receive(full.protocol.lost.done)
            assert received + full.left() == list(range(full.sent))

    run(main())


def test_receiving_goes_on_while_sending_is_stuck(run: Run, full: Full, tmp_path: Path) -> None:
    async def main() -> None:
        async with full:
            sock = full.transport.get_extra_info("socket")
            if not full.is_connected:
                sock._sock.bind(str(tmp_path / "sender"))
                with unix_socket() as peer:
                    peer.sendto(b"hello", str(tmp_path / "sender"))
            else:
                sock._sock.bind(str(tmp_path / "sender"))
                full.receiver.sendto(b"hello", str(tmp_path / "sender"))
            await full.protocol.receives(1)
            assert full.protocol.data == [b"hello"]
            assert full.buffered() > 0

    run(main())


def test_a_receiver_that_leaves_while_something_is_buffered(run: Run, full: Full) -> None:
    async def main() -> None:
        async with full:
            full.receiver.close()
            os.unlink(full.path)
            expected = ConnectionRefusedError if full.is_connected else FileNotFoundError
            errors = await full.protocol.fails(1)
            assert type(errors[0]) in (expected, ConnectionResetError)
            await several_turns()
            assert not full.transport.is_closing()
            assert full.buffered() == HEADER

    run(main())
