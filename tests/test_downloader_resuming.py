"""How the downloader of the examples resumes what was interrupted, and how it finds out that it mustn't."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from background_sites import in_background
from demo_files import CHECKSUMS, DemoFiles, File, well_served_files
from downloader_process import QUICKLY, Download, download, url_list
from program_process import LOOPS, Program

SIZE = 100_000
HALF = 50_000


@pytest.fixture(scope="module")
def site() -> Iterator[DemoFiles]:
    with in_background(DemoFiles()) as serving:
        yield serving


@pytest.fixture(params=LOOPS)
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    return Program("downloader", request.param, tmp_path)


@pytest.fixture(scope="module", params=LOOPS)
def everything(request: pytest.FixtureRequest, site: DemoFiles, tmp_path_factory: pytest.TempPathFactory) -> Download:
    return download(Program("downloader", request.param, tmp_path_factory.mktemp(request.param)), site, site.base)


@pytest.mark.parametrize("kind", ["with-etag", "with-weak-etag", "without-etag"])
def test_an_answer_that_ends_early_is_continued_where_it_ended(everything: Download, kind: str) -> None:
    starts = everything.starts[f"/cut-{kind}.bin"]
    assert len(starts) > 2
    assert starts[0] == 0
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("kind", ["without-ranges", "without-length"])
def test_without_ranges_the_file_is_fetched_anew(everything: Download, kind: str) -> None:
    assert set(everything.starts[f"/cut-{kind}.bin"]) == {0}
    assert everything.requests[f"/cut-{kind}.bin"] == len(everything.starts[f"/cut-{kind}.bin"])


def test_a_changed_file_is_fetched_anew_however_the_server_shows_the_change(everything: Download) -> None:
    # By an answer with the whole file, as it has been asked to.
    assert everything.starts["/changes.bin"] == [0, 0]
    # By another length, or another ETag, of the rest: that isn't read.
    for path in ("/grows.bin", "/changes-and-ignores-if-range.bin"):
        first, rest, anew = everything.starts[path]
        assert (first, anew) == (0, 0)
        assert rest > 0


def test_a_connection_that_falls_silent_is_given_up_and_continued(program: Program, site: DemoFiles) -> None:
    assert program.directory is not None
    silent = site.SILENT
    # The time-out decides when, and nothing else.
    done = download(program, site, url_list(program.directory, site.url_of(silent)), "--timeout", "1")
    assert (done.finished.exit_code, done.finished.messages) == (0, [])
    assert done.files == {silent.name: silent.final_version}
    assert done.starts[silent.path][0] == 0
    assert min(done.starts[silent.path][1:]) > 0


def version(site: DemoFiles, file: File, **changes: Any) -> str:
    """Write what a former run has noted of a file."""
    etag = f'"{hashlib.md5(file.final_version).hexdigest()}"'
    noted = {"url": site.url_of(file), "etag": etag, "modified": None, "length": file.size}
    return json.dumps(noted | changes)


@dataclass(frozen=True)
class Leftover:
    """What a former run has left of a file, and the offsets at which the next one ought to ask for it."""

    part: Callable[[bytes], bytes]
    noted: dict[str, Any] | None
    starts: list[int] | None


def of_other_bytes(size: int) -> Callable[[bytes], bytes]:
    return lambda content: b"x" * size


LEFTOVERS = {
    "half": Leftover(lambda content: content[:HALF], {}, [HALF]),
    "half, by its ETag alone": Leftover(lambda content: content[:HALF], {"length": None}, [HALF]),
    "half, by its length alone": Leftover(lambda content: content[:HALF], {"etag": None}, [HALF]),
    "whole": Leftover(lambda content: content, {}, None),
    "whole, and nobody knows": Leftover(lambda content: content, {"length": None}, [SIZE, 0]),
    "nothing yet": Leftover(of_other_bytes(0), {}, [0]),
    "of another version": Leftover(of_other_bytes(HALF), {"etag": '"another"'}, [0]),
    "of another version, weakly": Leftover(of_other_bytes(HALF), {"etag": 'W/"another"'}, [HALF, 0]),
    "of another length": Leftover(of_other_bytes(HALF), {"etag": None, "length": 7}, [HALF, 0]),
    "of an unknown version": Leftover(of_other_bytes(HALF), {"etag": None, "length": None}, [0]),
    "of another URL": Leftover(of_other_bytes(HALF), {"url": "http://127.0.0.1/another"}, [0]),
    "too long": Leftover(of_other_bytes(SIZE + 1), {}, [SIZE + 1, 0]),
    "of a strange note": Leftover(of_other_bytes(HALF), {"unknown": 1}, [0]),
    "of a torn note": Leftover(of_other_bytes(HALF), None, [0]),
}
FILES_WITH_LEFTOVERS = {kind: File(f"{kind}.bin", SIZE) for kind in LEFTOVERS}


@pytest.fixture(scope="module", params=LOOPS)
def continued(request: pytest.FixtureRequest, site: DemoFiles, tmp_path_factory: pytest.TempPathFactory) -> Download:
    """Download files of all of which a former run has left something."""
    program = Program("downloader", request.param, tmp_path_factory.mktemp(request.param))
    assert program.directory is not None
    files = program.directory / "files"
    files.mkdir()
    for kind, leftover in LEFTOVERS.items():
        file = FILES_WITH_LEFTOVERS[kind]
        site.add(file)
        (files / f".{file.name}.part").write_bytes(leftover.part(file.final_version))
        note = '{"url": "http://127.0.0.1' if leftover.noted is None else version(site, file, **leftover.noted)
        (files / f".{file.name}.json").write_text(note)
    return download(program, site, url_list(program.directory, *map(site.url_of, FILES_WITH_LEFTOVERS.values())))


@pytest.mark.parametrize("kind", LEFTOVERS)
def test_a_former_run_is_continued_if_the_file_is_the_same(continued: Download, kind: str) -> None:
    file = FILES_WITH_LEFTOVERS[kind]
    assert (continued.finished.exit_code, continued.finished.messages) == (0, [])
    assert (continued.directory / file.name).read_bytes() == file.final_version
    assert continued.starts.get(file.path) == LEFTOVERS[kind].starts


def test_nothing_is_left_beside_what_is_whole(continued: Download) -> None:
    assert {path.name for path in continued.directory.iterdir()} == {f"{kind}.bin" for kind in LEFTOVERS}


def test_checksums_are_compared_also_of_what_is_there(program: Program, site: DemoFiles) -> None:
    assert program.directory is not None
    files = program.directory / "files"
    files.mkdir()
    good, damaged, wrong, unlisted, spliced = well_served_files()[-5:]
    (files / good.name).write_bytes(good.final_version)
    (files / damaged.name).write_bytes(b"x" * damaged.size)
    (files / f".{spliced.name}.part").write_bytes(b"x" * (spliced.size // 2))
    (files / f".{spliced.name}.json").write_text(version(site, spliced))
    listed = [line for line in site.checksums().splitlines() if not line.endswith((wrong.name, unlisted.name))]
    sums = program.directory / CHECKSUMS
    sums.write_text("\n".join([*listed, f"{'0' * 64} *{wrong.name}"]) + "\n", encoding="utf-8")
    source = url_list(program.directory, *map(site.url_of, (good, damaged, wrong, unlisted, spliced)))

    done = download(program, site, source, "--checksums", sums)
    assert done.finished.exit_code == 1
    assert done.causes == {site.url_of(wrong): "checksum differs"}
    expected = {file.name: file.final_version for file in (good, damaged, unlisted, spliced)}
    assert {path.name: path.read_bytes() for path in files.iterdir()} == expected
    starts = {damaged.path: [0], wrong.path: [0], unlisted.path: [0], spliced.path: [spliced.size // 2, 0]}
    assert done.starts == starts


def test_what_the_command_sha256sum_cannot_have_written_is_told(program: Program, site: DemoFiles) -> None:
    assert program.directory is not None
    sums = program.directory / CHECKSUMS
    sums.write_text(f"{'0' * 64}  file\n{'0' * 63}  other\n")
    not_text = program.directory / "not-text"
    not_text.write_bytes(b"\xff")
    for path, complaint in (
        (sums, f"{sums}, line 2: not a SHA-256 checksum and a name"),
        (not_text, f"cannot read {not_text}: not UTF-8 text"),
        (program.directory / "missing", f"cannot read {program.directory / 'missing'}: No such file or directory"),
    ):
        finished = program.run(site.base, "files", "--checksums", path, *QUICKLY)
        assert (finished.exit_code, finished.stdout) == (2, "")
        assert finished.messages == [f"downloader: {complaint}"]
        assert not (program.directory / "files").exists()
