"""Several producers and consumers share one queue that has room for few items.

Plain asyncio, with tqdm for the progress bar; nothing in here names an event loop, so the same file runs on any:

    python examples/producers_consumers.py
    python -m ioxide examples/producers_consumers.py

Four things are worth seeing in the timeline that it prints:

- Back-pressure: once the queue is full, `put` waits (`|`), so that producers that are too fast go no faster than the
  consumers, and what is waiting never takes more room than was given to it.
- A consumer takes an item as soon as there is one. Until then `get` waits (`.`).
- `join` waits until every item has been dealt with, by `task_done`, which is later than when the queue is empty.
- A consumer's loop has no end. When there is nothing left to do the consumers are cancelled, in the middle of `get`.

With `--spoilt N` every N-th item can't be consumed. Such an item is reported and counted as dealt with: a consumer
that died of it would leave `join` waiting forever.

Exit code: 0; 1 when items couldn't be consumed, with their names; 2 when the command line is wrong; 130 after Ctrl-C,
with the timeline so far.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Never

import command_line
from timeline import Clock, Timeline
from tqdm import tqdm

PRODUCING, PUTTING, GETTING, CONSUMING = "Pp", "|", ".", "Cc"
LEGEND = "Pp: produces an item   |: waits for room in the queue   .: waits for an item   Ccc: consumes it"


class SpoiltItemError(Exception):
    """An item that can't be consumed."""


@dataclass(frozen=True)
class Item:
    """What goes through the queue."""

    producer: str
    number: int
    spoilt: bool

    def __str__(self) -> str:
        return f"{self.producer}'s item {self.number}"


@dataclass
class Factory:
    """What the producers and the consumers share."""

    arguments: argparse.Namespace
    clock: Clock
    timeline: Timeline
    progress: tqdm[Never]
    queue: asyncio.Queue[Item] = field(init=False)
    serial_numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    produced: int = 0
    consumed: int = 0
    most_in_queue: int = 0
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = asyncio.Queue(self.arguments.room)

    async def produce(self, name: str) -> None:
        """Produce so many items, and put each into the queue once there is room for it."""
        for number in range(1, self.arguments.items + 1):
            with self.timeline.during(name, PRODUCING):
                await self.clock.wait(self.arguments.produce_steps)
            spoilt = self.arguments.spoilt is not None and next(self.serial_numbers) % self.arguments.spoilt == 0
            with self.timeline.during(name, PUTTING):
                await self.queue.put(Item(name, number, spoilt))
            self.produced += 1
            self.most_in_queue = max(self.most_in_queue, self.queue.qsize())

    async def consume(self, name: str) -> None:
        """Take items out of the queue and consume them, until cancelled."""
        while True:
            with self.timeline.during(name, GETTING):
                item = await self.queue.get()
            try:
                with self.timeline.during(name, CONSUMING):
                    await self.consume_one(item)
                self.consumed += 1
            except SpoiltItemError as error:
                self.failures.append(str(error))
            finally:
                # For every item that was taken out, whatever became of it: `join` counts them.
                self.queue.task_done()
            self.progress.update()

    async def consume_one(self, item: Item) -> None:
        """Consume one item. That an item is spoilt shows at the first bite."""
        await self.clock.wait(1)
        if item.spoilt:
            raise SpoiltItemError(f"{item} is spoilt")
        await self.clock.wait(self.arguments.consume_steps - 1)

    async def run(self, producers: list[str], consumers: list[str]) -> None:
        """Let all of them work until every item has been dealt with."""
        # Should this be cancelled, or one of them fail, the group cancels all who are left and waits for them.
        async with asyncio.TaskGroup() as group:
            consuming = [group.create_task(self.consume(name)) for name in consumers]
            producing = [group.create_task(self.produce(name)) for name in producers]
            await asyncio.wait(producing)
            await self.queue.join()
            for consumer in consuming:
                consumer.cancel()

    def report(self, producers: list[str], consumers: list[str]) -> str:
        """Tell what happened, up to now."""
        parts = [
            f"{len(producers)} producers, {len(consumers)} consumers, room for {self.arguments.room} in the queue",
            self.timeline.text(),
            f"{self.produced} items produced, {self.consumed} consumed, {len(self.failures)} spoilt,"
            f" {self.produced - self.consumed - len(self.failures)} left, in {self.timeline.steps} steps;\n"
            f"at most {self.most_in_queue} in the queue, {self.timeline.most_at_once(PRODUCING)} produced"
            f" and {self.timeline.most_at_once(CONSUMING)} consumed at once",
        ]
        return "\n\n".join(parts)


async def work(arguments: argparse.Namespace) -> int:
    """Set up the factory, run it, and print what happened, also if it was interrupted."""
    producers = [f"producer {number}" for number in range(1, arguments.producers + 1)]
    consumers = [f"consumer {number}" for number in range(1, arguments.consumers + 1)]
    total = arguments.producers * arguments.items
    print(LEGEND, end="\n\n", flush=True)
    async with Clock(arguments.step) as clock:
        timeline = Timeline(clock, [*producers, *consumers])
        with tqdm(total=total, unit="item", file=sys.stderr, disable=None) as progress:
            factory = Factory(arguments, clock, timeline, progress)
            try:
                await factory.run(producers, consumers)
            finally:
                progress.close()
                print(factory.report(producers, consumers), flush=True)
                for failure in factory.failures:
                    print(f"producers_consumers: {failure}", file=sys.stderr)
    return command_line.PARTLY_FAILED if factory.failures else command_line.DONE


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Run producers and consumers on one queue, and show what overlapped.")
    for name, default, meaning in (
        ("--producers", 2, "how many produce"),
        ("--consumers", 3, "how many consume"),
        ("--items", 6, "items of each producer"),
        ("--room", 2, "items that the queue has room for"),
        ("--produce-steps", 1, "steps that producing an item takes"),
        ("--consume-steps", 4, "steps that consuming an item takes"),
    ):
        parser.add_argument(
            name, metavar="N", type=command_line.count, default=default, help=f"{meaning} (default: {default})"
        )
    parser.add_argument("--spoilt", metavar="N", type=command_line.count, help="every N-th item is spoilt")
    parser.add_argument(
        "--step", metavar="SECONDS", type=command_line.seconds, default=0.05, help="time of a step (default: 0.05)"
    )
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit code."""
    return command_line.run("producers_consumers", work(parse_arguments()))


if __name__ == "__main__":
    sys.exit(main())
