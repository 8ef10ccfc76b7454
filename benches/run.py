"""`make bench`: measures ioxide beside its peers.

    python -m benches.run [--quick] [--only queue,tls] [--compare old.json] [--json new.json] [--picture new.svg]

The status is 1 when a loop did its work wrongly, for such a run says nothing about speed.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benches import compare, loops, machine, report
from benches.measure import measure
from benches.results import Line, Run
from benches.rows import Row

MODULES = (
    "benches.scheduling",
    "benches.coordination",
    "benches.synchronization",
    "benches.stream_reader",
    "benches.network",
    "benches.programs",
    "benches.cost",
)

QUICK_SECONDS = 270.0
"""After which a quick run begins no further row: what is left of five minutes is for the last row and the report."""


def main() -> int:
    """Measure what the command line asks for, and report."""
    options = parse_arguments()
    rows = selected(all_rows(), options.only, quick=options.quick)
    if options.list:
        print("\n".join(f"{row.group}: {row.name}" for row in rows))
        return 0
    present, absent = available(options.loops)
    raise_limit_of_descriptors()
    rounds, seconds, deadline = plan(options)
    run = Run(
        setting=machine.describe() | {"command": command(), "rounds": rounds, "seconds": seconds},
        versions=present,
        absent=absent,
        lines=[],
    )

    def keep(lines: list[Line]) -> None:
        run.lines = lines
        run.setting["complete"] = is_complete(run)
        if options.json is not None:
            run.save(options.json)

    keep(
        measure(
            rows,
            list(present),
            rounds=rounds,
            seconds=seconds,
            deadline=deadline,
            progress=show_progress,
            after_round=keep,
        )
    )
    deliver(run, options)
    return 1 if run.failures() else 0


def is_complete(run: Run) -> bool:
    """Whether every loop has had every round of every row."""
    return all(
        len(cell.values) == run.setting["rounds"] or cell.failed or cell.unsupported
        for line in run.lines
        for cell in line.cells.values()
    )


def command() -> str:
    """Tell how this run can be repeated, without where this machine keeps its files."""
    return shlex.join(["python", "-m", "benches.run", *sys.argv[1:]])


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="end within five minutes, with fewer rows and rounds")
    parser.add_argument("--only", default="", help="parts of 'group: name', or =the whole of it, separated by commas")
    parser.add_argument("--loops", default=",".join(loops.LOOPS), help="names, or MODULE:FACTORY for one of your own")
    parser.add_argument("--rounds", type=int, help="5; with --quick at most 5")
    parser.add_argument("--seconds", type=float, help="what a sample takes: 0.3, or 0.2 with --quick")
    parser.add_argument("--minutes", type=float, help="after which no further row is begun")
    parser.add_argument("--list", action="store_true", help="only name the rows that would be measured")
    parser.add_argument("--compare", type=Path, help="the JSON of an earlier run")
    parser.add_argument("--json", type=Path, help="where everything that was measured goes")
    parser.add_argument("--markdown", type=Path, help="where the report goes besides the terminal")
    parser.add_argument("--picture", type=Path, help="where the picture goes, as SVG")
    return parser.parse_args()


def all_rows() -> list[Row]:
    """Import every module of rows."""
    rows: list[Row] = [row for module in MODULES for row in importlib.import_module(module).ROWS]
    titles = [f"{row.group}: {row.name}" for row in rows]
    for title in titles:
        if "," in title or titles.count(title) > 1:
            raise SystemExit(f"ONLY can't select {title!r}: it has a comma, or its double")
    return rows


def selected(rows: Sequence[Row], only: str, *, quick: bool) -> list[Row]:
    """Choose rows: those that `only` names; without it all, or the quick ones."""
    words = [word.strip().lower() for word in only.split(",") if word.strip()]
    if not words:
        return [row for row in rows if row.quick or not quick]
    for word in words:
        if not any(matches(row, word) for row in rows):
            raise SystemExit(f"no row matches {word!r}")
    return [row for row in rows if any(matches(row, word) for word in words)]


def matches(row: Row, word: str) -> bool:
    """Whether a word of ONLY selects the row: a part of its title, or after a = the whole of it."""
    title = f"{row.group}: {row.name}".lower()
    return title == word[1:] if word.startswith("=") else word in title


def available(names: str) -> tuple[dict[str, str], dict[str, str]]:
    """Tell the loops that can be measured, with their versions, from those that can't, with the reason."""
    present, absent = {}, {}
    for name in filter(None, names.split(",")):
        if name not in loops.LOOPS and ":" not in name:
            raise SystemExit(f"there is no loop {name!r}; there are {', '.join(loops.LOOPS)}, and MODULE:FACTORY")
        reason = loops.why_absent(name)
        if reason is None:
            present[name] = loops.version(name) or ""
        else:
            absent[name] = reason
    return present, absent


def plan(options: argparse.Namespace) -> tuple[int, float, float]:
    """Settle the rounds, the seconds of a sample, and the time at which to stop. A quick run has as many as fit."""
    seconds = options.seconds or (0.2 if options.quick else 0.3)
    limit = QUICK_SECONDS if options.quick else float("inf")
    if options.minutes is not None:
        limit = options.minutes * 60
    return options.rounds or 5, seconds, time.monotonic() + limit


def raise_limit_of_descriptors() -> None:
    """Allow as many connections as the rows open; whatever is started from here inherits it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def show_progress(text: str) -> None:
    """Tell a person who waits what is being measured."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def deliver(run: Run, options: argparse.Namespace) -> None:
    """Print the report and write the files that were asked for."""
    show_progress("")
    print(report.plain(run))
    if options.compare is not None:
        print("\n" + compare.compared(Run.load(options.compare), run).plain())
    if options.markdown is not None:
        options.markdown.write_text(report.markdown(run))
    if options.picture is not None:
        # Only a picture needs the plotting library.
        from benches import picture

        picture.draw(run, options.picture)


if __name__ == "__main__":
    sys.exit(main())
