"""The private names of the standard library's asyncio that ioxide uses: the only Python module that knows them.

Where a name's form depends on the version of Python, what is defined here has one form.
`tests/test_cpython_contract.py` fails on a version whose asyncio asks for something else.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import reprlib
import socket
import sys
import types
import weakref
from asyncio import (
    base_events,
    base_futures,
    base_tasks,
    constants,
    coroutines,
    events,
    format_helpers,
    futures,
    locks,
    selector_events,
    sslproto,
    streams,
    subprocess,
    tasks,
    timeouts,
    transports,
    trsock,
    unix_events,
)
from asyncio.log import logger
from collections.abc import AsyncGenerator, Callable, Collection
from typing import TYPE_CHECKING, Any

try:
    import ssl
except ImportError:
    SSL_SOCKET: Any = ()
else:
    SSL_SOCKET = ssl.SSLSocket

__all__ = [
    "SENDFILE_NATIVE",
    "SSL_SOCKET",
    "BarrierState",
    "DefaultEventLoopPolicy",
    "Event",
    "FlowControlMixin",
    "SSLProtocol",
    "SelectorDatagramTransport",
    "SelectorEventLoop",
    "SocketTransport",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "SubprocessStreamProtocol",
    "TimeoutState",
    "TransportSocket",
    "UnixReadPipeTransport",
    "UnixSubprocessTransport",
    "UnixWritePipeTransport",
    "accept_retry_delay",
    "attach",
    "cancel_and_wait",
    "child_watcher_of_the_program",
    "class_of_the_program",
    "coroutine_debug_mode",
    "create_future",
    "create_task",
    "describe_callback",
    "describe_future",
    "describe_handle",
    "describe_task",
    "detach",
    "extract_stack",
    "get_event_loop_made_by",
    "get_loop_of",
    "get_running_loop",
    "inherited_child_watcher",
    "is_inet_address",
    "logger",
    "numeric_address",
    "set_result_unless_cancelled",
    "set_running_loop",
    "show_native_tasks",
    "task_get_stack",
    "task_print_stack",
    "wrap_awaitable",
]
if sys.version_info >= (3, 14):
    __all__ += ["tasks_behind"]

TransportSocket = trsock.TransportSocket
Event = locks.Event
# Held here, for `ioxide.install` puts others in their places.
FlowControlMixin: Any = streams.FlowControlMixin
StreamReader: Any = streams.StreamReader
StreamReaderProtocol: Any = streams.StreamReaderProtocol
StreamWriter: Any = streams.StreamWriter
SubprocessStreamProtocol: Any = subprocess.SubprocessStreamProtocol
SelectorDatagramTransport: Any = selector_events._SelectorDatagramTransport  # type: ignore[attr-defined]
SSLProtocol: Any = sslproto.SSLProtocol
UnixReadPipeTransport: Any = unix_events._UnixReadPipeTransport  # type: ignore[attr-defined]
UnixWritePipeTransport: Any = unix_events._UnixWritePipeTransport  # type: ignore[attr-defined]
UnixSubprocessTransport: Any = unix_events._UnixSubprocessTransport  # type: ignore[attr-defined]
SENDFILE_NATIVE = constants._SendfileMode.TRY_NATIVE
coroutine_debug_mode = coroutines._is_debug_mode  # type: ignore[attr-defined]

if TYPE_CHECKING:

    class SelectorEventLoop(asyncio.SelectorEventLoop):
        """The private methods through which ioxide's loop and the inherited one are layered."""

        def _check_running(self) -> None: ...
        def _set_coroutine_origin_tracking(self, enabled: bool) -> None: ...
        def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None: ...
        def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None: ...
        def _make_self_pipe(self) -> None: ...
        def _close_self_pipe(self) -> None: ...
        def _make_datagram_transport(
            self, sock: socket.socket, protocol: Any, address: Any = None, waiter: Any = None, extra: Any = None
        ) -> Any: ...
        async def _make_subprocess_transport(
            self,
            protocol: Any,
            args: Any,
            shell: bool,
            stdin: Any,
            stdout: Any,
            stderr: Any,
            bufsize: int,
            extra: Any = None,
            **kwargs: Any,
        ) -> Any: ...

