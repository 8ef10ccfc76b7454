"""Where a run took place: whatever a reader needs to know before comparing figures."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from benches.processes import ROOT


def describe() -> dict[str, Any]:
    """Describe the machine, the kernel, the interpreter, and every distribution that is installed."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "cpu": field_of(Path("/proc/cpuinfo"), "model name"),
        "cores": os.cpu_count(),
        "memory": field_of(Path("/proc/meminfo"), "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "python_build": f"{platform.python_implementation()} {sys.version}",
        "distributions": dict(sorted((found.name, found.version) for found in metadata.distributions())),
    }


def field_of(path: Path, name: str) -> str | None:
    """Return the first field of that name in a file of /proc."""
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def commit() -> str | None:
    """Name the commit that is checked out, and whether anything differs from it. `None` where git can't tell."""
    if shutil.which("git") is None:
        return None
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or None
