"""The program of producers and consumers, run as its users run it: what its timeline shows, and what else it says."""

from __future__ import annotations

import re
import signal

import pytest
from program_process import LOOPS, Finished, Program

FAST = ("--step", "0.001")


@pytest.fixture(params=LOOPS)
def program(request: pytest.FixtureRequest) -> Program:
    return Program("producers_consumers", request.param)


def rows(done: Finished) -> dict[str, str]:
    """The rows of the timeline by their names."""
    return dict(re.findall(r"^  (\w+ \d+)  (.*)$", done.stdout, re.MULTILINE))


def numbers(done: Finished) -> dict[str, int]:
    """The numbers below the timeline by the word after them."""
    *_, summary = done.stdout.split("\n\n")
    found = {word: int(number) for number, word in re.findall(r"(\d+) (items produced|consumed,|spoilt|left)", summary)}
    (found["most"],) = map(int, re.findall(r"at most (\d+) in the queue", summary))
    return found


def test_producers_that_are_too_fast_wait_for_room(program: Program) -> None:
    done = program.run("--producers", "1", "--consumers", "1", "--items", "5", "--room", "1", *FAST)
    assert rows(done) == {"producer 1": "PPP||P|||P|||", "consumer 1": ".CcccCcccCcccCcccCccc"}
    assert numbers(done) == {"items produced": 5, "consumed,": 5, "spoilt": 0, "left": 0, "most": 1}
    assert (done.exit_code, done.messages) == (0, [])


def test_consumers_that_are_too_fast_wait_for_items(program: Program) -> None:
    options = ("--producers", "1", "--consumers", "2", "--items", "3", "--produce-steps", "3", "--consume-steps", "1")
    done = program.run(*options, *FAST)
    assert rows(done) == {"producer 1": "PppPppPpp", "consumer 1": "...C.....C", "consumer 2": "......C..."}


def test_the_queue_never_holds_more_than_it_has_room_for(program: Program) -> None:
    done = program.run("--producers", "7", "--consumers", "2", "--items", "9", "--room", "3", *FAST)
    assert numbers(done) == {"items produced": 63, "consumed,": 63, "spoilt": 0, "left": 0, "most": 3}
    assert done.stdout.endswith("at most 3 in the queue, 7 produced and 2 consumed at once\n")


def test_it_waits_for_the_last_item_to_be_consumed_not_only_taken(program: Program) -> None:
    done = program.run("--producers", "1", "--consumers", "1", "--items", "1", "--consume-steps", "9", *FAST)
    assert rows(done) == {"producer 1": "P", "consumer 1": ".Ccccccccc"}


def test_spoilt_items_are_reported_and_the_others_consumed(program: Program) -> None:
    done = program.run("--producers", "1", "--consumers", "1", "--items", "5", "--spoilt", "2", *FAST)
    assert done.exit_code == 1
    assert done.messages == [
        "producers_consumers: producer 1's item 2 is spoilt",
        "producers_consumers: producer 1's item 4 is spoilt",
    ]
    assert rows(done)["consumer 1"] == ".CcccCCcccCCccc"
    assert numbers(done) == {"items produced": 5, "consumed,": 3, "spoilt": 2, "left": 0, "most": 2}


def test_the_output_does_not_depend_on_the_loop() -> None:
    options = ("--producers", "4", "--consumers", "3", "--spoilt", "5", *FAST)
    programs = [Program("producers_consumers", name, development_mode=True) for name in LOOPS]
    first, second = (program.run(*options) for program in programs)
    assert first.stdout == second.stdout
    assert first.messages == second.messages
    assert len(first.messages) == 4


def test_it_is_silent_in_development_mode(program: Program) -> None:
    done = Program("producers_consumers", program.loop_name, development_mode=True).run(*FAST)
    assert (done.exit_code, done.messages) == (0, [])


def test_an_interrupted_run_shows_what_it_did(program: Program) -> None:
    with program.started("--step", "60") as process:
        assert process.line().startswith("Pp: produces an item")
        process.send_signal(signal.SIGINT)
        done = process.finish()
    assert (done.exit_code, done.messages) == (130, ["producers_consumers: interrupted"])
    assert numbers(done) == {"items produced": 0, "consumed,": 0, "spoilt": 0, "left": 0, "most": 0}


def test_a_progress_bar_is_shown_on_a_terminal(program: Program) -> None:
    done, shown = program.run_on_a_terminal("--items", "3", *FAST)
    assert done.exit_code == 0
    assert "6/6" in shown
    assert "item" in shown


@pytest.mark.parametrize("option", ["--producers", "--consumers", "--items", "--room", "--spoilt", "--consume-steps"])
def test_a_number_below_one_is_wrong_use(program: Program, option: str) -> None:
    done = program.run(option, "0")
    assert (done.exit_code, done.stdout) == (2, "")
    expected = f"producers_consumers.py: error: argument {option}: invalid count value: '0'"
    assert done.stderr.splitlines()[-1] == expected
