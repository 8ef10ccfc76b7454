"""Runs CPython's own asyncio tests on asyncio's loop and on another, and compares.

    python run_suite.py [--loop NAME] [--alone] [--jobs N] [--time-limit SECONDS] [--test-limit SECONDS] [MODULE ...]

The other loop is ioxide's, or the one that is named: `loop_under_test.py` says how, and what each of them is given. It
may fail nothing that the stock loop passes, except what `exclusions.toml` lists with a reason. With --alone the stock
loop isn't run, and is taken to pass everything.

Each module runs in a process of its own with a time limit, beside at most three others: they wait most of the time. A
test that hangs or crashes the interpreter is named, and the rest of its module is run without it. What fails beside
another module is run once more when nothing else runs, and is reported if it passes alone. A hang that passes alone is
reported as well, and stays a hang: load doesn't make a test hang, a lost wake-up does. A crash stays a crash.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import os
import pkgutil
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from loop_under_test import KNOWN, NATIVES, STOCK, module_of
from module_process import Limits, run_module
from module_report import BAD, ModuleReport, Outcome

HERE = Path(__file__).parent
# Far above what the slowest module, or the slowest test, takes: these find hangs, they don't judge speed.
TIME_LIMIT = 300
TEST_LIMIT = 100
# Nothing of these can be run on Unix.
OTHER_PLATFORMS = {"test_proactor_events", "test_windows_events", "test_windows_utils"}

Pair = tuple[ModuleReport, ModuleReport]


def modules(package: str) -> list[str]:
    """Name the modules of the running interpreter's suite."""
    suite = importlib.import_module(package)
    names = sorted(info.name for info in pkgutil.iter_modules(suite.__path__) if info.name.startswith("test_"))
    return [f"{package}.{name}" for name in names if name not in OTHER_PLATFORMS]


def exclusions(loop: str) -> dict[str, str]:
    """Read which tests needn't pass, and why. A name stands for a test in every class that has it."""
    with (HERE / "exclusions.toml").open("rb") as file:
        tables = tomllib.load(file)
    return {**tables["exclusions"], **(tables["exclusions-of-natives"] if loop == NATIVES else {})}


def is_excluded(test: str, excluded: dict[str, str]) -> bool:
    """Look whether a test, or its name in whatever class, is excluded."""
    parts = test.split(".")
    return any(".".join(parts[start:]) in excluded for start in range(len(parts)))


def leave_out(report: ModuleReport, excluded: dict[str, str]) -> None:
    """Take what needn't pass, and doesn't, out of the outcomes."""
    for test, outcome in list(report.outcomes.items()):
        if outcome.verdict in BAD and is_excluded(test, excluded):
            report.left_out.add(test)
            del report.outcomes[test]


async def run_again_alone(report: ModuleReport, directory: Path, limits: Limits) -> None:
    """Run once more what failed or hung, while nothing else runs, and note what passes. Only failures are forgiven."""
    suspects = [test for test, outcome in report.outcomes.items() if outcome.verdict in ("failed", "hung")]
    if not suspects:
        return
    again = await run_module(report.loop, report.module, directory, limits, only=suspects)
    for test in suspects:
        if again.outcomes.get(test, Outcome("")).verdict == "passed":
            report.passed_alone[test] = report.outcomes[test]
            if report.outcomes[test].verdict == "failed":
                report.outcomes[test] = again.outcomes[test]


def chosen_modules(options: argparse.Namespace) -> list[str]:
    """Name the modules that were asked for, but those that this version of Python doesn't have."""
    present = modules(options.package)
    if not options.modules:
        return present
    prefix = f"{options.package}."
    asked = [prefix + name.removeprefix(prefix) for name in options.modules]
    for module in asked:
        if module not in present:
            print(f"{module}: CPython {sys.version.split()[0]} has no such module")
    return [module for module in asked if module in present]


