"""A directory of this run: a certificate for `localhost` with its key, and room for Unix sockets."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import trustme


@functools.cache
def directory() -> Path:
    """Make the directory with `certificate.pem` and `key.pem`; it is gone when this process ends."""
    # Short, for the path of a Unix socket has little room.
    path = Path(tempfile.mkdtemp(prefix="bench-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    issued = trustme.CA().issue_cert("localhost", "127.0.0.1")
    (path / "certificate.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    (path / "key.pem").write_bytes(issued.private_key_pem.bytes())
    return path
