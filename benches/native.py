"""The native programs of `benches/load`: the load generator, and the plain epoll server that is the floor."""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Iterable

from benches import processes
from benches.rows import OTHER_CORE, WrongResult

PATIENCE = 180.0
"""Seconds beyond the asked ones that opening connections and the last messages may take: 10,000 times TLS is slow."""


@functools.cache
def programs() -> dict[str, str]:
    """Build both programs, unless they are up to date, and return their paths by name."""
    command = ["cargo", "build", "--release", "--quiet", "--package", "ioxide-load", "--message-format", "json"]
    built = subprocess.run(command, cwd=processes.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return {
        message["target"]["name"]: message["executable"]
        for message in messages
        if message["reason"] == "compiler-artifact" and message["executable"]
    }


def floor(core: int, arguments: Iterable[str]) -> list[str]:
    """Return the command that runs the plain server on that core."""
    return processes.pinned(core, programs()["floor"], *arguments)


def load(arguments: Iterable[str], seconds: float, core: int = OTHER_CORE) -> dict[str, float]:
    """Run the load generator and return what it saw.

    It fails when a message was lost or came back wrong, or a connection broke.
    """
    warm_up = min(0.3, seconds / 3)
    times = ["--warm-up", str(warm_up), "--duration", str(seconds)]
    command = processes.pinned(core, programs()["load"], *times, *arguments)
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise WrongResult(f"not done {PATIENCE:.0f} s after its time") from None
    if run.returncode != 0:
        raise WrongResult(run.stderr.strip() or f"the load generator ended with status {run.returncode}")
    seen: dict[str, float] = json.loads(run.stdout)
    return seen
