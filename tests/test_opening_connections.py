"""create_connection and connect_accepted_socket: which address is tried, from where, in which order, and what fails.

Names are resolved by a `socket.getaddrinfo` of the test's own where more than one address is needed, so that nothing
depends on what the machine calls localhost.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from recording_protocol import RecordingProtocol, aborted, drained, serving, several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Address = tuple[Any, ...]
Resolve = Callable[..., None]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Let every name resolve to the addresses that the test gives to this."""

    def answer(*addresses: Address) -> None:
        entries = [
            (socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
            for address in addresses
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)

    return answer


@contextlib.contextmanager
def refusing_address(host: str = "127.0.0.1") -> Iterator[Address]:
    """Hold a port that nothing listens on."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.bind((host, 0))
        yield sock.getsockname()


@contextlib.contextmanager
def silent_address() -> Iterator[Address]:
    """Listen with a full queue: a connection there is neither made nor refused."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.create_connection(listener.getsockname()):
            yield listener.getsockname()


async def echoed(transport: asyncio.Transport, protocol: RecordingProtocol) -> bool:
    """Say whether an echo comes over a connection, and close it."""
    transport.write(b"hello")
    answer = await protocol.receives(5)
    transport.close()
    await protocol.lost
    return answer == b"hello"


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_connection_is_made_to_a_number_or_a_name(loop: Loop, run: Run, host: str, as_text: bool) -> None:
    async def main() -> None:
        async with serving(host="::1" if host == "::1" else "127.0.0.1") as (_, port):
            given: Any = str(port) if as_text else port
            pair = await loop.create_connection(RecordingProtocol, host, given)
            assert await echoed(*pair)

    run(main())


def test_a_connection_is_the_pair_that_the_factory_and_the_loop_made(loop: Loop, run: Run) -> None:
    made = []

    def factory() -> RecordingProtocol:
        made.append(RecordingProtocol())
        return made[-1]

    async def main() -> None:
        async with serving() as address:
            pair = await loop.create_connection(factory, *address)
            transport, protocol = pair
            assert type(pair) is tuple
            assert made == [protocol]
            assert protocol.transport is transport
            assert transport.get_protocol() is protocol
            await aborted(transport)

    run(main())


def test_without_a_host_the_connection_is_made_to_this_machine(loop: Loop, run: Run) -> None:
    async def main() -> None:
        async with serving() as (_, port):
            pair = await loop.create_connection(RecordingProtocol, port=port, family=socket.AF_INET)
            assert await echoed(*pair)

    run(main())


def test_the_family_limits_which_addresses_are_tried(loop: Loop, run: Run) -> None:
    async def main() -> None:
        async with serving() as (_, port):
            pair = await loop.create_connection(RecordingProtocol, "localhost", port, family=socket.AF_INET)
            assert await echoed(*pair)
            with pytest.raises(socket.gaierror):
                await loop.create_connection(RecordingProtocol, "127.0.0.1", port, family=socket.AF_INET6)

    run(main())


def test_a_connection_is_made_from_the_local_address(loop: Loop, run: Run) -> None:
    async def main() -> None:
        async with serving() as address:
            transport, _ = await loop.create_connection(RecordingProtocol, *address, local_addr=("127.0.0.3", 0))
            assert transport.get_extra_info("sockname")[0] == "127.0.0.3"
            await aborted(transport)

    run(main())


def test_a_local_address_that_cannot_be_bound_is_named(loop: Loop, run: Run) -> None:
    async def main() -> None:
        async with serving() as address:
            message = r"error while attempting to bind on address \('192.0.2.1', 0\): .*cannot assign requested address"
            with pytest.raises(OSError, match=message) as caught:
                await loop.create_connection(RecordingProtocol, *address, local_addr=("192.0.2.1", 0))
            assert caught.value.errno == errno.EADDRNOTAVAIL

    run(main())


def test_a_local_address_of_another_family_does_not_match(loop: Loop, run: Run) -> None:
    async def main() -> None:
        async with serving() as address:
            with pytest.raises(OSError, match=r"^no matching local address with family=.*AF_INET.* found$"):
                await loop.create_connection(RecordingProtocol, *address, local_addr=("::1", 0))

    run(main())


def test_a_refused_connection_names_the_address(loop: Loop, run: Run) -> None:
    async def main() -> None:
        with refusing_address() as (host, port):
            message = rf"\[Errno 111\] Connect call failed \('127.0.0.1', {port}\)"
            with pytest.raises(ConnectionRefusedError, match=f"^{message}$") as caught:
                await loop.create_connection(RecordingProtocol, host, port)
            assert caught.value.errno == errno.ECONNREFUSED

    run(main())


def test_the_addresses_of_a_name_are_tried_in_turn(loop: Loop, run: Run, resolve: Resolve) -> None:
    async def main() -> None:
        async with serving() as address:
            with refusing_address() as nobody:
                resolve(nobody, address)
                assert await echoed(*await loop.create_connection(RecordingProtocol, "several", 1))

    run(main())


def test_when_all_addresses_fail_the_message_joins_theirs(loop: Loop, run: Run, resolve: Resolve) -> None:
    async def main() -> None:
        with refusing_address() as first, refusing_address() as second:
            resolve(first, second)
            expected = f"Multiple exceptions: [Errno 111] Connect call failed {first}, "
            expected += f"[Errno 111] Connect call failed {second}"
            with pytest.raises(OSError, match=r"^Multiple") as caught:
                await loop.create_connection(RecordingProtocol, "several", 1)
            assert type(caught.value) is OSError
            assert str(caught.value) == expected

    run(main())


def test_when_all_addresses_fail_alike_one_of_their_errors_is_raised(loop: Loop, run: Run, resolve: Resolve) -> None:
    async def main() -> None:
        with refusing_address() as address:
            resolve(address, address)
            with pytest.raises(ConnectionRefusedError, match="Connect call failed"):
                await loop.create_connection(RecordingProtocol, "several", 1)

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="all_errors came with 3.12")
def test_all_errors_are_raised_together_when_asked_for(loop: Loop, run: Run, resolve: Resolve) -> None:
    # The stubs of asyncio don't know the argument.
    options: dict[str, Any] = {"all_errors": True}

    async def main() -> None:
        with refusing_address() as first, refusing_address() as second:
            for addresses in ((first, second), (first,)):
                resolve(*addresses)
                with pytest.raises(ExceptionGroup, match=r"^create_connection failed") as caught:
                    await loop.create_connection(RecordingProtocol, "several", 1, **options)
                messages = [str(error) for error in caught.value.exceptions]
                assert messages == [f"[Errno 111] Connect call failed {address}" for address in addresses]

    run(main())


