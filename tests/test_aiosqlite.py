"""aiosqlite on the loop: each connection has a thread, which answers by `call_soon_threadsafe`."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

Run = Callable[[Awaitable[Any]], Any]

ROWS = 20_000


@contextlib.asynccontextmanager
async def opened(path: Path | str = ":memory:", **options: Any) -> AsyncIterator[aiosqlite.Connection]:
    """Open a database with an empty table `numbers`, unless it has one."""
    async with aiosqlite.connect(path, **options) as connection:
        await connection.execute("create table if not exists numbers (number integer primary key, name text)")
        await connection.commit()
        yield connection


async def count(connection: aiosqlite.Connection) -> int:
    async with connection.execute("select count(*) from numbers") as cursor:
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def test_what_is_committed_stays_and_what_is_rolled_back_is_gone(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "database") as connection:
            await connection.execute("insert into numbers values (1, 'one')")
            await connection.commit()
            await connection.execute("insert into numbers values (2, 'two')")
            assert connection.in_transaction
            await connection.rollback()
            await connection.execute("insert into numbers values (3, 'three')")
        async with opened(tmp_path / "database") as connection:
            rows = await connection.execute_fetchall("select * from numbers")
            assert list(rows) == [(1, "one")]

    run(main())


def test_a_transaction_is_seen_by_others_when_it_is_committed(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "database") as writer, opened(tmp_path / "database") as reader:
            await writer.execute("insert into numbers values (1, 'one')")
            assert (await count(writer), await count(reader)) == (1, 0)
            await writer.commit()
            assert await count(reader) == 1

    run(main())


def test_many_rows_are_iterated(run: Run) -> None:
    async def main() -> None:
        async with opened() as connection:
            rows = [(number, f"name {number}") for number in range(ROWS)]
            await connection.executemany("insert into numbers values (?, ?)", rows)
            async with connection.execute("select * from numbers order by number") as cursor:
                assert await cursor.fetchmany(3) == rows[:3]
                assert [tuple(row) async for row in cursor] == rows[3:]
                assert await cursor.fetchone() is None

    run(main())


def test_tasks_share_a_connection(run: Run) -> None:
    async def main() -> None:
        async with opened() as connection:

            async def insert(number: int) -> int:
                async with connection.execute("insert into numbers values (?, ?)", (number, "x")) as cursor:
                    assert cursor.lastrowid is not None
                    return cursor.lastrowid

            assert await asyncio.gather(*map(insert, range(500))) == list(range(500))
            assert await count(connection) == 500

    run(main())


def test_connections_write_the_same_database_in_turn(run: Run, tmp_path: Path) -> None:
    async def add(times: int) -> None:
        async with opened(tmp_path / "database", isolation_level=None, timeout=100) as connection:
            for _ in range(times):
                await connection.execute("begin immediate")
                await connection.execute("update numbers set name = name + 1")
                await connection.execute("commit")

    async def main() -> None:
        async with opened(tmp_path / "database") as connection:
            await connection.execute("insert into numbers values (1, 0)")
            await connection.commit()
            await connection.execute("pragma synchronous = off")
            await asyncio.gather(*(add(5) for _ in range(4)))
            assert list(await connection.execute_fetchall("select name from numbers")) == [("20",)]

    run(main())


def test_the_loop_runs_on_while_a_query_blocks(run: Run) -> None:
    entered, released = threading.Event(), threading.Event()

    def block() -> str:
        entered.set()
        released.wait()
        return threading.current_thread().name

    async def main() -> None:
        async with opened() as connection:
            await connection.create_function("block", 0, block)
            blocked = asyncio.ensure_future(connection.execute_fetchall("select block()"))
            while not entered.is_set():
                await asyncio.sleep(0)
            assert not blocked.done()
            released.set()
            ((name,),) = await blocked
            assert name != threading.current_thread().name

    run(main())


def test_an_endless_query_is_interrupted_and_the_connection_works(run: Run) -> None:
    started = threading.Event()
    endless = "with recursive n(i) as (select started() union all select i + 1 from n) select max(i) from n"

    def start() -> int:
        started.set()
        return 0

    async def main() -> None:
        async with opened() as connection:
            await connection.create_function("started", 0, start)
            running = asyncio.ensure_future(connection.execute_fetchall(endless))
            while not started.is_set():
                await asyncio.sleep(0)
            await connection.interrupt()
            with pytest.raises(sqlite3.OperationalError, match="interrupted"):
                await running
            assert await count(connection) == 0

    run(main())


def test_a_cancelled_query_still_runs_and_the_next_waits_for_it(run: Run) -> None:
    entered, released = threading.Event(), threading.Event()

    def block() -> int:
        entered.set()
        released.wait()
        return 7

    async def main() -> None:
        async with opened() as connection:
            await connection.create_function("block", 0, block)
            insert = connection.execute("insert into numbers values (block(), 'late')")
            inserting = asyncio.ensure_future(insert)
            while not entered.is_set():
                await asyncio.sleep(0)
            inserting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await inserting
            released.set()
            assert await count(connection) == 1

    run(main())


@pytest.mark.parametrize(
    ("statement", "error", "message"),
    [
        ("insert into numbers values (1, 'again')", sqlite3.IntegrityError, "UNIQUE constraint failed"),
        ("select * from nowhere", sqlite3.OperationalError, "no such table: nowhere"),
        ("select ?", sqlite3.ProgrammingError, "Incorrect number of bindings"),
    ],
)
def test_an_error_is_raised_in_the_task(run: Run, statement: str, error: type[Exception], message: str) -> None:
    async def main() -> None:
        async with opened() as connection:
            await connection.execute("insert into numbers values (1, 'one')")
            with pytest.raises(error, match=message):
                await connection.execute(statement)
            assert await count(connection) == 1

    run(main())


def test_a_locked_database_is_an_error(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "database") as first, opened(tmp_path / "database", timeout=0) as second:
            await first.execute("insert into numbers values (1, 'one')")
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                await second.execute("insert into numbers values (2, 'two')")
            await first.commit()
            await second.execute("insert into numbers values (2, 'two')")
            assert await count(second) == 2

    run(main())


def test_a_closed_connection_takes_no_query(run: Run) -> None:
    async def main() -> None:
        async with opened() as connection:
            pass
        with pytest.raises(ValueError, match=r"no active connection|Connection closed"):
            await connection.execute("select 1")

    run(main())


def test_a_database_is_copied_while_it_is_open(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        progress = []
        async with opened() as source, aiosqlite.connect(tmp_path / "copy") as target:
            await source.executemany("insert into numbers values (?, ?)", [(n, "x" * 500) for n in range(1000)])
            await source.commit()
            await source.backup(target, pages=20, progress=lambda *numbers: progress.append(numbers), sleep=0)
            assert await count(target) == 1000
        assert len(progress) > 5

    run(main())
