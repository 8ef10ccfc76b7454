"""asyncpg on the loop, with a PostgreSQL of the tests' own: transactions, COPY, notifications, a pool, time-outs, TLS.

asyncpg's protocol is a C extension that is called by the transport, pauses it, and upgrades it to TLS; a query that
is cancelled is cancelled by a second connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import pytest
from recording_protocol import several_turns, tls_contexts
from server_programs import HOST, PostgreSQL, running_postgresql

Run = Callable[[Awaitable[Any]], Any]

MEBIBYTES = bytes(range(256)) * 16384
ROWS = 50_000


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server that all tests of this file share; each leaves it without tables."""
    with running_postgresql() as server:
        yield server


@contextlib.asynccontextmanager
async def connected(server: PostgreSQL, **options: Any) -> AsyncIterator[asyncpg.Connection]:
    """Connect by TCP without TLS, unless the options say otherwise."""
    defaults = {"host": HOST, "port": server.port, "user": "postgres", "database": "postgres", "ssl": False}
    connection = await asyncpg.connect(**{**defaults, **options})
    try:
        yield connection
    finally:
        await connection.close(timeout=60)


@contextlib.asynccontextmanager
async def pooled(server: PostgreSQL, **options: Any) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(
        host=HOST, port=server.port, user="postgres", database="postgres", ssl=False, **options
    ) as pool:
        yield pool


async def is_active(observer: asyncpg.Connection, process: int) -> bool:
    """Ask `observer` whether the server's process with this number is busy with a query."""
    state = await observer.fetchval("select state from pg_stat_activity where pid = $1", process)
    return bool(state == "active")


