//! The standard library's names that the loop uses, looked up once.
//!
//! Public names are looked up here. Private ones, whose form depends on the version, stand in `ioxide._cpython`, the
//! one Python module that knows them.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// A name in a module, imported when it is first used.
pub struct Name {
    module: &'static str,
    attribute: &'static str,
    object: PyOnceLock<Py<PyAny>>,
}

impl Name {
    const fn new(module: &'static str, attribute: &'static str) -> Self {
        Self { module, attribute, object: PyOnceLock::new() }
    }

    /// The object that the name stands for.
    ///
    /// # Errors
    /// What the import raises.
    pub fn get<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyAny>> {
        self.object
            .get_or_try_init(py, || Ok(py.import(self.module)?.getattr(self.attribute)?.unbind()))
            .map(|object| object.bind(py))
    }
}

/// `asyncio.Future`: the C class.
pub static FUTURE: Name = Name::new("asyncio", "Future");
/// `asyncio.eager_task_factory`, the standard library's.
#[cfg(Py_3_12)]
pub static EAGER_TASK_FACTORY: Name = Name::new("asyncio.tasks", "eager_task_factory");
/// `collections.deque`.
pub static DEQUE: Name = Name::new("collections", "deque");
/// `asyncio.Handle`.
pub static HANDLE: Name = Name::new("asyncio", "Handle");
/// `asyncio.TimerHandle`.
pub static TIMER_HANDLE: Name = Name::new("asyncio", "TimerHandle");
/// What a transport says that its class is: an `asyncio.Transport` with flow control.
pub static TRANSPORT: Name = Name::new("ioxide._cpython", "SocketTransport");
/// `asyncio.BufferedProtocol`.
pub static BUFFERED_PROTOCOL: Name = Name::new("asyncio", "BufferedProtocol");
/// `socket.socket`.
pub static SOCKET: Name = Name::new("socket", "socket");
/// The C class that `socket.socket` is made of.
pub static NATIVE_SOCKET: Name = Name::new("_socket", "socket");
/// `socket.gaierror`.
pub static RESOLVER_ERROR: Name = Name::new("socket", "gaierror");
/// `asyncio.constants`' mark of a transport whose descriptor `sendfile` may write to.
pub static SENDFILE_NATIVE: Name = Name::new("ioxide._cpython", "SENDFILE_NATIVE");
/// `os.strerror`.
pub static STRERROR: Name = Name::new("os", "strerror");
/// `sys.is_finalizing`.
pub static IS_FINALIZING: Name = Name::new("sys", "is_finalizing");
/// `warnings.warn`.
pub static WARN: Name = Name::new("warnings", "warn");
/// `ssl.SSLSocket`, or a tuple of nothing on a Python without TLS: what `isinstance` takes.
pub static SSL_SOCKET: Name = Name::new("ioxide._cpython", "SSL_SOCKET");
/// The logger named "asyncio".
pub static LOGGER: Name = Name::new("ioxide._cpython", "logger");
/// `asyncio.trsock.TransportSocket`.
pub static TRANSPORT_SOCKET: Name = Name::new("ioxide._cpython", "TransportSocket");
/// Describes a callback and its arguments for a report.
pub static DESCRIBE_CALLBACK: Name = Name::new("ioxide._cpython", "describe_callback");
/// Describes a handle, or the task whose step it is, for the warning about a slow callback.
pub static DESCRIBE_HANDLE: Name = Name::new("ioxide._cpython", "describe_handle");
/// The stack of the caller, for debug mode.
pub static EXTRACT_STACK: Name = Name::new("ioxide._cpython", "extract_stack");
/// Tells a server of a connection that it has.
pub static ATTACH: Name = Name::new("ioxide._cpython", "attach");
/// Tells a server of a connection that it no longer has.
pub static DETACH: Name = Name::new("ioxide._cpython", "detach");
/// For how many seconds a server that ran out of descriptors doesn't accept.
pub static ACCEPT_RETRY_DELAY: Name = Name::new("ioxide._cpython", "accept_retry_delay");
/// The standard library's transport of a datagram socket.
pub static DATAGRAM_TRANSPORT: Name = Name::new("ioxide._cpython", "SelectorDatagramTransport");
/// The standard library's transport of a pipe's reading end.
pub static READ_PIPE_TRANSPORT: Name = Name::new("ioxide._cpython", "UnixReadPipeTransport");
/// The standard library's transport of a pipe's writing end.
pub static WRITE_PIPE_TRANSPORT: Name = Name::new("ioxide._cpython", "UnixWritePipeTransport");
/// `sys.audit`.
pub static AUDIT: Name = Name::new("sys", "audit");
/// `asyncio.Task`: the C class.
pub static TASK: Name = Name::new("asyncio", "Task");
/// `asyncio.CancelledError`.
pub static CANCELLED_ERROR: Name = Name::new("asyncio", "CancelledError");
/// `asyncio.current_task`, as C has it.
#[cfg(Py_3_14)]
pub static CURRENT_TASK: Name = Name::new("_asyncio", "current_task");
/// The module `asyncio.futures`.
pub static FUTURES: Name = Name::new("asyncio", "futures");
/// The module `asyncio.tasks`.
#[cfg(Py_3_14)]
pub static TASKS: Name = Name::new("asyncio", "tasks");
/// `asyncio.InvalidStateError`.
pub static INVALID_STATE_ERROR: Name = Name::new("asyncio", "InvalidStateError");
/// `asyncio.get_event_loop`.
pub static GET_EVENT_LOOP: Name = Name::new("asyncio.events", "get_event_loop");
/// `asyncio.get_running_loop`.
pub static GET_RUNNING_LOOP: Name = Name::new("asyncio", "get_running_loop");
/// `asyncio._get_running_loop`: the loop, or `None`.
pub static GET_RUNNING_LOOP_OR_NONE: Name = Name::new("asyncio", "_get_running_loop");
/// `asyncio.isfuture`.
pub static IS_FUTURE: Name = Name::new("asyncio", "isfuture");
/// `inspect.isawaitable`.
pub static IS_AWAITABLE: Name = Name::new("inspect", "isawaitable");
/// A coroutine that awaits what isn't one.
pub static WRAP_AWAITABLE: Name = Name::new("ioxide._cpython", "wrap_awaitable");
/// Sets a future's result, unless it was cancelled.
pub static SET_RESULT_UNLESS_CANCELLED: Name = Name::new("ioxide._cpython", "set_result_unless_cancelled");
/// `asyncio.iscoroutine`.
pub static IS_COROUTINE: Name = Name::new("asyncio", "iscoroutine");
/// `inspect.isgenerator`.
pub static IS_GENERATOR: Name = Name::new("inspect", "isgenerator");
/// `types.GenericAlias`.
pub static GENERIC_ALIAS: Name = Name::new("types", "GenericAlias");
/// The loop of whatever is like a future.
pub static GET_LOOP: Name = Name::new("ioxide._cpython", "get_loop_of");
/// A future's repr.
pub static DESCRIBE_FUTURE: Name = Name::new("ioxide._cpython", "describe_future");
/// A task's repr.
pub static DESCRIBE_TASK: Name = Name::new("ioxide._cpython", "describe_task");
/// A task's `get_stack`.
pub static TASK_GET_STACK: Name = Name::new("ioxide._cpython", "task_get_stack");
/// A task's `print_stack`.
pub static TASK_PRINT_STACK: Name = Name::new("ioxide._cpython", "task_print_stack");
/// The current task of each loop, up to Python 3.13.
#[cfg(not(Py_3_14))]
pub static CURRENT_TASKS: Name = Name::new("asyncio.tasks", "_current_tasks");
/// The standard library's `create_task`, for what goes through a task factory.
pub static CREATE_TASK: Name = Name::new("ioxide._cpython", "create_task");
/// The standard library's `create_future`.
pub static CREATE_FUTURE: Name = Name::new("ioxide._cpython", "create_future");
/// The class that the program has put in the place of asyncio's `Future` or `Task`, if it has.
pub static CLASS_OF_THE_PROGRAM: Name = Name::new("ioxide._cpython", "class_of_the_program");
/// The tasks that wait for a future, as far as one of its callbacks tells.
#[cfg(Py_3_14)]
pub static TASKS_BEHIND: Name = Name::new("ioxide._cpython", "tasks_behind");
/// Notes, for call graphs, who awaits a future of the C classes.
#[cfg(Py_3_14)]
pub static FUTURE_ADD_TO_AWAITED_BY: Name = Name::new("_asyncio", "future_add_to_awaited_by");
/// Takes back `FUTURE_ADD_TO_AWAITED_BY`.
#[cfg(Py_3_14)]
pub static FUTURE_DISCARD_FROM_AWAITED_BY: Name = Name::new("_asyncio", "future_discard_from_awaited_by");
/// `contextvars.Context`.
#[cfg(Py_3_15)]
pub static CONTEXT: Name = Name::new("contextvars", "Context");
/// Makes a task its loop's current one.
pub static ENTER_TASK: Name = Name::new("_asyncio", "_enter_task");
/// Takes back `ENTER_TASK`.
pub static LEAVE_TASK: Name = Name::new("_asyncio", "_leave_task");
/// Makes a task its loop's current one in the place of another.
pub static SWAP_CURRENT_TASK: Name = Name::new("_asyncio", "_swap_current_task");
/// The states of a timeout.
pub static TIMEOUT_STATE: Name = Name::new("ioxide._cpython", "TimeoutState");
/// `ExceptionGroup`.
#[cfg(Py_3_13)]
pub static EXCEPTION_GROUP: Name = Name::new("builtins", "ExceptionGroup");
/// `round`.
pub static ROUND: Name = Name::new("builtins", "round");
/// The states of a barrier.
pub static BARRIER_STATE: Name = Name::new("ioxide._cpython", "BarrierState");
/// `asyncio.BrokenBarrierError`.
pub static BROKEN_BARRIER_ERROR: Name = Name::new("asyncio", "BrokenBarrierError");
/// A coroutine that cancels a future and waits until it is done.
#[cfg(Py_3_12)]
pub static CANCEL_AND_WAIT: Name = Name::new("ioxide._cpython", "cancel_and_wait");
/// `asyncio.QueueEmpty`.
pub static QUEUE_EMPTY: Name = Name::new("asyncio", "QueueEmpty");
/// `asyncio.QueueFull`.
pub static QUEUE_FULL: Name = Name::new("asyncio", "QueueFull");
/// `asyncio.QueueShutDown`.
#[cfg(Py_3_13)]
pub static QUEUE_SHUT_DOWN: Name = Name::new("asyncio", "QueueShutDown");
/// The standard library's event, whatever `install` has put in its place.
pub static EVENT: Name = Name::new("ioxide._cpython", "Event");
/// `heapq.heappush`.
pub static HEAP_PUSH: Name = Name::new("heapq", "heappush");
/// `heapq.heappop`.
pub static HEAP_POP: Name = Name::new("heapq", "heappop");
/// What `call_soon_threadsafe` of asyncio's own loop returns.
#[cfg(Py_3_14)]
pub static THREAD_SAFE_HANDLE: Name = Name::new("asyncio.events", "_ThreadSafeHandle");