def test_a_name_without_an_address_is_an_error(loop: Loop, run: Run, resolve: Resolve) -> None:
    async def main() -> None:
        resolve()
        with pytest.raises(OSError, match=r"^getaddrinfo\(\) returned empty list$"):
            await loop.create_connection(RecordingProtocol, "several", 1)

    run(main())


def test_with_happy_eyeballs_a_silent_address_does_not_hold_up_the_next(loop: Loop, run: Run, resolve: Resolve) -> None:
    async def main() -> None:
        async with serving() as address:
            with silent_address() as silent:
                resolve(silent, address)
                pair = await loop.create_connection(RecordingProtocol, "several", 1, happy_eyeballs_delay=0.01)
                assert await echoed(*pair)

    run(main())


def test_with_happy_eyeballs_a_refusal_starts_the_next_at_once(loop: Loop, run: Run, resolve: Resolve) -> None:
    async def main() -> None:
        async with serving() as address:
            with refusing_address() as nobody:
                resolve(nobody, nobody, address)
                # An hour: only the refusals can have started the third.
                pair = await loop.create_connection(RecordingProtocol, "several", 1, happy_eyeballs_delay=3600)
                assert await echoed(*pair)

    run(main())


def test_with_happy_eyeballs_the_errors_of_all_are_joined(loop: Loop, run: Run, resolve: Resolve) -> None:
    async def main() -> None:
        with refusing_address() as first, refusing_address() as second:
            resolve(first, second)
            with pytest.raises(OSError, match=r"^Multiple exceptions: .*Connect call failed.*Connect call failed"):
                await loop.create_connection(RecordingProtocol, "several", 1, happy_eyeballs_delay=3600)

    run(main())


