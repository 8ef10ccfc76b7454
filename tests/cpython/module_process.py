"""Runs a module of CPython's tests in processes of its own, and goes round what hangs or crashes them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from module_report import Ending, ModuleReport, Outcome

RUN_MODULE = Path(__file__).with_name("run_module.py")


class Limits(NamedTuple):
    """How many seconds a process may take for a module, and how many it may go without anything new in its journal."""

    module: float
    test: float


async def run_module(loop: str, module: str, directory: Path, limits: Limits, only: Sequence[str] = ()) -> ModuleReport:
    """Run a module's tests on a loop, or only those that are named.

    A test that hangs or crashes the interpreter is noted, and the rest is run by another process.
    """
    report = ModuleReport(loop, module)
    attempt = 0
    while True:
        attempt += 1
        left = [test for test in only if test not in report.outcomes]
        choice = ["only", *left] if only else ["but", *report.outcomes]
        journal = directory / f"{'again-' if only else ''}{loop}-{module}-{attempt}"
        known = len(report.outcomes)
        code = await run_process([loop, module, str(journal), *choice], journal, limits)
        ending = report.take_in(journal)
        blame(report, ending, code, journal)
        # Each process but the last adds at least the outcome of the test to blame.
        if ending.complete or (ending.under_way is None and len(report.outcomes) <= known + 1):
            return report


def blame(report: ModuleReport, ending: Ending, code: int | None, journal: Path) -> None:
    """Note which test, or which place between two, is to blame for a process that didn't end as it should."""
    if ending.complete and code == 0:
        return
    if ending.under_way is not None:
        where, verdict = ending.under_way, "hung" if code is None else "crashed"
    else:
        place = "at its end" if ending.complete else f"outside of any test, after {ending.last.rpartition('.')[2]}"
        where = f"{report.module} {place}"
        verdict = "hung" if code is None else "crashed" if code < 0 else "failed"
    report.outcomes[where] = Outcome(verdict, how_it_ended(code, journal))


def how_it_ended(code: int | None, journal: Path) -> str:
    """Put into words how a process ended."""
    if code is None:
        return "hung"
    words = signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"
    printed = output_of(journal).read_text(errors="replace").strip().splitlines()
    return f"{words}: {printed[-1]}" if printed else words


def output_of(journal: Path) -> Path:
    """Name the file for what a process prints. A pipe would be held open by whatever a killed test leaves behind."""
    return journal.with_name(f"{journal.name}.output")


async def run_process(arguments: list[str], journal: Path, limits: Limits) -> int | None:
    """Run a process to its end, or for as long as it may take. Returns its exit code, or None if it hung."""
    journal.touch()
    with output_of(journal).open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(RUN_MODULE),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=journal.parent,
            process_group=0,
        )
    try:
        return await wait_while_it_gets_on(process, journal, limits)
    finally:
        # What the tests left behind goes as well.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def wait_while_it_gets_on(process: asyncio.subprocess.Process, journal: Path, limits: Limits) -> int | None:
    """Wait for a process. Returns None once a limit has passed."""
    started = last_seen_to_grow = time.monotonic()
    size = 0
    while (now := time.monotonic()) - started < limits.module and now - last_seen_to_grow < limits.test:
        with suppress(TimeoutError):
            return await asyncio.wait_for(process.wait(), min(limits) / 10)
        if journal.stat().st_size != size:
            size, last_seen_to_grow = journal.stat().st_size, time.monotonic()
    return None
