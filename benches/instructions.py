"""Counts instructions, which don't depend on what else the machine does, and compares them with a stored baseline.

    python -m benches.instructions [--only timers] [--update]

Scenarios of the core crate and workloads of the tables run in valgrind's callgrind, twice: the second time with more
repetitions. The difference is what the additional ones took; starting, setting up and ending cancel out. The status is
1 when anything takes more than the tolerance above its baseline. A change that is meant is stored with `--update`.

Counts depend on the compiler, and those of the tables on the interpreter's build. The baseline says what it was made
with; whoever has others makes a baseline of their own before a change, and compares after it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches import processes
from benches.report import Table

BASELINE = Path(__file__).with_name("instructions.json")
TOLERANCE = 0.02
FEW, MANY = 2000, 6000
"""Repetitions: enough for caches, free lists and specialised bytecode to be as they stay."""

WORKLOADS = (
    "benches.scheduling:call_soon_chain",
    "benches.scheduling:call_later_cancel",
    "benches.coordination:create_and_await_a_task",
    "benches.synchronization:queue",
    "benches.coordination:timeout",
)


@dataclass(frozen=True)
class Counted:
    """Something whose instructions are counted: a command that takes the number of repetitions as last argument."""

    name: str
    command: list[str]


def main() -> int:
    """Count what the command line asks for, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="part of the name")
    parser.add_argument("--loop", default="ioxide", help="the loop of the workloads")
    parser.add_argument("--update", action="store_true", help="store what is counted as the baseline")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    options = parser.parse_args()
    counts = {
        counted.name: per_repetition(counted)
        for counted in [*scenarios(), *workloads(options.loop)]
        if options.only.lower() in counted.name.lower()
    }
    stored = json.loads(options.baseline.read_text()) if options.baseline.exists() else {"counts": {}}
    print(table(stored["counts"], counts).plain())
    if stored.get("made_with", made_with()) != made_with():
        print(f"the baseline was made with {stored['made_with']}, and this is {made_with()}")
    if options.update:
        merged = {name: round(count, 1) for name, count in (stored["counts"] | counts).items()}
        options.baseline.write_text(json.dumps({"made_with": made_with(), "counts": merged}, indent=1) + "\n")
        return 0
    return 1 if any(is_worse(stored["counts"].get(name), count) for name, count in counts.items()) else 0


def scenarios() -> Iterator[Counted]:
    """Build the core crate's scenarios and iterate over them."""
    build = ["cargo", "bench", "--quiet", "--package", "ioxide", "--bench", "instructions", "--no-run"]
    output = processes_output([*build, "--message-format", "json"])
    messages: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    binary = next(message["executable"] for message in messages if message.get("executable"))
    for name in processes_output([binary]).splitlines():
        yield Counted(name, [binary, name])


def workloads(loop: str) -> Iterator[Counted]:
    """Iterate over the workloads, on the interpreter that runs this."""
    version = ".".join(map(str, sys.version_info[:2]))
    for workload in WORKLOADS:
        name = f"CPython {version}, {loop}: {workload.rpartition(':')[2]}"
        yield Counted(name, [sys.executable, "-m", "benches.counted", workload, loop])


def per_repetition(counted: Counted) -> float:
    """Return how many instructions a repetition takes."""
    few, many = (instructions([*counted.command, str(repetitions)]) for repetitions in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def instructions(command: list[str]) -> int:
    """Run a command in callgrind and return how many instructions it took."""
    with tempfile.TemporaryDirectory() as directory:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/profile"]
        done = subprocess.run(
            [*valgrind, *command],
            cwd=processes.ROOT,
            env=processes.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"{' '.join(command)} failed with status {done.returncode}:\n{done.stderr}")
    return int(found[1])


def processes_output(command: list[str]) -> str:
    """Run a command in the root of the repository and return what it prints."""
    return subprocess.run(command, cwd=processes.ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def made_with() -> str:
    """Name what the counts depend on."""
    return f"{processes_output(['rustc', '--version']).strip()}, CPython {sys.version.split()[0]}"


def is_worse(before: float | None, count: float) -> bool:
    """Whether a count is above its baseline by more than the tolerance."""
    return before is not None and count > before * (1 + TOLERANCE)


def table(stored: dict[str, float], counts: dict[str, float]) -> Table:
    """Compare counts with the stored ones."""
    body = []
    for name, count in counts.items():
        before = stored.get(name)
        change = "new" if before is None else f"{(count / before - 1) * 100:+.1f}%"
        verdict = "WORSE" if is_worse(before, count) else ""
        body.append([name, "" if before is None else f"{before:.1f}", f"{count:.1f}", change, verdict])
    return Table("instructions per repetition", ["", "baseline", "now", "change", ""], body)


if __name__ == "__main__":
    sys.exit(main())