else:
    SelectorEventLoop = asyncio.SelectorEventLoop

if sys.version_info >= (3, 14):
    # The public name warns when it is looked up.
    DefaultEventLoopPolicy: Any = unix_events._DefaultEventLoopPolicy
else:
    DefaultEventLoopPolicy = asyncio.DefaultEventLoopPolicy


class SocketTransport(transports._FlowControlMixin, asyncio.Transport):
    """What the native transport says that its class is. It has no instances.

    The bases are those of asyncio's own stream transport: `loop.sendfile` asks whether a transport has flow control.
    """


if sys.version_info >= (3, 14):

    def child_watcher_of_the_program() -> object | None:
        """Return what the program has put in the place of asyncio's own way to wait for child processes: nothing."""
        return None

    def inherited_child_watcher() -> Any:
        """Make what the inherited loop waits for child processes with."""
        return unix_events._PidfdChildWatcher() if unix_events.can_use_pidfd() else unix_events._ThreadedChildWatcher()

else:

    def inherited_child_watcher() -> Any:
        """Make what the inherited loop waits for child processes with: up to 3.13 the policy has it."""
        return None

    _GETTERS_OF_DEFAULT_CHILD_WATCHERS = (
        asyncio.DefaultEventLoopPolicy.get_child_watcher,
        asyncio.AbstractEventLoopPolicy.get_child_watcher,
    )

    def child_watcher_of_the_program() -> object | None:
        """Return what the program has put in the place of asyncio's own way to wait for child processes, if it did."""
        policy = asyncio.get_event_loop_policy()
        if type(policy).get_child_watcher not in _GETTERS_OF_DEFAULT_CHILD_WATCHERS:
            return policy
        watcher = getattr(policy, "_watcher", None)
        defaults = (type(None), asyncio.ThreadedChildWatcher, asyncio.PidfdChildWatcher)
        return None if type(watcher) in defaults else watcher


def set_running_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """Note which loop runs in this thread. The name is looked up at each call, for asyncio has two of it."""
    events._set_running_loop(loop)


def get_running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, if one does."""
    return events._get_running_loop()


def get_event_loop_made_by(factory: Callable[[], asyncio.AbstractEventLoop]) -> asyncio.AbstractEventLoop:
    """Return what `asyncio.get_event_loop` does: a loop that it makes is made by `factory`.

    A policy of the program's is left to make what it makes.
    """
    get_policy: Any = getattr(events, "_get_event_loop_policy", None) or asyncio.get_event_loop_policy
    policy, default = get_policy(), DefaultEventLoopPolicy  # type: Any, Any
    if type(policy) is not default:
        return asyncio.get_event_loop()
    policy._loop_factory = factory
    try:
        return asyncio.get_event_loop()
    finally:
        del policy._loop_factory


def accept_retry_delay() -> float:
    """For how many seconds a server that ran out of descriptors leaves its socket alone."""
    return constants.ACCEPT_RETRY_DELAY


def describe_callback(callback: Callable[..., object], arguments: tuple[object, ...], debug: bool) -> str:
    """Describe a callback for a report. The arguments' values are shown in debug mode only, where Python has it so."""
    if sys.version_info >= (3, 13):
        return format_helpers._format_callback_source(callback, arguments, debug=debug)
    return format_helpers._format_callback_source(callback, arguments)


# A future's result, or a callback's argument, may be the future itself.
_describe_future: Any = reprlib.recursive_repr()(
    lambda future: f"<{type(future).__name__} {' '.join(base_futures._future_repr_info(future))}>"
)
_describe_task: Any = reprlib.recursive_repr()(
    lambda task: f"<{type(task).__name__} {' '.join(base_tasks._task_repr_info(task))}>"
)


