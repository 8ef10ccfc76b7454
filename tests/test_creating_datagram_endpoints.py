"""`create_datagram_endpoint`: what each of its arguments does, and what a new endpoint says of itself."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from recording_endpoint import LOCAL, RecordingEndpoint, endpoint, udp_socket, unix_socket

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


@pytest.mark.parametrize("family", LOOPBACK)
def test_a_local_address_is_bound(run: Run, family: socket.AddressFamily) -> None:
    async def main() -> None:
        async with endpoint(local_addr=(LOOPBACK[family], 0)) as (transport, protocol):
            sock = transport.get_extra_info("socket")
            assert (sock.family, sock.type) == (family, socket.SOCK_DGRAM)
            assert sock.getsockname() == transport.get_extra_info("sockname")
            assert sock.getsockname()[0] == LOOPBACK[family]
            assert transport.get_extra_info("peername") is None
            assert protocol.transport is transport
            assert protocol.calls == ["connection_made"]

    run(main())


@pytest.mark.parametrize("family", LOOPBACK)
def test_a_remote_address_is_connected_to(run: Run, family: socket.AddressFamily) -> None:
    async def main() -> None:
        with udp_socket(family) as peer:
            async with endpoint(remote_addr=peer.getsockname()[:2]) as (transport, _):
                assert transport.get_extra_info("peername") == peer.getsockname()
                assert transport.get_extra_info("socket").getpeername() == peer.getsockname()

    run(main())


def test_both_addresses_at_once(run: Run) -> None:
    async def main() -> None:
        with udp_socket() as peer, udp_socket() as free:
            local = free.getsockname()
            free.close()
            async with endpoint(local_addr=local, remote_addr=peer.getsockname()) as (transport, _):
                assert transport.get_extra_info("sockname") == local
                assert transport.get_extra_info("peername") == peer.getsockname()

    run(main())


def test_a_family_is_enough(run: Run) -> None:
    async def main() -> None:
        async with endpoint(family=socket.AF_INET) as (transport, _):
            assert transport.get_extra_info("sockname") == ("0.0.0.0", 0)
        async with endpoint(family=socket.AF_UNIX) as (transport, _):
            assert transport.get_extra_info("sockname") == ""

    run(main())


def test_a_name_with_several_addresses_is_tried_in_their_order(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first can't be bound, the second can."""
    asked = []

    def look_up(*arguments: Any) -> list[tuple[Any, ...]]:
        asked.append(arguments)
        addresses = [("192.0.2.1", 0), LOCAL]
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", address) for address in addresses]

    async def main() -> None:
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        async with endpoint(local_addr=("name.invalid", 0), flags=socket.AI_PASSIVE) as (transport, _):
            assert transport.get_extra_info("sockname")[0] == LOCAL[0]
        assert asked == [("name.invalid", 0, 0, socket.SOCK_DGRAM, 0, socket.AI_PASSIVE)]

    run(main())


def test_a_protocol_number_is_the_sockets(run: Run) -> None:
    async def main() -> None:
        async with endpoint(local_addr=LOCAL, proto=socket.IPPROTO_UDP) as (transport, _):
            assert transport.get_extra_info("socket").proto == socket.IPPROTO_UDP

    run(main())


def test_a_port_can_be_reused(run: Run) -> None:
    async def main() -> None:
        async with endpoint(reuse_port=True) as (first, _):
            address = first.get_extra_info("sockname")
            assert first.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1
            async with endpoint(local_addr=address, reuse_port=True) as (second, _):
                assert second.get_extra_info("sockname") == address
            with pytest.raises(OSError, match="in use"):
                await asyncio.get_running_loop().create_datagram_endpoint(RecordingEndpoint, address)

    run(main())


def test_a_broadcasting_endpoint_is_not_connected_to_its_remote_address(run: Run) -> None:
    async def main() -> None:
        with udp_socket() as peer:
            address = peer.getsockname()
            async with endpoint(remote_addr=address, allow_broadcast=True) as (transport, protocol):
                sock = transport.get_extra_info("socket")
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 1
                assert transport.get_extra_info("peername") is None
                transport.sendto(b"without an address")
                transport.sendto(b"with it", address)
                assert [peer.recv(100), peer.recv(100)] == [b"without an address", b"with it"]
                with pytest.raises(ValueError, match="Invalid address: must be None or"):
                    transport.sendto(b"with another", ("127.0.0.1", 9))
                # From whomever, for it isn't connected.
                with udp_socket() as other:
                    other.sendto(b"hello", ("127.0.0.1", sock.getsockname()[1]))
                    assert await protocol.receives(1) == [(b"hello", other.getsockname())]

    run(main())


def test_a_socket_is_taken_over(run: Run) -> None:
    async def main() -> None:
        sock = udp_socket()
        sock.setblocking(True)
        async with endpoint(sock=sock) as (transport, _):
            assert transport.get_extra_info("sockname") == sock.getsockname()
            assert sock.gettimeout() == 0
        assert sock.fileno() == -1

    run(main())


def test_a_connected_socket_sends_to_its_peer_whatever_the_address(run: Run) -> None:
    async def main() -> None:
        with udp_socket() as peer, udp_socket() as other:
            sock = udp_socket()
            sock.connect(peer.getsockname())
            async with endpoint(sock=sock) as (transport, _):
                transport.sendto(b"one")
                transport.sendto(b"two", other.getsockname())
                transport.sendto(b"three", "no address at all")  # type: ignore[arg-type]
                assert [peer.recv(100) for _ in range(3)] == [b"one", b"two", b"three"]

    run(main())


