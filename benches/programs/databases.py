"""Databases: round trips to a PostgreSQL and to a Redis that run for the measurement alone.

Where one isn't installed its rows say so, and name the Debian package.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benches import processes
from benches.client_work import client_measurement, require
from benches.rows import OTHER_CORE, Row, Sample, Unsupported, WrongResult

HOST = "127.0.0.1"


def program(name: str, package: str) -> str:
    """Find a program. Debian keeps PostgreSQL's out of the path, for there may be several versions."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, versions)]))
    if found is None:
        raise Unsupported(f"{name} isn't installed: apt-get install {package}")
    return found


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Keep a port from everybody but the server that is told of it.

    Both may bind it, since neither listens yet, and the kernel gives it to nobody who asks for any.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


def other_user() -> dict[str, Any]:
    """Say to subprocess who is to run PostgreSQL, which refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def call(directory: Path, *command: str) -> None:
    """Run one of PostgreSQL's programs."""
    # The server inherits the output, so that a pipe would have no end.
    with (directory / "output").open("ab") as output:
        status = subprocess.call(
            processes.pinned(OTHER_CORE, *command),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **other_user(),
        )
    if status:
        raise WrongResult(f"{command[0]}: {(directory / 'output').read_text()}")


@functools.cache
def cluster() -> Path:
    """Make PostgreSQL's files, once for this run."""
    initdb = program("initdb", "postgresql")
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    if user := other_user():
        os.chown(directory, user["user"], user["group"])
    options = ["--username", "postgres", "--auth", "trust", "--no-sync", "--encoding", "UTF8"]
    call(directory, initdb, "--pgdata", str(directory / "data"), *options)
    return directory


@contextlib.contextmanager
def running_postgresql() -> Iterator[int]:
    """Run PostgreSQL, and give its port."""
    pg_ctl = program("pg_ctl", "postgresql")
    directory = cluster()
    data = str(directory / "data")
    with reserved_port() as port:
        settings = {"listen_addresses": HOST, "port": port, "unix_socket_directories": directory, "fsync": "off"}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        call(directory, pg_ctl, "start", "--wait", "--pgdata", data, "--options", options)
    try:
        yield port
    finally:
        call(directory, pg_ctl, "stop", "--wait", "--pgdata", data, "--mode", "immediate")


@contextlib.contextmanager
def running_redis() -> Iterator[int]:
    """Run a Redis that keeps nothing, and give its port."""
    server = program("redis-server", "redis-server")
    with reserved_port() as port:
        command = [server, "--bind", HOST, "--port", str(port), "--save", "", "--loglevel", "notice"]
        with processes.start(processes.pinned(OTHER_CORE, *command)) as process:
            try:
                assert process.stdout is not None
                if not any("Ready to accept connections" in line for line in iter(process.stdout.readline, "")):
                    raise WrongResult(f"{server} didn't start")
                yield port
            finally:
                process.kill()


def row(name: str, module: str, library: str, server: Callable[[], AbstractContextManager[int]], at_once: int) -> Row:
    """Return a row of round trips."""

    def measure(loop: str, seconds: float) -> Sample:
        require(library)
        with server() as port:
            return client_measurement(module, str(port), at_once=at_once)(loop, seconds)

    return Row("programs", f"{name} x {at_once}", "requests/s", higher_is_better=True, measure=measure)


ROWS = [
    row(name, module, library, server, at_once)
    for name, module, library, server in (
        ("asyncpg round trips", "asyncpg_queries", "asyncpg", running_postgresql),
        ("redis-py round trips", "redis_commands", "redis", running_redis),
    )
    for at_once in (1, 10)
]
