"""What the tests of one module did on one loop, as `run_module.py` wrote it down."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

# The verdicts on a test, besides "passed" and "skipped".
BAD = {"failed", "hung", "crashed"}


class Outcome(NamedTuple):
    """The verdict on a test, and its reason."""

    verdict: str
    detail: str = ""


class Ending(NamedTuple):
    """How a journal ends: whether the module got to its end, and else where it was."""

    complete: bool
    under_way: str | None
    last: str


@dataclass
class ModuleReport:
    """The outcomes of a module's tests on a loop."""

    loop: str
    module: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    loops_made: int = 0
    # The tests that made a loop of the kind that they are run on: only these can tell anything of it.
    users: set[str] = field(default_factory=set)
    # The failures that are excluded with a reason. They are not among the outcomes.
    left_out: set[str] = field(default_factory=set)
    # The tests that failed beside another module and passed when nothing else ran.
    passed_alone: dict[str, Outcome] = field(default_factory=dict)

    def take_in(self, journal: Path) -> Ending:
        """Add the outcomes of a journal to these."""
        under_way, last, complete = None, "its start", False
        for line in journal.read_text().splitlines():
            entry = json.loads(line)
            event, test = entry["event"], entry["test"]
            if event == "ended":
                complete = True
            elif event == "begun":
                under_way = last = test
            elif event == "finished":
                under_way = None
            elif event == "made a loop":
                self.loops_made += 1
                if under_way is not None:
                    self.users.add(under_way)
            # A test fails once for all of its parts, and once it has failed nothing else counts.
            elif self.outcomes.get(test, Outcome("")).verdict != "failed":
                self.outcomes[test] = Outcome(event, entry["detail"])
        return Ending(complete, under_way, last)

    def counts(self, among: set[str] | None = None) -> Counter[str]:
        """Count the verdicts, of all tests or of those given."""
        return Counter(outcome.verdict for test, outcome in self.outcomes.items() if among is None or test in among)