async def run_pairs(options: argparse.Namespace, chosen: list[str], directory: Path) -> list[Pair]:
    """Run each module on both loops."""
    limits = Limits(options.time_limit, options.test_limit)
    jobs = asyncio.Semaphore(options.jobs)
    excluded = exclusions(options.loop)
    stock_directory, other_directory = directory / "stock", directory / "other"
    stock_directory.mkdir()
    other_directory.mkdir()

    async def run_stock(module: str) -> ModuleReport:
        if options.alone:
            return ModuleReport(STOCK, module)
        async with jobs:
            return await run_module(STOCK, module, stock_directory, limits)

    async def run_other(module: str) -> ModuleReport:
        async with jobs:
            report = await run_module(options.loop, module, other_directory, limits)
        leave_out(report, excluded)
        print(f"{module}: {dict(report.counts())}", flush=True)
        return report

    # The loops of a module run beside each other, or one after the other.
    async with asyncio.TaskGroup() as group:
        tasks = [(group.create_task(run_stock(module)), group.create_task(run_other(module))) for module in chosen]
    pairs = [(stock.result(), other.result()) for stock, other in tasks]
    if options.jobs > 1:
        for stock, other in pairs:
            await run_again_alone(stock, stock_directory, limits)
            await run_again_alone(other, other_directory, limits)
    return pairs


def print_differences(pairs: Iterable[Pair]) -> int:
    """Print which tests the other loop fails and asyncio's doesn't. Returns how many they are."""
    worse = 0
    for stock, other in pairs:
        for report in (stock, other):
            for test, first in report.passed_alone.items():
                print(f"PASSED ALONE on {report.loop}, {first.verdict} beside another module: {test}: {first.detail}")
        for test, outcome in other.outcomes.items():
            if outcome.verdict in BAD and stock.outcomes.get(test, Outcome("")).verdict not in BAD:
                worse += 1
                print(f"{outcome.verdict.upper()}, and passes on asyncio's loop: {test}: {outcome.detail}")
    return worse


def in_words(counts: Counter[str]) -> str:
    """Put counts into the words of a runner's closing line."""
    return f"{counts['passed']} passed, {sum(counts[bad] for bad in BAD)} failed, {counts['skipped']} skipped"


def print_counts(reports: list[ModuleReport], label: str) -> None:
    """Print what there is to say of a loop, ahead of its closing line."""
    everything: Counter[str] = sum((report.counts() for report in reports), Counter())
    users: Counter[str] = sum((report.counts(among=report.users) for report in reports), Counter())
    print(f"{label}, {sum(report.loops_made for report in reports)} loops made:")
    for what, counts in (("all tests", everything), ("those that made a loop", users)):
        print(f"  {what}: {in_words(counts)}; of the failed {counts['hung']} hung, {counts['crashed']} crashed")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Runs CPython's asyncio tests on two loops, and compares.")
    parser.add_argument("--loop", default="ioxide", help=f"one of {', '.join(KNOWN)}, or module:attribute")
    parser.add_argument("--alone", action="store_true", help="without asyncio's own loop beside it")
    parser.add_argument("--jobs", type=int, default=min(2 * (os.cpu_count() or 1), 4), help="processes at a time")
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT, help="seconds for a process of a module")
    parser.add_argument("--test-limit", type=float, default=TEST_LIMIT, help="seconds for a test, at least")
    parser.add_argument("--package", default="test.test_asyncio", help="the package of the tests")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="a module of it; without any, all")
    chosen = parser.parse_args()
    if importlib.util.find_spec(module_of(chosen.loop)) is None:
        parser.error(f"there is no module {module_of(chosen.loop)}")
    return chosen


def main() -> int:
    """Run, print, and return the exit code."""
    chosen = options()
    names = chosen_modules(chosen)
    if not names:
        return 1
    with tempfile.TemporaryDirectory() as directory:
        pairs = asyncio.run(run_pairs(chosen, names, Path(directory)))
    worse = print_differences(pairs)
    left_out = sum(len(other.left_out) for _, other in pairs)
    not_run = sum(len(stock.outcomes.keys() - other.outcomes.keys() - other.left_out) for stock, other in pairs)
    print(f"CPython {sys.version.split()[0]}, {left_out} failures excluded with a reason, {not_run} tests not run")
    sides = [(chosen.loop.partition(":")[0], [other for _, other in pairs])]
    if not chosen.alone:
        sides.insert(0, (STOCK, [stock for stock, _ in pairs]))
    for label, reports in sides:
        print_counts(reports, label)
    for label, reports in sides:
        print(f"{label}: {in_words(sum((report.counts() for report in reports), Counter()))}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
