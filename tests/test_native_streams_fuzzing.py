"""Random programs of feeding and reading, on the standard library's reader and on ioxide's: both do the same.

A program is a list of actions made from a seed. Each is run on both readers, on both loops, and all that can be seen
after each action is written down: what returned, what was raised, what is in the buffer, what the transport was told.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from typing import Any

import pytest
from ioxide import _cpython, _streams
from stream_classes import RecordedTransport, told

ALPHABET = b"ab\n\r;"
Action = tuple[str, Any]


def random_bytes(source: random.Random, longest: int) -> bytes:
    return bytes(source.choices(ALPHABET, k=source.randrange(longest)))


def random_separator(source: random.Random) -> Any:
    one = [b"\n", b"\r\n", b";", b"ab", b"a\nb", b"", b"aa", bytearray(b"b\r"), memoryview(b";a")]
    if sys.version_info >= (3, 13) and source.random() < 0.4:
        return tuple(source.choices(one[:5] + one[6:7], k=source.randrange(4)))
    return source.choice(one)


def random_read(source: random.Random) -> Action:
    kind = source.choice(["readline", "readuntil", "readexactly", "read", "anext", "read_all", "wait"])
    if kind == "readuntil":
        return kind, random_separator(source)
    if kind == "readexactly":
        return kind, source.choice([-1, 0, 1, 2, 5, 12, 40])
    if kind == "read":
        return kind, source.choice([0, 1, 3, 10, 100])
    return kind, None


def random_program(seed: int) -> tuple[int, list[Action]]:
    source = random.Random(seed)
    program: list[Action] = []
    for _ in range(60):
        choice = source.random()
        if choice < 0.45:
            data = random_bytes(source, source.choice([4, 12, 40]))
            program.append(("feed", source.choice([bytes, bytes, bytes, bytearray, memoryview, list])(data)))
        elif choice < 0.9:
            program.append(random_read(source))
        elif choice < 0.93:
            program.append(("cancel", None))
        elif choice < 0.96:
            program.append(("look", source.choice(["length", "extend", "clear", "keep"])))
        elif choice < 0.97:
            program.append(("limit", source.choice([1, 5, 20])))
        elif choice < 0.985:
            program.append(("eof", None))
        else:
            program.append(("fail", ValueError("failed")))
    return source.choice([1, 3, 8, 20, 64]), program


class Player:
    """Runs a program on one reader."""

    def __init__(self, reader: Any, transport: RecordedTransport) -> None:
        self.reader = reader
        self.transport = transport
        self.task: asyncio.Task[Any] | None = None
        self.journal: list[Any] = []
        self.kept: list[Any] = []

    async def play(self, program: list[Action]) -> list[Any]:
        for action, argument in program:
            try:
                self.journal.append((action, self.act(action, argument)))
            except Exception as error:
                self.journal.append((action, told(error)))
            for _ in range(3):
                await asyncio.sleep(0)
            self.note()
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
            self.note()
        self.journal.append(bytes(self.reader._buffer))
        return self.journal

    def note(self) -> None:
        if self.task is not None and self.task.done():
            task, self.task = self.task, None
            if task.cancelled():
                self.journal.append("cancelled")
            elif error := task.exception():
                self.journal.append(told(error))
            else:
                self.journal.append((type(task.result()), task.result()))
        reader = self.reader
        self.journal.append(
            (reader.at_eof(), reader._eof, reader._paused, reader._waiter is None, *self.transport.events)
        )
        self.transport.events.clear()

    def act(self, action: str, argument: Any) -> Any:
        reader = self.reader
        match action:
            case "feed":
                reader.feed_data(argument)
            case "eof":
                reader.feed_eof()
            case "fail":
                reader.set_exception(argument)
            case "limit":
                reader._limit = argument
            case "cancel":
                return self.task is not None and self.task.cancel()
            case "look":
                return self.look(argument)
            case _:
                return self.read(action, argument)
        return None

    def look(self, what: str) -> Any:
        buffer = self.reader._buffer
        if what == "extend":
            buffer.extend(b"more\n")
        elif what == "clear":
            buffer.clear()
        elif what == "keep":
            self.kept.append(buffer)
        return type(buffer), len(buffer), bytes(buffer), [bytes(kept) for kept in self.kept]

    def read(self, action: str, argument: Any) -> Any:
        if self.task is not None:
            # A second reader at the same time is refused, or gets what is there already.
            try:
                self.coroutine(action, argument).send(None)
            except StopIteration as stop:
                return stop.value
            return "waits"
        self.task = asyncio.ensure_future(run(self.coroutine(action, argument)))
        return None

    def coroutine(self, action: str, argument: Any) -> Any:
        methods: dict[str, Callable[[], Any]] = {
            "readline": lambda: self.reader.readline(),
            "readuntil": lambda: self.reader.readuntil(argument),
            "readexactly": lambda: self.reader.readexactly(argument),
            "read": lambda: self.reader.read(argument),
            "read_all": lambda: self.reader.read(),
            "anext": lambda: self.reader.__anext__(),
            "wait": lambda: self.reader._wait_for_data("wait"),
        }
        return methods[action]()


async def run(coroutine: Any) -> Any:
    """Await it: a task can't end with `StopAsyncIteration` in the same way on every version."""
    try:
        return await coroutine
    except StopAsyncIteration:
        return "no more"


def played(loop: asyncio.AbstractEventLoop, reader_class: Any, seed: int) -> list[Any]:
    limit, program = random_program(seed)
    reader = reader_class(limit=limit, loop=loop)
    transport = RecordedTransport()
    reader.set_transport(transport)
    return loop.run_until_complete(Player(reader, transport).play(program))


class Derived(_streams.StreamReader):
    """Has a method of its own, so that everything goes by names."""

    def _maybe_resume_transport(self) -> None:
        super()._maybe_resume_transport()


@pytest.mark.parametrize("block", range(20))
@pytest.mark.parametrize("reader_class", [_streams.StreamReader, Derived])
def test_random_programs_do_the_same(loop: asyncio.AbstractEventLoop, reader_class: Any, block: int) -> None:
    for seed in range(block * 12, block * 12 + 12):
        expected = played(loop, _cpython.StreamReader, seed)
        assert played(loop, reader_class, seed) == expected, f"seed {seed}"
