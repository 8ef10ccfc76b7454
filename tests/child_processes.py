"""Which processes are children of this one, and a fixture for tests that may leave none behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


def children() -> set[int]:
    """Return the processes that are children of this one, zombies among them."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            # The name, in parentheses, may have any character in it; the state and the parent follow it.
            fields = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdecimal() else []
        except OSError:
            continue  # it has ended meanwhile
        if fields and int(fields[1]) == os.getpid():
            found.add(int(entry.name))
    return found


@pytest.fixture
def leaves_no_child() -> Iterator[None]:
    """Fail if a test leaves a process behind, be it a zombie. A server of the session's may have been there before."""
    before = children()
    yield
    assert children() - before == set()
