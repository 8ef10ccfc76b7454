"""The web: servers under the load generator, which keeps its connections and compares all answers; clients; both."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benches import processes
from benches.client_work import client_measurement, require
from benches.rows import OTHER_CORE, Row, Sample
from benches.servers.web_answers import LENGTHS
from benches.under_load import Traffic, floor_measurement, native_client, running, running_floor, server_measurement

AT_ONCE = 10
QUICK = {"uvicorn plaintext", "aiohttp json", "aiohttp client 1 KiB"}


def server_row(name: str, module: str, requires: tuple[str, ...], page: str) -> Row:
    """Return a row of a server with a page."""
    traffic = Traffic(mode="http", connections=AT_ONCE, path=f"/{page}")
    on_loop = server_measurement(traffic, module, "http")

    def measure(loop: str, seconds: float) -> Sample:
        require(*requires)
        return on_loop(loop, seconds)

    return Row(
        "programs",
        f"{name} {page}",
        "requests/s",
        higher_is_better=True,
        measure=measure,
        floor=floor_measurement(traffic, "--body", str(LENGTHS[page])),
        quick=f"{name} {page}" in QUICK,
    )


def client_row(library: str, label: str, length: int) -> Row:
    """Return a row of a client, whom the plain server answers with so many bytes."""
    traffic = Traffic(mode="http", connections=AT_ONCE)
    body = ("--body", str(length))

    def measure(loop: str, seconds: float) -> Sample:
        require(library)
        with running_floor(OTHER_CORE, traffic, *body) as (_, addresses):
            work = client_measurement(f"{library}_client", addresses[0], str(length), at_once=AT_ONCE)
            return work(loop, seconds)

    return Row(
        "programs",
        f"{library} client {label}",
        "requests/s",
        higher_is_better=True,
        measure=measure,
        floor=native_client(traffic, *body),
        quick=f"{library} client {label}" in QUICK,
    )


def websockets_row(label: str, length: int) -> Row:
    """Return a row of messages that go round."""
    on_loop = client_measurement("websockets_echo", str(length), at_once=AT_ONCE)

    def measure(loop: str, seconds: float) -> Sample:
        require("websockets")
        return on_loop(loop, seconds)

    return Row("programs", f"websockets echo {label}", "messages/s", higher_is_better=True, measure=measure)


@contextmanager
def running_demo_site() -> Iterator[str]:
    """Serve the demo site on asyncio's loop, whoever asks, and give its port."""
    site = str(processes.ROOT / "examples" / "demo_site.py")
    with running(processes.pinned(OTHER_CORE, sys.executable, site)) as (process, first):
        assert process.stdout is not None
        # The rest of the list has to be read, or else the site would wait for somebody to do so.
        while process.stdout.readline().strip() != "# complete":
            pass
        yield first.split("/")[2].rpartition(":")[2]


def extract_links(loop: str, seconds: float) -> Sample:
    """Measure the link extractor."""
    require("aiohttp", "aiofiles", "tqdm")
    with running_demo_site() as port:
        return client_measurement("link_extraction", port)(loop, seconds)


SERVERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("aiohttp", "aiohttp_server", ("aiohttp",)),
    ("uvicorn", "uvicorn_server", ("uvicorn", "httptools")),
)
CLIENTS = [("aiohttp", "1 KiB", 1024), ("aiohttp", "10 KiB", 10 * 1024), ("httpx", "1 KiB", 1024)]

ROWS = [
    *(server_row(*server, page) for server in SERVERS for page in LENGTHS),
    *(client_row(*client) for client in CLIENTS),
    websockets_row("1 KiB", 1024),
    Row("programs", "link extractor", "pages/s", higher_is_better=True, measure=extract_links),
]
