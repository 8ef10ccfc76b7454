"""redis-py's asyncio client on the loop, with a redis-server of the tests' own: pipelines, messages, blocking, TLS.

The client reads and writes by asyncio's streams, and cancels its reads when they take too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from recording_protocol import authority
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError, WatchError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from server_programs import HOST, Redis, running_redis

Run = Callable[[Awaitable[Any]], Any]

MEBIBYTES = bytes(range(256)) * 32768


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A server that all tests of this file share, and which each finds empty."""
    with running_redis() as server:
        yield server


@contextlib.asynccontextmanager
async def connected(server: Redis, **options: Any) -> AsyncIterator[redis.asyncio.Redis]:
    """Open a client that connects by TCP, unless the options say otherwise, to a server without data."""
    retry = Retry(NoBackoff(), 0)
    async with redis.asyncio.Redis(**{"host": HOST, "port": server.port, "retry": retry, **options}) as client:
        await client.flushall()
        yield client


async def wait_until_blocked(observer: redis.asyncio.Redis, number: int) -> None:
    """Wait until `number` clients of the server are blocked: nothing but asking tells of it."""
    while (await observer.info("clients"))["blocked_clients"] != number:
        pass


def test_values_come_back_as_they_were_set(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client:
            assert await client.set("key", "grüße")
            assert await client.get("key") == "grüße".encode()
            assert await client.hset("hash", mapping={"a": 1, "b": 2}) == 2
            assert await client.hgetall("hash") == {b"a": b"1", b"b": b"2"}
            assert await client.get("missing") is None

    run(main())


def test_a_large_value_goes_both_ways(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client:
            assert await client.set("large", MEBIBYTES)
            assert await client.strlen("large") == len(MEBIBYTES)
            assert await client.get("large") == MEBIBYTES

    run(main())


def test_a_unix_socket_does_as_well(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server, unix_socket_path=str(redis_server.path)) as client:
            assert "redis:0" in (await client.client_info())["laddr"]
            assert await client.set("large", MEBIBYTES)
            assert await client.get("large") == MEBIBYTES

    run(main())


def test_a_pipeline_answers_in_order(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client, client.pipeline(transaction=False) as pipeline:
            for number in range(10_000):
                pipeline.incrby("sum", number)
            answers = await pipeline.execute()
            assert answers == [number * (number + 1) // 2 for number in range(10_000)]

    run(main())


def test_a_transaction_that_was_overtaken_changes_nothing(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client, client.pipeline() as pipeline:
            await pipeline.watch("key")
            await client.set("key", "theirs")
            pipeline.multi()
            pipeline.set("key", "ours")
            with pytest.raises(WatchError):
                await pipeline.execute()
            assert await client.get("key") == b"theirs"

    run(main())


def test_an_error_in_a_pipeline_leaves_the_other_answers(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client, client.pipeline(transaction=False) as pipeline:
            pipeline.set("text", "no number")
            pipeline.incr("text")
            pipeline.get("text")
            done, error, text = await pipeline.execute(raise_on_error=False)
            assert (done, text) == (True, b"no number")
            assert isinstance(error, ResponseError)
            assert "value is not an integer" in str(error)

    run(main())


def test_a_subscriber_hears_what_is_published(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client, client.pubsub() as subscriber:
            await subscriber.subscribe("news")
            await subscriber.psubscribe("weather.*")
            messages = subscriber.listen()
            assert [(await anext(messages))["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
            for number in range(100):
                assert await client.publish("news", f"item {number}") == 1
            assert await client.publish("weather.today", "rain") == 1
            heard = [await anext(messages) for _ in range(101)]
            assert [message["data"] for message in heard[:100]] == [f"item {n}".encode() for n in range(100)]
            assert (heard[100]["pattern"], heard[100]["channel"]) == (b"weather.*", b"weather.today")
            await messages.aclose()
            await subscriber.unsubscribe("news")
            await subscriber.punsubscribe("weather.*")
            assert await client.publish("news", "too late") == 0

    run(main())


def test_every_subscriber_hears_a_message(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client:
            subscribed = asyncio.Semaphore(0)

            async def listen() -> bytes:
                async with client.pubsub() as subscriber:
                    await subscriber.subscribe("news")
                    async for message in subscriber.listen():
                        if message["type"] == "subscribe":
                            subscribed.release()
                        else:
                            return bytes(message["data"])
                raise AssertionError("the subscription ended")

            listening = [asyncio.ensure_future(listen()) for _ in range(20)]
            for _ in listening:
                await subscribed.acquire()
            assert await client.publish("news", "all") == 20
            assert await asyncio.gather(*listening) == [b"all"] * 20

    run(main())


def test_a_blocked_pop_is_woken_by_another_client(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client, connected(redis_server) as other:
            popping = asyncio.ensure_future(client.blpop("queue", timeout=0))
            await wait_until_blocked(other, 1)
            assert not popping.done()
            await other.rpush("queue", "work")
            assert tuple(await popping) == (b"queue", b"work")

    run(main())


def test_a_pop_that_takes_too_long_ends_with_nothing(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client:
            assert await client.blpop("queue", timeout=0.01) is None

    run(main())


def test_a_cancelled_pop_takes_nothing_and_the_client_works(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client, connected(redis_server) as other:
            popping = asyncio.ensure_future(client.blpop("queue", timeout=0))
            await wait_until_blocked(other, 1)
            popping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await popping
            await wait_until_blocked(other, 0)
            await client.rpush("queue", "work")
            assert await client.lrange("queue", 0, -1) == [b"work"]

    run(main())


def test_a_command_that_takes_too_long_is_cancelled_and_the_client_works(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client, connected(redis_server) as other:
            await other.client_pause(3_600_000, all=False)
            try:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await client.set("key", "value")
            finally:
                await other.client_unpause()
            assert await client.ping()

    run(main())


def test_a_server_that_says_nothing_is_the_clients_error(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        with socket.create_server((HOST, 0)) as silent:
            port = silent.getsockname()[1]
            with pytest.raises(RedisTimeoutError):
                async with connected(redis_server, port=port, socket_timeout=0.01):
                    pass

    run(main())


def test_many_tasks_share_a_small_pool(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        pool = redis.asyncio.BlockingConnectionPool(host=HOST, port=redis_server.port, max_connections=4, timeout=None)
        async with connected(redis_server), redis.asyncio.Redis.from_pool(pool) as client:

            async def count() -> tuple[int, int]:
                async with client.pipeline() as pipeline:
                    counted, identity = await pipeline.incr("count").client_id().execute()
                    return counted, identity

            answers = await asyncio.gather(*(count() for _ in range(300)))
            assert sorted(counted for counted, _ in answers) == list(range(1, 301))
            assert len({identity for _, identity in answers}) <= 4

    run(main())


def test_a_connection_that_the_server_ends_is_the_clients_error(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        async with connected(redis_server) as client, connected(redis_server) as killer:
            popping = asyncio.ensure_future(client.blpop("queue", timeout=0))
            await wait_until_blocked(killer, 1)
            await killer.client_kill_filter(_type="normal", skipme=True)
            with pytest.raises(RedisConnectionError):
                await popping
            assert await client.ping()

    run(main())


def test_commands_go_over_tls(run: Run, redis_server: Redis, tmp_path: Path) -> None:
    authority().cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    options = {"port": redis_server.tls_port, "ssl": True, "ssl_ca_certs": str(tmp_path / "authority.pem")}

    async def main() -> None:
        async with connected(redis_server, **options) as client:
            assert await client.set("large", MEBIBYTES)
            assert await client.get("large") == MEBIBYTES
            async with client.pipeline(transaction=False) as pipeline:
                for number in range(1000):
                    pipeline.incrby("sum", number)
                assert (await pipeline.execute())[-1] == 499500

    run(main())


def test_a_certificate_of_a_stranger_is_refused(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        with pytest.raises(RedisConnectionError, match="certificate verify failed"):
            async with connected(redis_server, port=redis_server.tls_port, ssl=True):
                pass

    run(main())


def test_a_server_that_is_not_there_is_the_clients_error(run: Run, redis_server: Redis) -> None:
    async def main() -> None:
        with pytest.raises(RedisConnectionError):
            async with connected(redis_server, unix_socket_path=str(redis_server.path) + ".none"):
                pass

    run(main())
