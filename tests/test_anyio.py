"""anyio on the loop, by its own door: `anyio.run(..., backend_options={"loop_factory": ...})`.

anyio has streams, cancel scopes and a pool of threads of its own, which it builds on the loop's transports, on
`call_soon` and on `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import hashlib
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.from_thread
import anyio.to_thread
import pytest
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSListener, TLSStream
from conftest import LoopFactory, open_descriptors
from recording_protocol import tls_contexts

Main = Callable[[], Awaitable[Any]]
Run = Callable[[Main], Any]

MEBIBYTES = bytes(range(256)) * 32768

TRANSFORMER = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.stderr.write('done'); sys.exit(3)"


@pytest.fixture
def run_anyio(loop_factory: LoopFactory) -> Iterator[Run]:
    """Run one coroutine function by `anyio.run` on a loop of the factory, and check what it leaves behind."""
    gc.collect()
    before = open_descriptors()
    yield lambda main: anyio.run(main, backend_options={"loop_factory": loop_factory})
    gc.collect()
    assert open_descriptors() - before == set()


async def receive_all(stream: anyio.abc.ByteReceiveStream) -> bytes:
    """Read until the other end says that no more comes."""
    return b"".join([chunk async for chunk in stream])


async def answer_with_digest(stream: anyio.abc.ByteStream) -> None:
    """Read all that comes, then say how long it was and what its digest is."""
    async with stream:
        received = await receive_all(stream)
        await stream.send(f"{len(received)} {hashlib.sha256(received).hexdigest()}".encode())


async def echo(stream: anyio.abc.ByteStream) -> None:
    async with stream:
        async for chunk in stream:
            await stream.send(chunk)


def as_it_is(listener: anyio.abc.SocketListener) -> anyio.abc.Listener[Any]:
    return listener


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[Any], Awaitable[None]], wrap: Callable[..., anyio.abc.Listener[Any]] = as_it_is
) -> AsyncIterator[tuple[str, int]]:
    """Serve `handler` on a TCP listener until the test is done, and yield the address."""
    tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with wrap(tcp) as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, handler)
        host, port = tcp.extra(SocketAttribute.local_address)
        yield host, port
        group.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def visited(handler: Callable[[Any], Awaitable[None]]) -> AsyncIterator[anyio.abc.SocketStream]:
    """Serve `handler` and connect to it."""
    async with serving(handler) as address, await anyio.connect_tcp(*address) as stream:
        yield stream


def test_the_loop_is_of_the_factory(run_anyio: Run, loop_factory: LoopFactory) -> None:
    async def main() -> type[asyncio.AbstractEventLoop]:
        return type(asyncio.get_running_loop())

    loop = loop_factory()
    loop.close()
    assert run_anyio(main) is type(loop)


def test_a_large_body_goes_over_tcp(run_anyio: Run) -> None:
    async def main() -> None:
        async with visited(answer_with_digest) as stream:
            await stream.send(MEBIBYTES)
            await stream.send_eof()
            answer = await receive_all(stream)
            assert answer.decode() == f"{len(MEBIBYTES)} {hashlib.sha256(MEBIBYTES).hexdigest()}"

    run_anyio(main)


def test_a_large_body_is_echoed_while_it_is_sent(run_anyio: Run) -> None:
    async def main() -> None:
        async def send() -> None:
            await stream.send(MEBIBYTES)
            await stream.send_eof()

        async with visited(echo) as stream, anyio.create_task_group() as group:
            group.start_soon(send)
            assert await receive_all(stream) == MEBIBYTES

    run_anyio(main)


def test_many_clients_are_served_at_once(run_anyio: Run) -> None:
    async def main() -> None:
        answers: dict[int, bytes] = {}

        async def ask(number: int) -> None:
            async with await anyio.connect_tcp(*address) as stream:
                await stream.send(str(number).encode())
                await stream.send_eof()
                answers[number] = await receive_all(stream)

        async with serving(echo) as address, anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(ask, number)
        assert answers == {number: str(number).encode() for number in range(50)}

    run_anyio(main)


def test_a_large_body_goes_over_tls(run_anyio: Run) -> None:
    server_context, client_context = tls_contexts()

    async def main() -> None:
        async def send() -> None:
            await stream.send(MEBIBYTES)

        async with (
            serving(echo, functools.partial(TLSListener, ssl_context=server_context)) as address,
            await anyio.connect_tcp(*address, ssl_context=client_context) as stream,
        ):
            received = bytearray()
            async with anyio.create_task_group() as group:
                group.start_soon(send)
                while len(received) < len(MEBIBYTES):
                    received += await stream.receive()
            assert received == MEBIBYTES

    run_anyio(main)


def test_a_certificate_of_a_stranger_is_refused(run_anyio: Run) -> None:
    server_context, _ = tls_contexts()
    refused = []

    async def refuse(error: BaseException, stream: anyio.abc.AnyByteStream) -> None:
        refused.append(error)
        await anyio.aclose_forcefully(stream)

    class Listener(TLSListener):
        handle_handshake_error = staticmethod(refuse)

    async def main() -> None:
        async with serving(echo, functools.partial(Listener, ssl_context=server_context)) as address:
            with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
                await anyio.connect_tcp(*address, ssl_context=ssl.create_default_context())
            while not refused:
                await anyio.sleep(0)

    run_anyio(main)
    assert [type(error) for error in refused] == [anyio.BrokenResourceError]


def test_a_plain_stream_is_wrapped_in_tls(run_anyio: Run) -> None:
    server_context, client_context = tls_contexts()

    async def upgrade(stream: anyio.abc.SocketStream) -> None:
        assert await stream.receive() == b"upgrade?"
        await stream.send(b"upgrade!")
        await echo(await TLSStream.wrap(stream, ssl_context=server_context, server_side=True))

    async def main() -> None:
        async with visited(upgrade) as plain:
            await plain.send(b"upgrade?")
            assert await plain.receive() == b"upgrade!"
            async with await TLSStream.wrap(plain, hostname="localhost", ssl_context=client_context) as stream:
                await stream.send(b"secret")
                assert await stream.receive() == b"secret"

    run_anyio(main)


def test_datagrams_are_answered(run_anyio: Run) -> None:
    async def answer(socket: anyio.abc.UDPSocket) -> None:
        async for payload, (host, port) in socket:
            await socket.sendto(payload[::-1], host, port)

    async def main() -> None:
        async with await anyio.create_udp_socket(local_host="127.0.0.1") as server, anyio.create_task_group() as group:
            group.start_soon(answer, server)
            host, port = server.extra(SocketAttribute.local_address)
            async with await anyio.create_connected_udp_socket(host, port) as client:
                for number in range(100):
                    payload = f"{number} ".encode() + b"x" * number
                    await client.send(payload)
                    assert await client.receive() == payload[::-1]
            group.cancel_scope.cancel()

    run_anyio(main)


def test_a_unix_socket_carries_a_large_body(run_anyio: Run, tmp_path: Path) -> None:
    async def main() -> None:
        listener = await anyio.create_unix_listener(tmp_path / "socket")
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, answer_with_digest)
            async with await anyio.connect_unix(tmp_path / "socket") as stream:
                await stream.send(MEBIBYTES)
                await stream.send_eof()
                assert (await receive_all(stream)).split()[0] == str(len(MEBIBYTES)).encode()
            group.cancel_scope.cancel()

    run_anyio(main)


def test_a_task_that_fails_cancels_the_others_of_its_group(run_anyio: Run) -> None:
    cancelled = []

    async def wait(number: int, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        try:
            task_status.started()
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled.append(number)
            raise

    async def fail() -> None:
        raise LookupError("nothing there")

    async def main() -> None:
        with pytest.RaisesGroup(LookupError):
            async with anyio.create_task_group() as group:
                for number in range(3):
                    await group.start(wait, number)
                group.start_soon(fail)

    run_anyio(main)
    assert sorted(cancelled) == [0, 1, 2]


def test_a_cancelled_scope_ends_a_wait_for_the_network(run_anyio: Run) -> None:
    async def main() -> None:
        async with visited(echo) as stream:
            with anyio.move_on_after(0.01) as scope:
                await stream.receive()
            assert scope.cancelled_caught
            with pytest.raises(TimeoutError), anyio.fail_after(0.01):
                await stream.receive()
            await stream.send(b"still there?")
            assert await stream.receive() == b"still there?"

    run_anyio(main)


def test_a_shielded_scope_runs_to_its_end(run_anyio: Run) -> None:
    steps = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                for step in range(3):
                    await anyio.lowlevel.checkpoint()
                    steps.append(step)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    run_anyio(main)
    assert steps == [0, 1, 2]


def test_a_memory_stream_holds_back_the_sender_and_ends_with_its_last_clone(run_anyio: Run) -> None:
    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[int](2)
        received = []

        async def produce(stream: anyio.abc.ObjectSendStream[int], numbers: range) -> None:
            async with stream:
                for number in numbers:
                    await stream.send(number)

        async with anyio.create_task_group() as group:
            async with send:
                group.start_soon(produce, send.clone(), range(100))
                group.start_soon(produce, send.clone(), range(100, 200))
            await anyio.wait_all_tasks_blocked()
            statistics = receive.statistics()
            assert (statistics.current_buffer_used, statistics.tasks_waiting_send) == (2, 2)
            async with receive:
                received = [number async for number in receive]
        assert sorted(received) == list(range(200))
        assert [number for number in received if number < 100] == list(range(100))

    run_anyio(main)


def test_threads_run_at_once_and_call_back(run_anyio: Run) -> None:
    together = threading.Barrier(4)

    async def double(number: int) -> int:
        await anyio.lowlevel.checkpoint()
        return 2 * number

    def work(number: int) -> int:
        together.wait()
        return anyio.from_thread.run(double, number)

    async def main() -> None:
        results = {}

        async def delegate(number: int) -> None:
            results[number] = await anyio.to_thread.run_sync(work, number)

        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(delegate, number)
        assert results == {0: 0, 1: 2, 2: 4, 3: 6}

    run_anyio(main)


def test_an_exception_in_a_thread_is_raised_in_the_task(run_anyio: Run) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="invalid literal"):
            await anyio.to_thread.run_sync(int, "no number")

    run_anyio(main)


def test_a_thread_runs_a_whole_program_on_the_loop(loop_factory: LoopFactory) -> None:
    async def wait_and_answer() -> str:
        await anyio.sleep(0)
        return threading.current_thread().name

    options = {"loop_factory": loop_factory}
    with anyio.from_thread.start_blocking_portal(backend_options=options) as portal:
        names = {portal.call(wait_and_answer) for _ in range(10)}
    assert len(names) == 1
    assert names != {threading.current_thread().name}


def test_a_process_is_written_to_and_read_from(run_anyio: Run) -> None:
    text = "quiet " * 50_000

    async def main() -> None:
        outputs = {}

        async def collect(name: str, stream: anyio.abc.ByteReceiveStream | None) -> None:
            assert stream is not None
            outputs[name] = await receive_all(stream)

        async with await anyio.open_process([sys.executable, "-c", TRANSFORMER]) as process:
            async with anyio.create_task_group() as group:
                group.start_soon(collect, "output", process.stdout)
                group.start_soon(collect, "errors", process.stderr)
                assert process.stdin is not None
                await process.stdin.send(text.encode())
                await process.stdin.aclose()
            assert await process.wait() == 3
        assert outputs == {"output": text.upper().encode(), "errors": b"done"}

    run_anyio(main)


def test_a_cancelled_process_is_killed(run_anyio: Run) -> None:
    async def main() -> int | None:
        async with await anyio.open_process([sys.executable, "-c", "print(flush=True); input()"]) as process:
            assert process.stdout is not None
            assert await process.stdout.receive() == b"\n"
            with anyio.CancelScope() as scope:
                scope.cancel()
                await process.wait()
            assert process.returncode is None
            process.kill()
            return await process.wait()

    assert run_anyio(main) == -9


def test_a_process_that_fails_is_an_exception(run_anyio: Run) -> None:
    async def main() -> None:
        with pytest.raises(subprocess.CalledProcessError) as failure:
            await anyio.run_process([sys.executable, "-c", TRANSFORMER], input=b"a")
        assert (failure.value.returncode, failure.value.output) == (3, b"A")

    run_anyio(main)
