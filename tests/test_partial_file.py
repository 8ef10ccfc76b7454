"""The files that the downloader of the examples writes to: locked, named when whole, removed when of no use."""

from __future__ import annotations

import asyncio
import fcntl
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from partial_file import FileError, PartialFile, Version, in_thread, sha256_of

Run = Callable[[Coroutine[Any, Any, None]], None]

URL = "http://127.0.0.1/file"
KNOWN = Version(URL, '"1"', None, 4)
UNKNOWN = Version(URL, None, "Sat, 01 Jan 2000 00:00:00 GMT", None)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_file_has_its_name_only_when_it_is_whole(run: Run, tmp_path: Path) -> None:
    async def write() -> None:
        async with PartialFile(tmp_path, "file") as file:
            await file.start(KNOWN)
            await file.write(b"ab")
            assert contents(tmp_path).keys() == {".file.part", ".file.json"}
            assert not file.is_whole
            await file.write(b"cd")
            assert file.is_whole
            assert not file.path.exists()
            await file.finish()
            assert contents(tmp_path) == {"file": b"abcd"}

    run(write())
    assert contents(tmp_path) == {"file": b"abcd"}


def test_what_can_be_continued_is_kept(run: Run, tmp_path: Path) -> None:
    async def write(data: bytes) -> None:
        async with PartialFile(tmp_path, "file") as file:
            if file.version is None:
                await file.start(KNOWN)
            await file.write(data)

    async def look() -> None:
        async with PartialFile(tmp_path, "file") as file:
            assert (file.size, file.version, file.is_whole) == (4, KNOWN, True)
            assert await file.sha256() == await sha256_of(tmp_path / "whole")

    (tmp_path / "whole").write_bytes(b"abcd")
    run(write(b"ab"))
    run(write(b"cd"))
    run(look())


@pytest.mark.parametrize("version", [None, UNKNOWN])
def test_what_cannot_be_continued_is_removed(run: Run, tmp_path: Path, version: Version | None) -> None:
    async def write() -> None:
        async with PartialFile(tmp_path, "file") as file:
            await file.start(version)
            await file.write(b"ab")

    run(write())
    assert contents(tmp_path) == {}


def test_a_file_has_one_writer_at_a_time(run: Run, tmp_path: Path) -> None:
    async def write() -> None:
        async with PartialFile(tmp_path, "file") as file:
            await file.start(KNOWN)
            await file.write(b"ab")
            with pytest.raises(FileError, match="another program is writing it"):
                async with PartialFile(tmp_path, "file"):
                    pass
            assert contents(tmp_path)[".file.part"] == b"ab"
        async with PartialFile(tmp_path, "file") as file:
            assert file.size == 2

    run(write())


def test_a_file_that_was_renamed_before_it_was_locked_is_not_written_to(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def lock_late(file: Any, operation: int) -> None:
        # As if another program, which had the lock until now, had finished the file meanwhile.
        with suppress(FileNotFoundError):
            if not (tmp_path / "file").exists():
                (tmp_path / ".file.part").rename(tmp_path / "file")
        lock(file, operation)

    async def write() -> None:
        async with PartialFile(tmp_path, "file") as file:
            assert file.size == 0
            await file.start(KNOWN)
            await file.write(b"new")
            assert file.path.read_bytes() == b"done"

    (tmp_path / ".file.part").write_bytes(b"done")
    monkeypatch.setattr(fcntl, "flock", lock_late)
    run(write())


def test_a_file_that_cannot_be_opened_is_an_error_with_its_cause(run: Run, tmp_path: Path) -> None:
    async def write() -> None:
        with pytest.raises(FileError, match=r"^No such file or directory$"):
            async with PartialFile(tmp_path / "missing", "file"):
                pass

    run(write())


def test_trouble_at_the_end_does_not_hide_a_cancellation(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(5, "Input/output error")

    async def write(error: BaseException | None) -> None:
        async with PartialFile(tmp_path, "file") as file:
            assert file.size == 0
            monkeypatch.setattr(Path, "unlink", refuse)
            if error is not None:
                raise error

    async def cancelled() -> None:
        with pytest.raises(asyncio.CancelledError):
            await write(asyncio.CancelledError())
        monkeypatch.undo()
        with pytest.raises(FileError, match=r"^Input/output error$"):
            await write(None)

    run(cancelled())


def test_a_cancelled_call_is_waited_for_however_often_it_is_cancelled(run: Run) -> None:
    began, may_return = threading.Event(), threading.Event()
    returned: list[str] = []

    def work() -> None:
        began.set()
        may_return.wait()
        returned.append("returned")
        raise OSError(28, "No space left on device")

    async def cancel() -> None:
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(began.wait)
        for _ in range(3):
            task.cancel("enough")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not task.done()
        may_return.set()
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await task
        assert returned == ["returned"]

    run(cancel())


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (Version(URL, '"1"', None, 4), Version(URL, '"1"', None, 4), True),
        (Version(URL, '"1"', None, 4), Version(URL, '"2"', None, 4), False),
        (Version(URL, '"1"', None, 4), Version(URL, '"1"', None, 5), False),
        (Version(URL, '"1"', None, 4), Version(URL, None, None, 4), True),
        (Version(URL, '"1"', None, None), Version(URL, None, None, 4), False),
        (Version(URL, None, "then", 4), Version(URL, None, "now", 4), False),
        (Version(URL, None, "then", 4), Version(URL, None, "then", 4), True),
        (Version(URL, None, "then", None), Version(URL, None, "then", None), False),
        (Version(URL, '"1"', None, 4), Version("http://127.0.0.1/other", '"1"', None, 4), False),
    ],
)
def test_two_versions_are_one_if_all_is_equal_that_both_tell(ours: Version, theirs: Version, same: bool) -> None:
    assert ours.continues(theirs) is same
    assert theirs.continues(ours) is same
