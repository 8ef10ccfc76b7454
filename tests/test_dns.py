"""`getaddrinfo` and `getnameinfo`: whatever the `socket` module answers, and it is the one that is asked.

No test leaves the machine: names are `localhost`, or the resolver is the test's own.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from conftest import LoopFactory

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]

QUERIES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "v4": (("127.0.0.1", 80), {}),
    "v4 stream": (("127.0.0.1", 80), {"type": socket.SOCK_STREAM}),
    "v4 datagram": (("127.0.0.1", 80), {"type": socket.SOCK_DGRAM, "proto": socket.IPPROTO_UDP}),
    "v4 in short": (("127.1", 80), {}),
    "v4 as bytes": ((b"127.0.0.1", b"80"), {}),
    "v4 asked as v6": (("127.0.0.1", 80), {"family": socket.AF_INET6}),
    "v4 mapped to v6": (("127.0.0.1", 80), {"family": socket.AF_INET6, "flags": socket.AI_V4MAPPED}),
    "v6": (("::1", 80), {"type": socket.SOCK_STREAM}),
    "v6 asked as v4": (("::1", 80), {"family": socket.AF_INET}),
    "v6 with a number for its scope": (("fe80::1%1", 80), {"type": socket.SOCK_STREAM}),
    "v6 with an interface for its scope": (("fe80::1%lo", 80), {"type": socket.SOCK_STREAM}),
    "v6 with an unknown scope": (("fe80::1%nosuch", 80), {"flags": socket.AI_NUMERICHOST}),
    "localhost": (("localhost", 80), {}),
    "localhost v4": (("localhost", 80), {"family": socket.AF_INET, "type": socket.SOCK_STREAM}),
    "any": ((None, 80), {"flags": socket.AI_PASSIVE, "type": socket.SOCK_STREAM}),
    "nothing, so ourselves": ((None, 80), {"type": socket.SOCK_STREAM}),
    "port as text": (("127.0.0.1", "8080"), {"type": socket.SOCK_STREAM}),
    "port by name": (("127.0.0.1", "http"), {"type": socket.SOCK_STREAM}),
    "no port": (("127.0.0.1", None), {"type": socket.SOCK_STREAM}),
    "empty port": (("127.0.0.1", ""), {"type": socket.SOCK_STREAM}),
    "port too large": (("127.0.0.1", 65536 + 80), {"type": socket.SOCK_STREAM}),
    "port far too large": (("127.0.0.1", 1 << 70), {}),
    "negative port": (("127.0.0.1", -1), {"type": socket.SOCK_STREAM}),
    "unknown service": (("127.0.0.1", "no-such-service"), {}),
    "port of a wrong type": (("127.0.0.1", 1.5), {}),
    "host of a wrong type": ((127, 80), {}),
    "neither host nor port": ((None, None), {}),
    "canonical name": (("127.0.0.1", 80), {"flags": socket.AI_CANONNAME, "type": socket.SOCK_STREAM}),
    "a name where a number is due": (("localhost", 80), {"flags": socket.AI_NUMERICHOST}),
    "a service where a number is due": (("127.0.0.1", "http"), {"flags": socket.AI_NUMERICSERV}),
    "unknown flags": (("127.0.0.1", 80), {"flags": 1 << 30}),
    "unknown family": (("127.0.0.1", 80), {"family": 12345}),
    "unknown type": (("127.0.0.1", 80), {"type": 12345}),
    "a label that is too long": (("x" * 64 + ".invalid", 80), {}),
}


@pytest.fixture
def release(loop: Loop) -> Iterator[threading.Event]:
    """Give the event that slow lookups wait for. It is set at the end, so that a failure leaves no thread waiting."""
    event = threading.Event()
    yield event
    event.set()


def outcome(ask: Callable[[], Any]) -> str:
    """Tell what a call returned, with its types, or what it raised."""
    try:
        return repr(ask())
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"


@pytest.mark.parametrize("query", QUERIES)
def test_getaddrinfo_answers_as_the_socket_module_does(run: Run, loop: Loop, query: str) -> None:
    arguments, options = QUERIES[query]
    asked_directly = outcome(lambda: socket.getaddrinfo(*arguments, **options))
    assert outcome(lambda: run(loop.getaddrinfo(*arguments, **options))) == asked_directly


def test_the_answers_are_made_of_the_enumerations_of_the_socket_module(run: Run, loop: Loop) -> None:
    ((family, kind, proto, name, address),) = run(loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))
    assert (family, kind, proto, name, address) == (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    assert type(family) is socket.AddressFamily
    assert type(kind) is socket.SocketKind


def test_the_options_of_getaddrinfo_are_keywords(loop: Loop) -> None:
    with pytest.raises(TypeError):
        loop.getaddrinfo("127.0.0.1", 80, socket.AF_INET).close()  # type: ignore[call-arg]
    coroutine = loop.getaddrinfo("127.0.0.1", 80)
    assert asyncio.iscoroutine(coroutine)
    coroutine.close()


def test_a_name_that_is_not_found_is_an_error_of_the_resolver(
    run: Run, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_found(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    with pytest.raises(socket.gaierror) as caught:
        run(loop.getaddrinfo("no.such.host", 80))
    assert caught.value.errno == socket.EAI_NONAME
    with pytest.raises(socket.gaierror):
        run(loop.create_connection(asyncio.Protocol, "no.such.host", 80))


@pytest.mark.parametrize("host", ["some.name", "127.0.0.1"])
def test_a_getaddrinfo_put_in_place_of_the_modules_is_used(
    run: Run, loop: Loop, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    def answer(*arguments: Any) -> list[str]:
        asked.append(arguments)
        threads.append(threading.current_thread())
        return ["the answer"]

    asked: list[tuple[Any, ...]] = []
    threads: list[threading.Thread] = []
    monkeypatch.setattr(socket, "getaddrinfo", answer)
    assert run(loop.getaddrinfo(host, "http", family=1, type=2, proto=3, flags=4)) == ["the answer"]
    assert run(loop.getaddrinfo(host, 80)) == ["the answer"]
    assert asked == [(host, "http", 1, 2, 3, 4), (host, 80, 0, 0, 0, 0)]
    assert threading.main_thread() not in threads


def test_connecting_asks_for_names_and_takes_numbers_as_they_are(
    run: Run, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = socket.getaddrinfo
    asked: list[str] = []

    def answer(host: str, *arguments: Any) -> Any:
        asked.append(host)
        return original("127.0.0.1", *arguments)

    async def connect(host: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, (host, listener.getsockname()[1]))
            assert sock.getpeername() == listener.getsockname()
            transport, _ = await loop.create_connection(asyncio.Protocol, host, listener.getsockname()[1])
            assert transport.get_extra_info("peername") == listener.getsockname()
            transport.close()
            await asyncio.sleep(0)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    run(connect("127.0.0.1"))
    assert asked == []
    run(connect("some.name"))
    assert asked == ["some.name", "some.name"]


def test_a_subclass_may_resolve_by_itself(loop: Loop, loop_factory: LoopFactory) -> None:
    base: Any = type(loop)
    asked: list[Any] = []

    class Resolving(base):  # type: ignore[misc]
        async def getaddrinfo(self, host: str, port: int, **options: int) -> Any:
            asked.append((host, port))
            return await super().getaddrinfo("127.0.0.1", port, **options)

    async def connect() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
            sock.setblocking(False)
            port = listener.getsockname()[1]
            await asyncio.get_running_loop().sock_connect(sock, ("my.name", port))
            assert asked == [("my.name", port)]

    resolving = Resolving()
    resolving.run_until_complete(connect())
    resolving.run_until_complete(resolving.shutdown_default_executor())
    resolving.close()


def test_the_loop_goes_on_while_a_name_is_looked_up(
    run: Run, loop: Loop, monkeypatch: pytest.MonkeyPatch, release: threading.Event
) -> None:
    asked = threading.Event()

    def slow(*_: Any) -> list[str]:
        asked.set()
        release.wait()
        return ["at last"]

    async def main() -> None:
        task = asyncio.create_task(loop.getaddrinfo("slow.name", 80))
        await asyncio.to_thread(asked.wait)
        cancelled = asyncio.create_task(loop.getaddrinfo("slow.name", 80))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert not task.done()
        release.set()
        answer: list[Any] = await task
        assert answer == ["at last"]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    run(main())


def test_many_lookups_at_once_all_come_back(run: Run, loop: Loop) -> None:
    async def main() -> list[Any]:
        answers = await asyncio.gather(
            *(loop.getaddrinfo("localhost", port, family=socket.AF_INET) for port in range(1, 101))
        )
        return [answer[0][4][1] for answer in answers]

    assert run(main()) == list(range(1, 101))


NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


@pytest.mark.parametrize(
    "question",
    [
        (("127.0.0.1", 80), NUMERIC),
        (("::1", 80), NUMERIC),
        (("::1", 80, 0, 0), NUMERIC),
        (("fe80::1", 80, 0, 1), NUMERIC),
        (("127.0.0.1", 80), socket.NI_NUMERICHOST),
        (("127.0.0.1", 0), NUMERIC),
        (("127.0.0.1", 80), socket.NI_NUMERICSERV),
        (("127.0.0.1", "80"), NUMERIC),
        (("127.0.0.1",), NUMERIC),
        (("127.0.0.1", 80, 0, 0, 0), NUMERIC),
        (["127.0.0.1", 80], NUMERIC),
        (("127.0.0.1", -1), NUMERIC),
        (("127.0.0.1", 80, 0, 1 << 40), NUMERIC),
        ((b"127.0.0.1", 80), NUMERIC),
    ],
    ids=repr,
)
def test_getnameinfo_answers_as_the_socket_module_does(run: Run, loop: Loop, question: tuple[Any, int]) -> None:
    assert outcome(lambda: run(loop.getnameinfo(*question))) == outcome(lambda: socket.getnameinfo(*question))


def test_a_getnameinfo_put_in_place_of_the_modules_is_used(
    run: Run, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*arguments: Any) -> tuple[Any, ...]:
        return (*arguments, threading.current_thread() is threading.main_thread())

    monkeypatch.setattr(socket, "getnameinfo", answer)
    assert run(loop.getnameinfo(("127.0.0.1", 80))) == (("127.0.0.1", 80), 0, False)
    assert run(loop.getnameinfo(("127.0.0.1", 80), flags=7)) == (("127.0.0.1", 80), 7, False)


def test_a_resolver_that_was_replaced_before_the_import_is_used() -> None:
    program = """
import asyncio, socket
socket.getaddrinfo = lambda *arguments: ["replaced"]
import ioxide
async def main():
    print(await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80))
ioxide.run(main())
"""
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert outcome.stdout == "['replaced']\n"
