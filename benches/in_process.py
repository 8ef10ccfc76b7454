"""Rows whose work needs no second process: a function that drives the loop, timed in a worker.

A module makes a `Table` and decorates its workloads with it; `table.rows` is then the module's `ROWS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import Callable
from functools import partial

from benches import processes
from benches.rows import MEASURED_CORE, Row, Sample, Unsupported, WrongResult

Workload = Callable[[asyncio.AbstractEventLoop, int], int]
"""Does at least so many operations on the loop, checks them, and returns how many were done."""

PATIENCE = 30.0
"""Seconds beyond the asked ones after which a loop is held to hang: it lost what the workload waits for."""


class Table:
    """The rows of one group, collected by decorating their workloads."""

    def __init__(self, group: str, module: str) -> None:
        self.group = group
        self.module = module
        self.rows: list[Row] = []

    def __call__(self, name: str, *, quick: bool = False, threads: bool = False) -> Callable[[Workload], Workload]:
        """Make a workload a row of this table, measured in nanoseconds per operation.

        `threads` says that the work is done by several threads: see `benches.worker` for the clock that they need.
        """
        clock = "wall" if threads else "undisturbed"

        def register(workload: Workload) -> Workload:
            measure = partial(time_in_worker, f"{self.module}:{workload.__name__}", clock)
            self.rows.append(Row(self.group, name, "ns", higher_is_better=False, measure=measure, quick=quick))
            return workload

        return register


def check(holds: bool, what: str) -> None:
    """Fail the measurement unless the loop did what it was asked."""
    if not holds:
        raise WrongResult(what)


def time_in_worker(workload: str, clock: str, loop: str, seconds: float) -> Sample:
    """Time a workload, named as `module:function`, on a loop in a fresh process."""
    return run_worker("benches.worker", workload, clock, loop, str(seconds), patience=seconds + PATIENCE)


def run_worker(module: str, *arguments: str, patience: float = PATIENCE) -> Sample:
    """Run a module that prints a sample as JSON, on the measured core, and return the sample.

    A worker says in the same way what it couldn't do; one that dies or hangs has lost what it was to do.
    """
    with processes.start(processes.python(MEASURED_CORE, module, *arguments)) as worker:
        try:
            output, _ = worker.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            raise WrongResult(f"not done within {patience:.0f} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
    if worker.returncode != 0:
        raise WrongResult(f"the process ended with status {worker.returncode}")
    return parse(output)


def parse(output: str) -> Sample:
    """Read what a worker printed last."""
    message = json.loads(output.strip().rpartition("\n")[2])
    match message:
        case {"unsupported": reason}:
            raise Unsupported(reason)
        case {"wrong": reason}:
            raise WrongResult(reason)
    return Sample(message["value"], message["details"])
