"""Within how many turns things happen: programs and tests count on it when they yield by `sleep(0)`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

Loop = asyncio.AbstractEventLoop
Run = Callable[[Awaitable[Any]], Any]


def test_a_descriptor_is_served_within_three_turns_of_a_busy_loop(run: Run, loop: Loop) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        with near, far:
            seen: list[bytes] = []
            loop.add_reader(near, lambda: seen.append(near.recv(1)))
            for _ in range(20):
                far.send(b".")
                for _ in range(3):
                    await asyncio.sleep(0)
                assert seen.pop() == b"."
            loop.remove_reader(near)

    run(main())


def test_data_that_is_there_comes_before_a_timer_that_is_due_later(run: Run, loop: Loop) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        with near, far:
            order: list[str] = []
            done = loop.create_future()

            def read() -> None:
                near.recv(1)
                order.append("data")

            def fire() -> None:
                order.append("timer")
                done.set_result(None)

            loop.add_reader(near, read)
            far.send(b".")
            loop.call_later(0.01, fire)
            await done
            loop.remove_reader(near)
            assert order == ["data", "timer"]

    run(main())


def test_call_later_goes_through_the_call_at_of_a_subclass(loop_factory: Callable[[], Loop]) -> None:
    probe = loop_factory()
    probe.close()
    base: Any = type(probe)
    asked: list[float] = []

    class Recording(base):  # type: ignore[misc]
        def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
            asked.append(when)
            return super().call_at(when, callback, *args, context=context)

    loop = Recording()
    try:
        loop.call_later(0, loop.stop)
        loop.run_forever()
    finally:
        loop.close()
    assert len(asked) == 1


def test_a_reader_whose_handle_was_cancelled_is_not_called(run: Run, loop: Any) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        with near, far:
            seen: list[str] = []
            loop._add_reader(near.fileno(), seen.append, "cancelled").cancel()
            far.send(b".")
            for _ in range(3):
                await asyncio.sleep(0)
            assert seen == []
            assert loop.remove_reader(near) is False

    run(main())
