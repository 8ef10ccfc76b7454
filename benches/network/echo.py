"""Echo: messages of many sizes on few and on many connections, each answered before the next is sent.

Every kind of server has each size on 10 connections, and 1 KiB on each number of connections. The protocol, which is
what all others stand on, has them all, but for a row of several gigabytes under way at once.
"""

from __future__ import annotations

from benches.rows import Row
from benches.under_load import Traffic, floor_measurement, server_measurement

SIZES = {"64 B": 64, "1 KiB": 1024, "16 KiB": 16 * 1024, "256 KiB": 256 * 1024}
CONNECTIONS = (1, 10, 100, 1000, 10_000)
CROSS = [(size, 10) for size in SIZES] + [("1 KiB", connections) for connections in CONNECTIONS if connections != 10]
EVERYTHING = [(size, many) for size in SIZES for many in CONNECTIONS if SIZES[size] * many <= 1 << 28]
DATAGRAMS = [("64 B", 10), ("16 KiB", 10), *(("1 KiB", connections) for connections in (1, 10, 100))]
"""What fits into the receive buffer that Linux gives to any program: what doesn't is lost, whatever the loop."""

KINDS = (
    # name, module of benches.servers, its mode, protocol, what is measured
    ("protocol", "protocol", "echo", "tcp", EVERYTHING),
    ("buffered protocol", "buffered_protocol", "echo", "tcp", CROSS),
    ("streams read", "streams", "read", "tcp", CROSS),
    ("streams readline", "streams", "readline", "tcp", CROSS),
    ("sock_recv sock_sendall", "sock", "echo", "tcp", CROSS),
    ("UDP", "datagrams", "echo", "udp", DATAGRAMS),
    ("Unix protocol", "protocol", "echo", "unix", CROSS),
    ("TLS protocol", "protocol", "echo", "tls", CROSS),
    ("TLS streams", "streams", "read", "tls", CROSS),
)

QUICK = {
    "echo protocol 1 KiB x 10",
    "echo protocol 1 KiB x 1000",
    "echo streams read 1 KiB x 10",
    "echo sock_recv sock_sendall 1 KiB x 10",
    "echo UDP 1 KiB x 10",
    "echo TLS protocol 1 KiB x 10",
}

IDLE = 10_000
BUSY = 10


def row(name: str, module: str, mode: str, traffic: Traffic) -> Row:
    """Return a row with its floor."""
    return Row(
        "network",
        name,
        "requests/s",
        higher_is_better=True,
        measure=server_measurement(traffic, module, mode),
        floor=floor_measurement(traffic),
        quick=name in QUICK,
    )


ROWS = [
    row(
        f"echo {kind} {size} x {connections}",
        module,
        mode,
        Traffic(protocol, size=SIZES[size], connections=connections),  # type: ignore[arg-type]
    )
    for kind, module, mode, protocol, measured in KINDS
    for size, connections in measured
] + [
    row(
        f"echo {kind} 1 KiB x {BUSY} beside {IDLE} idle",
        module,
        mode,
        Traffic(size=1024, connections=IDLE + BUSY, busy=BUSY),
    )
    for kind, module, mode in (("protocol", "protocol", "echo"), ("streams read", "streams", "read"))
]
