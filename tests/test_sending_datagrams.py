"""`sendto`: what can be sent, where to, and how what can't be sent is told."""

from __future__ import annotations

import array
import asyncio
import errno
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from recording_endpoint import RecordingEndpoint, endpoint, udp_socket
from recording_protocol import several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]

HANG = 100  # seconds after which a process is taken for hung; nothing else depends on it


class Bytes(bytes):
    """A subclass, which is as good."""


BYTES_LIKE: dict[str, Any] = {
    "bytes": b"data",
    "a subclass of bytes": Bytes(b"data"),
    "bytearray": bytearray(b"data"),
    "memoryview": memoryview(b"data"),
    "memoryview of a part": memoryview(b"no data here")[3:7],
    "memoryview of characters": memoryview(b"data").cast("c"),
    "memoryview of larger items": memoryview(array.array("I", [int.from_bytes(b"data", sys.byteorder)])),
    "memoryview of two dimensions": memoryview(b"data").cast("B", (2, 2)),
    "memoryview of no dimension": memoryview(array.array("I", [int.from_bytes(b"data", sys.byteorder)]))
    .cast("B")
    .cast("I", []),
}
if sys.version_info < (3, 13):
    # It is asked for its length, which it doesn't have.
    del BYTES_LIKE["memoryview of no dimension"]


@pytest.mark.parametrize("is_connected", [False, True], ids=["to an address", "to the peer"])
@pytest.mark.parametrize("name", BYTES_LIKE)
def test_whatever_is_like_bytes_is_sent(run: Run, name: str, is_connected: bool) -> None:
    async def main() -> None:
        with udp_socket() as peer:
            options = {"remote_addr": peer.getsockname()} if is_connected else {}
            async with endpoint(**options) as (transport, protocol):
                transport.sendto(BYTES_LIKE[name], None if is_connected else peer.getsockname())
                assert peer.recv(100) == b"data"
                assert protocol.calls == ["connection_made"]
                assert transport.get_write_buffer_size() == 0  # type: ignore[attr-defined]

    run(main())


@pytest.mark.parametrize("data", ["text", None, 5, [1], array.array("b", [1])], ids=lambda data: type(data).__name__)
def test_what_is_not_like_bytes_is_refused(run: Run, data: Any) -> None:
    async def main() -> None:
        async with endpoint() as (transport, _):
            name = type(data).__name__
            with pytest.raises(TypeError, match=rf"^data argument must be a bytes-like object, not '{name}'$"):
                transport.sendto(data, ("127.0.0.1", 9))
            assert not transport.is_closing()

    run(main())


@pytest.mark.parametrize("is_connected", [False, True], ids=["to an address", "to the peer"])
def test_views_that_cannot_be_sent_end_the_transport(run: Run, reports: Reports, is_connected: bool) -> None:
    async def main() -> None:
        with udp_socket() as peer:
            options = {"remote_addr": peer.getsockname()} if is_connected else {}
            async with endpoint(**options) as (transport, protocol):
                data = memoryview(b"scattered")[::2]
                transport.sendto(data, None if is_connected else peer.getsockname())
                assert transport.is_closing()
                assert type(await protocol.lost) is BufferError
                assert reports[0]["transport"] is transport
                assert reports[0]["protocol"] is protocol

    run(main())
    assert [report["message"] for report in reports] == ["Fatal write error on datagram transport"]
    reports.clear()


def test_a_released_view_is_found_out(run: Run, reports: Reports) -> None:
    async def main() -> None:
        data = memoryview(b"data")
        data.release()
        async with endpoint() as (transport, protocol):
            if sys.version_info < (3, 13):
                # It is asked for its length.
                with pytest.raises(ValueError, match="released"):
                    transport.sendto(data, ("127.0.0.1", 9))
                return
            transport.sendto(data, ("127.0.0.1", 9))
            assert type(await protocol.lost) is ValueError
        assert [report["message"] for report in reports] == ["Fatal write error on datagram transport"]
        reports.clear()

    run(main())


def test_empty_datagrams_are_sent_where_the_version_sends_them(run: Run) -> None:
    async def main() -> None:
        with udp_socket() as peer:
            async with endpoint() as (transport, _), endpoint(remote_addr=peer.getsockname()) as (connected, _):
                for data in (b"", bytearray(), memoryview(b"")):
                    transport.sendto(data, peer.getsockname())
                    connected.sendto(data)
                transport.sendto(b"the end", peer.getsockname())
                received = []
                while b"the end" not in received:
                    received.append(peer.recv(100))
                assert received in ([b"the end"], [b""] * 6 + [b"the end"])
                assert (len(received) == 7) is (sys.version_info >= (3, 13))

    run(main())


