"""The demo of the examples, which compares the link extractor on two loops, and the site that it is shown on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import demo
import pytest
from background_sites import in_background
from demo_site import DemoSite
from program_process import EXAMPLES, LOOP_NAMES, PATIENCE


@pytest.fixture(scope="module")
def site() -> Iterator[DemoSite]:
    with in_background(DemoSite()) as serving:
        yield serving


def test_the_site_knows_its_table_by_its_port_alone(site: DemoSite) -> None:
    same = DemoSite(site.port)
    assert same.urls() == site.urls()
    assert same.expected_links() == site.expected_links()
    assert same.expected_failures() == site.expected_failures()


def run_demo(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "demo.py"), "--rounds", "1"]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False, env=os.environ | environment
    )


def test_the_demo_succeeds() -> None:
    done = run_demo({})
    assert (done.returncode, done.stderr) == (0, "")
    assert "  Both found the same, and just what the site's own table says." in done.stdout
    assert "(on ioxide." in done.stdout
    assert f"(on {LOOP_NAMES['asyncio']})" in done.stdout


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        (
            "import os, runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, os.path.dirname(sys.argv[0])); "
            "runpy.run_path(sys.argv[0], run_name='__main__')",
            "ran on asyncio's _UnixSelectorEventLoop instead of ioxide.",
        ),
        ("raise SystemExit('no loop here')", "the extractor ended with exit code 1 and said:\nno loop here"),
    ],
    ids=["asyncio's loop", "no loop"],
)
def test_the_demo_fails_when_ioxide_does_not_run_the_loop(tmp_path: Path, program: str, complaint: str) -> None:
    package = tmp_path / "ioxide"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(program, encoding="utf-8")
    done = run_demo({"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith(f"demo: ioxide: {complaint}")


LINKS = [("page", "link-1"), ("page", "link-2")]

FAILURES = {"broken": "status 404"}


def checked_run(
    links: list[tuple[str, str]] = LINKS, failures: dict[str, str] = FAILURES, event_loop: str = "ioxide.Loop"
) -> None:
    run = demo.Run(event_loop=event_loop, seconds=1.0, pages=1, links=links, reports=failures)
    demo.check("ioxide", run, set(LINKS), FAILURES)


def test_the_demo_accepts_what_the_site_has_in_any_order() -> None:
    checked_run()
    checked_run(links=LINKS[::-1])


@pytest.mark.parametrize(
    ("difference", "complaint"),
    [
        ({"event_loop": "uvloop.Loop"}, "ran on uvloop.Loop instead of ioxide."),
        ({"links": LINKS[:1]}, "links not found: 1, such as .*link-2"),
        ({"links": [*LINKS, ("page", "link-3")]}, "links found that the site doesn't have: 1, such as .*link-3"),
        ({"links": [*LINKS, LINKS[0]]}, "links written twice: 1"),
        ({"failures": {}}, "failures not reported, or with another cause: 1, such as .*broken"),
        ({"failures": {"broken": "timed out"}}, "failures not reported, or with another cause: 1, such as .*404"),
        (
            {"failures": FAILURES | {"page": "bad URL"}},
            "failures reported that the site doesn't have: 1, such as .*URL",
        ),
    ],
    ids=["loop", "link lost", "link too many", "link twice", "failure lost", "another cause", "failure too many"],
)
def test_the_demo_refuses_any_difference(difference: dict[str, Any], complaint: str) -> None:
    with pytest.raises(demo.DemoError, match=f"^ioxide: {complaint}"):
        checked_run(**difference)


def test_a_site_on_a_taken_port_says_so_in_one_line(site: DemoSite) -> None:
    command = [sys.executable, str(EXAMPLES / "demo_site.py"), "--port", str(site.port)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"demo_site: cannot serve on port {site.port}: ")
    assert len(done.stderr.splitlines()) == 1
