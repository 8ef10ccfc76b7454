"""Servers under load: a fresh process on the measured core, the load generator on the other, and the floor likewise."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from benches import native, processes
from benches.certificate import directory
from benches.rows import MEASURED_CORE, OTHER_CORE, Sample, Unsupported, WrongResult

SPARE_DESCRIPTORS = 200
"""What a process has open besides its connections."""


@dataclass(frozen=True)
class Traffic:
    """What the load generator does: see `load --help`."""

    protocol: Literal["tcp", "tls", "udp", "unix"] = "tcp"
    mode: Literal["echo", "accept", "up", "down", "http"] = "echo"
    size: int = 64
    connections: int = 1
    busy: int | None = None
    in_flight: int = 1
    path: str = "/"

    def arguments(self) -> list[str]:
        """Return the load generator's command line, without the address."""
        options: dict[str, object] = {
            "--protocol": self.protocol,
            "--mode": self.mode,
            "--size": self.size,
            "--connections": self.connections,
            "--busy": self.connections if self.busy is None else self.busy,
            "--in-flight": self.in_flight,
            "--path": self.path,
        }
        return [word for name, value in options.items() for word in (name, str(value))]


def server_measurement(traffic: Traffic, module: str, mode: str) -> Callable[[str, float], Sample]:
    """Return what measures a module of `benches.servers` that is asked for that mode."""

    def measure(loop: str, seconds: float) -> Sample:
        words = [f"benches.servers.{module}", loop, traffic.protocol, mode, str(directory())]
        command = processes.python(MEASURED_CORE, *words)
        with running(command) as (process, said):
            return measured(process, address_of(said), traffic, seconds)

    return measure


def floor_measurement(traffic: Traffic, *arguments: str) -> Callable[[float], Sample]:
    """Return what measures the plain server in the same way; the arguments are beyond protocol and mode."""

    def measure(seconds: float) -> Sample:
        with running_floor(MEASURED_CORE, traffic, *arguments) as (process, addresses):
            return measured(process, addresses[0], traffic, seconds)

    return measure


def native_client(traffic: Traffic, *arguments: str) -> Callable[[float], Sample]:
    """Return what measures the load generator itself, as the client without a loop, on the measured core."""

    def measure(seconds: float) -> Sample:
        with running_floor(OTHER_CORE, traffic, *arguments) as (_, addresses):
            seen = native.load([*traffic.arguments(), addresses[0]], seconds, core=MEASURED_CORE)
        details = {name: value for name, value in seen.items() if name.endswith("_us")}
        details["cpu_us"] = seen["load_cpu"] * seen["seconds"] / seen["requests"] * 1e6
        return Sample(seen["requests_per_second"], details)

    return measure


@contextlib.contextmanager
def running_floor(
    core: int, traffic: Traffic, *arguments: str, listeners: int = 1
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run the plain server, and say where it listens."""
    mode = "echo" if traffic.mode == "accept" else traffic.mode
    words = ["--protocol", traffic.protocol, "--mode", mode, "--listeners", str(listeners), *arguments]
    if traffic.protocol == "tls":
        words += ["--certificate", str(directory() / "certificate.pem"), "--key", str(directory() / "key.pem")]
    if traffic.protocol == "unix":
        path = directory() / "floor"
        path.unlink(missing_ok=True)
        words.append(str(path))
    with running(native.floor(core, words)) as (process, first):
        assert process.stdout is not None
        yield process, [first, *(process.stdout.readline().strip() for _ in range(listeners - 1))]


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server, and give its first line, by which it is known to be ready. It has to outlive what is done to it.

    What it says of errors is kept from the terminal, where thousands of connections would say the same. If the server
    fails, its last words are part of the failure.
    """
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, cwd=processes.ROOT, env=processes.environment(), stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline().strip()
            if not said:
                raise WrongResult(f"the server didn't start: status {process.wait()}")
            yield process, said
            if process.poll() is not None:
                raise WrongResult(f"the server ended: status {process.returncode}")
        except WrongResult as failure:
            errors.seek(0)
            last = errors.read().strip().rpartition("\n")[2]
            raise WrongResult(f"{failure}; it said: {last}" if last else str(failure)) from None
        finally:
            process.kill()


def address_of(said: str) -> str:
    """Read what a server of `benches.servers` says: where it listens, or why it can't."""
    message = json.loads(said)
    if "unsupported" in message:
        raise Unsupported(message["unsupported"])
    address: str = message["address"]
    return address


def measured(process: subprocess.Popen[str], address: str, traffic: Traffic, seconds: float) -> Sample:
    """Let the load generator loose on a server that is ready."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit != resource.RLIM_INFINITY and traffic.connections + SPARE_DESCRIPTORS > limit:
        raise Unsupported(f"only {limit} descriptors are allowed here (ulimit -Hn)")
    seen = native.load([*traffic.arguments(), "--process", str(process.pid), address], seconds)
    if not seen["requests"]:
        raise WrongResult("nothing was answered within the measured time")
    used = processes.CpuTime(seen["server_user_seconds"], seen["server_system_seconds"])
    latencies = {name: value for name, value in seen.items() if name.endswith("_us")}
    details = used.per_operation(round(seen["requests"])) | latencies
    details |= {"peak_memory": seen["server_peak_memory"], "load_cpu": seen["load_cpu"]}
    if len(os.sched_getaffinity(0)) == 1:
        # The figure then tells as much of the load generator as of the server.
        details["shares_core"] = 1.0
    is_bulk = traffic.mode in ("up", "down")
    return Sample(seen["mebibytes_per_second" if is_bulk else "requests_per_second"], details)
