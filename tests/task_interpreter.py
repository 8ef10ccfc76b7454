"""Runs a program of `task_programs` on a loop, and notes everything that can be seen of it.

Time is a number that goes up by one in each turn, and the loop never waits: what fires, and in which turn, is decided
by the program alone. What the standard library keeps in sets, whose order is that of addresses, is put in order here.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import re
import sys
import types
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from typing import Any

from task_programs import Action, Operation, Program

TURNS = 24
TURNS_AFTER_CANCELLING = 5
ROUNDS_OF_CANCELLING = 8
MOST_TASKS = 24

variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable", default="unset")

WAIT_MODES = {"any": asyncio.FIRST_COMPLETED, "all": asyncio.ALL_COMPLETED, "exception": asyncio.FIRST_EXCEPTION}


class Odd(BaseException):
    """An exception that neither `except Exception` nor the loop treats in a way of its own."""


EXCEPTIONS: dict[str, Callable[[], Any]] = {
    "KeyError": lambda: KeyError("key"),
    "ValueError": lambda: ValueError(1, 2),
    "TimeoutError": lambda: TimeoutError(),
    "CancelledError": lambda: asyncio.CancelledError(),
    "cancelled with message": lambda: asyncio.CancelledError("by hand"),
    "StopIteration": lambda: StopIteration("value"),
    "StopAsyncIteration": lambda: StopAsyncIteration("value"),
    "Odd": lambda: Odd("odd"),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(),
    "a class": lambda: ValueError,
    "no exception": lambda: 5,
}


class InOrder(dict[Any, None]):
    """A set in the order of its making."""

    def add(self, item: Any) -> None:
        self[item] = None

    def discard(self, item: Any) -> None:
        self.pop(item, None)


class Group(asyncio.TaskGroup):
    """A task group that cancels its tasks in the order in which they were made."""

    def __init__(self) -> None:
        super().__init__()
        assert self._tasks == set()
        self._tasks = InOrder()  # type: ignore[assignment]


class Callback:
    """A done callback. Those of one number are equal."""

    def __init__(self, world: World, number: int, actions: tuple[Action, ...]) -> None:
        self.world, self.number, self.actions = world, number, actions

    def __call__(self, *done: Any) -> None:
        self.world.note("callback", self.number, *map(self.world.state, done))
        self.world.act_all(self.actions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Callback) and other.number == self.number

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Callback {self.number}"


@types.coroutine
def yield_plainly(value: Any = None) -> Generator[Any, Any, Any]:
    """Hand `value` to the task as it is."""
    return (yield value)


class World:
    """A loop, what a program has made on it, and the trace."""

    def __init__(self, make_loop: type[asyncio.AbstractEventLoop], program: Program) -> None:
        self.program = program
        self.trace: list[Any] = []
        self.reports: list[str] = []
        self.turn = 0
        self.is_over = False
        self.serial = 0
        self.seen: dict[int, tuple[str, Any]] = {}
        self.unnamed: dict[str, str] = {}
        self.tasks: list[asyncio.Task[Any]] = []
        self.made_by_factory: list[asyncio.Task[Any]] = []
        self.bodies: dict[asyncio.Task[Any], int] = {}
        self.loop = self.make_loop(make_loop)
        self.native_future = type(self.loop.create_future())
        self.native_task = type(self.made_by_the_loop())
        self.contexts = [contextvars.copy_context() for _ in range(2)]
        for number, context in enumerate(self.contexts):
            context.run(variable.set, f"context {number}")
        self.futures = [self.make_future(kind) for kind in program.futures]
        for number, future in enumerate(self.futures):
            self.seen[id(future)] = (f"future {number}", future)
        self.loop.set_task_factory(self.factory())

    def make_loop(self, make_loop: type[asyncio.AbstractEventLoop]) -> Any:
        world = self

        class OwnCallSoon(make_loop):  # type: ignore[misc, valid-type]
            def call_soon(self, callback: Any, *arguments: Any, context: Any = None) -> Any:
                in_context = contextvars.copy_context() if context is None else context
                world.note("call_soon", in_context.get(variable))
                return super().call_soon(callback, *arguments, context=context)

        loop: Any = OwnCallSoon() if self.program.mode == "own call_soon" else make_loop()
        loop.time = lambda: float(self.turn)
        loop.slow_callback_duration = float("inf")
        loop.set_debug(self.program.mode == "debug")
        loop.set_exception_handler(self.handle_exception)
        return loop

    def made_by_the_loop(self) -> asyncio.Task[Any]:
        async def nothing() -> None:
            pass

        task = self.loop.create_task(nothing(), name="nothing")
        self.loop.run_until_complete(task)
        return task

    def make_future(self, kind: str) -> Any:
        world = self

        class Derived(self.native_future):  # type: ignore[misc, name-defined]
            def cancel(self, msg: Any = None) -> bool:
                world.note("derived cancel", msg)
                return super().cancel(msg=msg)

        classes = {"asyncio": asyncio.Future, "native": self.native_future, "derived": Derived}
        if kind == "loop":
            return self.loop.create_future()
        return classes.get(kind, asyncio.futures._PyFuture)(loop=self.loop)  # type: ignore[attr-defined]

    def factory(self) -> Any:
        kinds: dict[str, Callable[[], Any]] = {
            "plain": lambda: lambda loop, coroutine, **options: self.native_task(coroutine, loop=loop, **options),
            "eager": lambda: asyncio.eager_task_factory,
            "native eager": lambda: asyncio.create_eager_task_factory(self.native_task),
        }
        if self.program.factory is None:
            return None
        make = kinds[self.program.factory]()

        def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
            task = make(loop, coroutine, **options)
            self.made_by_factory.append(task)
            return task

        return factory

    # What is seen.

    def note(self, *event: Any) -> None:
        current = asyncio.current_task(self.loop)
        name = None if current is None else self.clean(current.get_name())
        self.trace.append((self.turn, name, variable.get(), *event))

    def clean(self, text: str) -> str:
        """Take out what differs from run to run, or tells where an object was made: asyncio's own code."""
        text = re.sub(r"0x[0-9a-f]+", "0x", text)
        text = re.sub(r" created at [^ >]+|\.\.\.[^>]*>", "", text)
        return re.sub(
            r"Task-\d+", lambda found: self.unnamed.setdefault(found[0], f"unnamed {len(self.unnamed)}"), text
        )

    def name(self, item: Any) -> str:
        kind = type(item).__name__
        if self.is_over:
            return kind
        return self.seen.setdefault(id(item), (f"{kind} {len(self.seen)}", item))[0]

    def describe(self, item: Any, known: tuple[Any, ...] = ()) -> Any:
        if isinstance(item, BaseException):
            return self.describe_exception(item, known)
        if isinstance(item, (set, frozenset)):
            return sorted(map(self.describe, item))
        if isinstance(item, (list, tuple)):
            return [self.describe(part, known) for part in item]
        if isinstance(item, str):
            return self.clean(item)
        if item is None or isinstance(item, (bool, int)):
            return item
        if isinstance(item, asyncio.Task):
            return self.clean(item.get_name())
        return self.name(item)

    def describe_exception(self, error: BaseException, known: tuple[Any, ...]) -> Any:
        if any(error is other for other in known):
            return self.name(error)
        known = (*known, error)
        frames = []
        traceback = error.__traceback__
        while traceback is not None:
            code = traceback.tb_frame.f_code
            # A loop that is written in Python leaves its own frames in what ends it.
            if not code.co_filename.endswith(("events.py", "_loop.py", "_cpython.py")) and code.co_name != "take_turns":
                frames.append(code.co_name)
            traceback = traceback.tb_next
        parts = error.exceptions if isinstance(error, BaseExceptionGroup) else error.args
        return (
            self.name(error),
            self.describe(str(error)),
            self.describe(parts, known),
            frames,
            ("cause", self.describe(error.__cause__, known)),
            ("context", self.describe(error.__context__, known), error.__suppress_context__),
        )

    def state(self, future: Any) -> Any:
        cancelling = future.cancelling() if isinstance(future, asyncio.Task) else None
        return (self.describe(future), future.done(), future.cancelled(), cancelling)

    def handle_exception(self, _: Any, context: dict[str, Any]) -> None:
        described = {
            key: self.describe(value)
            for key, value in context.items()
            if key in ("message", "exception", "future", "task", "asyncgen")
        }
        # When in its turn an object goes is nobody's promise, nor who is the current task then. What has ended the
        # loop keeps asyncio's frames, and with these objects, for longer.
        ended_the_loop = isinstance(context.get("exception"), (SystemExit, KeyboardInterrupt))
        if ended_the_loop:
            described["exception"] = type(context["exception"]).__name__
        turn = None if ended_the_loop else self.turn
        self.reports.append(repr((turn, sorted(context), sorted(described.items()))))

    # Actions.

    def act_all(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            self.act_one(action)

    def act_one(self, action: Action) -> None:
        name, *arguments = action
        if name == "throw":
            raise EXCEPTIONS[arguments[0]]()
        try:
            found = getattr(self, name)(*arguments)
        except Exception as error:
            self.note(*action, "raised", self.describe(error))
        else:
            self.note(*action, "gave", self.describe(found))

    def find(self, reference: tuple[Any, ...]) -> Any:
        kind, *index = reference
        if kind == "task behind":
            behind = [task for task in self.tasks if self.bodies[task] > index[0]]
            return behind[index[1] % len(behind)] if behind else self.futures[index[1]]
        if kind == "task" and self.tasks:
            return self.tasks[index[0] % len(self.tasks)]
        current = asyncio.current_task(self.loop)
        if kind == "myself" and current is not None:
            return current
        return self.futures[index[0] if index else 0]

    def delay(self, turns: int) -> float:
        """No two are due at the same time."""
        self.serial += 1
        return turns + self.serial / 1_000_000

    def new_name(self) -> str:
        self.serial += 1
        return f"named-{self.serial}"

    def result(self, reference: tuple[Any, ...], value: Any) -> Any:
        return self.find(reference).set_result(value)

    def fail(self, reference: tuple[Any, ...], kind: str) -> Any:
        return self.find(reference).set_exception(EXCEPTIONS[kind]())

    def cancel(self, reference: tuple[Any, ...], message: str | None) -> Any:
        found = self.find(reference)
        return found.cancel() if message is None else found.cancel(msg=message)

    def uncancel(self, reference: tuple[Any, ...]) -> Any:
        found = self.find(reference)
        return found.uncancel() if isinstance(found, asyncio.Task) else "no task"

    def watch(self, reference: tuple[Any, ...], number: int, actions: tuple[Action, ...], context: int | None) -> Any:
        options = {} if context is None else {"context": self.contexts[context]}
        self.find(reference).add_done_callback(Callback(self, number, actions), **options)

    def unwatch(self, reference: tuple[Any, ...], number: int) -> Any:
        return self.find(reference).remove_done_callback(Callback(self, number, ()))

    def soon(self, actions: tuple[Action, ...]) -> None:
        self.loop.call_soon(Callback(self, -1, actions))

    def later(self, turns: int, actions: tuple[Action, ...]) -> None:
        self.loop.call_later(self.delay(turns), Callback(self, -2, actions))

    def set_variable(self, value: int) -> None:
        variable.set(value)

    def peek(self, reference: tuple[Any, ...]) -> Any:
        return self.state(self.find(reference))

    def look(self, reference: tuple[Any, ...]) -> Any:
        found = self.find(reference)
        return [self.outcome(found.exception), self.outcome(found.result)]

    def outcome(self, ask: Callable[[], Any]) -> Any:
        try:
            return ("gave", self.describe(ask()))
        except BaseException as error:
            return ("raised", self.describe(error))

    def list_tasks(self) -> list[Any]:
        return self.pending_tasks()

    def pending_tasks(self) -> list[Any]:
        """In the order of their making, of which the numbers in the names tell."""

        def order(task: asyncio.Task[Any]) -> tuple[int, int]:
            if task in self.made_by_factory:
                return (0, self.made_by_factory.index(task))
            kind, number = task.get_name().rsplit("-", 1)
            return (1 if kind == "named" else 2, int(number))

        return sorted(asyncio.all_tasks(self.loop), key=order)

    def spawn(self, body: int, kind: str, context: int | None) -> Any:
        if len(self.tasks) >= MOST_TASKS:
            return "too many"
        options: dict[str, Any] = {"name": self.new_name()}
        starts_eagerly = self.program.factory in ("eager", "native eager") and kind == "loop"
        if context is not None and not starts_eagerly:  # see `task_programs.spawning`
            options["context"] = self.contexts[context]
        task = self.make_task(kind, self.body(body), options)
        self.keep(task, body)
        return task

    def keep(self, task: asyncio.Task[Any], body: int) -> None:
        self.tasks.append(task)
        self.bodies[task] = body

    def make_task(self, kind: str, coroutine: Coroutine[Any, Any, Any], options: dict[str, Any]) -> Any:
        world = self

        class Derived(self.native_task):  # type: ignore[misc, name-defined]
            def cancel(self, msg: Any = None) -> bool:
                world.note("derived cancel", msg)
                return super().cancel(msg=msg)

        if kind == "loop":
            return self.loop.create_task(coroutine, **options)
        if kind.startswith("eager"):
            options["eager_start"] = True
        classes = {"asyncio": asyncio.Task, "native": self.native_task, "eager": self.native_task}
        return classes.get(kind, Derived)(coroutine, loop=self.loop, **options)

    # Operations.

    async def body(self, number: int) -> Any:
        self.note("begin", number)
        await self.run_all(self.program.bodies[number])
        return number

    async def run_all(self, operations: tuple[Operation, ...]) -> None:
        for name, *arguments in operations:
            if self.is_over:
                return  # a coroutine that is thrown away does what is in its `finally` without a loop
            try:
                found = await getattr(self, f"do_{name}")(*arguments)
            except BaseException as error:
                self.note(name, "raised", self.describe(error))
                raise
            self.note(name, "gave", self.describe(found))

    def awaitable(self, described: tuple[Any, ...]) -> Any:
        kind, *arguments = described
        if kind == "body":
            return self.body(arguments[0])
        if kind == "shield":
            return asyncio.shield(self.awaitable(arguments[0]))
        if kind == "gather":
            return asyncio.gather(*map(self.awaitable, arguments[0]), return_exceptions=arguments[1])
        return self.find(described)

    async def do_act(self, action: Action) -> None:
        self.act_one(action)

    async def do_wait_until_done(self, described: tuple[Any, ...]) -> Any:
        return await self.awaitable(described)

    async def do_pass_turn(self) -> None:
        await asyncio.sleep(0)

    async def do_bare_yield(self) -> None:
        await yield_plainly()

    async def do_sleep(self, turns: int) -> Any:
        return await asyncio.sleep(self.delay(turns), "slept")

    async def do_throw(self, kind: str) -> None:
        raise EXCEPTIONS[kind]()

    async def do_yield_wrongly(self, described: tuple[Any, ...]) -> Any:
        if described[0] == "number":
            return await yield_plainly(42)
        if described[0] == "generator":
            return await yield_plainly(number for number in range(1))
        return await yield_plainly(self.find(described))

    async def do_wait(self, described: Any, turns: int | None, mode: str) -> Any:
        timeout = None if turns is None else self.delay(turns)
        awaited = [self.awaitable(each) for each in described]
        # Named in this order: what comes out is in sets.
        self.note("waits for", [self.describe(each) for each in awaited])
        try:
            return await asyncio.wait(awaited, timeout=timeout, return_when=WAIT_MODES[mode])
        finally:
            # `wait` looks at exceptions in the order of the set until it has found one: all count as seen.
            for each in awaited:
                if each.done() and not each.cancelled():
                    each.exception()

    async def do_wait_for(self, described: tuple[Any, ...], turns: int | None) -> Any:
        timeout = None if turns is None else self.delay(turns)
        return await asyncio.wait_for(self.awaitable(described), timeout)

    async def do_as_completed(self, described: Any, turns: int | None, most: int) -> Any:
        timeout = None if turns is None else self.delay(turns)
        awaited = [self.awaitable(each) for each in described]
        # Those that are done already would come in the order of their addresses.
        done = [each for each in awaited if each.done()]
        pending = [each for each in awaited if not each.done()]
        for number, each in enumerate(asyncio.as_completed([*done[:1], *pending], timeout=timeout)):
            self.note("completed", self.describe(await each))
            if number == most:
                break

    async def do_attempt(self, kind: str, tried: Any, handled: Any) -> None:
        caught = asyncio.CancelledError if kind == "cancelled" else Exception if kind == "error" else BaseException
        try:
            await self.run_all(tried)
        except GeneratorExit:
            raise
        except caught as error:
            self.note("caught", self.describe(error))
            await self.run_all(handled)
            if kind == "again":
                raise
            if kind == "other":
                raise LookupError("other") from error

    async def do_finish(self, tried: Any, finally_done: Any) -> None:
        try:
            await self.run_all(tried)
        finally:
            await self.run_all(finally_done)

    async def do_each(self, kind: str, operations: Any) -> None:
        caught = {"cancelled": asyncio.CancelledError, "error": Exception, "any": (Exception, asyncio.CancelledError)}
        for operation in operations:
            try:
                await self.run_all((operation,))
            except caught[kind]:
                self.note("carries on")

    async def do_nest(self, operations: Any) -> None:
        await self.run_all(operations)

    async def do_timeout(self, turns: int | None, operations: Any, again: Any) -> Any:
        timeout = asyncio.timeout(None if turns is None else self.delay(turns))
        try:
            async with timeout:
                if again != "keep":
                    timeout.reschedule(None if again is None else self.loop.time() + self.delay(again))
                await self.run_all(operations)
        finally:
            self.note("timeout", timeout.expired())

    async def do_iterate(self, count: int, stop: int, how: str, operations: Any) -> None:
        items = self.generate(count, operations)
        if how == "keep":
            self.seen[id(items)] = ("generator", items)
        async for item in items:
            self.note("item", item)
            if item == stop:
                break
        if how == "close":
            await items.aclose()  # type: ignore[attr-defined]

    async def generate(self, count: int, operations: Any) -> AsyncIterator[int]:
        try:
            for number in range(count):
                await asyncio.sleep(0)
                yield number
        finally:
            await self.run_all(operations)

    async def do_group(self, bodies: Any, operations: Any) -> None:
        async with Group() as group:
            for body in bodies:
                if len(self.tasks) < MOST_TASKS:
                    self.keep(group.create_task(self.body(body), name=self.new_name()), body)
            await self.run_all(operations)

    # The run.

    def run(self) -> list[Any]:
        self.loop.call_soon(Callback(self, -3, self.program.start))
        self.take_turns(TURNS)
        for _ in range(0 if self.program.abandons else ROUNDS_OF_CANCELLING):
            for task in self.pending_tasks():
                task.cancel("the end")
            self.take_turns(TURNS_AFTER_CANCELLING)
        for item in (*self.futures, *self.tasks):
            self.note("in the end", self.state(item))
            if not self.program.abandons:
                self.note(self.describe(item), self.outcome(item.result))
        self.loop.close()
        self.is_over = True
        return self.trace

    def take_turns(self, count: int) -> None:
        until = self.turn + count
        if self.program.ticks:
            self.loop.call_soon(self.tick, until)
        idle = 0
        while self.turn < until and idle < 4:
            idle = 0 if self.program.ticks or asyncio.all_tasks(self.loop) else idle + 1
            if not self.program.ticks:
                self.turn += 1
                self.loop.stop()
            try:
                self.loop.run_forever()
            except BaseException as error:
                self.note("the loop ended", type(error).__name__)

    def tick(self, until: int) -> None:
        self.turn += 1
        if self.turn >= until:
            self.loop.stop()
        else:
            self.loop.call_soon(self.tick, until)

    def forget(self) -> list[Any]:
        """Let go of all. Returns what was reported, then and before."""
        self.futures.clear()
        self.tasks.clear()
        self.bodies.clear()
        self.made_by_factory.clear()
        self.seen.clear()
        for _ in range(3):
            gc.collect()  # what a report has brought to life goes the next time
        return sorted(self.reports)


def run_program(make_loop: type[asyncio.AbstractEventLoop], program: Program) -> list[Any]:
    """Run a program on a fresh loop. Returns its trace."""
    gc.disable()
    gc.freeze()  # the collection at the end has only this run to look through
    unraisable: list[Any] = []
    hook = sys.unraisablehook
    sys.unraisablehook = lambda context: unraisable.append((type(context.exc_value).__name__, str(context.exc_value)))
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            world = World(make_loop, program)
            trace = contextvars.copy_context().run(world.run)
            trace = [*trace, *world.forget()]
            del world
            gc.collect()
    finally:
        sys.unraisablehook = hook
        gc.enable()
    return [*trace, sorted(str(warning.message).split("\n")[0] for warning in warned), sorted(unraisable)]


def first_difference(one: list[Any], other: list[Any]) -> Iterator[str]:
    """Tell where two traces part, and what led there."""
    for number in range(max(len(one), len(other))):
        here, there = one[number : number + 1], other[number : number + 1]
        if here != there:
            yield from (f"  both: {event}" for event in one[max(0, number - 6) : number])
            yield from (f"asyncio: {here}", f" ioxide: {there}")
            return