@pytest.mark.parametrize("is_connected", [False, True], ids=["to an address", "to the peer"])
def test_a_datagram_that_is_too_long_is_an_error_and_nothing_more(run: Run, is_connected: bool) -> None:
    async def main() -> None:
        with udp_socket() as peer:
            options = {"remote_addr": peer.getsockname()} if is_connected else {}
            async with endpoint(**options) as (transport, protocol):
                address = None if is_connected else peer.getsockname()
                transport.sendto(bytes(65508), address)
                assert [error.errno for error in protocol.errors] == [errno.EMSGSIZE]  # type: ignore[attr-defined]
                assert type(protocol.errors[0]) is OSError
                assert str(protocol.errors[0]) == "[Errno 90] Message too long"
                transport.sendto(b"goes on", address)
                assert peer.recv(100) == b"goes on"
                assert protocol.calls == ["connection_made", "error_received"]

    run(main())


# Each address, for a socket of the family, with what comes of it: the datagram arrives, or the error, which goes to
# `error_received` or ends the transport. The dots stand for the receiver's port.
ADDRESSES: dict[str, tuple[socket.AddressFamily, Any, type[Exception] | None, bool]] = {
    "numeric": (socket.AF_INET, ("127.0.0.1", ...), None, False),
    "a name": (socket.AF_INET, ("localhost", ...), None, False),
    "bytes": (socket.AF_INET, (b"127.0.0.1", ...), None, False),
    "short": (socket.AF_INET, ("127.1", ...), None, False),
    "a tuple of 1": (socket.AF_INET, ("127.0.0.1",), TypeError, True),
    "a tuple of 4": (socket.AF_INET, ("127.0.0.1", ..., 0, 0), TypeError, True),
    "a list": (socket.AF_INET, ["127.0.0.1", ...], TypeError, True),
    "text": (socket.AF_INET, "127.0.0.1", TypeError, True),
    "nothing": (socket.AF_INET, None, TypeError, True),
    "port as text": (socket.AF_INET, ("127.0.0.1", "9"), TypeError, True),
    "port as a fraction": (socket.AF_INET, ("127.0.0.1", 9.0), TypeError, True),
    "port too high": (socket.AF_INET, ("127.0.0.1", 65536), OverflowError, True),
    "port too low": (socket.AF_INET, ("127.0.0.1", -1), OverflowError, True),
    "port far too high": (socket.AF_INET, ("127.0.0.1", 1 << 80), OverflowError, True),
    "port zero": (socket.AF_INET, ("127.0.0.1", 0), OSError, False),
    "of version 6": (socket.AF_INET, ("::1", ...), socket.gaierror, False),
    "broadcast without leave": (socket.AF_INET, ("255.255.255.255", 9), PermissionError, False),
    "broadcast by its name": (socket.AF_INET, ("<broadcast>", 9), PermissionError, False),
    "with a NUL": (socket.AF_INET, ("127.0.0.1\0", 9), TypeError, True),
    "6: a tuple of 2": (socket.AF_INET6, ("::1", ...), None, False),
    "6: a tuple of 3": (socket.AF_INET6, ("::1", ..., 0), None, False),
    "6: a tuple of 4": (socket.AF_INET6, ("::1", ..., 0, 0), None, False),
    "6: with a flow": (socket.AF_INET6, ("::1", ..., 5, 0), None, False),
    "6: with a scope": (socket.AF_INET6, ("::1", ..., 0, 1), None, False),
    "6: a tuple of 1": (socket.AF_INET6, ("::1",), TypeError, True),
    "6: a tuple of 5": (socket.AF_INET6, ("::1", ..., 0, 0, 0), TypeError, True),
    "6: of version 4": (socket.AF_INET6, ("127.0.0.1", ...), socket.gaierror, False),
    "6: flow too high": (socket.AF_INET6, ("::1", ..., 1 << 20, 0), OverflowError, True),
    "6: flow too low": (socket.AF_INET6, ("::1", ..., -1, 0), OverflowError, True),
    "6: port too high": (socket.AF_INET6, ("::1", 65536, 0, 0), OverflowError, True),
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_addresses(run: Run, reports: Reports, name: str) -> None:
    family, address, error, is_fatal = ADDRESSES[name]

    async def main() -> None:
        with udp_socket(family) as peer:
            port = peer.getsockname()[1]
            target = address
            if isinstance(address, (tuple, list)):
                target = type(address)(port if part is ... else part for part in address)
            async with endpoint(sock=udp_socket(family)) as (transport, protocol):
                transport.sendto(b"data", target)
                if error is None:
                    assert peer.recv(100) == b"data"
                    assert protocol.calls == ["connection_made"]
                elif is_fatal:
                    assert transport.is_closing()
                    assert type(await protocol.lost) is error
                    assert protocol.calls == ["connection_made", "connection_lost"]
                else:
                    assert [type(found) for found in protocol.errors] == [error]
                    assert not transport.is_closing()

    run(main())
    assert [report["message"] for report in reports] == is_fatal * ["Fatal write error on datagram transport"]
    reports.clear()


def test_the_remote_address_may_be_repeated(run: Run) -> None:
    async def main() -> None:
        with udp_socket() as peer:
            address = peer.getsockname()
            async with endpoint(remote_addr=address) as (transport, protocol):
                transport.sendto(b"without")
                transport.sendto(b"none", None)
                transport.sendto(b"equal", address)
                transport.sendto(data=b"named", addr=address)
                assert [peer.recv(100) for _ in range(4)] == [b"without", b"none", b"equal", b"named"]
                for other in (("127.0.0.1", address[1] + 1), ("localhost", address[1]), list(address), ()):
                    with pytest.raises(ValueError, match=r"^Invalid address: must be None or \('127\.0\.0\.1', \d+\)$"):
                        transport.sendto(b"data", other)  # type: ignore[arg-type]
                assert protocol.calls == ["connection_made"]

    run(main())


def test_each_refused_datagram_is_an_error_once(run: Run) -> None:
    async def main() -> None:
        with udp_socket() as gone:
            address = gone.getsockname()
        async with endpoint(remote_addr=address) as (transport, protocol):
            for number in range(1, 4):
                transport.sendto(b"nobody there")
                await protocol.fails(number)
                await several_turns()
                assert [type(error) for error in protocol.errors] == [ConnectionRefusedError] * number
            assert str(protocol.errors[0]) == "[Errno 111] Connection refused"
            assert not transport.is_closing()
            assert protocol.calls == ["connection_made", *["error_received"] * 3]

    run(main())


def test_nobody_is_told_that_a_datagram_of_an_unconnected_endpoint_was_refused(run: Run) -> None:
    async def main() -> None:
        with udp_socket() as gone:
            address = gone.getsockname()
        async with endpoint() as (transport, protocol):
            transport.sendto(b"nobody there", address)
            await several_turns()
            assert protocol.calls == ["connection_made"]

    run(main())


def test_what_error_received_raises_reaches_the_sender(run: Run) -> None:
    class Failing(RecordingEndpoint):
        def error_received(self, exc: Exception) -> None:
            super().error_received(exc)
            raise ZeroDivisionError from exc

    async def main() -> None:
        async with endpoint(Failing) as (transport, protocol):
            with pytest.raises(ZeroDivisionError):
                transport.sendto(bytes(65508), ("127.0.0.1", 9))
            assert len(protocol.errors) == 1
            assert not transport.is_closing()

    run(main())


def test_what_error_received_raises_while_receiving_is_reported(run: Run, reports: Reports) -> None:
    class Failing(RecordingEndpoint):
        def error_received(self, exc: Exception) -> None:
            super().error_received(exc)
            raise ZeroDivisionError

    async def main() -> None:
        with udp_socket() as gone:
            address = gone.getsockname()
        async with endpoint(Failing, remote_addr=address) as (transport, protocol):
            transport.sendto(b"nobody there")
            await protocol.fails()
            assert not transport.is_closing()

    run(main())
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]
    reports.clear()


def test_a_closed_endpoint_whose_peer_is_fixed_sends_nothing_and_warns(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        with udp_socket() as peer:
            async with endpoint(remote_addr=peer.getsockname()) as (transport, protocol):
                transport.close()
                for _ in range(10):
                    transport.sendto(b"too late")
                assert await protocol.lost is None
                with pytest.raises(BlockingIOError):
                    peer.recv(100)

    run(main())
    assert [record.getMessage() for record in caplog.records] == ["socket.send() raised exception."] * 6


def test_an_endpoint_that_is_closing_still_sends_to_an_address(run: Run) -> None:
    async def main() -> None:
        with udp_socket() as peer:
            async with endpoint() as (transport, _):
                transport.close()
                transport.sendto(b"the last", peer.getsockname())
                assert peer.recv(100) == b"the last"

    run(main())
