"""Run the link extractor on ioxide and on asyncio's own loop, and check that both do the same, and the right thing.

    python examples/demo.py [--rounds N]

The demo site runs in a process of its own, on asyncio's loop whoever asks. First each of the two fetches every page of
it, the broken and the slow ones too; then they take turns at the healthy pages, and the times of these rounds are
compared. Every run has to find exactly the links, and name exactly the failures, of the site's own table, and to have
run on the loop that it was meant for. Exit code 1 and a message when anything differs; the times decide nothing.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from demo_site import END_OF_LIST, DemoSite

EXAMPLES = Path(__file__).resolve().parent

# How each contender is started, and how the extractor must name the loop that it ran on.
CONTENDERS = {
    "ioxide": ([sys.executable, "-m", "ioxide"], "ioxide."),
    "asyncio": ([sys.executable], "asyncio's "),
}

ANNOUNCEMENT = "link_extractor: running on "

SUMMARY = re.compile(
    r"(?P<pages>\d+) pages? fetched, (?P<links>\d+) links? found, (?P<failures>\d+) failures? "
    r"in (?P<seconds>\d+\.\d+) seconds"
)

# What the endless page costs. Far above the slowest of the other pages, which must not fall to it.
TIMEOUT_WITH_ENDLESS_PAGE = 4
# Only a hang takes this long.
PATIENCE = 60


class DemoError(Exception):
    """Something differs from what it ought to be."""


@dataclass(frozen=True)
class Run:
    """What one run of the extractor left behind."""

    event_loop: str
    seconds: float
    pages: int
    links: list[tuple[str, str]]
    reports: dict[str, str]


@contextmanager
def site_process() -> Iterator[DemoSite]:
    """Serve the demo site from a process of its own; its table is known here by the port."""
    command = [sys.executable, str(EXAMPLES / "demo_site.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        try:
            assert process.stdout is not None
            urls = []
            for line in process.stdout:
                if line.rstrip("\n") == END_OF_LIST:
                    break
                urls.append(line.rstrip("\n"))
            else:
                raise DemoError("the demo site didn't start")
            site = DemoSite(urlsplit(urls[0]).port or 0)
            if urls != site.urls():
                raise DemoError("the demo site lists other URLs than its table has")
            yield site
        finally:
            process.terminate()


def run_extractor(contender: str, urls: Path, output: Path, timeout: int) -> Run:
    """Run the extractor once and read what it wrote."""
    launcher, _ = CONTENDERS[contender]
    command = [*launcher, str(EXAMPLES / "link_extractor.py"), str(urls), str(output), "--timeout", str(timeout)]
    finished = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=2 * PATIENCE, check=False
    )
    summary = SUMMARY.match(finished.stdout)
    announcement, *failures = finished.stderr.splitlines() or [""]
    # Both 0 and 1 mean that it went through the list: 1 when a page of it failed, and each failure is a line.
    if summary is None or finished.returncode != bool(failures) or not announcement.startswith(ANNOUNCEMENT):
        said = (finished.stderr or finished.stdout).strip()
        raise DemoError(f"{contender}: the extractor ended with exit code {finished.returncode} and said:\n{said}")
    links = [line.split("\t", 1) for line in output.read_text(encoding="utf-8").split("\n")[:-1]]
    output.unlink()
    reports = [line.partition(": ") for line in failures]
    return Run(
        event_loop=announcement.removeprefix(ANNOUNCEMENT),
        seconds=float(summary["seconds"]),
        pages=int(summary["pages"]),
        links=[(page, link) for page, link in links],
        reports={url: cause.partition(" (")[0] for url, _, cause in reports},
    )


def check(contender: str, run: Run, links: set[tuple[str, str]], failures: dict[str, str]) -> None:
    """Compare a run with what the site says it must be."""
    _, loop_name = CONTENDERS[contender]
    if not run.event_loop.startswith(loop_name):
        raise DemoError(f"{contender}: ran on {run.event_loop} instead of {loop_name}…")
    found = set(run.links)
    for kind, differing in (
        ("links not found", links - found),
        ("links found that the site doesn't have", found - links),
        ("failures not reported, or with another cause", failures.items() - run.reports.items()),
        ("failures reported that the site doesn't have", run.reports.items() - failures.items()),
    ):
        if differing:
            raise DemoError(f"{contender}: {kind}: {len(differing)}, such as {min(differing)}")
    if len(run.links) != len(found):
        raise DemoError(f"{contender}: links written twice: {len(run.links) - len(found)}")


def fetch_everything(site: DemoSite, directory: Path) -> None:
    """Let both fetch every page, and compare them with the site's table and with each other."""
    urls = directory / "every-url.txt"
    urls.write_text("\n".join(site.urls()) + "\n", encoding="utf-8")
    print(f"Every page of {site.origin}, the broken and the slow ones too:")
    found = []
    for contender in CONTENDERS:
        run = run_extractor(contender, urls, directory / "links.tsv", TIMEOUT_WITH_ENDLESS_PAGE)
        check(contender, run, site.expected_links(), site.expected_failures())
        print(f"  {contender:8} {len(run.links)} links on {run.pages} pages, {len(run.reports)} failures", end="")
        print(f"  (on {run.event_loop})")
        found.append(sorted(run.links))
    if found[0] != found[1]:
        raise DemoError("the two didn't find the same links")
    print("  Both found the same, and just what the site's own table says. It begins:")
    for page, link in found[0][:5]:
        print(f"    {page}\t{link}")


def compare_times(site: DemoSite, directory: Path, rounds: int) -> None:
    """Let both take turns at the pages that neither fail nor wait, and print the medians of their times."""
    healthy = site.healthy_urls()
    urls = directory / "healthy-urls.txt"
    urls.write_text("\n".join(healthy) + "\n", encoding="utf-8")
    links = {(page, link) for page, link in site.expected_links() if page in set(healthy)}
    times: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    for _ in range(rounds):
        for contender, taken in times.items():
            run = run_extractor(contender, urls, directory / "links.tsv", PATIENCE)
            check(contender, run, links, {})
            taken.append(run.seconds)
    print(f"The {len(healthy)} healthy pages, median (fastest to slowest) of {rounds} rounds by turns:")
    for contender, taken in times.items():
        print(f"  {contender:8} {statistics.median(taken):.3f} s ({min(taken):.3f} to {max(taken):.3f})")
    ratio = statistics.median(times["asyncio"]) / statistics.median(times["ioxide"])
    print(f"  asyncio's time is {ratio:.2f} times ioxide's.")


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(description="Run the link extractor on ioxide and on asyncio's own loop.")
    parser.add_argument("--rounds", metavar="N", type=int, default=3, help="runs to take the times from (default: 3)")
    rounds = max(1, parser.parse_args().rounds)
    try:
        with site_process() as site, tempfile.TemporaryDirectory() as directory:
            fetch_everything(site, Path(directory))
            compare_times(site, Path(directory), rounds)
    except (DemoError, subprocess.TimeoutExpired) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
