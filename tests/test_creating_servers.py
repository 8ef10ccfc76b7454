"""create_server: which addresses it listens on, which options its sockets get, and what it refuses.

What the server that comes of it can do is in test_server_objects.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from recording_protocol import EchoProtocol, RecordingProtocol, closed

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]


async def echoes(*address: Any) -> bool:
    """Ask the echo server at `address` and say whether it answers."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(RecordingProtocol, *address[:2])
    transport.write(b"hello")
    answer = await protocol.receives(5)
    transport.close()
    await protocol.lost
    return answer == b"hello"


def options_of(server: asyncio.Server, level: int, option: int) -> set[int]:
    """Collect the values that the listening sockets of `server` have for an option."""
    return {sock.getsockopt(level, option) for sock in server.sockets}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_a_server_listens_at_a_number_or_a_name(loop: Loop, run: Run, host: str) -> None:
    async def main() -> None:
        server = await loop.create_server(EchoProtocol, host, 0, family=socket.AF_INET)
        (listening,) = server.sockets
        assert listening.getsockname()[0] == ("127.0.0.1" if host == "localhost" else host)
        assert await echoes(*listening.getsockname())
        await closed(server)

    run(main())


def test_a_server_listens_on_ipv6(loop: Loop, run: Run) -> None:
    async def main() -> None:
        server = await loop.create_server(EchoProtocol, "::1", 0)
        (listening,) = server.sockets
        assert listening.family == socket.AF_INET6
        assert listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        assert await echoes(*listening.getsockname())
        await closed(server)

    run(main())


@pytest.mark.parametrize("host", [None, ""])
def test_without_a_host_a_server_listens_on_every_address_of_each_family(
    loop: Loop, run: Run, host: str | None
) -> None:
    async def main() -> None:
        server = await loop.create_server(EchoProtocol, host, 0)
        addresses = {sock.family: sock.getsockname() for sock in server.sockets}
        assert addresses.keys() == {socket.AF_INET, socket.AF_INET6}
        assert addresses[socket.AF_INET][0] == "0.0.0.0"
        assert addresses[socket.AF_INET6][0] == "::"
        assert await echoes("127.0.0.1", addresses[socket.AF_INET][1])
        assert await echoes("::1", addresses[socket.AF_INET6][1])
        await closed(server)

    run(main())


def test_the_family_limits_where_a_server_listens(loop: Loop, run: Run) -> None:
    async def main() -> None:
        for family in (socket.AF_INET, socket.AF_INET6):
            server = await loop.create_server(EchoProtocol, None, 0, family=family)
            assert [sock.family for sock in server.sockets] == [family]
            await closed(server)

    run(main())


@pytest.mark.parametrize("kind", [list, tuple, set, iter])
def test_a_server_listens_on_each_of_several_hosts(loop: Loop, run: Run, kind: Callable[[list[str]], Any]) -> None:
    async def main() -> None:
        server = await loop.create_server(EchoProtocol, kind(["127.0.0.1", "127.0.0.2", "::1"]), 0)
        addresses = [sock.getsockname() for sock in server.sockets]
        assert {address[0] for address in addresses} == {"127.0.0.1", "127.0.0.2", "::1"}
        for address in addresses:
            assert await echoes(*address)
        await closed(server)

    run(main())


def test_a_host_that_is_given_twice_is_listened_on_once(loop: Loop, run: Run) -> None:
    async def main() -> None:
        server = await loop.create_server(EchoProtocol, ["127.0.0.1", "localhost", "127.0.0.1"], 0, family=2)
        assert len(server.sockets) == 1
        await closed(server)

    run(main())


@pytest.mark.parametrize("as_text", [False, True])
def test_a_server_listens_on_the_port_that_is_given(loop: Loop, run: Run, as_text: bool) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        given: Any = str(port) if as_text else port
        server = await loop.create_server(EchoProtocol, "127.0.0.1", given)
        assert server.sockets[0].getsockname() == ("127.0.0.1", port)
        await closed(server)

    run(main())