/// `asyncio.StreamReader`: the standard library's.
pub static STOCK_STREAM_READER: Name = Name::new("ioxide._cpython", "StreamReader");
/// `ioxide.StreamReader`.
pub static STREAM_READER: Name = Name::new("ioxide._streams", "StreamReader");
/// `ioxide.StreamReaderProtocol`.
pub static STREAM_READER_PROTOCOL: Name = Name::new("ioxide._streams", "StreamReaderProtocol");
/// `asyncio.IncompleteReadError`.
pub static INCOMPLETE_READ_ERROR: Name = Name::new("asyncio", "IncompleteReadError");
/// `asyncio.LimitOverrunError`.
pub static LIMIT_OVERRUN_ERROR: Name = Name::new("asyncio", "LimitOverrunError");

/// Looks up what an object that is forgotten needs at the interpreter's end, when nothing can be imported any more.
///
/// # Errors
/// What an import raises.
pub fn look_up_what_the_end_needs(py: Python<'_>) -> PyResult<()> {
    let names = [
        &WARN,
        &DETACH,
        &IS_FINALIZING,
        &NATIVE_SOCKET,
        &DESCRIBE_FUTURE,
        &DESCRIBE_TASK,
        &FUTURE,
        &TASK,
        &CANCELLED_ERROR,
        &INVALID_STATE_ERROR,
        &GET_LOOP,
        &ENTER_TASK,
        &LEAVE_TASK,
        #[cfg(not(Py_3_14))]
        &CURRENT_TASKS,
        #[cfg(Py_3_14)]
        &SWAP_CURRENT_TASK,
    ];
    names.iter().try_for_each(|name| name.get(py).map(drop))
}
