"""The link extractor of the examples as its users run it: its files, and what it makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from program_process import Finished, Program

# A time-out that only a hang reaches.
PAGE_PATIENCE = ["--timeout", "60"]


@dataclass
class Extraction:
    """One run of the extractor as a process."""

    finished: Finished
    text: str

    @property
    def exit_code(self) -> int:
        return self.finished.exit_code

    @property
    def stdout(self) -> str:
        return self.finished.stdout

    @property
    def messages(self) -> list[str]:
        """The lines of stderr after the one that names the loop."""
        return self.finished.messages

    @property
    def pairs(self) -> list[tuple[str, ...]]:
        """The lines of the output, split at their tabs."""
        assert self.text == "" or self.text.endswith("\n")
        return [tuple(line.split("\t")) for line in self.text.split("\n")[:-1]]

    @property
    def causes(self) -> dict[str, str]:
        """What stderr says of each URL, without the details."""
        reports = [line.split(": ", 1) for line in self.messages]
        assert len({url for url, _ in reports}) == len(reports)
        return {url: cause.partition(" (")[0] for url, cause in reports}

    @property
    def summary(self) -> str:
        """The first line of the summary, with the time taken out."""
        words = self.stdout.splitlines()[0].split(" ")
        seconds = words.index("seconds") - 1
        assert float(words[seconds]) > 0
        return " ".join([*words[:seconds], "N", *words[seconds + 1 :]])


class Extractor:
    """Runs the extractor on one of the two loops, with its files in a directory of the test's own."""

    def __init__(self, loop_name: str, directory: Path) -> None:
        self.program = Program("link_extractor", loop_name)
        self.urls = directory / "urls.txt"
        self.output = directory / "links.tsv"

    def write_urls(self, urls: list[str]) -> None:
        self.urls.write_text("".join(f"{url}\n" for url in urls), encoding="utf-8")

    def extraction(self, finished: Finished) -> Extraction:
        """Pair what the process left with what stands in its output."""
        text = self.output.read_bytes().decode("utf-8") if self.output.is_file() else ""
        return Extraction(finished, text)

    def run(self, *options: str) -> Extraction:
        """Run it on the URL file as it is."""
        return self.extraction(self.program.run(self.urls, self.output, *options))

    def __call__(self, urls: list[str], *options: str) -> Extraction:
        self.write_urls(urls)
        return self.run(*PAGE_PATIENCE, *options)
