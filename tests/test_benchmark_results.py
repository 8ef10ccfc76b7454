"""What the benchmarks compute from their samples: medians, ratios and means, what changed, and what is reported."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from benches import compare, instructions, loops, machine, report, run
from benches.measure import measure
from benches.results import Cell, Line, Run, geometric_mean
from benches.rows import Row, Sample, Unsupported, WrongResult


def line(higher_is_better: bool = False, name: str = "row", **values: list[float]) -> Line:
    """A row with the samples of each loop."""
    cells = {loop: Cell(samples, [{}] * len(samples)) for loop, samples in values.items()}
    return Line("group", name, "ns", higher_is_better, cells)


def run_of(*lines: Line) -> Run:
    """A run that found these rows."""
    setting = {
        "python": "3.13.0",
        "kernel": "Linux",
        "cpu": "one",
        "cores": 2,
        "date": "2026-01-01",
        "commit": "c0ffee",
        "rounds": 3,
        "seconds": 1.0,
    }
    return Run(setting, dict.fromkeys(lines[0].cells, "1.0"), {"zloop": "isn't installed"}, list(lines))


def row(measure, name: str = "row", **options) -> Row:
    """A row that needs no process."""
    return Row("group", name, "ns", higher_is_better=False, measure=measure, **options)


def test_where_there_is_no_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert machine.commit() is None
    found = run_of(line(uvloop=[1.0]))
    found.setting["commit"] = machine.commit()
    assert "commit unknown" in report.markdown(found)


def test_a_figure_is_the_median_and_its_spread_reaches_both_ends() -> None:
    cell = Cell([10.0, 12.0, 20.0], [{"cpu_us": 3.0}, {}, {"cpu_us": 5.0}])
    assert cell.median == 12.0
    assert cell.spread == pytest.approx(5 / 12)
    assert cell.detail("cpu_us") == 4.0
    assert cell.detail("peak_memory") is None


def test_a_cell_that_failed_has_no_figure_whatever_it_measured_before() -> None:
    cell = Cell([1.0], [{"cpu_us": 1.0}], failed="lost a message")
    assert cell.median is None
    assert cell.spread is None
    assert cell.detail("cpu_us") is None


@pytest.mark.parametrize("higher_is_better", [False, True])
def test_a_ratio_says_how_many_times_better_whatever_the_unit(higher_is_better: bool) -> None:
    found = line(higher_is_better, ioxide=[10.0], uvloop=[20.0])
    assert found.times_better("ioxide", "uvloop") == (0.5 if higher_is_better else 2.0)
    assert found.times_better("ioxide", "rloop") is None


def test_the_best_peer_is_none_of_ours_and_has_not_failed() -> None:
    found = line(ioxide=[1.0], uvloop=[3.0], asyncio=[4.0], rloop=[2.0])
    found.cells["rloop"].failed = "lost a callback"
    assert found.best_peer() == "uvloop"
    assert line(True, uvloop=[3.0], asyncio=[4.0]).best_peer() == "asyncio"
    assert line(ioxide=[1.0]).best_peer() is None


@pytest.mark.parametrize(("higher_is_better", "floor"), [(False, 5.0), (True, 20.0)])
def test_a_loop_that_takes_twice_as_much_as_the_floor_is_twice_the_floor(higher_is_better: bool, floor: float) -> None:
    found = line(higher_is_better, ioxide=[10.0])
    found.floor = Cell([floor], [{}])
    assert found.times_the_floor("ioxide") == 2.0


def test_twice_as_fast_here_and_half_as_fast_there_is_neither() -> None:
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert geometric_mean([1.0, 8.0, 27.0]) == pytest.approx(6.0)


def test_a_group_is_compared_over_the_rows_that_both_have() -> None:
    third = line(name="third", uvloop=[1.0], ioxide=[])
    found = run_of(line(uvloop=[8.0], ioxide=[1.0]), line(name="second", uvloop=[2.0], ioxide=[1.0]), third)
    mean = found.geometric_mean("group", "ioxide")
    assert (mean.times_better, mean.rows, mean.of) == (pytest.approx(4.0), 2, 3)


def test_a_loop_that_failed_in_a_group_has_no_mean_there() -> None:
    failed = line(name="second", uvloop=[2.0], rloop=[1.0])
    failed.cells["rloop"].failed = "lost a message"
    found = run_of(line(uvloop=[8.0], rloop=[1.0]), failed)
    assert found.geometric_mean("group", "rloop") is None
    assert found.failures() == ["rloop, group: second: lost a message"]


def test_rounds_are_interleaved_and_each_begins_with_another_loop() -> None:
    order = []

    def note(loop: str, seconds: float) -> Sample:
        order.append(loop)
        return Sample(seconds)

    rows = [row(note, floor=lambda seconds: note("floor", seconds))]
    (found,) = measure(rows, ["a", "b"], rounds=3, seconds=0.5)
    assert order == ["floor", "a", "b", "floor", "b", "a", "floor", "a", "b"]
    assert found.cells["a"].values == found.floor.values == [0.5] * 3


def test_a_loop_that_failed_is_not_asked_again_and_the_run_goes_on() -> None:
    asked = []

    def fail_first(loop: str, seconds: float) -> Sample:
        asked.append(loop)
        if loop == "bad":
            raise WrongResult("lost a message")
        if loop == "poor":
            raise Unsupported("no TLS")
        return Sample(1.0)

    (found,) = measure([row(fail_first)], ["bad", "poor", "good"], rounds=2, seconds=0.0)
    assert sorted(asked) == ["bad", "good", "good", "poor"]
    assert found.cells["bad"].failed == "WrongResult: lost a message"
    assert found.cells["poor"].unsupported == "no TLS"
    assert found.cells["good"].values == [1.0, 1.0]


def test_a_loop_that_is_known_not_to_do_something_is_not_asked() -> None:
    (found,) = measure([row(pytest.fail, unsupported={"rloop": "no TLS"})], ["rloop"], rounds=1, seconds=0.0)
    assert found.cells["rloop"].unsupported == "no TLS"


def test_no_row_is_begun_when_time_has_run_out() -> None:
    (found,) = measure([row(pytest.fail)], ["asyncio"], rounds=1, seconds=0.0, deadline=0.0)
    assert report.figure(found.cells["asyncio"]) == "no time"


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    found = line(uvloop=[1.0, 2.0, 3.0], ioxide=[1.0])
    found.floor = Cell([0.5], [{"cpu_us": 1.0}])
    saved = run_of(found, line(name="second", uvloop=[1.0], ioxide=[1.0]))
    saved.save(tmp_path / "run.json")
    assert Run.load(tmp_path / "run.json") == saved


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ([100.0, 101.0], [50.0, 51.0], "better"),
        ([100.0, 101.0], [200.0, 201.0], "WORSE"),
        ([99.0, 101.0], [100.0, 102.0], ""),
        ([60.0, 140.0], [80.0, 120.0], ""),
        ([100.0], [102.0], ""),
    ],
)
def test_a_change_is_marked_when_it_is_more_than_the_spread(
    before: list[float], after: list[float], verdict: str
) -> None:
    table = compare.compared(
        run_of(line(uvloop=[10.0], ioxide=before)),
        run_of(line(uvloop=[10.0], ioxide=after)),
    )
    assert [row[-1] for row in table.body] == [verdict]


def test_a_day_on_which_everything_is_slower_changes_nothing() -> None:
    old, new = run_of(line(uvloop=[10.0], ioxide=[5.0])), run_of(line(uvloop=[20.0], ioxide=[10.0]))
    assert [row[-1] for row in compare.compared(old, new).body] == [""]


def test_rows_that_came_and_went_are_named() -> None:
    old, new = run_of(line(name="old", ioxide=[1.0])), run_of(line(name="new", ioxide=[1.0]))
    table = compare.compared(old, new)
    assert [(row[0], row[2]) for row in table.body] == [("group: new, ns", "is new"), ("group: old", "was measured")]


def test_absent_peers_are_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loops.LOOPS, "nowhere", loops.Loop("nowhere", "no-such-distribution", "nowhere:loop"))
    monkeypatch.setitem(loops.LOOPS, "later", loops.Loop("later", "ioxide", "later:loop", python=(9, 0)))
    present, absent = run.available("asyncio,nowhere,later")
    assert list(present) == ["asyncio"]
    assert absent == {"nowhere": "no-such-distribution isn't installed", "later": "for Python 9.0 and later"}
    assert "zloop: isn't installed" in report.plain(run_of(line(asyncio=[1.0])))


def test_every_peer_is_asked_for_unless_some_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["run"])
    present, absent = run.available(run.parse_arguments().loops)
    assert set(present) | set(absent) == set(loops.LOOPS)


def test_the_report_shows_figures_failures_and_what_a_loop_cannot_do() -> None:
    found = line(uvloop=[2000.0], ioxide=[1000.0], rloop=[], rsloop=[])
    found.cells["rloop"].failed = "lost a message"
    found.cells["rsloop"].unsupported = "no TLS"
    for text in (report.plain(run_of(found)), report.markdown(run_of(found))):
        assert "1000 ±0%" in text
        assert "FAILED: rloop, group: row: lost a message" in text
        assert "rsloop can't (no TLS): row" in text
        assert "2.00 uvloop" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.1234, "0.123"),
        (12.34, "12.3"),
        (1234.5, "1234"),
        (97932, "97.9k"),
        (1.45e6, "1.45M"),
        (2e9, "2G"),
    ],
)
def test_figures_have_three_digits_that_mean_something(value: float | None, text: str) -> None:
    assert report.number(value) == text


def test_what_a_round_has_found_is_kept_before_the_next_begins() -> None:
    kept: list[int] = []
    measure(
        [row(lambda _loop, _seconds: Sample(1.0))],
        ["a"],
        rounds=3,
        seconds=0.0,
        after_round=lambda lines: kept.append(len(lines[0].cells["a"].values)),
    )
    assert kept == [1, 2, 3]


def test_rows_are_selected_by_parts_of_their_names() -> None:
    rows = [row(pytest.fail, "Queue put", quick=True), row(pytest.fail, "TLS echo"), row(pytest.fail, "sleep")]
    assert [found.name for found in run.selected(rows, "queue,tls", quick=True)] == ["Queue put", "TLS echo"]
    assert [found.name for found in run.selected(rows, "", quick=True)] == ["Queue put"]
    assert run.selected(rows, "", quick=False) == rows
    with pytest.raises(SystemExit, match="no row matches 'queu-e'"):
        run.selected(rows, "sleep,queu-e", quick=False)


def test_one_row_is_selected_by_the_whole_of_its_title() -> None:
    rows = [row(pytest.fail, "echo x 10"), row(pytest.fail, "echo x 100")]
    title = f"{rows[0].group}: {rows[0].name}"
    assert run.selected(rows, title, quick=False) == rows
    assert run.selected(rows, f"={title}", quick=False) == rows[:1]
    with pytest.raises(SystemExit, match="no row matches '=echo x 10'"):
        run.selected(rows, "=echo x 10", quick=False)


def test_every_row_can_be_selected_by_its_name_and_every_group_has_quick_ones() -> None:
    rows = run.all_rows()
    for found in rows:
        assert run.selected(rows, f"={found.group}: {found.name}", quick=False) == [found]
    assert {found.group for found in rows if found.quick} == {found.group for found in rows}


def test_a_quick_run_has_a_time_by_which_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.time, "monotonic", lambda: 1000.0)
    options = argparse.Namespace(quick=True, rounds=None, seconds=None, minutes=None)
    assert run.plan(options)[2] == 1000.0 + run.QUICK_SECONDS
    assert run.QUICK_SECONDS < 300
    options.quick = False
    assert run.plan(options)[2] == float("inf")
    options.minutes = 2.0
    assert run.plan(options)[2] == 1120.0


def test_instructions_above_the_tolerance_are_worse() -> None:
    assert not instructions.is_worse(None, 100.0)
    assert not instructions.is_worse(100.0, 101.9)
    assert instructions.is_worse(100.0, 102.1)
    table = instructions.table({"a": 100.0}, {"a": 110.0, "b": 5.0})
    assert table.body == [["a", "100.0", "110.0", "+10.0%", "WORSE"], ["b", "", "5.0", "new", ""]]
