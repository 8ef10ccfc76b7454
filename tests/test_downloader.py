"""The downloader of the examples, run against a site of files: what it downloads, and what it tells."""

from __future__ import annotations

import asyncio
import fcntl
import re
from collections.abc import Iterator
from pathlib import Path

import downloader
import pytest
from background_sites import in_background
from demo_files import CHECKSUMS, DemoFiles, well_served_files
from downloader_process import QUICKLY, Download, download, url_list
from program_process import LOOPS, Program


@pytest.fixture(scope="module")
def site() -> Iterator[DemoFiles]:
    with in_background(DemoFiles()) as serving:
        yield serving


@pytest.fixture(params=LOOPS)
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    return Program("downloader", request.param, tmp_path)


@pytest.fixture(scope="module")
def downloads(site: DemoFiles, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Download]]:
    """Download all files of the site on each loop, twice."""
    programs = [Program("downloader", name, tmp_path_factory.mktemp(name), development_mode=True) for name in LOOPS]
    return {program.loop_name: [download(program, site, site.base) for _ in range(2)] for program in programs}


@pytest.fixture(params=LOOPS)
def runs(request: pytest.FixtureRequest, downloads: dict[str, list[Download]]) -> list[Download]:
    return downloads[request.param]


def test_each_file_is_the_one_of_the_site(runs: list[Download], site: DemoFiles) -> None:
    expected = site.expected_files()
    assert len(expected) > 35
    assert runs[0].files.keys() == expected.keys()
    assert [name for name, content in runs[0].files.items() if content != expected[name]] == []


def test_each_failure_is_reported_with_its_cause_and_makes_exit_code_1(runs: list[Download], site: DemoFiles) -> None:
    assert runs[0].causes == site.expected_failures()
    assert runs[0].finished.exit_code == 1


def test_both_loops_download_the_same_files(downloads: dict[str, list[Download]]) -> None:
    first, second = (downloads[name][0] for name in LOOPS)
    assert first.files == second.files
    assert sorted(first.finished.messages) == sorted(second.finished.messages)


def test_the_summary_counts_files_and_bytes(runs: list[Download], site: DemoFiles) -> None:
    expected = site.expected_files()
    pattern = (
        rf"{len(expected)} files downloaded, 0 already there, {len(site.expected_failures())} failed: "
        r"(\d+) bytes in (\d+\.\d{3}) seconds, (\d+(\.\d+)?[kMG]?)B per second\n"
    )
    summary = re.fullmatch(pattern, runs[0].finished.stdout)
    assert summary is not None
    # Some of it came twice.
    assert int(summary[1]) > sum(map(len, expected.values()))
    assert float(summary[2]) > 0


def test_no_temporary_file_is_left_of_what_is_there_or_cannot_be_had(runs: list[Download]) -> None:
    hidden = {path.name for path in runs[0].directory.iterdir()} - runs[0].files.keys()
    # Of this one half had come each time: the next run could go on with it.
    assert hidden == {".never-whole.bin.part", ".never-whole.bin.json"}


def test_what_is_there_is_not_asked_for_again(runs: list[Download], site: DemoFiles) -> None:
    failing = {file.path for file in site.files if file.failure is not None}
    assert runs[1].requests.keys() == {"/", *failing}
    assert runs[1].files == runs[0].files
    count = len(runs[0].files)
    assert runs[1].finished.stdout.startswith(f"0 files downloaded, {count} already there, {len(failing)} failed: ")


def test_a_busy_server_is_asked_again_and_a_refusal_is_final(runs: list[Download]) -> None:
    paths = ("/unavailable.bin", "/too-many-requests.bin", "/out-of-order.bin", "/missing.bin", "/forbidden.bin")
    assert [runs[0].requests[path] for path in paths] == [3, 2, 3, 1, 1]


def test_a_list_of_urls_is_downloaded(program: Program, site: DemoFiles) -> None:
    assert program.directory is not None
    files = well_served_files()
    urls = ["# a comment", "", *map(site.url_of, files), site.url_of(files[0])]
    done = download(program, site, url_list(program.directory, *urls))
    assert (done.finished.exit_code, done.finished.messages) == (0, [])
    assert done.files == {file.name: file.final_version for file in files}
    assert set(done.requests.values()) == {1}


@pytest.mark.parametrize("bound", [1, 5])
def test_as_many_files_are_downloaded_at_a_time_as_asked_for(program: Program, site: DemoFiles, bound: int) -> None:
    assert program.directory is not None
    all_there = asyncio.Event()

    async def wait_for_all(size: int) -> None:
        if site.at_once == bound:
            all_there.set()
        await all_there.wait()

    files = [file for file in well_served_files() if file.size]
    site.before_piece = wait_for_all
    try:
        source = url_list(program.directory, *map(site.url_of, files))
        done = download(program, site, source, "--concurrency", str(bound))
    finally:
        site.before_piece = None
    assert done.finished.exit_code == 0
    assert site.most_at_once == bound


