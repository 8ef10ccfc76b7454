"""Fresh processes, each pinned to a core, and what they cost: CPU time and memory, read from /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuTime:
    """Seconds of CPU that a process has used so far."""

    user: float
    system: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.user + self.system

    def __sub__(self, earlier: CpuTime) -> CpuTime:
        """Return what was used since then."""
        return CpuTime(self.user - earlier.user, self.system - earlier.system)

    def per_operation(self, operations: int) -> dict[str, float]:
        """Return the details of a sample: microseconds for each of that many operations."""
        scale = 1e6 / operations
        return {"cpu_us": self.total * scale, "user_us": self.user * scale, "system_us": self.system * scale}


def pinned(core: int, *command: str) -> list[str]:
    """Return the command that runs `command` on that core. A machine with one core has everything on it."""
    allowed = sorted(os.sched_getaffinity(0))
    return ["taskset", "--cpu-list", str(allowed[core % len(allowed)]), *command]


def python(core: int, module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of the benchmarks in a fresh interpreter on that core.

    It has to be started in `ROOT`, with `environment()`.
    """
    return pinned(core, sys.executable, "-m", module, *arguments)


def environment() -> dict[str, str]:
    """Return the environment of a measured process: nothing of ours that would slow a loop or change its order."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONHASHSEED": "0"}


def start(command: list[str]) -> subprocess.Popen[str]:
    """Start a process that talks by its standard output; what it says of errors comes through."""
    return subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)


def cpu_time(process: int) -> CpuTime:
    """Read how much CPU a process with all its threads has used, to the tick (usually 10 ms)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return CpuTime(int(fields[11]) / CLOCK_TICKS, int(fields[12]) / CLOCK_TICKS)


def resident_memory(process: int | str = "self") -> int:
    """Read how many bytes of memory a process has in use."""
    return _status(process, "VmRSS")


def peak_memory(process: int | str = "self") -> int:
    """Read the most that a process ever had in use, in bytes."""
    return _status(process, "VmHWM")


def _status(process: int | str, name: str) -> int:
    with open(f"/proc/{process}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(f"{name}:"))
