"""Search what the crawler has stored: a small search engine.

    python examples/search.py index DEST INDEX
    python examples/search.py query INDEX WORDS...

`index` reads the pages of a crawler's directory into an SQLite file, with SQLite's full-text index FTS5. It replaces
the index as a whole, in one transaction: who asks meanwhile gets the old one, and after an interruption everybody does.
`query` prints the pages that have all of the words, the best first by BM25, where a word in the title counts tenfold.
Endings of English words don't matter. `"two words"` in quotation marks have to stand side by side, and `begin*` finds
what begins so.

sqlite3 blocks, so aiosqlite runs it in a thread of its own; pages are read in other threads meanwhile. Nothing in here
names an event loop.

Exit code: 0, found or not; 1 when a page couldn't be read, which is told on stderr, or the index not be written; 2 when
the command line is wrong, or there is nothing to index or no index; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
from pathlib import Path

import aiosqlite
from command_line import DONE, PARTLY_FAILED, WRONG_USE, ProgramError, count, run
from page_store import PAGE, PAGES, Record, read_manifest, read_page
from page_text import title_and_text
from tqdm import tqdm

# How many pages go to the index at a time.
BATCH = 50

# A row of the index: title, text, URL and depth.
Row = tuple[str, str, str, int]

CREATE = """
CREATE VIRTUAL TABLE pages
USING fts5(title, text, url UNINDEXED, depth UNINDEXED, tokenize = 'porter unicode61 remove_diacritics 2')
"""
FIND = """
SELECT title, url, depth, snippet(pages, 1, '[', ']', '…', 20), -bm25(pages, 10, 1) AS score
FROM pages WHERE pages MATCH ? ORDER BY score DESC, url LIMIT ?
"""


class Indexing:
    """Reads pages in a thread and writes them to the index in another, a few batches behind."""

    def __init__(self, directory: Path, database: aiosqlite.Connection, progress: tqdm[Record]) -> None:
        self.failed = 0
        self._directory = directory
        self._database = database
        self._progress = progress
        # Bounded, so that reading doesn't run ahead of writing; None ends it.
        self._batches: asyncio.Queue[list[Row] | None] = asyncio.Queue(maxsize=2)

    async def run(self, records: list[Record]) -> None:
        """Put these pages into a new index, or leave the old one as it is."""
        await self._database.execute("BEGIN IMMEDIATE")
        await self._database.execute("DROP TABLE IF EXISTS pages")
        await self._database.execute(CREATE)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(records))
            group.create_task(self._write())
        await self._database.execute("COMMIT")

    async def _read(self, records: list[Record]) -> None:
        for start in range(0, len(records), BATCH):
            batch = records[start : start + BATCH]
            rows = []
            for record, row in zip(batch, await asyncio.to_thread(self._rows, batch), strict=True):
                if isinstance(row, str):
                    self.failed += 1
                    tqdm.write(f"{record.url}: {row}", file=sys.stderr)
                else:
                    rows.append(row)
            await self._batches.put(rows)
        await self._batches.put(None)

    def _rows(self, records: list[Record]) -> list[Row | str]:
        return [row_of(self._directory / PAGES / str(record.file), record) for record in records]

    async def _write(self) -> None:
        while (rows := await self._batches.get()) is not None:
            await self._database.executemany("INSERT INTO pages VALUES (?, ?, ?, ?)", rows)
            self._progress.update(len(rows))


def row_of(path: Path, record: Record) -> Row | str:
    """Make the row of a page; the reason, if it can't be read."""
    try:
        page = read_page(path)
        title, text = title_and_text(page.text)
    except OSError as error:
        return f"cannot read {path}: {error.strerror}"
    except (ValueError, AssertionError):  # html.parser gives up with the latter
        return f"cannot read {path}: not a page of the crawler's"
    return title, text, page.url, page.depth


async def index(directory: Path, path: Path) -> int:
    """Index the pages of a crawler's directory."""
    records = [record for record in read_manifest(directory).values() if record.outcome == PAGE]
    if not records:
        raise ProgramError(f"no pages in {directory}")
    records.sort(key=lambda record: record.url)
    check_opening(path, "ab")
    try:
        # Without an isolation level, transactions begin and end where this program says so.
        async with aiosqlite.connect(path, isolation_level=None) as database:
            with tqdm(records, unit="page", file=sys.stderr, disable=None) as progress:
                indexing = Indexing(directory, database, progress)
                await indexing.run(records)
    except* sqlite3.Error as errors:
        raise ProgramError(f"cannot write {path}: {errors.exceptions[0]}", PARTLY_FAILED) from errors
    print(f"{len(records) - indexing.failed} indexed, {indexing.failed} failed")
    return PARTLY_FAILED if indexing.failed else DONE


async def query(path: Path, words: list[str], most: int) -> int:
    """Print the pages that have all of the words."""
    check_opening(path, "rb")
    try:
        async with (
            # As it is, and not made when it isn't there.
            aiosqlite.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as database,
            database.execute(FIND, (" ".join(quoted(word) for word in words), most)) as cursor,
        ):
            rows = await cursor.fetchall()
    except sqlite3.Error as error:
        raise ProgramError(f"cannot read {path}: {error}", WRONG_USE) from error
    for number, (title, url, depth, snippet, score) in enumerate(rows, start=1):
        print(f"{number}. {title or 'without a title'}\n   {url} (depth {depth}, score {score:.2f})\n   {snippet}")
    if not rows:
        print("nothing found")
    return DONE


def check_opening(path: Path, mode: str) -> None:
    """Find out whether the index can be opened, while that is told by a plain error.

    When SQLite can't open a file, aiosqlite leaves a thread behind that reports to the loop after the loop is closed.
    """
    try:
        path.open(mode).close()
    except OSError as error:
        raise ProgramError(f"cannot open {path}: {error.strerror}") from error


def quoted(word: str) -> str:
    """Write a word for FTS5, to which all but letters means something, so that it is looked for as it stands."""
    beginning = word.removesuffix("*")
    quotation = '"' + beginning.replace('"', '""') + '"'
    return quotation if beginning == word else f"{quotation} *"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Search what the crawler has stored.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="index|query")
    indexing = commands.add_parser("index", help="index the pages of a crawler's directory")
    indexing.add_argument("directory", metavar="DEST", type=Path, help="the crawler's directory")
    indexing.add_argument("index", metavar="INDEX", type=Path, help="the SQLite file to write")
    querying = commands.add_parser("query", help="print the pages that have all of the words")
    querying.add_argument("index", metavar="INDEX", type=Path, help="the SQLite file to read")
    querying.add_argument("words", metavar="WORDS", nargs="+", help="what the pages must have")
    querying.add_argument("--most", metavar="N", type=count, default=10, help="pages to print (default: 10)")
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit code."""
    arguments = parse_arguments()
    if arguments.command == "index":
        return run("search", index(arguments.directory, arguments.index))
    return run("search", query(arguments.index, arguments.words, arguments.most))


if __name__ == "__main__":
    sys.exit(main())
