"""A file that arrives piece by piece: under a temporary name until it is whole, and kept to be completed when it isn't.

What arrives for NAME goes into .NAME.part, and .NAME.json tells which version of the file these bytes are of. The
temporary file is renamed when it is whole, so whatever bears the name has all its bytes. A program that was killed, at
whichever moment, goes on with those that it finds when it runs again.

File operations block, some for long, so they run in threads. A task that is cancelled meanwhile first waits for the
thread: otherwise the file could be closed while the thread still writes to it.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import TypeVar

Result = TypeVar("Result")

# What is hashed in one go: little enough for Ctrl-C to be heeded soon.
BLOCK = 8 * 1024 * 1024


class FileError(Exception):
    """A file that can't be written: its message is the cause."""


@dataclass(frozen=True)
class Version:
    """What tells one version of a file from another, as far as the server has told it."""

    url: str
    etag: str | None
    modified: str | None
    length: int | None

    def continues(self, other: Version) -> bool:
        """Tell whether both are one version: what is known of both is equal, and an ETag or a length is among it."""
        pairs = {
            "etag": (self.etag, other.etag),
            "modified": (self.modified, other.modified),
            "length": (self.length, other.length),
        }
        equal = {what: ours == theirs for what, (ours, theirs) in pairs.items() if None not in (ours, theirs)}
        return self.url == other.url and ("etag" in equal or "length" in equal) and all(equal.values())

    @property
    def is_known(self) -> bool:
        """Tell whether there is anything to know it by."""
        return self.etag is not None or self.length is not None


class PartialFile:
    """One file on its way into a directory: opened by `async with`, and then nobody else's to write.

    `size` says how much of it has arrived, `version` of which version. A former run's part is there from the start.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / name
        self.size = 0
        self.version: Version | None = None
        self._part = directory / f".{name}.part"
        self._about = directory / f".{name}.json"
        self._file: FileIO | None = None

    async def __aenter__(self) -> PartialFile:
        try:
            await in_thread(self._open)
        except BaseException:
            with suppress(FileError):
                await in_thread(self._close)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await in_thread(self._close)
        except FileError:
            # It mustn't take the place of what ended the block, least of all of a cancellation.
            if error is None:
                raise

    @property
    def is_whole(self) -> bool:
        """Tell whether as many bytes are there as the version is known to have."""
        return self.version is not None and self.size == self.version.length

    async def start(self, version: Version | None) -> None:
        """Begin anew, with the bytes of this version to come."""
        await in_thread(self._start, version)

    async def write(self, data: bytes) -> None:
        """Append bytes; the file has them when this returns."""
        await in_thread(self._write, data)

    async def finish(self) -> None:
        """Give the file its name."""
        await in_thread(self._finish)

    async def sha256(self) -> str:
        """Compute the checksum of what has arrived."""
        return await sha256_of(self._part)

    def _open(self) -> None:
        while self._file is None:
            # Appending, with no buffer of Python's between: what has been counted outlives the process.
            file = self._part.open("ab", buffering=0)
            try:
                # The kernel releases the lock when the process ends, however it ends.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Who had the lock just before may have renamed or removed the file that we have opened.
                if names(self._part, file):
                    self._file = file
            except BlockingIOError:
                raise FileError("another program is writing it") from None
            finally:
                if self._file is None:
                    file.close()
        self.size = os.fstat(self._file.fileno()).st_size
        self.version = read_version(self._about)
        if self.size and self.version is None:
            self._start(None)  # nobody knows what these bytes are

    def _start(self, version: Version | None) -> None:
        assert self._file is not None
        # In this order the version never describes the bytes of another one, whenever the program is killed.
        self._about.unlink(missing_ok=True)
        self._file.truncate(0)
        self.size = 0
        self.version = version
        if version is not None:
            self._about.write_text(json.dumps(asdict(version)), encoding="utf-8")

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            self.size += written
            rest = rest[written:]

    def _finish(self) -> None:
        assert self._file is not None
        # Without this a power failure could leave the name and lose the bytes.
        os.fsync(self._file.fileno())
        self._part.replace(self.path)
        self._about.unlink(missing_ok=True)
        self._file.close()
        self._file = None

    def _close(self) -> None:
        """Let go of the file, and remove what can't be completed later."""
        if self._file is None:
            return
        try:
            if self.size == 0 or self.version is None or not self.version.is_known:
                self._about.unlink(missing_ok=True)
                self._part.unlink(missing_ok=True)
        finally:
            self._file.close()
            self._file = None


async def sha256_of(path: Path) -> str:
    """Compute a file's checksum, as the command sha256sum does."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := await in_thread(file.read, BLOCK):
                await in_thread(digest.update, block)
    except OSError as error:
        raise FileError(error.strerror) from error
    return digest.hexdigest()


async def in_thread(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a blocking function in a thread, and don't leave before it has returned, not even when cancelled."""
    call = asyncio.get_running_loop().run_in_executor(None, function, *arguments)
    try:
        await asyncio.wait([call])  # which, cancelled, leaves alone what it waits for
    except asyncio.CancelledError:
        while not call.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([call])
        call.exception()  # nobody will ask for it
        raise
    try:
        return call.result()
    except OSError as error:
        raise FileError(error.strerror) from error


def names(path: Path, file: FileIO) -> bool:
    """Tell whether this is the path of an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def read_version(path: Path) -> Version | None:
    """Read what a former run has noted; None when it hasn't, or was killed as it did."""
    try:
        return Version(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
