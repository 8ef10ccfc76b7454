"""The report: tables for the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benches.loops import OURS
from benches.results import BASE, Cell, Line, Run


@dataclass
class Table:
    """A table of text. The first column is aligned to the left, the others to the right."""

    title: str
    head: list[str]
    body: list[list[str]]

    def plain(self) -> str:
        """Lay the table out for a terminal."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.body, strict=True)]
        lines = [aligned(row, widths).rstrip() for row in [self.head, *self.body]]
        return "\n".join([f"== {self.title}", lines[0], "-" * max(map(len, lines)), *lines[1:]])

    def markdown(self) -> str:
        """Write the table in Markdown."""
        rule = ["---"] + ["--:"] * (len(self.head) - 1)
        rows = [f"| {' | '.join(row)} |" for row in [self.head, rule, *self.body]]
        return "\n".join([f"### {self.title}", "", *rows])


def aligned(row: list[str], widths: list[int]) -> str:
    """Join the fields of a row."""
    first = row[0].ljust(widths[0])
    return "  ".join([first, *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))])


def number(value: float | None) -> str:
    """Write a figure with three digits that mean something."""
    if value is None:
        return "-"
    for scale, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= scale:
            return number(value / (1e3 if suffix == "k" else scale)) + suffix
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def figure(cell: Cell) -> str:
    """Write a figure and its spread, or why there is none."""
    if cell.failed is not None:
        return "FAILED"
    if cell.unsupported is not None:
        return "can't"
    if cell.median is None:
        return "no time"
    return f"{number(cell.median)} ±{(cell.spread or 0) * 100:.0f}%"


def times(value: float | None) -> str:
    """Write a ratio."""
    return "-" if value is None else f"{value:.2f}"


def table_of_figures(run: Run, group: str) -> Table:
    """Return what a group measured: a column per loop, and ours against the base and the best peer."""
    lines = run.of_group(group)
    loops = list(run.versions)
    ours = [loop for loop in loops if loop in OURS]
    with_floor = any(line.floor for line in lines)
    head = ["", *(["floor"] if with_floor else []), *loops]
    head += [text for loop in ours for text in (f"{loop} / {BASE}", f"{loop} / best peer")]
    body = []
    for line in lines:
        row = [f"{line.name}, {line.unit}"]
        row += [figure(line.floor) if line.floor else ""] if with_floor else []
        row += [figure(line.cells[loop]) for loop in loops]
        for loop in ours:
            row += [times(line.times_better(loop, BASE)), against_best_peer(line, loop)]
        body.append(row)
    body.append(row_of_means(run, group, len(head), bool(with_floor)))
    return Table(group, head, body)


def against_best_peer(line: Line, loop: str) -> str:
    """Compare one of ours with the best of the others."""
    best = line.best_peer()
    ratio = line.times_better(loop, best) if best else None
    return "-" if ratio is None else f"{ratio:.2f} {best}"


def row_of_means(run: Run, group: str, width: int, with_floor: bool) -> list[str]:
    """Return the last row: the geometric mean of each loop's ratios to the base."""
    row = [f"geometric mean, times {BASE}", *([""] if with_floor else [])]
    for loop in run.versions:
        mean = run.geometric_mean(group, loop)
        if mean is None:
            row.append("-")
        else:
            row.append(times(mean.times_better) + ("" if mean.rows == mean.of else f" ({mean.rows} of {mean.of})"))
    return row + [""] * (width - len(row))


def table_of(run: Run, group: str, what: str, value: Callable[[Line, str], float | None]) -> Table | None:
    """Return a table of something else that is known of some rows, if it is known of any."""
    loops = list(run.versions)
    found = [(line, [value(line, loop) for loop in loops]) for line in run.of_group(group)]
    body = [[line.name, *map(number, values)] for line, values in found if any(value is not None for value in values)]
    return Table(f"{group}: {what}", ["", *loops], body) if body else None


def cpu(line: Line, loop: str) -> float | None:
    """Return the server's CPU time per operation. In-process rows have no server: the figure itself is their CPU."""
    return line.cells[loop].detail("cpu_us") if line.unit != "ns" else None


def tables(run: Run) -> list[Table]:
    """Return all tables of a run."""
    found: list[Table | None] = []
    for group in run.groups:
        found.append(table_of_figures(run, group))
        found.append(table_of(run, group, "times the floor (1 is the floor)", Line.times_the_floor))
        found.append(table_of(run, group, "CPU of the measured process per operation, us", cpu))
    return [table for table in found if table is not None]


def preamble(run: Run) -> list[str]:
    """Say where, with what, and how to read it."""
    setting = run.setting
    loops = ", ".join(f"{loop} {version}" for loop, version in run.versions.items())
    lines = [
        f"CPython {setting['python']}, {setting['kernel']}, {setting['cpu']}, {setting['cores']} cores, "
        f"{setting['date']}, commit {setting['commit'] or 'unknown'}",
        f"Loops: {loops}.",
        *(f"Absent: {loop}: {reason}." for loop, reason in run.absent.items()),
        f"Medians of at most {setting['rounds']} interleaved rounds of {setting['seconds']:.2g} s in fresh processes, "
        "each pinned to a core; ± is half of the way from the least to the greatest.",
        "Ratios say how many times better: 2 is twice as fast, or half the memory. "
        "A row is measured again by `make bench ONLY='=group: name'`.",
    ]
    if setting.get("complete") is False:
        lines.append("Time ran out before the last round had ended, so that rows have fewer rounds, or none.")
    return lines


def reasons(run: Run) -> list[str]:
    """Say why cells have no figure."""
    cannot: dict[tuple[str, str], list[str]] = {}
    for line in run.lines:
        for loop, cell in line.cells.items():
            if cell.unsupported is not None:
                cannot.setdefault((loop, cell.unsupported), []).append(line.name)
    lines = [f"{loop} can't ({reason}): {', '.join(names)}" for (loop, reason), names in cannot.items()]
    return lines + [f"FAILED: {failure}" for failure in run.failures()]


def plain(run: Run) -> str:
    """Write the report for a terminal."""
    parts = ["\n".join(preamble(run)), *(table.plain() for table in tables(run)), "\n".join(reasons(run))]
    return "\n\n".join(part for part in parts if part)


def markdown(run: Run) -> str:
    """Write the report in Markdown."""
    parts = ["  \n".join(preamble(run)), *(table.markdown() for table in tables(run))]
    parts += ["\n".join(f"- {line}" for line in reasons(run))]
    return "\n\n".join(part for part in parts if part) + "\n"
