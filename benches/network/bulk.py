"""Bulk: as much as goes through one connection, to the server and from it."""

from __future__ import annotations

from benches.rows import Row
from benches.under_load import Traffic, floor_measurement, server_measurement

SIZE = 64 * 1024
AHEAD = 4
"""How many mebibytes a client asks for before they come, so that the server never waits for it."""

KINDS = (
    ("protocol", "protocol", "tcp"),
    ("streams", "streams", "tcp"),
    ("Unix protocol", "protocol", "unix"),
    ("TLS protocol", "protocol", "tls"),
)
QUICK = {"bulk up protocol", "bulk down protocol"}

UNSUPPORTED = {
    "bulk down TLS protocol": {
        "rsloop": "a protocol that waits for resume_writing with TLS waits for ever, or is closed"
    },
}
"""What a loop is known to do wrongly, so that it doesn't fail every run."""


def rows(kind: str, module: str, protocol: str) -> list[Row]:
    """Return the rows of a kind of server."""
    made = []
    for direction in ("up", "down"):
        traffic = Traffic(protocol, direction, SIZE, in_flight=AHEAD)  # type: ignore[arg-type]
        name = f"bulk {direction} {kind}"
        row = Row(
            "network",
            name,
            "MiB/s",
            higher_is_better=True,
            measure=server_measurement(traffic, module, direction),
            floor=floor_measurement(traffic),
            quick=name in QUICK,
            unsupported=UNSUPPORTED.get(name, {}),
        )
        made.append(row)
    return made


ROWS = [row for kind in KINDS for row in rows(*kind)]
