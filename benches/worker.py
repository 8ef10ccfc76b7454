"""The process that times one workload on one loop: `python -m benches.worker MODULE:FUNCTION CLOCK LOOP SECONDS`.

The workload is first run with growing counts, until a batch takes its share of the time that is to be spent: that
settles the count and warms everything up. Then batches are timed one by one, and the median is printed as JSON.

There are two clocks. `wall` is the wall's. `undisturbed` stands still while the thread could run but another program
has the core, by the scheduler's own count; it goes on while the loop waits or sleeps. Where nothing else runs
both give the same. Where several threads do the work, and wait for each other to leave the core, only `wall` is right.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benches import loops, processes
from benches.rows import Unsupported, WrongResult

BATCHES = 10
"""How many batches share the time that is to be spent."""

SCHEDULER_COUNTS = Path("/proc/thread-self/schedstat")

Clock = Callable[[], float]


def main() -> None:
    """Time what the command line names."""
    workload, clock, loop, seconds = sys.argv[1:]
    report(lambda: on_loop(loops.resolve(workload), CLOCKS[clock], loop, float(seconds)))


def report(measure: Callable[[], dict[str, Any]]) -> None:
    """Print a sample, or why there is none, as one line of JSON."""
    try:
        message = measure()
    except (Unsupported, NotImplementedError) as error:
        message = {"unsupported": str(error) or type(error).__name__}
    except WrongResult as error:
        message = {"wrong": str(error)}
    print(json.dumps(message), flush=True)


def undisturbed() -> float:
    """Return seconds, without those for which this thread waited for other programs to leave the core."""
    waited = int(SCHEDULER_COUNTS.read_text().split()[1]) / 1e9 if SCHEDULER_COUNTS.exists() else 0.0
    return time.perf_counter() - waited


CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "undisturbed": undisturbed}


def on_loop(workload: Callable[..., int], clock: Clock, name: str, seconds: float) -> dict[str, Any]:
    """Time the workload on a fresh loop."""
    loop = loops.new_event_loop(name)
    try:
        return timed(workload, clock, loop, seconds)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def timed(
    workload: Callable[..., int], clock: Clock, loop: asyncio.AbstractEventLoop, seconds: float
) -> dict[str, Any]:
    """Settle the count, then time batches."""
    count = settled_count(workload, clock, loop, seconds / BATCHES)
    gc.collect()
    gc.freeze()
    batches: list[float] = []
    operations = 0
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    while len(batches) < 3 or time.perf_counter() < start + seconds:
        duration, done = one_batch(workload, clock, loop, count)
        batches.append(duration / done * 1e9)
        operations += done
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = processes.CpuTime(after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime)
    details = used.per_operation(operations)
    details |= {"wall_us": wall / operations * 1e6, "peak_memory": processes.peak_memory()}
    return {"value": statistics.median(batches), "details": details}


def settled_count(workload: Callable[..., int], clock: Clock, loop: asyncio.AbstractEventLoop, target: float) -> int:
    """Find how many operations take about `target` seconds."""
    count = 64
    while True:
        duration, done = one_batch(workload, clock, loop, count)
        if duration >= target / 2:
            return max(1, round(done * target / duration))
        count *= 2


def one_batch(
    workload: Callable[..., int], clock: Clock, loop: asyncio.AbstractEventLoop, count: int
) -> tuple[float, int]:
    """Return how many seconds a batch took and how many operations it was."""
    start = clock()
    done = workload(loop, count)
    duration = clock() - start
    if done < count:
        raise WrongResult(f"{done} of {count} operations were done")
    return duration, done


if __name__ == "__main__":
    main()