def test_values_come_back_as_they_were_sent(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        async with connected(postgresql) as connection:
            row = await connection.fetchrow("select $1::int as a, $2::text as b, $3::float8[] as c", 7, "grüße", [0.5])
            assert dict(row) == {"a": 7, "b": "grüße", "c": [0.5]}

    run(main())


def test_a_unix_socket_does_as_well(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        async with connected(postgresql, host=str(postgresql.directory)) as connection:
            assert await connection.fetchval("select inet_client_addr() is null")
            assert await connection.fetchval("select $1::bytea", MEBIBYTES) == MEBIBYTES

    run(main())


def test_a_transaction_is_committed_or_rolled_back(run: Run, postgresql: PostgreSQL) -> None:
    async def insert_and_fail(connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            await connection.execute("insert into numbers values (2)")
            raise LookupError

    async def main() -> None:
        async with connected(postgresql) as connection:
            await connection.execute("create temporary table numbers (number int primary key)")
            async with connection.transaction():
                await connection.execute("insert into numbers values (1)")
            with pytest.raises(LookupError):
                await insert_and_fail(connection)
            async with connection.transaction():
                await connection.execute("insert into numbers values (3)")
                with pytest.raises(asyncpg.UniqueViolationError):
                    async with connection.transaction():  # a savepoint
                        await connection.executemany("insert into numbers values ($1)", [(4,), (1,)])
            rows = await connection.fetch("select number from numbers order by number")
            assert [row["number"] for row in rows] == [1, 3]

    run(main())


def test_a_transaction_is_seen_by_others_when_it_is_committed(run: Run, postgresql: PostgreSQL) -> None:
    count = "select count(*) from seen"

    async def main() -> None:
        async with connected(postgresql) as writer, connected(postgresql) as reader:
            await writer.execute("create table seen (number int)")
            try:
                async with writer.transaction():
                    await writer.execute("insert into seen values (1)")
                    assert await writer.fetchval(count) == 1
                    assert await reader.fetchval(count) == 0
                assert await reader.fetchval(count) == 1
            finally:
                await writer.execute("drop table seen")

    run(main())


def test_many_rows_are_copied_in_and_out(run: Run, postgresql: PostgreSQL) -> None:
    records = [(number, f"row {number}") for number in range(ROWS)]

    async def main() -> None:
        async with connected(postgresql) as connection:
            await connection.execute("create temporary table copied (number int, name text)")
            assert await connection.copy_records_to_table("copied", records=records) == f"COPY {ROWS}"
            assert await connection.fetchval("select sum(number) from copied") == ROWS * (ROWS - 1) // 2
            output = io.BytesIO()
            query = "select * from copied order by number"
            assert await connection.copy_from_query(query, output=output, format="csv") == f"COPY {ROWS}"
            assert output.getvalue() == "".join(f"{number},{name}\n" for number, name in records).encode()

    run(main())


def test_what_a_coroutine_produces_is_copied_in(run: Run, postgresql: PostgreSQL) -> None:
    async def lines() -> AsyncIterator[bytes]:
        for start in range(0, ROWS, 1000):
            await asyncio.sleep(0)
            yield b"".join(b"%d\n" % number for number in range(start, start + 1000))

    async def main() -> None:
        async with connected(postgresql) as connection:
            await connection.execute("create temporary table produced (number int)")
            await connection.copy_to_table("produced", source=lines())
            assert await connection.fetchval("select count(distinct number) from produced") == ROWS

    run(main())


def test_a_copy_that_fails_leaves_nothing_and_the_connection_works(run: Run, postgresql: PostgreSQL) -> None:
    async def lines() -> AsyncIterator[bytes]:
        yield b"1\n"
        raise LookupError("no more lines")

    async def main() -> None:
        async with connected(postgresql) as connection:
            await connection.execute("create temporary table nothing (number int)")
            with pytest.raises(LookupError):
                await connection.copy_to_table("nothing", source=lines())
            assert await connection.fetchval("select count(*) from nothing") == 0

    run(main())


def test_a_cursor_brings_rows_as_they_are_asked_for(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        async with connected(postgresql) as connection, connection.transaction():
            cursor = connection.cursor("select generate_series(1, 1000) as number", prefetch=7)
            assert [row["number"] async for row in cursor] == list(range(1, 1001))

    run(main())


def test_a_listener_is_told_of_what_another_connection_says(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        heard: asyncio.Queue[tuple[int, str, object]] = asyncio.Queue()

        def hear(_: object, process: int, channel: str, payload: object) -> None:
            heard.put_nowait((process, channel, payload))

        async with connected(postgresql) as listener, connected(postgresql) as speaker:
            await listener.add_listener("news", hear)
            for number in range(100):
                await speaker.execute("select pg_notify('news', $1)", f"item {number}")
            process = speaker.get_server_pid()
            assert [await heard.get() for _ in range(100)] == [(process, "news", f"item {n}") for n in range(100)]
            await listener.remove_listener("news", hear)
            await speaker.execute("notify news")
            await listener.execute("select 1")
            assert heard.empty()

    run(main())


def test_a_pool_runs_queries_at_once_on_few_connections(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        async with pooled(postgresql, min_size=2, max_size=5) as pool:

            async def ask(number: int) -> tuple[int, int]:
                row = await pool.fetchrow("select $1::int * 2 as doubled, pg_backend_pid() as process", number)
                return row["doubled"], row["process"]

            answers = await asyncio.gather(*map(ask, range(200)))
            assert [doubled for doubled, _ in answers] == [2 * number for number in range(200)]
            assert len({process for _, process in answers}) <= 5

    run(main())


def test_an_empty_pool_makes_the_next_wait(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        async with pooled(postgresql, min_size=1, max_size=1) as pool:
            async with pool.acquire() as connection:
                waiting = asyncio.ensure_future(pool.fetchval("select pg_backend_pid()"))
                await several_turns()
                assert not waiting.done()
                process = connection.get_server_pid()
            assert await waiting == process

    run(main())


def test_a_query_that_takes_too_long_is_cancelled_and_the_connection_works(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        async with connected(postgresql) as connection, connected(postgresql) as observer:
            with pytest.raises(TimeoutError):
                await connection.execute("select pg_sleep(3600)", timeout=0.01)
            assert await connection.fetchval("select 1") == 1
            assert not await is_active(observer, connection.get_server_pid())

    run(main())


def test_a_cancelled_task_cancels_its_query_on_the_server(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        async with connected(postgresql) as connection, connected(postgresql) as observer:
            process = connection.get_server_pid()
            sleeping = asyncio.ensure_future(connection.execute("select pg_sleep(3600)"))
            while not await is_active(observer, process):
                pass
            sleeping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sleeping
            assert await connection.fetchval("select 1") == 1

    run(main())


def test_a_connection_that_the_server_ends_says_so(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        async with connected(postgresql) as connection, connected(postgresql) as killer:
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _: ended.set())
            assert await killer.fetchval("select pg_terminate_backend($1)", connection.get_server_pid())
            await ended.wait()
            assert connection.is_closed()
            with pytest.raises(asyncpg.InterfaceError, match="connection is closed"):
                await connection.fetchval("select 1")

    run(main())


def test_an_error_has_the_servers_words(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        async with connected(postgresql) as connection:
            with pytest.raises(asyncpg.UndefinedTableError, match='relation "nowhere" does not exist'):
                await connection.execute("select * from nowhere")
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetchval("select 1 / $1::int", 0)
            assert await connection.fetchval("select 1") == 1

    run(main())


def test_a_database_that_is_not_there_refuses_the_connection(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            async with connected(postgresql, database="nowhere"):
                pass

    run(main())


def test_queries_go_over_tls(run: Run, postgresql: PostgreSQL) -> None:
    _, context = tls_contexts()

    async def main() -> None:
        async with connected(postgresql, ssl=context) as connection:
            assert await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
            digest = await connection.fetchval("select encode(sha256($1::bytea), 'hex')", MEBIBYTES)
            assert digest == hashlib.sha256(MEBIBYTES).hexdigest()
            assert await connection.fetchval("select $1::bytea", MEBIBYTES) == MEBIBYTES
            with pytest.raises(TimeoutError):
                await connection.execute("select pg_sleep(3600)", timeout=0.01)
            assert await connection.fetchval("select 1") == 1

    run(main())


def test_a_certificate_of_a_stranger_is_refused(run: Run, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
            async with connected(postgresql, ssl=ssl.create_default_context()):
                pass

    run(main())
