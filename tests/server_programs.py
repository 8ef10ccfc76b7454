"""PostgreSQL and Redis as processes of the tests' own, on loopback and in a directory that is gone in the end.

A test file wraps one of these in a session's fixture. Where a program isn't installed its tests are skipped and name
the package; where tests have to be complete (`IOXIDE_REQUIRE_SERVERS` is set) they fail.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from recording_protocol import authority

HOST = "127.0.0.1"

# PostgreSQL's programs are not on the path in Debian: there may be several versions.
POSTGRESQL_DIRECTORIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


@dataclass(frozen=True)
class PostgreSQL:
    """A cluster with one user and one database, both `postgres`, which asks for no password."""

    directory: Path
    port: int


@dataclass(frozen=True)
class Redis:
    """A server that listens on a port, with TLS on another, and on a Unix socket."""

    port: int
    tls_port: int
    path: Path


def find_program(name: str, package: str, directories: list[Path] | None = None) -> str:
    """Find the program `name`, or end the test with the name of the Debian package that has it."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, reversed(directories or []))])
    found = shutil.which(name, path=path)
    if found is not None:
        return found
    missing = f"{name} is not installed: apt-get install {package}"
    if os.environ.get("IOXIDE_REQUIRE_SERVERS"):
        pytest.fail(missing)
    pytest.skip(missing)


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Keep a port from everybody but the server that is told of it, until it listens.

    The kernel lets two sockets bind the same port where both set SO_REUSEADDR and neither listens, and gives a port
    that is bound to nobody who asks for any.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


def write_certificate(directory: Path) -> tuple[Path, Path]:
    """Write a certificate for this machine, which the clients of `tls_contexts` trust: `(certificate, key)`."""
    issued = authority().issue_cert("localhost", HOST)
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    key.chmod(0o600)
    return certificate, key


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make a directory whose path is short enough for a Unix socket, and which pytest doesn't close to other users."""
    with tempfile.TemporaryDirectory(prefix="ioxide-") as name:
        yield Path(name)


def other_user() -> dict[str, Any]:
    """Say to subprocess who is to run PostgreSQL, which refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """Make a cluster and run it, with TLS for those who want it."""
    initdb = find_program("initdb", "postgresql", POSTGRESQL_DIRECTORIES)
    pg_ctl = find_program("pg_ctl", "postgresql", POSTGRESQL_DIRECTORIES)
    user = other_user()
    with scratch_directory() as directory:
        write_certificate(directory)
        if user:
            for path in (directory, *directory.iterdir()):
                os.chown(path, user["user"], user["group"])

        def call(*command: str) -> None:
            # The server inherits the output, so that a pipe would have no end.
            with (directory / "output").open("ab") as output:
                status = subprocess.call(
                    command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **user
                )
            if status:
                pytest.fail(f"{command[0]}: {(directory / 'output').read_text()}")

        data = str(directory / "data")
        call(initdb, "--pgdata", data, "--username", "postgres", "--auth", "trust", "--no-sync", "--encoding", "UTF8")
        with reserved_port() as port:
            settings = {
                "listen_addresses": HOST,
                "port": port,
                "unix_socket_directories": directory,
                "fsync": "off",
                "ssl": "on",
                "ssl_cert_file": directory / "certificate.pem",
                "ssl_key_file": directory / "key.pem",
            }
            options = " ".join(f"-c {name}={value}" for name, value in settings.items())
            call(pg_ctl, "start", "--wait", "--pgdata", data, "--options", options)
        try:
            yield PostgreSQL(directory, port)
        finally:
            call(pg_ctl, "stop", "--wait", "--pgdata", data, "--mode", "immediate")


@contextlib.contextmanager
def running_redis() -> Iterator[Redis]:
    """Run a server that keeps nothing."""
    program = find_program("redis-server", "redis-server")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(scratch_directory())
        certificate, key = write_certificate(directory)
        with reserved_port() as port, reserved_port() as tls_port:
            settings = {
                "bind": HOST,
                "port": port,
                "tls-port": tls_port,
                "tls-cert-file": certificate,
                "tls-key-file": key,
                "tls-auth-clients": "no",
                "unixsocket": directory / "redis",
                "dir": directory,
                "save": "",
                "loglevel": "notice",
            }
            options = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
            server = stack.enter_context(
                subprocess.Popen([program, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            )
            stack.callback(server.terminate)
            assert server.stdout is not None
            said = []
            for line in server.stdout:
                said.append(line)
                if "Ready to accept connections" in line:
                    break
            else:
                pytest.fail(f"{program}: {''.join(said)}")
        yield Redis(port, tls_port, directory / "redis")