def test_a_port_in_use_is_refused_with_the_address(loop: Loop, run: Run) -> None:
    async def main() -> None:
        first = await loop.create_server(EchoProtocol, "127.0.0.1", 0)
        port = first.sockets[0].getsockname()[1]
        message = rf"error while attempting to bind on address \('127.0.0.1', {port}\): .*address already in use"
        with pytest.raises(OSError, match=message) as caught:
            await loop.create_server(EchoProtocol, "127.0.0.1", port)
        assert type(caught.value) is OSError
        assert caught.value.errno == errno.EADDRINUSE
        assert await echoes("127.0.0.1", port)
        await closed(first)

    run(main())


def test_an_address_that_is_not_of_this_machine_is_refused(loop: Loop, run: Run) -> None:
    async def main() -> None:
        # Newer releases skip such an address, and complain when none is left.
        messages = (
            r"could not bind on any address out of \[\('192.0.2.1', 0\)\]"
            r"|error while attempting to bind on address \('192.0.2.1', 0\): cannot assign requested address"
        )
        with pytest.raises(OSError, match=messages):
            await loop.create_server(EchoProtocol, "192.0.2.1", 0)

    run(main())


def test_one_address_in_use_closes_the_sockets_of_the_others(loop: Loop, run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.2", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match="address already in use"):
                await loop.create_server(EchoProtocol, ["127.0.0.1", "127.0.0.2", "127.0.0.3"], port)
        # The teardown checks the descriptors as well.
        for host in ("127.0.0.1", "127.0.0.3"):
            with pytest.raises(ConnectionRefusedError):
                await loop.create_connection(RecordingProtocol, host, port)

    run(main())


def test_an_address_can_be_used_again_unless_told_otherwise(loop: Loop, run: Run) -> None:
    async def main() -> None:
        for reuse, expected in ((None, {1}), (True, {1}), (False, {0})):
            server = await loop.create_server(EchoProtocol, "127.0.0.1", 0, reuse_address=reuse)
            assert options_of(server, socket.SOL_SOCKET, socket.SO_REUSEADDR) == expected
            assert options_of(server, socket.SOL_SOCKET, socket.SO_REUSEPORT) == {0}
            await closed(server)

    run(main())


def test_a_port_can_be_shared_when_both_servers_agree(loop: Loop, run: Run) -> None:
    async def main() -> None:
        first = await loop.create_server(EchoProtocol, "127.0.0.1", 0, reuse_port=True)
        assert options_of(first, socket.SOL_SOCKET, socket.SO_REUSEPORT) == {1}
        port = first.sockets[0].getsockname()[1]
        second = await loop.create_server(EchoProtocol, "127.0.0.1", port, reuse_port=True)
        await closed(first)
        assert await echoes("127.0.0.1", port)
        await closed(second)

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="keep_alive came with 3.13")
@pytest.mark.parametrize(("keep_alive", "expected"), [(None, 0), (False, 0), (True, 1)])
def test_keep_alive_is_set_on_the_sockets(loop: Loop, run: Run, keep_alive: bool | None, expected: int) -> None:
    async def main() -> None:
        server = await loop.create_server(EchoProtocol, "127.0.0.1", 0, keep_alive=keep_alive)
        assert options_of(server, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == {expected}
        await closed(server)

    run(main())


@pytest.mark.parametrize(("given", "expected"), [({}, 100), ({"backlog": 37}, 37)])
def test_the_backlog_is_given_to_listen(loop: Loop, run: Run, given: dict[str, Any], expected: int) -> None:
    async def main() -> None:
        server = await loop.create_server(EchoProtocol, "127.0.0.1", 0, **given)
        # For a listening socket, tcpi_sacked of Linux' struct tcp_info is the longest queue of connections.
        information = server.sockets[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        assert struct.unpack_from("I", information, 28) == (expected,)
        await closed(server)

    run(main())


def test_clients_that_queued_before_the_loop_looked_are_all_served(loop: Loop, run: Run) -> None:
    async def main() -> None:
        server = await loop.create_server(EchoProtocol, "127.0.0.1", 0, backlog=4)
        address = server.sockets[0].getsockname()
        # One more than the backlog fits into the queue, and is more than asyncio accepts in one turn.
        with contextlib.ExitStack() as clients:
            connected = [clients.enter_context(socket.create_connection(address)) for _ in range(5)]
            for client in connected:
                client.setblocking(False)
                client.send(b"hello")
            assert await asyncio.gather(*(loop.sock_recv(client, 5) for client in connected)) == [b"hello"] * 5
        await closed(server)

    run(main())


def test_many_clients_are_served_at_once(loop: Loop, run: Run) -> None:
    async def main() -> None:
        server = await loop.create_server(EchoProtocol, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        assert await asyncio.gather(*(echoes(*address) for _ in range(50))) == [True] * 50
        await closed(server)

    run(main())


def test_a_server_told_not_to_start_refuses_until_it_is_started(loop: Loop, run: Run) -> None:
    async def main() -> None:
        server = await loop.create_server(EchoProtocol, "127.0.0.1", 0, start_serving=False)
        assert not server.is_serving()
        address = server.sockets[0].getsockname()
        with pytest.raises(ConnectionRefusedError):
            await echoes(*address)
        await server.start_serving()
        await server.start_serving()
        assert server.is_serving()
        assert await echoes(*address)
        await closed(server)

    run(main())


def test_a_server_listens_on_a_socket_that_is_given_and_leaves_it_to_its_owner(loop: Loop, run: Run) -> None:
    async def main() -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            address = sock.getsockname()
            server = await loop.create_server(EchoProtocol, sock=sock)
            assert await echoes(*address)
            assert sock.gettimeout() == 0
            assert sock.getsockname() == address
            assert [listening.fileno() for listening in server.sockets] == [sock.fileno()]
            await closed(server)
            assert sock.fileno() == -1

    run(main())


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_a_socket_that_is_no_stream_is_refused_and_left_open(loop: Loop, run: Run, family: int) -> None:
    async def main() -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            with pytest.raises(ValueError, match=r"^A Stream Socket was expected, got <socket.socket fd="):
                await loop.create_server(EchoProtocol, sock=sock)
            assert sock.fileno() != -1

    run(main())


def test_a_tls_socket_is_refused(loop: Loop, run: Run) -> None:
    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        ours, peer = socket.socketpair()
        sock = context.wrap_socket(ours, do_handshake_on_connect=False)
        with peer, sock, pytest.raises(TypeError, match=r"^Socket cannot be of type SSLSocket$"):
            await loop.create_server(EchoProtocol, sock=sock)

    run(main())


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({}, ValueError, "Neither host/port nor sock were specified"),
        ({"host": "127.0.0.1", "sock": True}, ValueError, "host/port and sock can not be specified at the same time"),
        ({"port": 0, "sock": True}, ValueError, "host/port and sock can not be specified at the same time"),
        ({"port": 0, "ssl": True}, TypeError, "ssl argument must be an SSLContext or None"),
        ({"port": 0, "ssl": False}, TypeError, "ssl argument must be an SSLContext or None"),
        ({"port": 0, "ssl_handshake_timeout": 1}, ValueError, "ssl_handshake_timeout is only meaningful with ssl"),
        ({"port": 0, "ssl_shutdown_timeout": 1}, ValueError, "ssl_shutdown_timeout is only meaningful with ssl"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(
    loop: Loop, run: Run, arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    async def main() -> None:
        with socket.socket() as sock:
            given: dict[str, Any] = {name: sock if name == "sock" else value for name, value in arguments.items()}
            with pytest.raises(kind, match=f"^{message}$"):
                await loop.create_server(EchoProtocol, **given)
            assert sock.fileno() != -1

    run(main())


def test_a_name_that_nobody_has_is_refused(loop: Loop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def main() -> None:
        with pytest.raises(socket.gaierror, match="Name or service not known"):
            await loop.create_server(EchoProtocol, "nobody.invalid", 0)

    run(main())


def test_a_name_without_an_address_is_refused(loop: Loop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])

    async def main() -> None:
        with pytest.raises(OSError, match=r"^getaddrinfo\('nobody.invalid'\) returned empty list$"):
            await loop.create_server(EchoProtocol, "nobody.invalid", 0)

    run(main())


def test_a_wide_open_server_asks_for_passive_addresses(loop: Loop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    resolve = socket.getaddrinfo

    def recording(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
        asked.append((host, port, family, type, proto, flags))
        return resolve(host, port, family, type, proto, flags)

    monkeypatch.setattr(socket, "getaddrinfo", recording)

    async def main() -> None:
        await closed(await loop.create_server(EchoProtocol, "", 0))

    run(main())
    assert asked == [(None, 0, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)]
