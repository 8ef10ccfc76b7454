"""Rust futures awaited by Python: `ioxide-pyo3` beside `pyo3-async-runtimes` with tokio, in one run.

    python -m benches.extensions

It builds both extensions, which do the same thing, and prints the cost of a call in microseconds: of a future that is
ready, and of one that waits on a socket into which Python writes meanwhile. Both run on ioxide's loop and, as the peer
can do that, on asyncio's. The rounds of all are interleaved; the figure is the median.
"""

from __future__ import annotations

import asyncio
import importlib.machinery
import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import ioxide

ROOT = Path(__file__).parent.parent
ROUNDS = 15
CALLS = {"ready": 5000, "socket": 1000}

Use = Callable[[Any, int], Awaitable[None]]


def extension(name: str, folder: str) -> Any:
    """Build the extension in a folder, optimised, and import it."""
    command = ["cargo", "build", "--release", "--quiet", "--manifest-path", str(ROOT / folder / "Cargo.toml")]
    built = subprocess.run(
        [*command, "--target-dir", str(ROOT / "target" / "extensions"), "--message-format", "json"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        # An extension finds Python's functions in the interpreter that loads it, and links no library that has them.
        env={"PYO3_PYTHON": sys.executable, "PYO3_BUILD_EXTENSION_MODULE": "1", **os.environ},
    )
    artifacts = [json.loads(line) for line in built.stdout.splitlines()]
    [library] = [
        path
        for artifact in artifacts
        if artifact["reason"] == "compiler-artifact" and artifact["target"]["name"] == name
        for path in artifact["filenames"]
    ]
    loader = importlib.machinery.ExtensionFileLoader(name, library)
    spec = importlib.util.spec_from_file_location(name, library, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


async def ready(module: Any, calls: int) -> None:
    """Await a future that is ready."""
    function = module.ready
    for _ in range(calls):
        await function()


async def wait_on_socket(module: Any, calls: int) -> None:
    """Await a future that waits on a socket, into which a callback of the loop writes when the future waits."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    with near, far:
        connection = module.Connection(near.fileno())
        read, send = connection.read, far.send
        for _ in range(calls):
            loop.call_soon(send, b"x")
            if await read(1) != b"x":
                raise AssertionError("the wrong bytes")
        del connection, read


USES: dict[str, Use] = {"ready": ready, "socket": wait_on_socket}


def measure(module: Any, factory: Any, use: str) -> float:
    """Return the microseconds of one call."""

    async def run() -> float:
        calls = CALLS[use]
        await USES[use](module, calls // 10)
        began = time.perf_counter()
        await USES[use](module, calls)
        return (time.perf_counter() - began) / calls * 1e6

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(run())


def main() -> None:
    """Measure, and print a table."""
    ours, peer = extension("rust_futures", "tests/extension"), extension("tokio_futures", "benches/extension-peer")
    subjects = {
        "ioxide-pyo3": (ours, ioxide.new_event_loop),
        "tokio, on ioxide's loop": (peer, ioxide.new_event_loop),
        "tokio, on asyncio's loop": (peer, asyncio.SelectorEventLoop),
    }
    for use in USES:
        rounds: dict[str, list[float]] = {name: [] for name in subjects}
        for _ in range(ROUNDS):
            for name, (module, factory) in subjects.items():
                rounds[name].append(measure(module, factory, use))
        own = statistics.median(rounds["ioxide-pyo3"])
        for name, figures in rounds.items():
            median = statistics.median(figures)
            print(f"{use:8} {name:26} {median:8.2f} µs  {median / own:6.1f} times")


if __name__ == "__main__":
    main()
