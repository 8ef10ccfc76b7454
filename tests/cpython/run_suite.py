"""Runs CPython's own asyncio tests on asyncio's loop and on ioxide's, and compares.

    python run_suite.py [MODULE ...]

Each module runs in a process of its own with a time limit. A test that hangs or crashes the interpreter is named, and
the rest of its module is run without it. ioxide may fail nothing that the stock loop passes, except what
`exclusions.toml` lists with a reason.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
# Far above what the slowest module takes: this finds hangs, it doesn't judge speed.
TIME_LIMIT = 300
# Nothing of these can be run on Unix.
OTHER_PLATFORMS = {"test_proactor_events", "test_windows_events", "test_windows_utils"}

Outcomes = dict[str, tuple[str, str]]


def modules() -> list[str]:
    """Name the modules of the running interpreter's suite."""
    suite = importlib.import_module("test.test_asyncio")
    names = sorted(info.name for info in pkgutil.iter_modules(suite.__path__) if info.name.startswith("test_"))
    return [f"test.test_asyncio.{name}" for name in names if name not in OTHER_PLATFORMS]


def read_journal(path: Path, outcomes: Outcomes) -> tuple[str | None, int | None]:
    """Take the outcomes out of a journal. Returns the test that was under way at its end, and the loops made."""
    under_way, loops = None, None
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        event, test, detail = entry["event"], entry["test"], entry["detail"]
        if event == "ended":
            loops = int(detail)
        elif event == "begun":
            under_way = test
        else:
            under_way = None
            # A test fails once for all of its parts.
            if outcomes.get(test, ("", ""))[0] != "failed":
                outcomes[test] = (event, detail)
    return under_way, loops


def run_module(loop: str, module: str, directory: Path) -> tuple[Outcomes, int]:
    """Run a module to its end, going round what hangs or crashes. Returns the outcomes and how many loops were made."""
    outcomes: Outcomes = {}
    for attempt in range(20):
        journal = directory / f"{loop}-{module}-{attempt}"
        journal.touch()
        command = [sys.executable, str(HERE / "run_module.py"), loop, module, str(journal), *outcomes]
        try:
            code = subprocess.run(command, timeout=TIME_LIMIT, capture_output=True, cwd=directory).returncode
        except subprocess.TimeoutExpired:
            code = None
        under_way, loops = read_journal(journal, outcomes)
        if loops is not None:
            return outcomes, loops
        if under_way is None:
            outcomes[module] = ("failed", f"the process ended with {code} outside of any test")
            return outcomes, 0
        outcomes[under_way] = ("failed", "hung" if code is None else f"crashed the interpreter: {code}")
    return outcomes, 0


def exclusions() -> dict[str, str]:
    """Read which tests needn't pass, and why. A name stands for a test in every class that has it."""
    with (HERE / "exclusions.toml").open("rb") as file:
        return dict(tomllib.load(file)["exclusions"])


def is_excluded(test: str, excluded: dict[str, str]) -> bool:
    """Look whether a test, or its name in whatever class, is excluded."""
    parts = test.split(".")
    return any(".".join(parts[start:]) in excluded for start in range(len(parts)))


def main() -> int:
    """Run, print, and return the exit code."""
    chosen = [f"test.test_asyncio.{name.removeprefix('test.test_asyncio.')}" for name in sys.argv[1:]] or modules()
    excluded = exclusions()
    totals: dict[str, Counter[str]] = {"asyncio": Counter(), "ioxide": Counter()}
    worse: list[str] = []
    left_out = loops = 0
    with tempfile.TemporaryDirectory() as directory:
        for module in chosen:
            stock, _ = run_module("asyncio", module, Path(directory))
            ours, made = run_module("ioxide", module, Path(directory))
            loops += made
            for test, (outcome, detail) in ours.items():
                if outcome == "failed" and is_excluded(test, excluded):
                    left_out += 1
                    continue
                totals["ioxide"][outcome] += 1
                if outcome == "failed" and stock.get(test, ("absent",))[0] != "failed":
                    worse.append(f"{test}: {detail}")
            totals["asyncio"].update(outcome for outcome, _ in stock.values())
            print(f"{module}: {dict(Counter(outcome for outcome, _ in ours.values()))}", flush=True)
    for line in worse:
        print(f"FAILED, and passes on asyncio's loop: {line}")
    print(f"CPython {sys.version.split()[0]}, {loops} loops of ioxide made, {left_out} failures excluded with a reason")
    for loop, counts in totals.items():
        print(f"{loop}: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