@pytest.mark.parametrize(
    "options",
    [
        {"local_addr": LOCAL},
        {"remote_addr": ("127.0.0.1", 9)},
        {"family": socket.AF_INET},
        {"proto": socket.IPPROTO_UDP},
        {"flags": socket.AI_PASSIVE},
        {"reuse_port": True},
        {"allow_broadcast": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_a_socket_and_its_making_exclude_each_other(run: Run, loop: Loop, options: dict[str, Any]) -> None:
    with udp_socket() as sock, pytest.raises(ValueError, match="can not be used when sock is specified"):
        run(loop.create_datagram_endpoint(RecordingEndpoint, sock=sock, **options))


def test_a_stream_socket_is_refused(run: Run, loop: Loop) -> None:
    with socket.socket() as sock, pytest.raises(ValueError, match="was expected, got"):
        run(loop.create_datagram_endpoint(RecordingEndpoint, sock=sock))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="before 3.12 asyncio doesn't look")
def test_a_socket_that_has_a_transport_is_refused(run: Run, loop: Loop) -> None:
    async def main() -> None:
        async with endpoint() as (transport, _):
            sock = transport.get_extra_info("socket")._sock
            with pytest.raises(RuntimeError, match=r"^File descriptor .* is used by transport <"):
                await loop.create_datagram_endpoint(RecordingEndpoint, sock=sock)

    run(main())


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((), {}, ValueError, "unexpected address family"),
        ((["127.0.0.1", 0],), {}, TypeError, "2-tuple is expected"),
        ((("127.0.0.1",),), {}, TypeError, "2-tuple is expected"),
        (("127.0.0.1",), {}, TypeError, "2-tuple is expected"),
        ((("path", 1),), {"family": socket.AF_UNIX}, TypeError, "string is expected"),
        ((LOCAL, ("::1", 9)), {}, ValueError, "can not get address information"),
        ((("192.0.2.1", 0),), {}, OSError, "Cannot assign requested address"),
        ((None, "/no/such/socket"), {"family": socket.AF_UNIX}, FileNotFoundError, "No such file"),
    ],
    ids=["nothing", "list", "1-tuple", "text", "tuple for a Unix socket", "two families", "foreign", "no socket"],
)
def test_what_cannot_be_made(
    run: Run, loop: Loop, arguments: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(loop.create_datagram_endpoint(RecordingEndpoint, *arguments, **options))


def test_a_factory_that_fails_is_heard(run: Run, loop: Loop) -> None:
    def factory() -> asyncio.DatagramProtocol:
        raise ZeroDivisionError

    sock = udp_socket()
    with sock, pytest.raises(ZeroDivisionError):
        run(loop.create_datagram_endpoint(factory, sock=sock))


def test_an_endpoint_is_cancelled_before_it_is_made(run: Run, loop: Loop) -> None:
    async def main() -> None:
        sock = unix_socket()
        protocols = []

        def factory() -> RecordingEndpoint:
            protocols.append(RecordingEndpoint())
            return protocols[0]

        task = asyncio.ensure_future(loop.create_datagram_endpoint(factory, sock=sock))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await protocols[0].lost is None
        assert protocols[0].calls == ["connection_made", "connection_lost"]
        assert sock.fileno() == -1

    run(main())


def test_what_a_transport_is_and_says(run: Run) -> None:
    async def main() -> None:
        async with endpoint() as (transport, protocol):
            fd = transport.get_extra_info("socket").fileno()
            assert isinstance(transport, asyncio.BaseTransport)
            assert isinstance(transport, asyncio.DatagramTransport) is (sys.version_info >= (3, 12))
            assert transport.get_protocol() is protocol
            assert transport.get_extra_info("nothing") is None
            assert transport.get_extra_info("nothing", "else") == "else"
            assert transport.get_write_buffer_limits() == (16384, 65536)  # type: ignore[attr-defined]
            assert transport.get_write_buffer_size() == 0  # type: ignore[attr-defined]
            await asyncio.sleep(0)
            name, *words = repr(transport).strip("<>").split()
            assert name.endswith("DatagramTransport")
            assert words == [f"fd={fd}", "read=polling", "write=<idle,", "bufsize=0"]
            assert not transport.is_closing()
            transport.close()
            assert transport.is_closing()
            assert repr(transport).strip("<>").split()[1:3] == ["closing", f"fd={fd}"]
            assert await protocol.lost is None
            await asyncio.sleep(0)
            assert repr(transport).strip("<>").split()[1] == "closed"
            transport.close()
            transport.abort()
            await asyncio.sleep(0)
            assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_debug_mode_logs_a_new_endpoint(run: Run, loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with endpoint():
            pass

    loop.set_debug(True)
    with caplog.at_level(logging.DEBUG, "asyncio"):
        run(main())
    assert "Datagram endpoint local_addr=('127.0.0.1', 0) remote_addr=None created" in caplog.text


def test_a_forgotten_endpoint_is_warned_of(run: Run, loop: Loop) -> None:
    async def main() -> None:
        transport, protocol = await loop.create_datagram_endpoint(RecordingEndpoint, LOCAL)
        sock = transport.get_extra_info("socket")
        # What the loop waits for isn't forgotten.
        loop._remove_reader(sock.fileno())  # type: ignore[attr-defined]
        with pytest.warns(ResourceWarning, match=r"unclosed transport <.*DatagramTransport fd="):
            del protocol.transport, transport
        assert sock.fileno() == -1
        assert protocol.calls == ["connection_made"]

    run(main())
