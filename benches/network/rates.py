"""Rates: how many connections a second a loop accepts, and how many it makes. Each echoes one message, and closes."""

from __future__ import annotations

from benches.client_work import client_measurement
from benches.rows import OTHER_CORE, Row, Sample
from benches.under_load import Traffic, floor_measurement, native_client, running_floor, server_measurement

AT_ONCE = 10
PORTS = 16
"""How many ports a client takes turns at: a closed connection keeps its pair of ports for a minute."""

UNSUPPORTED = {
    "connect TLS protocol": {"rsloop": "a TLS connection that is closed in order is reported as broken off"},
}
"""What a loop is known to do wrongly, so that it doesn't fail every run."""


def accept_row(name: str, module: str, mode: str, traffic: Traffic, *, quick: bool = False) -> Row:
    """Return a row of a server under test."""
    return Row(
        "network",
        name,
        "connections/s",
        higher_is_better=True,
        measure=server_measurement(traffic, module, mode),
        floor=floor_measurement(traffic),
        quick=quick,
    )


def connect_row(name: str, mode: str, traffic: Traffic, *, quick: bool = False) -> Row:
    """Return a row of a client under test, whom the plain server answers."""

    def measure(loop: str, seconds: float) -> Sample:
        with running_floor(OTHER_CORE, traffic, listeners=PORTS) as (_, addresses):
            arguments = [mode, traffic.protocol, *addresses]
            return client_measurement("connecting", *arguments, at_once=AT_ONCE)(loop, seconds)

    return Row(
        "network",
        name,
        "connections/s",
        higher_is_better=True,
        measure=measure,
        floor=native_client(traffic),
        quick=quick,
        unsupported=UNSUPPORTED.get(name, {}),
    )


VISITS = Traffic(mode="accept", connections=AT_ONCE)
VISITS_BY_TLS = Traffic("tls", "accept", connections=AT_ONCE)

ROWS = [
    accept_row("accept protocol", "protocol", "echo", VISITS, quick=True),
    accept_row("accept streams", "streams", "read", VISITS),
    accept_row("accept sock_accept", "sock", "echo", VISITS),
    accept_row("accept Unix protocol", "protocol", "echo", Traffic("unix", "accept", connections=AT_ONCE)),
    accept_row("accept TLS protocol", "protocol", "echo", VISITS_BY_TLS),
    connect_row("connect protocol", "protocol", VISITS),
    connect_row("connect streams", "streams", VISITS),
    connect_row("connect TLS protocol", "protocol", VISITS_BY_TLS),
]
