"""What the clients have in common: doing an operation again and again, checked each time, and timing it."""

from __future__ import annotations

import asyncio
import gc
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from benches import loops, processes
from benches.worker import report

Operation = Callable[[], Awaitable[int]]
"""Does something once, raises `WrongResult` unless the right thing came out, and says how many operations it was."""

Client = Callable[[int, list[str]], AbstractAsyncContextManager[Sequence[Operation]]]
"""Takes how many operations are to be under way, and arguments; makes ready, and gives that many operations."""


def run(client: Client) -> None:
    """Measure the client that the command line asks for: `LOOP SECONDS AT_ONCE …`."""
    name, seconds, at_once, *arguments = sys.argv[1:]

    async def main() -> dict[str, Any]:
        async with client(int(at_once), arguments) as operations:
            return await measured(operations, float(seconds))

    def on_loop() -> dict[str, Any]:
        loop = loops.new_event_loop(name)
        try:
            return loop.run_until_complete(main())
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    report(on_loop)


async def measured(operations: Sequence[Operation], seconds: float) -> dict[str, Any]:
    """Run without counting at first, then count."""
    await repeated(operations, min(0.3, seconds / 3))
    gc.collect()
    gc.freeze()
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    done, latencies = await repeated(operations, seconds)
    elapsed, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    used = processes.CpuTime(after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime)
    details = used.per_operation(done) | {"peak_memory": processes.peak_memory()}
    if len(latencies) >= 100:
        quantiles = statistics.quantiles(latencies, n=100)
        details |= {"p50_us": quantiles[49] * 1e6, "p99_us": quantiles[98] * 1e6}
    return {"value": done / elapsed, "details": details}


async def repeated(operations: Sequence[Operation], seconds: float) -> tuple[int, list[float]]:
    """Repeat each operation until the time is over, at least once; return how many it was, and how long each took."""
    end = time.perf_counter() + seconds
    latencies: list[float] = []

    async def repeat(operation: Operation) -> int:
        done = 0
        began = time.perf_counter()
        while not done or began < end:
            done += await operation()
            now = time.perf_counter()
            latencies.append(now - began)
            began = now
        return done

    return sum(await asyncio.gather(*map(repeat, operations))), latencies
