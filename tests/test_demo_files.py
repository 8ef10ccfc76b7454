"""The site of files that the downloader of the examples is run against: what it says of them, and how it is started."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from background_sites import in_background
from demo_files import CHECKSUMS, DemoFiles, well_served_files
from program_process import EXAMPLES, PATIENCE, interruptible_children
from web_pages import extract_links

FILE = well_served_files()[-1]


@pytest.fixture(scope="module")
def site() -> Iterator[DemoFiles]:
    with in_background(DemoFiles()) as serving:
        yield serving


def test_its_page_links_to_every_file(site: DemoFiles) -> None:
    with urllib.request.urlopen(site.base) as answer:
        links = extract_links(site.base, answer.read().decode())
    assert set(links) > {site.url_of(file) for file in site.files}


def test_a_file_is_served_with_its_length_and_etag_and_from_any_offset(site: DemoFiles) -> None:
    with urllib.request.urlopen(site.url_of(FILE)) as answer:
        assert (answer.status, answer.read()) == (200, FILE.final_version)
        etag = answer.headers["ETag"]
        assert answer.headers["Content-Length"] == str(FILE.size)
    for condition, status, offset in ((etag, 206, 100), ('"another"', 200, 0)):
        request = urllib.request.Request(site.url_of(FILE), headers={"Range": "bytes=100-", "If-Range": condition})
        with urllib.request.urlopen(request) as answer:
            assert (answer.status, answer.headers["ETag"]) == (status, etag)
            assert answer.read() == FILE.final_version[offset:]
    request = urllib.request.Request(site.url_of(FILE), headers={"Range": f"bytes={FILE.size}-"})
    with pytest.raises(urllib.error.HTTPError) as raised, urllib.request.urlopen(request):
        pass
    raised.value.close()
    assert (raised.value.code, raised.value.headers["Content-Range"]) == (416, f"bytes */{FILE.size}")


def test_its_checksums_are_those_of_what_can_be_had(site: DemoFiles) -> None:
    with urllib.request.urlopen(f"{site.base}{CHECKSUMS}") as answer:
        lines = answer.read().decode().splitlines()
    assert [line.partition("  ")[2] for line in lines] == [file.name for file in site.files if file.failure is None]


def test_it_is_a_program_that_serves_until_it_is_interrupted() -> None:
    command = [sys.executable, str(EXAMPLES / "demo_files.py")]
    with (
        interruptible_children(),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process,
    ):
        assert process.stdout is not None
        base = process.stdout.readline().rstrip("\n")
        with urllib.request.urlopen(f"{base}{FILE.name}") as answer:
            assert answer.read() == FILE.final_version
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == ("", "")
    assert process.returncode == 0


def test_on_a_taken_port_it_says_so_in_one_line(site: DemoFiles) -> None:
    command = [sys.executable, str(EXAMPLES / "demo_files.py"), "--port", str(site.port)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"demo_files: cannot serve on port {site.port}: ")
    assert len(done.stderr.splitlines()) == 1
