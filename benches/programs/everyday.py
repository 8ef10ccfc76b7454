"""Starting programs, calling functions in threads, resolving names."""

from __future__ import annotations

from benches.client_work import client_measurement
from benches.rows import Row


def row(name: str, *arguments: str, at_once: int = 1, quick: bool = False) -> Row:
    """Return a row."""
    measure = client_measurement("everyday", *arguments, at_once=at_once, per_operation=True)
    return Row("programs", name, "us", higher_is_better=False, measure=measure, quick=quick)


ROWS = [
    row("subprocess /bin/true", "subprocess", quick=True),
    row("subprocess /bin/true 10 at once", "subprocess", at_once=10),
    row("to_thread", "to_thread"),
    row("getaddrinfo of a numeric address", "getaddrinfo", "127.0.0.1"),
    row("getaddrinfo of localhost", "getaddrinfo", "localhost"),
]
