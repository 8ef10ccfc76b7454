"""The file that the link extractor appends to: pages don't mix in it, and nothing that was appended is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import link_extractor
import pytest
from command_line import ProgramError

Run = Callable[[Coroutine[Any, Any, None]], None]


def test_appended_pages_do_not_mix(run: Run, tmp_path: Path) -> None:
    pages = {f"page-{number}": [f"link-{number}-{part}" * 50 for part in range(20)] for number in range(100)}

    async def append_all() -> None:
        async with link_extractor.LinkFile(tmp_path / "links") as link_file, asyncio.TaskGroup() as group:
            for page, links in pages.items():
                group.create_task(link_file.append(page, links))

    run(append_all())
    lines = (tmp_path / "links").read_text().splitlines()
    assert lines == [f"{page}\t{link}" for page, links in pages.items() for link in links]


def test_what_was_appended_is_in_the_file_at_once(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "links"

    async def append() -> None:
        async with link_extractor.LinkFile(path) as link_file:
            await link_file.append("page", ["link"])
            assert path.read_text() == "page\tlink\n"

    run(append())


def test_a_cancelled_append_still_writes_its_lines(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "links"

    async def cancel_all() -> None:
        async with link_extractor.LinkFile(path) as link_file:
            tasks = [asyncio.create_task(link_file.append(f"page-{number}", ["link"])) for number in range(3)]
            # One turn: all have begun, and the later ones wait for the first.
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            assert all(
                isinstance(result, asyncio.CancelledError)
                for result in await asyncio.gather(*tasks, return_exceptions=True)
            )

    run(cancel_all())
    assert path.read_text() == "page-0\tlink\npage-1\tlink\npage-2\tlink\n"


def test_an_append_to_a_full_disk_fails(run: Run) -> None:
    async def append() -> None:
        async with link_extractor.LinkFile(Path("/dev/full")) as link_file:
            await link_file.append("page", ["link"])

    with pytest.raises(ProgramError, match="cannot write /dev/full: No space left on device") as raised:
        run(append())
    assert raised.value.exit_code == 1


def test_a_cancelled_append_to_a_full_disk_still_fails_the_file(run: Run) -> None:
    async def cancel() -> None:
        async with link_extractor.LinkFile(Path("/dev/full")) as link_file:
            task = asyncio.create_task(link_file.append("page", ["link"]))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with pytest.raises(ProgramError, match="cannot write /dev/full: No space left on device"):
        run(cancel())


def test_a_link_that_utf_8_has_no_bytes_for_is_written_escaped(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "links"

    async def append() -> None:
        async with link_extractor.LinkFile(path) as link_file:
            await link_file.append("page", ["\ud800", "é"])

    run(append())
    assert path.read_text(encoding="utf-8") == "page\t\\ud800\npage\té\n"
