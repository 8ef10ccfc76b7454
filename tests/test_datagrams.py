"""What a datagram endpoint receives, in what order, and what a protocol may do while more datagrams wait."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from recording_endpoint import RecordingEndpoint, endpoint, udp_socket
from recording_protocol import several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]

# More than an implementation may take at once, and fewer than the smallest receive buffer holds.
MANY = 100


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_sender_is_told_as_the_socket_module_writes_it(run: Run, family: socket.AddressFamily) -> None:
    async def main() -> None:
        with udp_socket(family) as peer:
            async with endpoint(sock=udp_socket(family)) as (transport, protocol):
                peer.sendto(b"hello", transport.get_extra_info("sockname"))
                ((data, sender),) = await protocol.receives(1)
                assert (data, sender) == (b"hello", peer.getsockname())
                assert type(data) is bytes
                assert type(sender) is tuple
                assert len(sender) == (2 if family == socket.AF_INET else 4)
                transport.sendto(b"answer", sender)
                assert peer.recvfrom(100) == (b"answer", transport.get_extra_info("sockname"))

    run(main())


def test_a_sender_of_version_4_at_a_socket_of_version_6(run: Run) -> None:
    async def main() -> None:
        both = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::", 0))
        port = both.getsockname()[1]
        with udp_socket() as peer:
            async with endpoint(sock=both) as (transport, protocol):
                peer.sendto(b"hello", ("127.0.0.1", port))
                ((_, sender),) = await protocol.receives(1)
                assert sender == ("::ffff:127.0.0.1", peer.getsockname()[1], 0, 0)
                transport.sendto(b"answer", sender)
                assert peer.recv(100) == b"answer"

    run(main())


def test_a_connected_endpoint_hears_its_peer_only(run: Run) -> None:
    async def main() -> None:
        with udp_socket() as peer, udp_socket() as stranger:
            async with endpoint(remote_addr=peer.getsockname()) as (transport, protocol):
                address = transport.get_extra_info("sockname")
                stranger.sendto(b"from a stranger", address)
                peer.sendto(b"from the peer", address)
                assert await protocol.receives(1) == [(b"from the peer", peer.getsockname())]
                await several_turns()
                assert len(protocol.received) == 1

    run(main())


def test_empty_datagrams_are_received(run: Run) -> None:
    async def main() -> None:
        with udp_socket() as peer:
            async with endpoint() as (transport, protocol):
                for data in (b"", b"between", b""):
                    peer.sendto(data, transport.get_extra_info("sockname"))
                await protocol.receives(3)
                assert protocol.data == [b"", b"between", b""]
                assert not transport.is_closing()

    run(main())


def test_the_largest_datagram_is_received_whole(run: Run) -> None:
    largest = bytes(range(256)) * 256
    largest = largest[: 65535 - 20 - 8]

    async def main() -> None:
        with udp_socket() as peer:
            async with endpoint() as (transport, protocol):
                peer.sendto(largest, transport.get_extra_info("sockname"))
                assert await protocol.receives(1) == [(largest, peer.getsockname())]
                transport.sendto(largest, peer.getsockname())
                assert peer.recv(1 << 17) == largest

    run(main())


def test_many_datagrams_come_in_order(run: Run) -> None:
    sent = [b"%d" % number for number in range(MANY)]

    async def main() -> None:
        with udp_socket() as peer:
            async with endpoint() as (transport, protocol):
                for data in sent:
                    peer.sendto(data, transport.get_extra_info("sockname"))
                await protocol.receives(MANY)
                assert protocol.data == sent

    run(main())


def test_two_busy_endpoints_both_get_their_turn(run: Run) -> None:
    """Neither waits until the other has nothing more to receive."""

    class Forwarding(RecordingEndpoint):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            self.transport.sendto(data, self.transport.get_extra_info("sockname"))  # never ends of its own accord

    async def main() -> None:
        async with endpoint(Forwarding) as (_, first), endpoint(Forwarding) as (_, second):
            for forwarding in (first, second):
                forwarding.transport.sendto(b"round", forwarding.transport.get_extra_info("sockname"))
            await first.receives(MANY)
            await second.receives(MANY)

    run(main())


@pytest.mark.parametrize("way", ["close", "abort"])
@pytest.mark.parametrize("last", [1, 3, 40])
def test_nothing_is_delivered_after_the_protocol_closed(run: Run, way: str, last: int) -> None:
    class Closing(RecordingEndpoint):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            if len(self.received) == last:
                getattr(self.transport, way)()

    async def main() -> None:
        with udp_socket() as peer:
            async with endpoint(Closing) as (transport, protocol):
                for number in range(MANY):
                    peer.sendto(b"%d" % number, transport.get_extra_info("sockname"))
                assert await protocol.lost is None
                assert protocol.data == [b"%d" % number for number in range(last)]
                assert protocol.calls[-2:] == ["datagram_received", "connection_lost"]

    run(main())


def test_a_descriptor_that_is_watched_again_after_closing_is_not_the_transports(run: Run) -> None:
    class Watching(RecordingEndpoint):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            self.transport.close()
            asyncio.get_running_loop().add_reader(fd, int)

    sock = udp_socket()
    fd = sock.fileno()

    async def main() -> None:
        with udp_socket() as peer:
            async with endpoint(Watching, sock=sock) as (_, protocol):
                for data in (b"1", b"2", b"3"):
                    peer.sendto(data, sock.getsockname())
                assert await protocol.lost is None
                asyncio.get_running_loop().remove_reader(fd)
                assert protocol.data == [b"1"]

    run(main())


def test_what_a_datagram_wakes_runs_before_the_next_datagram_is_delivered(run: Run) -> None:
    """A task that waits for one answer, and then closes the endpoint, is not given a second one."""

    class Answer(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.answer = asyncio.get_running_loop().create_future()
            self.lost = asyncio.get_running_loop().create_future()

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.answer.set_result(data)

        def connection_lost(self, exc: Exception | None) -> None:
            self.lost.set_result(exc)

    async def main() -> None:
        with udp_socket() as peer:
            transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Answer, ("127.0.0.1", 0))
            peer.sendto(b"answer", transport.get_extra_info("sockname"))
            peer.sendto(b"its duplicate", transport.get_extra_info("sockname"))
            assert await protocol.answer == b"answer"
            transport.close()
            assert await protocol.lost is None

    run(main())


def test_exceptions_are_reported_and_the_rest_still_comes(run: Run, reports: Reports) -> None:
    class Failing(RecordingEndpoint):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            if len(self.received) % 2:
                raise ZeroDivisionError(data)

    async def main() -> None:
        with udp_socket() as peer:
            async with endpoint(Failing) as (transport, protocol):
                for number in range(MANY):
                    peer.sendto(b"%d" % number, transport.get_extra_info("sockname"))
                await protocol.receives(MANY)
                assert protocol.data == [b"%d" % number for number in range(MANY)]
                assert not transport.is_closing()

    run(main())
    assert [report["exception"].args for report in reports] == [(b"%d" % number,) for number in range(0, MANY, 2)]
    assert all(report["message"].startswith("Exception in callback ") for report in reports)
    assert all("_read_ready" in report["message"] for report in reports)
    reports.clear()


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt])
def test_what_ends_the_loop_loses_no_datagram(run: Run, loop: Loop, exception: type[BaseException]) -> None:
    class Ending(RecordingEndpoint):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            if len(self.received) == 1:
                raise exception

    transport, protocol = run(loop.create_datagram_endpoint(Ending, ("127.0.0.1", 0)))
    with udp_socket() as peer:
        for number in range(MANY):
            peer.sendto(b"%d" % number, transport.get_extra_info("sockname"))
        with pytest.raises(exception):
            loop.run_forever()
        assert protocol.data == [b"0"]
        run(protocol.receives(MANY))
        assert protocol.data == [b"%d" % number for number in range(MANY)]
    transport.close()
    run(protocol.lost)


def test_a_protocol_that_is_replaced_gets_nothing_more(run: Run) -> None:
    class Replaced(RecordingEndpoint):
        heir: RecordingEndpoint

        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            self.heir = RecordingEndpoint()
            self.transport.set_protocol(self.heir)

    async def main() -> None:
        with udp_socket() as peer:
            loop = asyncio.get_running_loop()
            transport, protocol = await loop.create_datagram_endpoint(Replaced, ("127.0.0.1", 0))
            for number in range(MANY):
                peer.sendto(b"%d" % number, transport.get_extra_info("sockname"))
            await protocol.receives(1)
            heir = protocol.heir
            await heir.receives(MANY - 1)
            assert protocol.data + heir.data == [b"%d" % number for number in range(MANY)]
            assert transport.get_protocol() is heir
            transport.close()
            assert await heir.lost is None
            assert not protocol.lost.done()

    run(main())


def test_a_datagram_may_answer_at_once(run: Run) -> None:
    class Echoing(RecordingEndpoint):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            self.transport.sendto(data, addr)

    async def main() -> None:
        async with endpoint(Echoing) as (server, echo), endpoint() as (client, protocol):
            for number in range(MANY):
                client.sendto(b"%d" % number, server.get_extra_info("sockname"))
            await protocol.receives(MANY)
            assert protocol.data == echo.data == [b"%d" % number for number in range(MANY)]

    run(main())


def test_a_socket_that_its_protocol_closes_says_nothing_more(run: Run) -> None:
    """The program has Python's socket object, and may close it. Then the loop no longer hears of it."""
    sock = udp_socket()

    class ClosingTheSocket(RecordingEndpoint):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            sock.close()

    async def main() -> None:
        with udp_socket() as peer:
            for data in (b"1", b"2"):
                peer.sendto(data, sock.getsockname())
            async with endpoint(ClosingTheSocket, sock=sock) as (_, protocol):
                await protocol.receives(1)
                await several_turns()
                assert protocol.calls == ["connection_made", "datagram_received"]

    run(main())