@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        ({}, [1, 2, 3, 4]),
        ({"interleave": 0}, [1, 2, 3, 4]),
        ({"interleave": 1}, [1, 4, 2, 3]),
        ({"interleave": 2}, [1, 2, 4, 3]),
        ({"happy_eyeballs_delay": 3600}, [1, 4, 2, 3]),
        ({"happy_eyeballs_delay": 3600, "interleave": 0}, [1, 2, 3, 4]),
    ],
)
def test_the_families_of_the_addresses_take_turns(
    loop: Loop, run: Run, resolve: Resolve, arguments: dict[str, Any], order: list[int]
) -> None:
    async def main() -> None:
        with contextlib.ExitStack() as held:
            hosts = ("::1", "::1", "::1", "127.0.0.1")
            addresses = [held.enter_context(refusing_address(host)) for host in hosts]
            resolve(*addresses)
            with pytest.raises(OSError, match=r"^Multiple exceptions: ") as caught:
                await loop.create_connection(RecordingProtocol, "several", 1, **arguments)
            positions = [str(caught.value).index(str(addresses[number - 1])) for number in order]
            assert positions == sorted(positions)

    run(main())


def test_a_connection_takes_a_socket_that_is_connected(loop: Loop, run: Run) -> None:
    async def main() -> None:
        async with serving() as address:
            sock = socket.create_connection(address)
            transport, protocol = await loop.create_connection(RecordingProtocol, sock=sock)
            assert transport.get_extra_info("socket").fileno() == sock.fileno()
            assert transport.get_extra_info("peername") == address
            assert await echoed(transport, protocol)

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="before 3.12 asyncio doesn't look")
def test_a_socket_that_has_a_transport_does_not_get_another(loop: Loop, run: Run) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            transport, protocol = await loop.create_connection(RecordingProtocol, sock=ours)
            with pytest.raises(RuntimeError, match=r"^File descriptor .* is used by transport <"):
                await loop.create_connection(RecordingProtocol, sock=ours)
            if ours.fileno() == -1:  # newer versions of asyncio close a socket that gets no transport
                transport.abort()
                await protocol.lost
                return
            peer.send(b"undisturbed")
            assert await protocol.receives(11) == b"undisturbed"
            await aborted(transport)

    run(main())


