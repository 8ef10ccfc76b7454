"""The benchmarks measure what they say: a slow loop is seen to be slow, and a loop that loses work fails.

`benches/faulty_loops.py` has the loops. What the harness computes from samples is in `test_benchmark_results.py`.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from functools import partial

import pytest

from benches import (
    coordination,
    cost,
    faulty_loops,
    idle_connections,
    in_process,
    scheduling,
    stream_reader,
    synchronization,
    worker,
)
from benches.loops import resolve
from benches.measure import measure
from benches.processes import ROOT
from benches.results import Run
from benches.rows import Row, Unsupported, WrongResult

FAULTY = "benches.faulty_loops:"
WASTE_IN_NANOSECONDS = faulty_loops.WASTE * 1e9

IN_PROCESS = [*scheduling.ROWS, *coordination.ROWS, *synchronization.ROWS, *stream_reader.ROWS, *cost.table.rows]


# They have timers alone, nothing that a loop does, or threads: there are other tests for the first and the last.
NOT_BY_FORGETTING = {
    "call_later + cancel",
    "timers firing",
    "call_later(0) chain",
    "timer beside 10 others",
    "timer beside 10000 others",
    "Lock uncontended",
    "StreamReader.readline buffered",
    "StreamReader.readexactly buffered",
    "StreamReader.readuntil buffered",
    "call_soon_threadsafe",
    "run_in_executor",
}


def path_of(row: Row) -> str:
    """Which workload an in-process row runs in its worker: `module:function`."""
    assert isinstance(row.measure, partial)
    return row.measure.args[0]


def named(row: Row) -> str:
    return row.name


def row_of(name: str) -> Row:
    return next(row for row in IN_PROCESS if row.name == name)


# Runs workloads on loops that lose one callback of so many, and prints those that noticed it. A loop that would wait
# for ever, for what it has forgotten, is stopped. What it leaves behind is why this is a process of its own.
FORGETTING = """
import json, sys
from benches.faulty_loops import Forgetful
from benches.loops import resolve

class Awake(Forgetful):
    def _run_once(self):
        if not self._ready and not any(timer._when < self.time() + 1 for timer in self._scheduled[:1]):
            raise RuntimeError("waits for what was forgotten")
        super()._run_once()

def notices(workload, every):
    loop = Awake()
    loop.every = every
    loop.set_exception_handler(lambda *_: None)
    try:
        return workload(loop, 1000) < 1000
    except Exception:
        return True

print(json.dumps([name for name in sys.argv[1:] if any(notices(resolve(name), every) for every in range(7, 13))]))
"""


@pytest.fixture(scope="module")
def noticing() -> list[str]:
    """Name the workloads that notice that a loop forgets."""
    names = [path_of(row) for row in IN_PROCESS if row.name not in NOT_BY_FORGETTING]
    command = [sys.executable, "-c", FORGETTING, *names]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("row", IN_PROCESS, ids=named)
def test_every_workload_does_its_work(row: Row, loop: asyncio.AbstractEventLoop) -> None:
    assert resolve(path_of(row))(loop, 1) >= 1


@pytest.mark.parametrize("row", [row for row in IN_PROCESS if row.name not in NOT_BY_FORGETTING], ids=named)
def test_every_workload_notices_a_loop_that_forgets_callbacks(row: Row, noticing: list[str]) -> None:
    assert path_of(row) in noticing


def test_callbacks_that_get_lost_between_threads_are_missed() -> None:
    loop = faulty_loops.Forgetful()
    with pytest.raises(WrongResult, match="arrived"):
        scheduling.call_soon_threadsafe(loop, 200)
    loop.close()


@pytest.mark.parametrize("name", ["timers firing", "call_later(0) chain", "timer beside 10 others"])
def test_a_lost_timer_is_missed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "PATIENCE", 2.0)
    with pytest.raises(WrongResult):
        row_of(name).measure(f"{FAULTY}TimersForgotten", 0.01)


@pytest.mark.parametrize("loop", ["Slowed", "Busy"])
def test_a_loop_is_charged_for_the_time_that_it_wastes(loop: str) -> None:
    sample = row_of("call_soon chain").measure(f"{FAULTY}{loop}", 0.05)
    assert sample.value >= WASTE_IN_NANOSECONDS


def test_a_slowed_loop_comes_out_slower_than_the_one_that_it_is_made_of() -> None:
    loops = ["asyncio", f"{FAULTY}Slowed"]
    (line,) = measure([row_of("sleep(0)")], loops, rounds=2, seconds=0.05)
    assert line.times_better(loops[1], "asyncio") < 0.5
    assert line.best_peer() == "asyncio"


def test_the_clock_goes_on_while_a_loop_sleeps() -> None:
    before = worker.undisturbed()
    time.sleep(0.01)
    assert worker.undisturbed() - before >= 0.01


def test_a_loop_that_hangs_has_lost_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "PATIENCE", 2.0)
    with pytest.raises(WrongResult, match="not done within"):
        row_of("call_soon chain").measure(f"{FAULTY}Forgetful", 0.01)


def test_a_loop_that_crashes_has_lost_something() -> None:
    with pytest.raises(WrongResult, match="status 9"):
        row_of("call_soon chain").measure(f"{FAULTY}dying", 0.01)


def test_a_loop_that_says_it_cannot_is_not_a_failure() -> None:
    with pytest.raises(Unsupported, match="can do nothing"):
        row_of("call_soon chain").measure(f"{FAULTY}refusing", 0.01)


def test_a_server_that_loses_messages_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_connections, "PATIENCE", 2.0)
    with pytest.raises(WrongResult, match="connection"):
        idle_connections.memory_per_connection(10, f"{FAULTY}Mute", 0.0)


@pytest.mark.parametrize("loop", ["asyncio", "ioxide"])
@pytest.mark.parametrize("name", ["memory per task of 1000", "memory per timer of 1000"])
def test_memory_is_measured_of_each_thing(name: str, loop: str) -> None:
    (row,) = (row for row in cost.ROWS if row.name == name)
    # Far less than a page of 4 KiB, and more than a pointer.
    assert 8 < row.measure(loop, 0.0).value < 4096


def test_a_loop_that_loses_work_does_not_win_the_run() -> None:
    loops = ["asyncio", f"{FAULTY}Forgetful"]
    lines = measure([row_of("call_soon burst")], loops, rounds=2, seconds=0.01)
    run = Run({}, dict.fromkeys(loops, ""), {}, lines)
    assert lines[0].cells[loops[1]].median is None
    assert lines[0].best_peer() == "asyncio"
    assert len(run.failures()) == 1


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command that `make bench` runs."""
    command = [sys.executable, "-m", "benches.run", "--rounds", "1", "--seconds", "0.01", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_status_of_a_run_tells_whether_a_loop_lost_work() -> None:
    only = ["--only", "scheduling: call_soon burst"]
    assert bench(*only, "--loops", "asyncio,ioxide").returncode == 0
    failed = bench(*only, "--loops", f"asyncio,{FAULTY}Forgetful")
    assert failed.returncode == 1
    assert f"FAILED: {FAULTY}Forgetful, scheduling: call_soon burst: WrongResult" in failed.stdout
