"""What a benchmark is: a row of the table, and one sample of it.

A module of rows (`benches/scheduling.py`, `benches/network/__init__.py`, …) lists them as `ROWS: list[Row]`. Importing
it has no effect and needs no loop. The harness calls `measure` in its own process, once per loop and round, and the row
starts what it needs: a fresh process with the loop in it, pinned to `MEASURED_CORE`, and whatever drives it on
`OTHER_CORE`. Nothing is left running when `measure` returns or raises.

Each row checks that the work was done. A wrong answer raises `WrongResult`: that loop fails the run and has no figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# The loop under test has this core to itself; the load generator, or nobody, has the other.
MEASURED_CORE = 0
OTHER_CORE = 1


class WrongResult(Exception):  # noqa: N818 - says what was found, and is never raised for anything else
    """The loop didn't do what was asked: a callback or a message was lost, doubled, or out of order."""


class Unsupported(Exception):  # noqa: N818
    """The loop says itself that it can't do this (`NotImplementedError`, a missing method). The cell names it."""


@dataclass(frozen=True)
class Sample:
    """One measurement, in the row's unit, and what else was seen while measuring.

    The names of details that several rows share: `cpu_us`, `user_us` and `system_us` (the measured process's, per
    operation), `peak_memory` (bytes, of the measured process), `p50_us` and `p99_us` (latency).
    """

    value: float
    details: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    group: str
    """Lower-case word that ONLY selects by: `scheduling`, `coordination`, `network`, `programs`, `cost`."""
    name: str
    """What is measured, unique within the group: `call_soon chain`, `echo protocol 1 KiB x 10`.

    Without a comma, for ONLY splits at it.
    """
    unit: str
    """`ns`, `us`, `requests/s`, `MiB/s`, `bytes`."""
    higher_is_better: bool
    measure: Callable[[str, float], Sample]
    """Takes a loop's name and about how many seconds to spend; set-up comes on top."""
    floor: Callable[[float], Sample] | None = None
    """The same without any loop, such as the plain epoll server: what the kernel and the machine allow."""
    quick: bool = False
    """Whether the row is part of QUICK=1."""
    unsupported: Mapping[str, str] = field(default_factory=dict)
    """Loops that can't do this, with the reason; they aren't measured and the reason is shown."""