def describe_future(future: Any) -> str:
    """Describe a future by its state, result and callbacks."""
    description: str = _describe_future(future)
    return description


def describe_task(task: Any) -> str:
    """Describe a task by its state, name, coroutine and what it waits for."""
    description: str = _describe_task(task)
    return description


async def wrap_awaitable(awaitable: Any) -> Any:
    """Await what isn't a coroutine, for a task that needs one."""
    return await awaitable


set_result_unless_cancelled: Callable[[Any, Any], None] = futures._set_result_unless_cancelled  # type: ignore[attr-defined]
get_loop_of: Callable[[Any], Any] = futures._get_loop  # type: ignore[attr-defined]
BarrierState: Any = locks._BarrierState
TimeoutState: Any = timeouts._State  # type: ignore[attr-defined]
# It is called from Python 3.12 on only: before that it takes the loop, too.
cancel_and_wait: Any = tasks._cancel_and_wait  # type: ignore[attr-defined]
task_get_stack: Callable[[Any, Any], Any] = base_tasks._task_get_stack
task_print_stack: Callable[[Any, Any, Any], Any] = base_tasks._task_print_stack


if sys.version_info >= (3, 14):
    create_task: Any = asyncio.BaseEventLoop.create_task
else:

    def create_task(loop: Any, coroutine: Any, name: Any, context: Any, **kwargs: Any) -> Any:
        """Make a task by the standard library's rules: by the loop's task factory, or with further arguments."""
        return asyncio.BaseEventLoop.create_task(loop, coroutine, name=name, context=context, **kwargs)


create_future: Any = asyncio.BaseEventLoop.create_future

_CLASSES_OF_ASYNCIO = (futures.Future, tasks.Task)


def class_of_the_program(name: str) -> type | None:
    """Return the class that somebody has put in the place of asyncio's `Future` or `Task`, `None` if nobody has."""
    current: type = futures.Future if name == "Future" else tasks.Task
    return None if current in _CLASSES_OF_ASYNCIO else current


class _TaskReferences(set[Callable[[], Any]]):
    """asyncio's weak references to its tasks, followed by references to the tasks of ours that aren't done."""

    def __init__(self, references: Any, live_tasks: Callable[[], list[Any]]) -> None:
        super().__init__(references)
        self._live_tasks = live_tasks

    def __iter__(self) -> Any:
        return itertools.chain(super().__iter__(), map(_reference_to, self._live_tasks()))

    def copy(self) -> Any:
        """Return all references, for a version of Python that copies before it iterates."""
        return list(self)


def _reference_to(task: Any) -> Callable[[], Any]:
    return lambda: task


def show_native_tasks(live_tasks: Callable[[], list[Any]]) -> None:
    """Have `asyncio.all_tasks` find the tasks that `live_tasks` returns, too.

    asyncio goes through a `WeakSet`, which goes through a set of references. Nothing of asyncio's is replaced but that
    inner set.
    """
    known = _tasks_that_are_not_of_asyncio()
    if not isinstance(known.data, _TaskReferences):
        known.data = _TaskReferences(known.data, live_tasks)


def _tasks_that_are_not_of_asyncio() -> Any:
    """Return the `WeakSet` in which asyncio keeps the tasks of others."""
    if sys.version_info < (3, 12):
        return tasks._all_tasks  # type: ignore[attr-defined]
    if sys.version_info < (3, 14):
        return tasks._scheduled_tasks
    # It has no name any more that would lead to it; but what is in it has a weak reference that knows the way.
    witness = type("Witness", (), {})()
    tasks._register_task(witness)
    (reference,) = weakref.getweakrefs(witness)
    known = reference.__callback__.__defaults__[0]()
    tasks._unregister_task(witness)
    return known


