"""What tasks of `task_programs` meet at: locks and their kin, and queues; and what is done with them.

`MeetingActions` never wait, `MeetingOperations` may: `task_actions` and `task_operations` have them among theirs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from task_programs import Operation
from task_world import World


class Meetings:
    """Two of each kind where it matters, made on asyncio's names as they are then."""

    def __init__(self) -> None:
        shared = asyncio.Lock()
        self.locks: list[Any] = [shared, asyncio.Condition(shared), asyncio.Semaphore(1), asyncio.BoundedSemaphore(2)]
        self.conditions = [self.locks[1], asyncio.Condition()]
        self.locks.append(self.conditions[1])
        self.events = [asyncio.Event(), asyncio.Event()]
        self.barriers = [asyncio.Barrier(2), asyncio.Barrier(1)]
        self.queues: list[Any] = [asyncio.Queue(1), asyncio.Queue(), asyncio.LifoQueue(2), asyncio.PriorityQueue(1)]

    def describe(self) -> list[str]:
        """Tell how all are, in their own words."""
        every = (*self.locks, *self.events, *self.barriers, *self.queues)
        return [re.sub(r"<(asyncio\.locks|ioxide)\.| at 0x\w+", "", repr(each)) for each in every]


class MeetingActions:
    """Actions on them: there is a method for each, of its name."""

    world: World
    meetings: Meetings

    def meeting_state(self) -> list[str]:
        return self.meetings.describe()

    def release(self, index: int) -> Any:
        return self.meetings.locks[index % len(self.meetings.locks)].release()

    def set_event(self, index: int) -> Any:
        return self.meetings.events[index % 2].set()

    def clear_event(self, index: int) -> Any:
        return self.meetings.events[index % 2].clear()

    def notify(self, index: int, count: int) -> Any:
        condition = self.meetings.conditions[index % 2]
        return condition.notify(count) if count else condition.notify_all()

    def put_now(self, index: int, value: int) -> Any:
        return self.meetings.queues[index].put_nowait(value)

    def get_now(self, index: int) -> Any:
        return self.meetings.queues[index].get_nowait()

    def done_with(self, index: int) -> Any:
        return self.meetings.queues[index].task_done()

    def shut_down(self, index: int, immediate: bool) -> Any:
        return self.meetings.queues[index].shutdown(immediate)  # there is none before 3.13: an error as any other


class MeetingOperations:
    """Operations on them: there is a method for each, of its name behind `do_`."""

    world: World
    meetings: Meetings
    run_all: Callable[[tuple[Operation, ...]], Awaitable[None]]

    def meeting(self, kind: str, index: int, value: int) -> Any:
        """Make the coroutine of one operation that waits, and holds nothing for longer."""
        meetings = self.meetings
        made: dict[str, Callable[[], Any]] = {
            "acquire": lambda: meetings.locks[index % len(meetings.locks)].acquire(),
            "event": lambda: meetings.events[index % 2].wait(),
            "barrier": lambda: meetings.barriers[index % 2].wait(),
            "reset": lambda: meetings.barriers[index % 2].reset(),
            "abort": lambda: meetings.barriers[index % 2].abort(),
            "put": lambda: meetings.queues[index].put(value),
            "get": lambda: meetings.queues[index].get(),
            "join": lambda: meetings.queues[index].join(),
            "condition": lambda: meetings.conditions[index % 2].wait(),
        }
        return made[kind]()

    async def do_meet(self, kind: str, index: int, value: int) -> Any:
        return await self.meeting(kind, index, value)

    async def do_hold(self, index: int, operations: Any) -> None:
        async with self.meetings.locks[index % len(self.meetings.locks)]:
            await self.run_all(operations)

    async def do_enter_barrier(self, index: int, operations: Any) -> None:
        async with self.meetings.barriers[index % 2] as number:
            self.world.trace.note("entered", number)
            await self.run_all(operations)

    async def do_wait_at_condition(self, index: int, count: int) -> Any:
        asked = 0

        def is_so() -> int:
            nonlocal asked
            asked += 1
            return asked if asked > count else 0

        condition = self.meetings.conditions[index % 2]
        async with condition:
            return await condition.wait_for(is_so)
