"""The README of the examples lists what there is, and shows what is printed."""

from __future__ import annotations

import re

import pytest
from program_process import EXAMPLES, Program

README = (EXAMPLES / "README.md").read_text(encoding="utf-8")


PROGRAMS = sorted(path.stem for path in EXAMPLES.glob("*.py") if '__name__ == "__main__"' in path.read_text())


def test_every_program_is_listed_with_a_command() -> None:
    rows = [line.split(" | ") for line in README.splitlines() if line.startswith("| ") and ".py" in line]
    commands = {name: row[2] for row in rows for name in re.findall(r"(\w+\.py)`", row[0])}
    assert {f"{name}.py" for name in PROGRAMS} <= commands.keys()
    for name, command in commands.items():
        assert set(re.findall(r"python examples/(\w+\.py)", command)) == {name}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_has_help_and_refuses_wrong_use(name: str) -> None:
    program = Program(name, "asyncio")
    help_asked_for = program.run("--help")
    assert (help_asked_for.exit_code, help_asked_for.stderr) == (0, "")
    assert help_asked_for.stdout.startswith(f"usage: {name}.py ")
    wrong = program.run("--no-such-option")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith(f"usage: {name}.py ")


def test_the_output_shown_is_the_one_printed() -> None:
    done = Program("producers_consumers", "ioxide").run("--step", "0.001")
    assert f"{done.stderr}{done.stdout}```" in README


def test_the_output_that_the_project_s_readme_shows_is_the_one_printed() -> None:
    done = Program("chained", "ioxide").run("Ada", "Grace", "--step", "0.001")
    assert f"{done.stderr}{done.stdout}```" in (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (EXAMPLES / target).exists()
