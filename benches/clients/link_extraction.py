"""The link extractor of the examples on the healthy pages of the demo site: `… AT_ONCE PORT`. Each page counts."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from benches.clients.working import Operation, run
from benches.processes import ROOT
from benches.rows import WrongResult

# The examples are programs, not a package: they are found as Python finds a program's own modules.
sys.path.insert(0, str(ROOT / "examples"))

from demo_site import DemoSite
from link_extractor import Tally, extract

CONCURRENCY = 100
TIMEOUT = 60.0


@contextlib.asynccontextmanager
async def extracting(at_once: int, arguments: list[str]) -> AsyncIterator[Sequence[Operation]]:
    """Know what there is to be found."""
    (port,) = arguments
    site = DemoSite(int(port))
    urls = site.healthy_urls()
    expected = {link for link in site.expected_links() if link[0] in set(urls)}

    async def extract_all() -> int:
        with tempfile.TemporaryDirectory() as directory:
            output = Path(directory) / "links.tsv"
            await extract(urls, output, CONCURRENCY, TIMEOUT, Tally())
            found = [line.split("\t", 1) for line in output.read_text(encoding="utf-8").split("\n")[:-1]]
        if len(found) != len(expected) or {(page, link) for page, link in found} != expected:
            raise WrongResult(f"{len(found)} links were found instead of {len(expected)}, or others")
        return len(urls)

    yield [extract_all] * at_once


if __name__ == "__main__":
    run(extracting)