@pytest.mark.parametrize("call", ["create_connection", "connect_accepted_socket"])
def test_a_socket_that_is_no_stream_is_refused_and_left_open(loop: Loop, run: Run, call: str) -> None:
    async def main() -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            with pytest.raises(ValueError, match=r"^A Stream Socket was expected, got <socket\.socket fd="):
                await getattr(loop, call)(RecordingProtocol, sock=sock)
            assert sock.fileno() != -1

    run(main())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "host and port was not specified and no sock specified"),
        ({"host": "127.0.0.1", "sock": True}, "host/port and sock can not be specified at the same time"),
        ({"port": 1, "sock": True}, "host/port and sock can not be specified at the same time"),
        ({"port": 1, "server_hostname": "name"}, "server_hostname is only meaningful with ssl"),
        ({"port": 1, "server_hostname": ""}, "server_hostname is only meaningful with ssl"),
        ({"port": 1, "ssl": True}, "You must set server_hostname when using ssl without a host"),
        ({"sock": True, "ssl": True}, "You must set server_hostname when using ssl without a host"),
        ({"port": 1, "ssl_handshake_timeout": 1}, "ssl_handshake_timeout is only meaningful with ssl"),
        ({"port": 1, "ssl_shutdown_timeout": 1}, "ssl_shutdown_timeout is only meaningful with ssl"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(
    loop: Loop, run: Run, arguments: dict[str, Any], message: str
) -> None:
    async def main() -> None:
        with socket.socket() as sock:
            given: dict[str, Any] = {name: sock if name == "sock" else value for name, value in arguments.items()}
            with pytest.raises(ValueError, match=f"^{message}$"):
                await loop.create_connection(RecordingProtocol, **given)

    run(main())


def test_a_tls_socket_is_refused(loop: Loop, run: Run) -> None:
    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        ours, peer = socket.socketpair()
        sock = context.wrap_socket(ours, do_handshake_on_connect=False)
        with peer, sock:
            for call in (loop.create_connection, loop.connect_accepted_socket):
                with pytest.raises(TypeError, match=r"^Socket cannot be of type SSLSocket$"):
                    await call(RecordingProtocol, sock=sock)

    run(main())


@pytest.mark.parametrize("delay", [None, 0.01])
def test_cancelling_a_pending_connection_leaves_no_descriptor(
    loop: Loop, run: Run, resolve: Resolve, delay: float | None
) -> None:
    async def main() -> None:
        with silent_address() as silent:
            before = os.listdir("/proc/self/fd")
            resolve(silent)
            connecting = loop.create_task(
                loop.create_connection(RecordingProtocol, "several", 1, happy_eyeballs_delay=delay)
            )
            while len(os.listdir("/proc/self/fd")) == len(before):
                await asyncio.sleep(0)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            await several_turns()
            assert os.listdir("/proc/self/fd") == before

    run(main())


def test_cancelling_a_connection_as_its_protocol_is_made_closes_it(loop: Loop, run: Run) -> None:
    made: list[RecordingProtocol] = []

    async def main() -> None:
        def factory() -> RecordingProtocol:
            connecting.cancel()
            made.append(RecordingProtocol())
            return made[-1]

        ours, peer = socket.socketpair()
        peer.setblocking(False)
        with peer:
            connecting = loop.create_task(loop.create_connection(factory, sock=ours))
            with pytest.raises(asyncio.CancelledError):
                await connecting
            assert await made[0].lost is None
            assert made[0].calls == ["connection_made", "connection_lost"]
            assert await drained(peer) == b""

    run(main())


def test_an_accepted_socket_gets_a_transport(loop: Loop, run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            accepted, name = listener.accept()
        with client:
            client.setblocking(False)
            transport, protocol = await loop.connect_accepted_socket(RecordingProtocol, accepted)
            assert protocol.calls == ["connection_made"]
            assert transport.get_extra_info("peername") == name
            client.send(b"hello")
            assert await protocol.receives(5) == b"hello"
            transport.close()
            assert await drained(client) == b""
            await several_turns()

    run(main())


@pytest.mark.parametrize("timeout", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
def test_an_accepted_socket_without_tls_has_no_timeouts_of_it(loop: Loop, run: Run, timeout: str) -> None:
    async def main() -> None:
        with socket.socket() as sock:
            given: dict[str, Any] = {timeout: 1}
            with pytest.raises(ValueError, match=f"^{timeout} is only meaningful with ssl$"):
                await loop.connect_accepted_socket(RecordingProtocol, sock, **given)
            assert sock.fileno() != -1

    run(main())


def test_the_peer_of_a_connection_that_was_reset_before_is_unknown(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            peer = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            transport, protocol = await loop.connect_accepted_socket(RecordingProtocol, accepted)
            assert transport.get_extra_info("peername") is None
            await protocol.lost

    run(main())
