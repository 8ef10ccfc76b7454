"""create_unix_server and create_unix_connection: paths, abstract names, sockets of one's own, and what is left behind.

What streams do over them is in test_streams.py.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import stat
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from recording_protocol import EchoProtocol, RecordingProtocol, aborted, closed, tls_contexts

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

removes_its_socket = sys.version_info >= (3, 13)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a socket that isn't there yet, within the hundred bytes that an address has room for."""
    return tmp_path / "socket"


async def echoes(path: Any) -> bool:
    """Ask the echo server at `path` and say whether it answers."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_unix_connection(RecordingProtocol, path)
    transport.write(b"hello")
    answer = await protocol.receives(5)
    transport.close()
    await protocol.lost
    return answer == b"hello"


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_a_server_and_its_clients_meet_at_a_path(loop: Loop, run: Run, path: Path, kind: Callable[[Path], Any]) -> None:
    async def main() -> None:
        server = await loop.create_unix_server(EchoProtocol, kind(path))
        assert stat.S_ISSOCK(path.stat().st_mode)
        (listening,) = server.sockets
        assert (listening.family, listening.getsockname()) == (socket.AF_UNIX, str(path))
        assert await echoes(kind(path))
        await closed(server)

    run(main())


@pytest.mark.parametrize("as_bytes", [False, True])
def test_an_abstract_name_leaves_no_file(loop: Loop, run: Run, path: Path, as_bytes: bool) -> None:
    name: Any = f"\0ioxide test {os.getpid()} {path}"[:100]
    if as_bytes:
        name = name.encode()

    async def main() -> None:
        server = await loop.create_unix_server(EchoProtocol, name)
        assert server.sockets[0].getsockname() == os.fsencode(name)
        assert await echoes(name)
        await closed(server)
        assert not path.exists()
        with pytest.raises(ConnectionRefusedError):
            await echoes(name)

    run(main())


def test_both_ends_tell_of_their_address(loop: Loop, run: Run, path: Path) -> None:
    async def main() -> None:
        accepted: asyncio.Future[RecordingProtocol] = loop.create_future()

        class Server(RecordingProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                accepted.set_result(self)

        server = await loop.create_unix_server(Server, path)
        transport, _ = await loop.create_unix_connection(RecordingProtocol, str(path))
        other = (await accepted).transport
        assert transport.get_extra_info("peername") == str(path)
        assert transport.get_extra_info("sockname") == ""
        assert other.get_extra_info("sockname") == str(path)
        assert other.get_extra_info("peername") == ""
        sock = other.get_extra_info("socket")
        assert (sock.family, sock.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        assert struct.unpack("3i", credentials) == (os.getpid(), os.getuid(), os.getgid())
        await aborted(transport)
        await aborted(other)
        await closed(server)

    run(main())


def test_a_socket_that_nobody_listens_on_is_replaced(loop: Loop, run: Run, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await echoes(path)
        server = await loop.create_unix_server(EchoProtocol, path)
        assert await echoes(path)
        await closed(server)

    run(main())


def test_a_second_server_takes_a_path_over(loop: Loop, run: Run, path: Path) -> None:
    async def main() -> None:
        first = await loop.create_unix_server(RecordingProtocol, path)
        second = await loop.create_unix_server(EchoProtocol, path)
        assert await echoes(path)
        await closed(first)
        assert path.exists(), "the file is the second server's by now"
        assert await echoes(path)
        await closed(second)

    run(main())


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_path_where_something_else_lies_is_in_use(loop: Loop, run: Run, path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    else:
        path.mkdir()

    async def main() -> None:
        with pytest.raises(OSError, match="is already in use") as caught:
            await loop.create_unix_server(EchoProtocol, path)
        assert type(caught.value) is OSError
        assert caught.value.args == (errno.EADDRINUSE, f"Address {str(path)!r} is already in use")

    run(main())
    assert path.is_dir() or path.read_text() == "precious"


def test_a_path_in_no_directory_is_not_found(loop: Loop, run: Run, path: Path) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await loop.create_unix_server(EchoProtocol, path / "below")
        with pytest.raises(FileNotFoundError):
            await loop.create_unix_connection(EchoProtocol, str(path))

    run(main())


def test_a_path_that_an_address_has_no_room_for_is_refused(loop: Loop, run: Run, path: Path) -> None:
    async def main() -> None:
        long = str(path.parent / ("x" * 110))
        with pytest.raises(OSError, match="AF_UNIX path too long"):
            await loop.create_unix_server(EchoProtocol, long)
        with pytest.raises(OSError, match="AF_UNIX path too long"):
            await loop.create_unix_connection(EchoProtocol, long)

    run(main())


def test_a_closed_server_removes_its_socket_where_asyncio_does(loop: Loop, run: Run, path: Path) -> None:
    async def main() -> None:
        server = await loop.create_unix_server(EchoProtocol, path)
        assert path.exists()
        server.close()
        assert path.exists() is not removes_its_socket
        await server.wait_closed()

    run(main())


@pytest.mark.skipif(not removes_its_socket, reason="cleanup_socket came with 3.13")
def test_a_server_told_to_leaves_its_socket(loop: Loop, run: Run, path: Path) -> None:
    async def main() -> None:
        await closed(await loop.create_unix_server(EchoProtocol, path, cleanup_socket=False))
        assert path.exists()
        await closed(await loop.create_unix_server(EchoProtocol, path, cleanup_socket=True))
        assert not path.exists()

    run(main())


@pytest.mark.skipif(not removes_its_socket, reason="cleanup_socket came with 3.13")
def test_a_socket_that_is_gone_already_needs_no_removing(loop: Loop, run: Run, path: Path) -> None:
    async def main() -> None:
        server = await loop.create_unix_server(EchoProtocol, path)
        path.unlink()
        await closed(server)

    run(main())


@pytest.mark.skipif(not removes_its_socket, reason="cleanup_socket came with 3.13")
def test_a_socket_that_cannot_be_removed_is_logged(
    loop: Loop, run: Run, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        directory = path.parent / "directory"
        directory.mkdir()
        server = await loop.create_unix_server(EchoProtocol, directory / "socket")
        directory.rename(path.parent / "moved")
        directory.write_text("no directory any more")
        with caplog.at_level(logging.ERROR, "asyncio"):
            await closed(server)
        (message,) = caplog.messages
        assert message.startswith(f"Unable to clean up listening UNIX socket {str(directory / 'socket')!r}: NotADir")

    run(main())


def test_a_server_told_not_to_start_refuses_until_it_is_started(loop: Loop, run: Run, path: Path) -> None:
    async def main() -> None:
        server = await loop.create_unix_server(EchoProtocol, path, start_serving=False)
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await echoes(path)
        await server.start_serving()
        assert await echoes(path)
        await closed(server)

    run(main())


def test_as_many_clients_as_the_queue_takes_are_served_again_and_again(loop: Loop, run: Run, path: Path) -> None:
    async def main() -> None:
        server = await loop.create_unix_server(EchoProtocol, path, backlog=1)
        for _ in range(10):
            assert all(await asyncio.gather(echoes(path), echoes(path)))
        await closed(server)

    run(main())


def test_a_server_listens_on_a_socket_that_is_given(loop: Loop, run: Run, path: Path) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
            server = await loop.create_unix_server(EchoProtocol, sock=sock)
            assert [listening.fileno() for listening in server.sockets] == [sock.fileno()]
            assert await echoes(path)
            await closed(server)
            assert sock.fileno() == -1
            assert path.exists() is not removes_its_socket

    run(main())


def test_a_connection_takes_a_socket_that_is_connected(loop: Loop, run: Run) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            transport, protocol = await loop.create_unix_connection(RecordingProtocol, sock=ours)
            assert ours.gettimeout() == 0
            peer.send(b"hello")
            assert await protocol.receives(5) == b"hello"
            await aborted(transport)

    run(main())


def test_an_accepted_unix_socket_gets_a_transport(loop: Loop, run: Run) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        with peer:
            transport, protocol = await loop.connect_accepted_socket(RecordingProtocol, ours)
            peer.send(b"hello")
            assert await protocol.receives(5) == b"hello"
            await aborted(transport)

    run(main())


def test_a_unix_socket_is_secured_like_any_other(loop: Loop, run: Run, path: Path) -> None:
    server_context, client_context = tls_contexts()

    async def main() -> None:
        server = await loop.create_unix_server(EchoProtocol, path, ssl=server_context)
        transport, protocol = await loop.create_unix_connection(
            RecordingProtocol, str(path), ssl=client_context, server_hostname="localhost"
        )
        assert transport.get_extra_info("cipher") is not None
        assert transport.get_extra_info("peername") == str(path)
        transport.write(b"hello")
        assert await protocol.receives(5) == b"hello"
        transport.close()
        await protocol.lost
        await closed(server)

    run(main())


@pytest.mark.parametrize("call", ["create_unix_server", "create_unix_connection"])
@pytest.mark.parametrize(
    ("family", "kind"), [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_DGRAM)]
)
def test_another_kind_of_socket_is_refused_and_left_open(
    loop: Loop, run: Run, call: str, family: int, kind: int
) -> None:
    async def main() -> None:
        with socket.socket(family, kind) as sock:
            with pytest.raises(ValueError, match=r"^A UNIX Domain Stream Socket was expected, got <socket\.socket fd="):
                await getattr(loop, call)(EchoProtocol, sock=sock)
            assert sock.fileno() != -1

    run(main())


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({}, ValueError, "path was not specified, and no sock specified"),
        ({"path": "x", "sock": True}, ValueError, "path and sock can not be specified at the same time"),
        ({"path": "x", "ssl": True}, TypeError, "ssl argument must be an SSLContext or None"),
        ({"path": "x", "ssl_handshake_timeout": 1}, ValueError, "ssl_handshake_timeout is only meaningful with ssl"),
        ({"path": "x", "ssl_shutdown_timeout": 1}, ValueError, "ssl_shutdown_timeout is only meaningful with ssl"),
    ],
)
def test_a_server_refuses_arguments_that_contradict_each_other(
    loop: Loop, run: Run, arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            given: dict[str, Any] = {name: sock if name == "sock" else value for name, value in arguments.items()}
            with pytest.raises(kind, match=f"^{message}$"):
                await loop.create_unix_server(EchoProtocol, **given)

    run(main())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "no path and sock were specified"),
        ({"path": "x", "sock": True}, "path and sock can not be specified at the same time"),
        ({"path": "x", "ssl": True}, "you have to pass server_hostname when using ssl"),
        ({"path": "x", "server_hostname": "x"}, "server_hostname is only meaningful with ssl"),
        ({"path": "x", "ssl_handshake_timeout": 1}, "ssl_handshake_timeout is only meaningful with ssl"),
        ({"path": "x", "ssl_shutdown_timeout": 1}, "ssl_shutdown_timeout is only meaningful with ssl"),
    ],
)
def test_a_connection_refuses_arguments_that_contradict_each_other(
    loop: Loop, run: Run, arguments: dict[str, Any], message: str
) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            given: dict[str, Any] = {name: sock if name == "sock" else value for name, value in arguments.items()}
            with pytest.raises(ValueError, match=f"^{message}$"):
                await loop.create_unix_connection(EchoProtocol, **given)

    run(main())
