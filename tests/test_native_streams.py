"""`ioxide.StreamReader` and its kin beside asyncio's: attributes, waiting, cancellation, derived classes."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import ioxide
import pytest
from ioxide import _cpython, _streams
from stream_classes import RecordedTransport, family, outcome

__all__ = ["family"]

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("name", ["StreamReader", "StreamWriter", "StreamReaderProtocol", "FlowControlMixin"])
def test_the_classes_are_asyncio_s(name: str) -> None:
    assert issubclass(getattr(_streams, name), getattr(_cpython, name))


def test_both_know_each_other_s_readers(loop: Loop) -> None:
    assert isinstance(_cpython.StreamReader(loop=loop), _streams.StreamReader)
    assert isinstance(_streams.StreamReader(loop=loop), _cpython.StreamReader)
    assert not isinstance(_cpython.StreamReader(loop=loop), type("Derived", (_streams.StreamReader,), {}))
    assert not isinstance(1, _streams.StreamReader)


@pytest.mark.parametrize("name", ["open_connection", "start_server", "open_unix_connection", "start_unix_server"])
def test_the_functions_have_asyncio_s_signatures(name: str) -> None:
    ours, stock = getattr(_streams, name), getattr(asyncio.streams, name)
    assert inspect.iscoroutinefunction(ours)
    assert inspect.signature(ours) == inspect.signature(stock)


def test_a_new_reader_has_asyncio_s_attributes(loop: Loop, family: Any) -> None:
    reader = family.StreamReader(loop=loop)
    assert (reader._buffer, reader._eof, reader._waiter, reader._exception) == (b"", False, None, None)
    assert (reader._transport, reader._paused, reader._limit, reader._loop) == (None, False, 65536, loop)
    assert reader._source_traceback is None
    assert repr(reader) == "<StreamReader>"


def test_a_reader_knows_where_it_was_made_in_debug_mode(loop: Loop, family: Any) -> None:
    loop.set_debug(True)
    reader = family.StreamReader(loop=loop)
    assert reader._source_traceback[-1].name == "test_a_reader_knows_where_it_was_made_in_debug_mode"


def test_the_attributes_can_be_set(loop: Loop, run: Run, family: Any) -> None:
    reader = family.StreamReader(loop=loop)
    reader._limit = 5
    reader._buffer = bytearray(b"a line beyond it\nrest\n")
    assert repr(reader) == "<StreamReader 22 bytes limit=5>"
    with pytest.raises(ValueError, match="longer than limit"):
        run(reader.readline())
    assert run(reader.readline()) == b"rest\n"
    reader._exception = ValueError("set")
    assert reader.exception() is reader._exception
    with pytest.raises(ValueError, match="set"):
        run(reader.read(1))
    reader._exception = None
    reader._eof = True
    assert reader.at_eof()
    assert run(reader.read()) == b""
    reader.a_new_one = 1
    assert reader.a_new_one == 1


@pytest.mark.parametrize("limit", [float("inf"), 2**100, 1.5, True])
def test_a_limit_may_be_any_number(loop: Loop, run: Run, family: Any, limit: Any) -> None:
    reader = family.StreamReader(limit=limit, loop=loop)
    assert reader._limit is limit
    reader.feed_data(b"ab\n")
    reader.feed_eof()
    result = outcome(lambda: run(reader.readuntil()))
    assert result[0] == ("returned" if limit > 2 else "LimitOverrunError")


def test_the_buffer_is_the_same_array_again_and_again(loop: Loop, run: Run, family: Any) -> None:
    reader = family.StreamReader(loop=loop)
    reader.feed_data(b"one\n")
    buffer = reader._buffer
    reader.feed_data(b"two\n")
    assert buffer is reader._buffer
    assert buffer == b"one\ntwo\n"
    assert run(reader.readline()) == b"one\n"
    assert buffer == b"two\n"
    buffer.extend(b"three\n")
    assert run(reader.readexactly(10)) == b"two\nthree\n"
    reader.feed_data(b"four")
    assert buffer == b"four"


def test_a_view_of_the_buffer_keeps_it_from_being_resized(loop: Loop, family: Any) -> None:
    reader = family.StreamReader(loop=loop)
    reader._buffer.extend(b"1234")
    with memoryview(reader._buffer), pytest.raises(BufferError):
        reader.feed_data(b"5678")
    assert reader._buffer == b"1234"


@pytest.mark.parametrize("data", [b"", bytearray(b"ab"), memoryview(b"ab"), [97, 98], ()])
def test_whatever_an_array_takes_can_be_fed(loop: Loop, run: Run, family: Any, data: Any) -> None:
    reader = family.StreamReader(loop=loop)
    reader.feed_data(b"-")
    reader.feed_data(data)
    reader.feed_eof()
    assert run(reader.read()) == b"-" + bytes(data)


@pytest.mark.parametrize("data", ["text", 5, [300], None, object(), memoryview(b"abcd")[::2]])
def test_what_an_array_does_not_take_is_refused(loop: Loop, data: Any) -> None:
    kinds = [outcome(partial(each.StreamReader(loop=loop).feed_data, data))[0] for each in (_cpython, _streams)]
    assert kinds[0] == kinds[1]


def test_nothing_comes_after_the_end(loop: Loop, family: Any) -> None:
    reader = family.StreamReader(loop=loop)
    reader.feed_eof()
    with pytest.raises(AssertionError, match="feed_data after feed_eof"):
        reader.feed_data(b"late")


def test_a_transport_is_set_once(loop: Loop, family: Any) -> None:
    reader = family.StreamReader(loop=loop)
    reader.set_transport(RecordedTransport())
    with pytest.raises(AssertionError, match="Transport already set"):
        reader.set_transport(RecordedTransport())


def test_nothing_is_read_before_the_coroutine_runs(loop: Loop, run: Run, family: Any) -> None:
    reader = family.StreamReader(loop=loop)
    reader.feed_data(b"one\ntwo\n")
    first, second = reader.readline(), reader.readline()
    assert run(second) == b"one\n"
    assert run(first) == b"two\n"


@pytest.mark.parametrize(
    "arguments",
    [("read", None), ("read", "x"), ("readexactly", None), ("readexactly", 1.5), ("readuntil", 5), ("readuntil", None)],
)
def test_wrong_arguments_are_refused_when_awaited(loop: Loop, run: Run, arguments: tuple[str, Any]) -> None:
    method, argument = arguments
    kinds = []
    for each in (_cpython, _streams):
        reader = each.StreamReader(loop=loop)
        reader.feed_data(b"data")
        coroutine = getattr(reader, method)(argument)
        kinds.append(outcome(lambda coroutine=coroutine: run(coroutine))[0])
    assert kinds[0] == kinds[1]


READS: dict[str, Callable[[Any], Any]] = {
    "read": lambda reader: reader.read(5),
    "read all": lambda reader: reader.read(),
    "readline": lambda reader: reader.readline(),
    "readuntil": lambda reader: reader.readuntil(b";"),
    "readexactly": lambda reader: reader.readexactly(5),
    "anext": lambda reader: reader.__anext__(),
    "_wait_for_data": lambda reader: reader._wait_for_data("test"),
}


@pytest.mark.parametrize("read", READS)
def test_a_read_can_be_cancelled_and_another_one_begun(loop: Loop, run: Run, family: Any, read: str) -> None:
    async def main() -> list[Any]:
        reader = family.StreamReader(loop=loop)
        task = asyncio.ensure_future(READS[read](reader))
        await turns()
        waiter = reader._waiter
        task.cancel("enough")
        await turns()
        assert task.cancelled()
        assert waiter.cancelled()
        assert reader._waiter is None
        reader.feed_data(b"data;\n")
        return [await reader.readline(), bytes(reader._buffer)]

    assert run(main()) == [b"data;\n", b""]


@pytest.mark.parametrize("read", READS)
def test_an_exception_reaches_who_waits(loop: Loop, run: Run, family: Any, read: str) -> None:
    async def main() -> None:
        reader = family.StreamReader(loop=loop)
        task = asyncio.ensure_future(READS[read](reader))
        await turns()
        reader.set_exception(ConnectionResetError("reset"))
        assert reader._waiter is None
        with pytest.raises(ConnectionResetError, match="reset"):
            await task

    run(main())


@pytest.mark.parametrize("read", READS)
def test_data_after_a_cancellation_that_has_not_arrived_is_not_lost(
    loop: Loop, run: Run, family: Any, read: str
) -> None:
    async def main() -> bytes:
        reader = family.StreamReader(loop=loop)
        task = asyncio.ensure_future(READS[read](reader))
        await turns()
        task.cancel()
        reader.feed_data(b"kept\n")
        await turns()
        assert task.cancelled()
        result: bytes = await reader.readline()
        return result

    assert run(main()) == b"kept\n"


def test_whoever_was_woken_and_comes_too_late_gets_nothing(loop: Loop, run: Run, family: Any) -> None:
    async def main() -> list[bytes]:
        reader = family.StreamReader(loop=loop)
        slow = asyncio.ensure_future(reader.read(10))
        await turns()
        reader.feed_data(b"data")
        quick = await reader.read(10)
        return [quick, await slow]

    assert run(main()) == [b"data", b""]


def test_the_transport_is_paused_at_twice_the_limit_and_resumed_at_the_limit(loop: Loop, run: Run, family: Any) -> None:
    async def main() -> list[Any]:
        reader = family.StreamReader(limit=4, loop=loop)
        transport = RecordedTransport()
        reader.set_transport(transport)
        for _ in range(3):
            reader.feed_data(b"abcd")
            transport.events.append(len(reader._buffer))
        for _ in range(3):
            await reader.readexactly(3)
            transport.events.append(len(reader._buffer))
        reader.feed_data(b"0123456789")
        task = asyncio.ensure_future(reader.readexactly(100))
        await turns()
        task.cancel()
        await turns()
        return transport.events

    assert run(main()) == [4, 8, "pause_reading", 12, 9, 6, "resume_reading", 3, "pause_reading", "resume_reading"]


def test_a_transport_that_cannot_be_paused_is_forgotten(loop: Loop, family: Any) -> None:
    class Unpausable(RecordedTransport):
        def pause_reading(self) -> None:
            raise NotImplementedError

    reader = family.StreamReader(limit=1, loop=loop)
    reader.set_transport(Unpausable())
    reader.feed_data(b"much")
    assert reader._transport is None
    assert not reader._paused


def test_a_future_that_is_not_ours_can_be_the_waiter(loop: Loop, run: Run, family: Any) -> None:
    reader = family.StreamReader(loop=loop)
    waiter = reader._waiter = asyncio.Future(loop=loop)
    reader.feed_data(b"data")
    assert waiter.done()
    assert reader._waiter is None
    waiter = reader._waiter = asyncio.Future(loop=loop)
    waiter.cancel()
    reader.feed_eof()
    waiter = reader._waiter = asyncio.Future(loop=loop)
    reader.set_exception(ValueError("given"))
    assert isinstance(waiter.exception(), ValueError)


def test_a_derived_reader_s_methods_are_called(loop: Loop, run: Run, family: Any) -> None:
    calls = []

    class Derived(family.StreamReader):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(loop=loop)
            self.name = name

        async def readuntil(self, separator: bytes = b"\n") -> bytes:
            calls.append("readuntil")
            result: bytes = await super().readuntil(separator)
            return result

        async def _wait_for_data(self, func_name: str) -> None:
            calls.append(func_name)
            await super()._wait_for_data(func_name)

        def _wakeup_waiter(self) -> None:
            calls.append("wake")
            super()._wakeup_waiter()

    async def main() -> list[bytes]:
        reader = Derived("name")
        loop.call_soon(reader.feed_data, b"line\nlast")
        loop.call_later(0, lambda: loop.call_soon(reader.feed_eof))
        return [await reader.readline(), *[line async for line in reader]]

    assert run(main()) == [b"line\n", b"last"]
    assert calls[:2] == ["readuntil", "readuntil"]
    assert calls.count("wake") == 2


@pytest.mark.parametrize("name", ["StreamReader", "StreamReaderProtocol", "StreamWriter"])
def test_cycles_are_collected(loop: Loop, run: Run, family: Any, name: str) -> None:
    def make() -> Any:
        reader = family.StreamReader(loop=loop)
        protocol = family.StreamReaderProtocol(reader, loop=loop)
        transport = RecordedTransport()
        transport.closing = True
        writer = family.StreamWriter(transport, protocol, reader, loop)
        reader.set_transport(transport)
        transport.everything = [reader, protocol, writer]
        protocol._transport = transport
        task = asyncio.ensure_future(reader.read(1), loop=loop)
        run(turns())
        task.cancel()
        run(turns())
        found = {"StreamReader": reader, "StreamReaderProtocol": protocol, "StreamWriter": writer}[name]
        return weakref.ref(found)

    reference = make()
    gc.collect()
    assert reference() is None


def test_a_coroutine_that_was_never_awaited_warns(loop: Loop, family: Any) -> None:
    reader = family.StreamReader(loop=loop)
    with pytest.warns(RuntimeWarning, match=r"coroutine 'StreamReader.readline' was never awaited"):
        reader.readline()


def test_install_puts_them_in_place() -> None:
    stock = asyncio.StreamReader
    ioxide.install()
    try:
        assert asyncio.StreamReader is asyncio.streams.StreamReader is _streams.StreamReader
        assert asyncio.streams.FlowControlMixin is _streams.FlowControlMixin
        assert asyncio.subprocess.SubprocessStreamProtocol is _streams.SubprocessStreamProtocol
        assert asyncio.open_connection is _streams.open_connection
    finally:
        ioxide.uninstall()
    assert asyncio.StreamReader is asyncio.streams.StreamReader is stock


def test_a_reader_of_asyncio_s_goes_on_with_its_writer_after_install(loop: Loop) -> None:
    reader_class, writer_class = asyncio.StreamReader, asyncio.StreamWriter
    ioxide.install()
    try:
        transport = RecordedTransport()
        transport.closing = True
        writer_class(transport, asyncio.BaseProtocol(), reader_class(loop=loop), loop)
    finally:
        ioxide.uninstall()