def test_a_url_without_a_usable_name_of_its_own_is_a_failure(program: Program, site: DemoFiles) -> None:
    assert program.directory is not None
    file = well_served_files()[3]
    url = site.url_of(file)
    causes = {
        f"{url}?again": f"its file would have the name of {url}",
        url.replace("file", "f%69le"): f"its file would have the name of {url}",
        f"{site.base}folder/": "no file name in the URL",
        f"{site.base}.hidden": "bad file name '.hidden'",
        f"{site.base}..": "bad file name '..'",
        f"{site.base}a%2Fb": "bad file name 'a/b'",
        f"{site.base}a%00b": r"bad file name 'a\x00b'",
        f"{site.base}a%0Ab": r"bad file name 'a\nb'",
        "ftp://127.0.0.1/file": "bad URL",
        "no URL": "bad URL",
        f"http://127.0.0.2:{site.port}/refused": "connection refused",
    }
    done = download(program, site, url_list(program.directory, url, *causes))
    assert (done.finished.exit_code, done.causes) == (1, causes)
    assert done.requests == {file.path: 1}
    assert done.files == {file.name: file.final_version}


def test_a_file_that_another_program_is_writing_is_left_to_it(program: Program, site: DemoFiles) -> None:
    assert program.directory is not None
    (program.directory / "files").mkdir()
    part = program.directory / "files" / ".file-10.bin.part"
    source = url_list(program.directory, f"{site.base}file-10.bin", f"{site.base}file-11.bin")
    with part.open("wb", buffering=0) as other:
        other.write(b"some bytes")
        fcntl.flock(other, fcntl.LOCK_EX)
        done = download(program, site, source)
        assert part.read_bytes() == b"some bytes"
    assert done.finished.exit_code == 1
    assert done.causes == {f"{site.base}file-10.bin": "another program is writing it"}
    assert done.files.keys() == {"file-11.bin"}


def test_a_file_that_cannot_be_written_does_not_stop_the_others(program: Program, site: DemoFiles) -> None:
    assert program.directory is not None
    (program.directory / "files" / ".file-10.bin.part").mkdir(parents=True)
    too_long = "x" * 252
    urls = [f"{site.base}file-10.bin", f"{site.base}{too_long}", f"{site.base}file-11.bin"]
    done = download(program, site, url_list(program.directory, *urls))
    assert done.finished.exit_code == 1
    assert done.causes == {urls[0]: "Is a directory", urls[1]: "File name too long"}
    assert (done.directory / "file-11.bin").is_file()


def test_a_progress_bar_is_drawn_on_a_terminal(program: Program, site: DemoFiles) -> None:
    assert program.directory is not None
    source = url_list(program.directory, site.url_of(well_served_files()[-1]), f"{site.base}missing.bin")
    finished, shown = program.run_on_a_terminal(source, "files", *QUICKLY)
    assert finished.exit_code == 1
    assert "100%" in shown
    assert "50.0k/50.0k" in shown
    assert f"{site.base}missing.bin: status 404\r\n" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["urls.txt"],
        ["urls.txt", "files", "--concurrency", "0"],
        ["urls.txt", "files", "--attempts", "0"],
        ["urls.txt", "files", "--timeout", "nan"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_refused(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["downloader.py", *arguments])
    with pytest.raises(SystemExit) as raised:
        downloader.parse_arguments()
    assert raised.value.code == 2


def test_a_source_that_names_no_files_is_told_in_one_line(program: Program, site: DemoFiles) -> None:
    assert program.directory is not None
    empty = url_list(program.directory, "# nothing")
    for source, complaint in (
        (empty, f"no URLs in {empty}"),
        ("missing.txt", "cannot read missing.txt: No such file or directory"),
        (f"{site.base}missing.bin", f"cannot read {site.base}missing.bin: status 404"),
        (f"{site.base}{CHECKSUMS}", f"no files below {site.base}{CHECKSUMS} are linked there"),
        (f"http://127.0.0.2:{site.port}/", f"cannot read http://127.0.0.2:{site.port}/: connection refused"),
    ):
        finished = program.run(source, "files")
        assert (finished.exit_code, finished.stdout) == (2, "")
        assert finished.messages == [f"downloader: {complaint}"]
    assert not (program.directory / "files").exists()


def test_a_destination_that_is_no_directory_is_told_in_one_line(program: Program, site: DemoFiles) -> None:
    assert program.directory is not None
    (program.directory / "files").touch()
    finished = program.run(site.base, "files")
    assert (finished.exit_code, finished.stdout) == (2, "")
    assert finished.messages == ["downloader: cannot make files: File exists"]


def test_pauses_grow_and_differ() -> None:
    pauses = [[downloader.pause_after(failures, 1.0) for _ in range(50)] for failures in (0, 1, 2, 3, 2000)]
    for of_one_length, longest in zip(pauses, (1, 1, 2, 4, 1024), strict=True):
        assert len(set(of_one_length)) > 1
        assert all(longest / 2 <= pause <= longest for pause in of_one_length)