if sys.version_info >= (3, 14):
    # The functions of asyncio's that a future calls when it is done, and that have the waiting task in a variable.
    _MODULES_OF_CALLBACKS = {"asyncio.staggered", "asyncio.tasks"}

    def tasks_behind(callback: Any) -> Collection[Any]:
        """Find the tasks that wait for a future, as far as one of its callbacks tells. For call graphs.

        It is how asyncio's own tasks, functions and groups wait for a future: they note it in C futures only.
        """
        name = getattr(callback, "__name__", None)
        owner = getattr(callback, "__self__", None)
        if name in ("task_wakeup", "__wakeup"):
            return () if owner is None else (owner,)
        if name == "_on_task_done":
            return _task_or_nothing(getattr(owner, "_parent_task", None))
        if name == "_handle_completion":
            return _task_or_nothing(getattr(owner, "_cur_task", None))
        if isinstance(callback, functools.partial) and callback.func is tasks._release_waiter:  # type: ignore[attr-defined]
            return getattr(callback.args[0], "_asyncio_awaited_by", None) or ()
        if getattr(callback, "__module__", None) in _MODULES_OF_CALLBACKS and isinstance(callback, types.FunctionType):
            return _tasks_behind_function(callback)
        return ()

    def _tasks_behind_function(function: types.FunctionType) -> Collection[Any]:
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))

        def variable(name: str) -> Any:
            try:
                return cells[name].cell_contents
            except (KeyError, ValueError):  # it has no such variable, or has deleted it
                return None

        if function.__name__ == "_done_callback":  # that of `gather`, whose children are left when it has failed
            outer = variable("outer")
            return () if outer is not None and outer.done() else _task_or_nothing((function.__defaults__ or (None,))[0])
        return _task_or_nothing(variable("cur_task") or variable("parent_task"))

    def _task_or_nothing(task: Any) -> Collection[Any]:
        return () if task is None else (task,)


def describe_handle(handle: object) -> str:
    """Describe what ran too long: the task, if it was a step of one."""
    callback = getattr(handle, "_callback", None)
    if isinstance(getattr(callback, "__self__", None), tasks.Task):
        description: str = base_events._format_handle(handle)  # type: ignore[attr-defined]
        return description
    return str(handle)


def extract_stack() -> object:
    """Take the stack of whoever called into the loop, for debug mode: the caller of the caller of native code."""
    return format_helpers.extract_stack(sys._getframe(1))


if sys.version_info >= (3, 13):

    def attach(server: Any, transport: asyncio.BaseTransport) -> None:
        """Tell a server of a connection that it has."""
        server._attach(transport)

    def detach(server: Any, transport: object) -> None:
        """Tell a server of a connection that it no longer has."""
        server._detach(transport)

else:

    def attach(server: Any, transport: asyncio.BaseTransport) -> None:
        """Tell a server of a connection that it has. Before 3.13 it only counts them."""
        server._attach()

    def detach(server: Any, transport: object) -> None:
        """Tell a server of a connection that it no longer has. Before 3.13 it only counts them."""
        server._detach()


def numeric_address(host: object) -> bool:
    """Tell whether `host` is an IP address, so that resolving it can't block."""
    if not isinstance(host, str):
        return False
    return base_events._ipaddr_info(host, 0, 0, socket.SOCK_STREAM, 0) is not None  # type: ignore[attr-defined]


def is_inet_address(address: object) -> bool:
    """Tell whether `address` is what the socket module takes as an address of the internet."""
    if not isinstance(address, tuple) or len(address) not in (2, 3, 4) or not numeric_address(address[0]):
        return False
    if ":" not in address[0] and len(address) != 2:
        return False
    limits = (1 << 16, 1 << 20, 1 << 32)  # of the port, the flow, the scope
    numbers = zip(address[1:], limits, strict=False)
    return all(isinstance(number, int) and 0 <= number < limit for number, limit in numbers)
