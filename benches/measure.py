"""Measuring: round by round, row by row, each loop in its turn.

Within a round a row's loops follow one another directly, so that what else the machine does falls on all of them, and
each round begins with another loop. When time runs out the rounds end; a row is never left half compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benches.results import Cell, Line
from benches.rows import Row, Sample, Unsupported

Progress = Callable[[str], None]
Keeper = Callable[[list[Line]], None]


def measure(
    rows: Sequence[Row],
    loops: Sequence[str],
    *,
    rounds: int,
    seconds: float,
    deadline: float = float("inf"),
    progress: Progress = lambda _: None,
    after_round: Keeper = lambda _: None,
) -> list[Line]:
    """Measure every row on every loop. `deadline` is a time of `time.monotonic`, after which no row is begun.

    `after_round` is given what has been measured so far, so that a run of an hour which is interrupted isn't lost.
    """
    lines = [Line.of(row, loops) for row in rows]
    for number in range(rounds):
        for row, line in zip(rows, lines, strict=True):
            if time.monotonic() >= deadline:
                return lines
            progress(f"round {number + 1} of {rounds}: {line.title}")
            if row.floor is not None and line.floor is not None:
                take(row.floor, line.floor, seconds)
            for loop in rotated(loops, number):
                take(partial(row.measure, loop), line.cells[loop], seconds)
        after_round(lines)
    return lines


def rotated(loops: Sequence[str], number: int) -> Iterator[str]:
    """Iterate over the loops, beginning with another one each round."""
    start = number % len(loops) if loops else 0
    yield from loops[start:]
    yield from loops[:start]


def take(sample: Callable[[float], Sample], cell: Cell, seconds: float) -> None:
    """Take one sample. Whatever goes wrong is the loop's failure, and it isn't given a second chance."""
    if cell.failed is not None or cell.unsupported is not None:
        return
    try:
        cell.add(sample(seconds))
    except Unsupported as error:
        cell.unsupported = str(error)
    except Exception as error:  # a row may fail in any way; the run goes on, and its status tells
        cell.failed = f"{type(error).__name__}: {error}"
