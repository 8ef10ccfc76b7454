"""The tour of asyncio's concepts, run as its users run it: its output is the one of `tour.txt`, on either loop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tour
from program_process import EXAMPLES, LOOPS, PATIENCE, Program

EXPECTED = (Path(__file__).parent / "tour.txt").read_text(encoding="utf-8")


@pytest.fixture(params=LOOPS)
def program(request: pytest.FixtureRequest) -> Program:
    return Program("tour", request.param)


def stop(name: str) -> str:
    """What the tour prints for one concept."""
    begin = EXPECTED.index(f"{name}\n{'-' * len(name)}\n")
    return EXPECTED[begin : EXPECTED.index("\n\n\n", begin)] + "\n\n\n"


@pytest.mark.parametrize("development_mode", [False, True], ids=["usual", "development-mode"])
def test_the_tour_prints_the_same_on_either_loop(program: Program, development_mode: bool) -> None:
    done = Program("tour", program.loop_name, development_mode=development_mode).run()
    assert done.stdout == EXPECTED
    assert (done.exit_code, done.messages) == (0, [])


def test_concepts_can_be_chosen(program: Program) -> None:
    done = program.run("semaphore", "gather")
    assert done.stdout == stop("semaphore") + stop("gather")
    assert (done.exit_code, done.messages) == (0, [])


def test_the_list_names_every_concept_with_its_meaning(program: Program) -> None:
    done = program.run("--list")
    assert (done.exit_code, done.stderr) == (0, "")
    listed = [line.split(": ", 1) for line in done.stdout.splitlines()]
    assert "".join(f"{name}\n{'-' * len(name)}\n{meaning}\n" for name, meaning in listed) == "".join(
        "\n".join(text.splitlines()[:3]) + "\n" for text in EXPECTED.split("\n\n\n") if text
    )


def test_an_unknown_concept_is_wrong_use(program: Program) -> None:
    done = program.run("gather", "gahter")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "tour.py: error: no such concept: gahter (--list names them)"


def test_it_goes_without_ioxide() -> None:
    # -S leaves out what was installed besides Python.
    command = [sys.executable, "-S", "-W", "error", str(EXAMPLES / "tour.py"), "pluggable-loop"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
    same = "abc; no more letters; idle task cancelled: True"
    assert done.stdout == stop("pluggable-loop").replace(f"ioxide: {same}", "ioxide: isn't installed")
    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)


def test_an_interrupted_tour_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def interrupted() -> None:
        """Be interrupted."""
        raise KeyboardInterrupt

    monkeypatch.setattr(tour.coroutines, "CONCEPTS", [interrupted])
    monkeypatch.setattr(sys, "argv", ["tour.py"])
    assert tour.main() == 130
    assert capsys.readouterr().err.splitlines()[1:] == ["tour: interrupted"]


def test_the_loop_of_twenty_lines_raises_what_the_coroutine_raises_and_leaves_no_running_loop() -> None:
    async def fail() -> None:
        raise LookupError("not here")

    with pytest.raises(LookupError, match="not here"):
        tour.loops.TwentyLineLoop().run_until_complete(fail())
    with pytest.raises(RuntimeError, match="no running event loop"):
        tour.asyncio.get_running_loop()
