"""The program that chains coroutines, run as its users run it: what its timeline shows, and what else it says."""

from __future__ import annotations

import signal

import pytest
from program_process import LOOPS, Finished, Program

FAST = ("--step", "0.001")


@pytest.fixture(params=LOOPS)
def program(request: pytest.FixtureRequest) -> Program:
    return Program("chained", request.param)


def section(done: Finished, heading: str) -> list[str]:
    """The lines of the output that begin with this heading, up to the next empty one."""
    sections = [text.splitlines() for text in done.stdout.split("\n\n")]
    (found,) = [lines for lines in sections if lines[0].startswith(heading)]
    return found


def test_one_after_another_no_chain_begins_before_the_last_has_ended(program: Program) -> None:
    done = program.run("Ada", "Edsger", "Alan", *FAST)
    assert section(done, "One after another") == [
        "One after another: 23 steps, at most 1 at once",
        "          0         10        20",
        "  Ada     aaoooowww",
        "  Edsger           aaoowww",
        "  Alan                    aaoowww",
    ]


def test_all_at_once_the_chains_overlap_and_the_steps_of_a_chain_do_not(program: Program) -> None:
    done = program.run("Ada", "Edsger", "Alan", *FAST)
    assert section(done, "All at once") == [
        "All at once: 9 steps, at most 3 at once",
        "          0",
        "  Ada     aaoooowww",
        "  Edsger  aaoowww",
        "  Alan    aaoowww",
    ]


def test_every_letter_is_made_of_what_the_chain_found(program: Program) -> None:
    done = program.run(*FAST)
    assert section(done, "Dear") == [
        "Dear Ada, your engine and your punched cards will come soon.",
        "Dear Edsger, your semaphore will come soon.",
        "Dear Grace, your compiler and your clock and your moth will come soon.",
        "Dear Alan, your tape will come soon.",
    ]
    assert (done.exit_code, done.messages) == (0, [])


def test_an_unknown_customer_ends_its_own_chain_alone(program: Program) -> None:
    done = program.run("Nobody", "Ada", *FAST)
    assert (done.exit_code, done.messages) == (1, ["chained: no account for Nobody"])
    assert section(done, "One after another")[2:] == ["  Nobody  aa", "  Ada       aaoooowww"]
    assert section(done, "All at once")[2:] == ["  Nobody  aa", "  Ada     aaoooowww"]
    assert section(done, "Dear") == ["Dear Ada, your engine and your punched cards will come soon."]


def test_a_customer_named_twice_gets_one_letter(program: Program) -> None:
    assert section(program.run("Ada", "Ada", *FAST), "All at once")[2:] == ["  Ada  aaoooowww"]


def test_the_output_does_not_depend_on_the_loop() -> None:
    outputs = {Program("chained", name, development_mode=True).run("Ada", "Nobody", *FAST).stdout for name in LOOPS}
    assert len(outputs) == 1


def test_it_is_silent_in_development_mode(program: Program) -> None:
    done = Program("chained", program.loop_name, development_mode=True).run(*FAST)
    assert (done.exit_code, done.messages) == (0, [])


def test_it_can_be_interrupted(program: Program) -> None:
    with program.started("--step", "60") as process:
        assert process.line().startswith("a: finds the account")
        process.send_signal(signal.SIGINT)
        done = process.finish()
    assert (done.exit_code, done.messages) == (130, ["chained: interrupted"])


@pytest.mark.parametrize("step", ["0", "-1", "nan", "soon"])
def test_a_step_that_is_no_time_is_wrong_use(program: Program, step: str) -> None:
    done = program.run("--step", step)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == f"chained.py: error: argument --step: invalid seconds value: '{step}'"


def test_help_says_what_it_is_for(program: Program) -> None:
    done = program.run("--help")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Write letters in chains of coroutines" in done.stdout
