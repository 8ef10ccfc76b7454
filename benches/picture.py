"""The picture: each loop against the base, group by group.

    python -m benches.picture run.json picture.svg

A bar is a geometric mean, and each dot on it is one row: the reader sees at once where a mean comes from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from benches.loops import OURS
from benches.results import BASE, Run

COLOURS = ("#9aa5b1", "#5b8db8", "#b59f5b", "#7fae7f", "#a98bb5", "#8f8f8f")
COLOURS_OF_OURS = ("#d1442c", "#8c1d0f")
HEIGHT_OF_BAR = 0.22
INCHES_PER_BAR = 0.24


def draw(run: Run, path: Path) -> None:
    """Draw the run as an SVG. The same run gives the same file, byte for byte."""
    mpl.rcParams.update({"svg.hashsalt": "ioxide", "font.size": 9})
    groups = [group for group in run.groups if any(run.geometric_mean(group, loop) for loop in run.versions)]
    bars = max(1, len(groups) * (len(run.versions) + 1))
    figure = Figure(figsize=(8, 1.2 + bars * INCHES_PER_BAR), layout="constrained")
    axes = figure.subplots()
    draw_groups(axes, run, groups)
    setting = run.setting
    axes.set_title(f"Times better than {BASE} (log scale)", loc="left", fontweight="bold")
    axes.set_xlabel(
        f"bar: geometric mean of the group; dot: one row\n"
        f"CPython {setting['python']}, {setting['kernel']}, {setting['cpu']}, {setting['date'][:10]}"
    )
    figure.savefig(path, format="svg", metadata={"Date": None})


def draw_groups(axes: Axes, run: Run, groups: list[str]) -> None:
    """Draw a cluster of bars for each group, the first on top."""
    colours = colours_of(list(run.versions))
    centres = []
    for place, group in enumerate(groups):
        top = place * (len(run.versions) + 1) * HEIGHT_OF_BAR
        for number, loop in enumerate(run.versions):
            draw_loop(axes, run, group, loop, top + number * HEIGHT_OF_BAR, colours[loop])
        centres.append(top + (len(run.versions) - 1) / 2 * HEIGHT_OF_BAR)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(centres, groups)
    axes.invert_yaxis()
    axes.grid(axis="x", linewidth=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    handles = [Patch(color=colours[loop], label=f"{loop} {run.versions[loop]}") for loop in run.versions]
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)


def draw_loop(axes: Axes, run: Run, group: str, loop: str, height: float, colour: str) -> None:
    """Draw one bar with its dots and its figure, or say that there is none."""
    mean = run.geometric_mean(group, loop)
    if mean is None:
        axes.text(1.02, height, f"{loop}: no figure", va="center", fontsize=7, color=colour)
        return
    axes.barh(height, mean.times_better - 1, left=1, height=HEIGHT_OF_BAR * 0.85, color=colour, alpha=0.75)
    ratios = [ratio for line in run.of_group(group) if (ratio := line.times_better(loop, BASE)) is not None]
    if loop != BASE:
        axes.plot(ratios, [height] * len(ratios), "o", color=colour, markersize=4, markeredgecolor="white", mew=0.5)
    ends = max([1.0, *ratios])
    axes.text(ends * 1.04, height, f"{loop} {mean.times_better:.2f}", va="center", fontsize=7)


def colours_of(loops: list[str]) -> dict[str, str]:
    """Give ours the colours that stand out."""
    peers = [loop for loop in loops if loop not in OURS]
    colours = {loop: COLOURS[number % len(COLOURS)] for number, loop in enumerate(peers)}
    return colours | dict(zip(OURS, COLOURS_OF_OURS, strict=True))


if __name__ == "__main__":
    draw(Run.load(Path(sys.argv[1])), Path(sys.argv[2]))
