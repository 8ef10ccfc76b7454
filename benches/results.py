"""What was measured, and the arithmetic: medians, spreads, ratios, geometric means."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benches.loops import OURS
from benches.rows import Row, Sample

BASE = "uvloop"
"""The loop that every ratio is to."""


@dataclass
class Cell:
    """One row on one loop: the samples of all rounds, or why there are none."""

    values: list[float] = field(default_factory=list)
    details: list[dict[str, float]] = field(default_factory=list)
    failed: str | None = None
    unsupported: str | None = None

    def add(self, sample: Sample) -> None:
        """Take in one round's sample."""
        self.values.append(sample.value)
        self.details.append(sample.details)

    @property
    def median(self) -> float | None:
        """The figure. What failed once has none, whatever other rounds gave."""
        if self.failed is not None or not self.values:
            return None
        return statistics.median(self.values)

    @property
    def spread(self) -> float | None:
        """Half of the way from the least value to the greatest, as a share of the median."""
        if not self.median:
            return None
        return (max(self.values) - min(self.values)) / 2 / self.median

    def detail(self, name: str) -> float | None:
        """Return the median of something else that was seen while measuring."""
        seen = [details[name] for details in self.details if name in details]
        return statistics.median(seen) if seen and self.median is not None else None


@dataclass
class Line:
    """One row on all loops."""

    group: str
    name: str
    unit: str
    higher_is_better: bool
    cells: dict[str, Cell] = field(default_factory=dict)
    floor: Cell | None = None

    @classmethod
    def of(cls, row: Row, loops: Iterable[str]) -> Line:
        """Make a line that has nothing measured yet."""
        cells = {loop: Cell(unsupported=row.unsupported.get(loop)) for loop in loops}
        return cls(row.group, row.name, row.unit, row.higher_is_better, cells, Cell() if row.floor else None)

    @property
    def title(self) -> str:
        """What ONLY selects by."""
        return f"{self.group}: {self.name}"

    def times_better(self, loop: str, other: str) -> float | None:
        """Return how many times faster (or leaner) a loop is than another: 2 is twice as good, whatever the unit."""
        return self._times_better(self.cells.get(loop), self.cells.get(other))

    def times_the_floor(self, loop: str) -> float | None:
        """Return how many times as much as the floor a loop takes: 1 would be the floor itself."""
        return self._times_better(self.floor, self.cells.get(loop))

    def best_peer(self) -> str | None:
        """Name the best loop that isn't ours."""
        peers = {name: cell.median for name, cell in self.cells.items() if name not in OURS}
        known = {name: median for name, median in peers.items() if median is not None}
        if not known:
            return None
        return (max if self.higher_is_better else min)(known, key=lambda name: known[name])

    def _times_better(self, cell: Cell | None, other: Cell | None) -> float | None:
        mine, theirs = (cell and cell.median), (other and other.median)
        if not mine or not theirs or mine < 0 or theirs < 0:
            return None
        return mine / theirs if self.higher_is_better else theirs / mine


@dataclass
class GeometricMean:
    """How a loop compares with the base over a group: of so many rows, those that both have a figure for."""

    times_better: float
    rows: int
    of: int


@dataclass
class Run:
    """Everything that one run of the benchmarks found, and where."""

    setting: dict[str, Any]
    versions: dict[str, str]
    absent: dict[str, str]
    lines: list[Line]

    @property
    def groups(self) -> list[str]:
        """The groups, in the order of their rows."""
        return list(dict.fromkeys(line.group for line in self.lines))

    def of_group(self, group: str) -> list[Line]:
        """Return the rows of a group."""
        return [line for line in self.lines if line.group == group]

    def geometric_mean(self, group: str, loop: str) -> GeometricMean | None:
        """Compare a loop with the base over a group. A loop that failed at one of its rows has no mean."""
        lines = self.of_group(group)
        if any(line.cells[loop].failed for line in lines if loop in line.cells):
            return None
        ratios = [ratio for line in lines if (ratio := line.times_better(loop, BASE)) is not None]
        return GeometricMean(geometric_mean(ratios), len(ratios), len(lines)) if ratios else None

    def failures(self) -> list[str]:
        """Say what went wrong: a loop that lost work makes the whole run fail."""
        return [
            f"{loop}, {line.title}: {cell.failed}"
            for line in self.lines
            for loop, cell in [*line.cells.items(), ("floor", line.floor or Cell())]
            if cell.failed is not None
        ]

    def save(self, path: Path) -> None:
        """Write everything as JSON, with what follows from it."""
        path.write_text(json.dumps(asdict(self) | {"summary": self._summary()}, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Run:
        """Read what `save` wrote."""
        read = json.loads(path.read_text())
        lines = []
        for line in read["lines"]:
            cells = {loop: Cell(**cell) for loop, cell in line.pop("cells").items()}
            floor = line.pop("floor")
            lines.append(Line(**line, cells=cells, floor=Cell(**floor) if floor else None))
        return cls(read["setting"], read["versions"], read["absent"], lines)

    def _summary(self) -> dict[str, Any]:
        means = {
            group: {loop: asdict(mean) for loop in self.versions if (mean := self.geometric_mean(group, loop))}
            for group in self.groups
        }
        return {"geometric_means": means, "rows": {line.title: summary_of(line) for line in self.lines}}


def summary_of(line: Line) -> dict[str, Any]:
    """Return what follows from the samples of a row."""
    best = line.best_peer()
    loops = {
        loop: {
            "median": cell.median,
            "spread": cell.spread,
            f"times_better_than_{BASE}": line.times_better(loop, BASE),
            "times_better_than_best_peer": line.times_better(loop, best) if best else None,
            "times_the_floor": line.times_the_floor(loop),
        }
        for loop, cell in line.cells.items()
    }
    return {"best_peer": best, "command": f"make bench ONLY='={line.title}'", "loops": loops}


def geometric_mean(ratios: list[float]) -> float:
    """Return the mean of ratios: twice as fast here and half as fast there is 1."""
    return math.exp(statistics.fmean(map(math.log, ratios)))