def test_a_socket_that_was_closed_fails_to_send(run: Run) -> None:
    async def main() -> None:
        sock = udp_socket()
        async with endpoint(sock=sock) as (transport, protocol):
            address = sock.getsockname()
            # Before the descriptor is closed, or the loop goes on waiting for what may be another file by then.
            asyncio.get_running_loop()._remove_reader(sock.fileno())  # type: ignore[attr-defined]
            sock.close()
            transport.sendto(b"data", address)
            assert [type(error) for error in protocol.errors] == [OSError]
            assert "Bad file descriptor" in str(protocol.errors[0])

    run(main())


def test_a_loop_that_stops_goes_on_with_what_waits(loop: Loop, run: Run) -> None:
    counts: list[int] = []

    class Stopping(RecordingEndpoint):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            loop.stop()

    transport, protocol = run(loop.create_datagram_endpoint(Stopping, ("127.0.0.1", 0)))
    with udp_socket() as peer:
        for number in range(MANY):
            peer.sendto(b"%d" % number, transport.get_extra_info("sockname"))
        while len(protocol.received) < MANY:
            loop.run_forever()
            counts.append(len(protocol.received))
    assert counts == list(range(1, MANY + 1))
    assert protocol.data == [b"%d" % number for number in range(MANY)]
    transport.close()
    assert run(protocol.lost) is None
