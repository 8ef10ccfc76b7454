"""What changed since an earlier run."""

from __future__ import annotations

import math

from benches.loops import OURS
from benches.report import Table, number, times
from benches.results import BASE, Line, Run

LEAST_CHANGE = 0.03
"""A change that is smaller isn't worth a mark, however little the samples differ."""


def compared(old: Run, new: Run) -> Table:
    """Compare our loops with those of an earlier run, row by row.

    Absolute figures move with the machine's day; the ratio to the base, measured beside it each time, moves less. A
    change is marked when the ratio moved by more than the spreads of what went into it, added as errors are.
    """
    earlier = {line.title: line for line in old.lines}
    body = []
    for line in new.lines:
        body += [row(earlier.get(line.title), line, loop) for loop in new.versions if loop in OURS]
    present = {line.title for line in new.lines}
    body += [[title, "", "was measured", "", "", "", "", ""] for title in earlier if title not in present]
    head = ["", "loop", "old", "new", "change", f"old / {BASE}", f"new / {BASE}", ""]
    return Table("changes since the earlier run, times better", head, body)


def row(old: Line | None, new: Line, loop: str) -> list[str]:
    """Compare one row of one loop."""
    name = f"{new.title}, {new.unit}"
    figure = new.cells[loop].median
    if old is None or loop not in old.cells:
        return [name, loop, "is new", number(figure), "", "", times(new.times_better(loop, BASE)), ""]
    before = old.cells[loop].median
    ratios = old.times_better(loop, BASE), new.times_better(loop, BASE)
    return [
        name,
        loop,
        number(before),
        number(figure),
        times(change(before, figure, new.higher_is_better)),
        times(ratios[0]),
        times(ratios[1]),
        verdict(old, new, loop),
    ]


def change(old: float | None, new: float | None, higher_is_better: bool) -> float | None:
    """Return how many times better the new figure is."""
    if not old or not new:
        return None
    return new / old if higher_is_better else old / new


def verdict(old: Line, new: Line, loop: str) -> str:
    """Say whether the change is more than noise. Without the base in both runs the figures themselves are compared."""
    before, after = old.times_better(loop, BASE), new.times_better(loop, BASE)
    cells = [old.cells[loop], new.cells[loop]]
    if before is None or after is None:
        before, after = 1.0, change(cells[0].median, cells[1].median, new.higher_is_better)
    else:
        cells += [old.cells[BASE], new.cells[BASE]]
    if after is None:
        return "no longer measured" if old.cells[loop].median is not None else ""
    noise = max(LEAST_CHANGE, math.hypot(*(cell.spread or 0.0 for cell in cells)))
    if after > before * (1 + noise):
        return "better"
    return "WORSE" if after * (1 + noise) < before else ""
