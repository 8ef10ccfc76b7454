"""The downloader of the examples, interrupted and killed at random moments: nothing that was complete is lost."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from background_sites import in_background
from command_line import INTERRUPTED
from demo_files import DemoFiles, File, well_served_files
from downloader_process import QUICKLY, Download, download, forget_requests, left_by, url_list
from program_process import LOOPS, PATIENCE, Program, Running

MOMENTS = 10
FILES = well_served_files()


@pytest.fixture(scope="module")
def site() -> Iterator[DemoFiles]:
    with in_background(DemoFiles()) as serving:
        yield serving


def part_of(directory: Path, file: File) -> bytes:
    """Tell what of a file has arrived and can be continued."""
    part, note = (directory / f".{file.name}.{kind}" for kind in ("part", "json"))
    if not (part.is_file() and note.is_file()):
        return b""
    try:
        json.loads(note.read_text())
    except ValueError:
        return b""  # killed as it wrote this
    return part.read_bytes()


def whole_files(directory: Path) -> set[str]:
    """Check what is there, and tell which files are."""
    for file in FILES:
        path = directory / file.name
        assert not path.exists() or path.read_bytes() == file.final_version
        assert file.final_version.startswith(part_of(directory, file))
    return {file.name for file in FILES if (directory / file.name).exists()}


def stopped_after(sent: int, number: signal.Signals, program: Program, site: DemoFiles, source: Path) -> Download:
    """Run the downloader, and send it a signal when the site has sent so many bytes, of which no more come then."""
    started: Future[Running] = Future()
    left = sent

    async def stop_process(size: int) -> None:
        nonlocal left
        left -= size
        if left < 0:
            if left + size >= 0:
                started.result(PATIENCE).send_signal(number)
            await asyncio.Event().wait()  # until the client has gone

    forget_requests(site)
    site.before_piece = stop_process
    try:
        with program.started(source, "files", *QUICKLY, "--concurrency", "4") as process:
            started.set_result(process)
            finished = process.finish()
    finally:
        site.before_piece = None
    return left_by(program, site, finished)


@pytest.mark.parametrize("loop_name", LOOPS)
def test_stopped_at_random_moments_it_keeps_what_it_has_and_finishes(
    site: DemoFiles, tmp_path: Path, loop_name: str
) -> None:
    chance = random.Random(loop_name)
    program = Program("downloader", loop_name, tmp_path, development_mode=True)
    source = url_list(tmp_path, *map(site.url_of, FILES))
    files = tmp_path / "files"
    before: set[str] = set()
    for number in chance.sample([signal.SIGINT, signal.SIGKILL] * (MOMENTS // 2), MOMENTS):
        parts = {file.path: len(part_of(files, file)) for file in FILES if file.name not in before}
        missing = sum(file.size - parts.get(file.path, file.size) for file in FILES)
        stopped = stopped_after(chance.randrange(missing // 3), number, program, site, source)

        if number == signal.SIGINT:
            assert stopped.finished.exit_code == INTERRUPTED
            assert stopped.finished.messages == ["downloader: interrupted"]
            assert " downloaded, " in stopped.finished.stdout
        else:
            assert stopped.finished.exit_code == -number
        whole = whole_files(files)
        assert whole >= before
        # What was whole isn't asked for again, and of the others only what was missing.
        assert stopped.requests.keys() <= parts.keys()
        assert {path: starts for path, starts in stopped.starts.items() if starts != [parts[path]]} == {}
        before = whole

    done = download(program, site, source)
    assert (done.finished.exit_code, done.finished.messages) == (0, [])
    assert {path.name: path.read_bytes() for path in files.iterdir()} == {f.name: f.final_version for f in FILES}
