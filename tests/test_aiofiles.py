"""aiofiles on the loop: it runs each call on a file in the loop's default executor."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiofiles
import aiofiles.os
import aiofiles.tempfile
import pytest

Run = Callable[[Awaitable[Any]], Any]


def test_what_was_written_can_be_read(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with aiofiles.open(tmp_path / "file", "w", encoding="utf-8") as file:
            assert await file.write("grüße\n") == 6
            await file.writelines(["two\n", "three"])
        assert (tmp_path / "file").read_text(encoding="utf-8") == "grüße\ntwo\nthree"
        async with aiofiles.open(tmp_path / "file", encoding="utf-8") as file:
            assert await file.read() == "grüße\ntwo\nthree"

    run(main())


def test_lines_are_iterated(run: Run, tmp_path: Path) -> None:
    lines = [f"line {number}\n" for number in range(500)]
    (tmp_path / "file").write_text("".join(lines))

    async def main() -> None:
        async with aiofiles.open(tmp_path / "file") as file:
            assert await file.readline() == lines[0]
            assert [line async for line in file] == lines[1:]

    run(main())


def test_a_file_is_read_and_written_in_places(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")

    async def main() -> None:
        async with aiofiles.open(tmp_path / "file", "r+b") as file:
            await file.seek(4)
            assert await file.read(2) == b"45"
            assert await file.tell() == 6
            await file.write(b"six")
            await file.truncate(9)
            await file.flush()
        assert (tmp_path / "file").read_bytes() == b"012345six"

    run(main())


def test_large_files_are_copied_at_once(run: Run, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096

    async def copy(source: Path, target: Path) -> None:
        async with aiofiles.open(source, "rb") as reading, aiofiles.open(target, "wb") as writing:
            while chunk := await reading.read(1 << 16):
                await writing.write(chunk)

    async def main() -> None:
        (tmp_path / "source").write_bytes(data)
        targets = [tmp_path / f"target {number}" for number in range(8)]
        await asyncio.gather(*(copy(tmp_path / "source", target) for target in targets))
        assert all(target.read_bytes() == data for target in targets)

    run(main())


def test_a_missing_file_raises_in_the_coroutine(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            async with aiofiles.open(tmp_path / "missing"):
                pass

    run(main())


def test_the_loop_runs_on_while_a_call_blocks(run: Run) -> None:
    entered, released = threading.Event(), threading.Event()

    def block() -> str:
        entered.set()
        released.wait()
        return threading.current_thread().name

    async def main() -> None:
        blocked = asyncio.ensure_future(aiofiles.os.wrap(block)())
        while not entered.is_set():
            await asyncio.sleep(0)
        assert not blocked.done()
        released.set()
        assert await blocked != threading.current_thread().name

    run(main())


def test_the_calls_of_os_are_wrapped(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        await aiofiles.os.makedirs(tmp_path / "a" / "b")
        async with aiofiles.open(tmp_path / "a" / "file", "w") as file:
            await file.write("four")
        assert sorted(await aiofiles.os.listdir(tmp_path / "a")) == ["b", "file"]
        assert (await aiofiles.os.stat(tmp_path / "a" / "file")).st_size == 4
        await aiofiles.os.rename(tmp_path / "a" / "file", tmp_path / "moved")
        assert not await aiofiles.os.path.exists(tmp_path / "a" / "file")
        await aiofiles.os.remove(tmp_path / "moved")

    run(main())


def test_a_temporary_file_is_gone_in_the_end(run: Run) -> None:
    async def main() -> Path:
        async with aiofiles.tempfile.NamedTemporaryFile("w+") as file:
            await file.write("for now")
            await file.seek(0)
            assert await file.read() == "for now"
            path = Path(str(file.name))
            assert path.exists()
        return path

    assert not run(main()).exists()
