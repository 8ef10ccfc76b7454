"""Datagrams between Unix sockets, whose senders may have no name, a path or an abstract name; and other families."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from recording_endpoint import RecordingEndpoint, endpoint, unix_socket
from recording_protocol import several_turns

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]
Reports = list[dict[str, Any]]


def abstract_name() -> bytes:
    """Make up a name outside the file system."""
    return b"\0ioxide-test-" + os.urandom(8).hex().encode()


def test_who_sent_it(run: Run, tmp_path: Path) -> None:
    names = [
        None,
        str(tmp_path / "sender"),
        str(tmp_path / "Absënder"),
        abstract_name(),
        os.fsencode(tmp_path / "\udcff"),
    ]
    expected = [*names[:4], str(tmp_path / "\udcff")]

    async def main() -> None:
        async with endpoint(local_addr=str(tmp_path / "receiver"), family=socket.AF_UNIX) as (_, protocol):
            for name in names:
                with unix_socket(name) as sender:
                    sender.sendto(b"hello", str(tmp_path / "receiver"))
            assert await protocol.receives(len(names)) == [(b"hello", name) for name in expected]

    run(main())


def test_the_sender_can_be_answered(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with endpoint(local_addr=str(tmp_path / "receiver"), family=socket.AF_UNIX) as (transport, protocol):
            for number, name in enumerate([str(tmp_path / "sender"), str(tmp_path / "Absënder"), abstract_name()]):
                with unix_socket(name) as sender:
                    sender.sendto(b"hello", str(tmp_path / "receiver"))
                    (_, address) = (await protocol.receives(number + 1))[number]
                    transport.sendto(b"answer", address)
                    assert sender.recvfrom(100) == (b"answer", str(tmp_path / "receiver"))

    run(main())


def test_an_abstract_address_of_ones_own(run: Run) -> None:
    async def main() -> None:
        name = abstract_name()
        async with endpoint(local_addr=name.decode(), family=socket.AF_UNIX) as (transport, protocol):
            assert transport.get_extra_info("sockname") == name
            transport.sendto(b"as bytes", name)  # type: ignore[arg-type]
            transport.sendto(b"as text", name.decode())  # type: ignore[arg-type]
            assert await protocol.receives(2) == [(b"as bytes", name), (b"as text", name)]

    run(main())


def test_a_pair_of_sockets_has_no_addresses(run: Run) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
        with theirs:
            async with endpoint(sock=ours) as (_, protocol):
                for data in (b"one", b"", b"three"):
                    theirs.send(data)
                assert await protocol.receives(3) == [(b"one", None), (b"", None), (b"three", None)]

    run(main())


def test_a_stale_socket_is_replaced(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    unix_socket(path).close()

    async def main() -> None:
        async with endpoint(local_addr=path, family=socket.AF_UNIX) as (transport, _):
            assert transport.get_extra_info("sockname") == path

    run(main())


@pytest.mark.parametrize(
    ("address", "error", "is_fatal"),
    [
        ("missing", FileNotFoundError, False),
        ("regular", ConnectionRefusedError, False),
        ("x" * 200, OSError, False),
        ("with\0NUL", FileNotFoundError, False),
        ("", OSError, False),
        (Path("missing"), TypeError, True),
        (("missing", 1), TypeError, True),
        (None, TypeError, True),
    ],
    ids=["missing", "no socket", "too long", "NUL", "empty", "path object", "tuple", "none"],
)
def test_addresses_that_nobody_has(
    run: Run, reports: Reports, tmp_path: Path, address: Any, error: type[Exception], is_fatal: bool
) -> None:
    (tmp_path / "regular").touch()
    if isinstance(address, str) and address:
        address = str(tmp_path / address)

    async def main() -> None:
        async with endpoint(family=socket.AF_UNIX) as (transport, protocol):
            transport.sendto(b"data", address)
            if is_fatal:
                assert type(await protocol.lost) is error
            else:
                assert [type(found) for found in protocol.errors] == [error]
                assert not transport.is_closing()

    run(main())
    assert [report["message"] for report in reports] == is_fatal * ["Fatal write error on datagram transport"]
    reports.clear()


def test_a_receiver_that_left_is_an_error(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        with unix_socket(str(tmp_path / "receiver")):
            connected = endpoint(remote_addr=str(tmp_path / "receiver"), family=socket.AF_UNIX)
            transport, protocol = await connected.__aenter__()
            transport.sendto(b"received")
        transport.sendto(b"refused")
        assert [type(error) for error in protocol.errors] == [ConnectionRefusedError]
        await several_turns()
        assert protocol.calls == ["connection_made", "error_received"]
        await connected.__aexit__(None, None, None)

    run(main())


@pytest.mark.parametrize("family", ["AF_NETLINK", "AF_PACKET"])
def test_a_socket_of_another_family(run: Run, family: str) -> None:
    """The addresses of these are none that the loop knows: it is the socket module that reads and writes them."""

    async def main() -> None:
        if family == "AF_NETLINK":
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
            sock.bind((0, 0))
        else:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        async with endpoint(sock=sock) as (transport, protocol):
            if family == "AF_NETLINK":
                # NLMSG_NOOP that asks for an acknowledgement.
                transport.sendto((16).to_bytes(4, sys.byteorder) + b"\1\0" + b"\5\0" + bytes(8), (0, 0))  # type: ignore
                ((data, sender),) = await protocol.receives(1)
                assert (int.from_bytes(data[4:6], sys.byteorder), sender) == (2, (0, 0))  # NLMSG_ERROR, of the kernel
            assert transport.get_extra_info("socket").family == getattr(socket, family)
            assert isinstance(protocol, RecordingEndpoint)

    run(main())
