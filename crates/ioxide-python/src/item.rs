//! What the loop's two queues hold.
//!
//! One enum, so that nothing is boxed per callback, and so that what a transport does needs no handle.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::combinators::observer::Observer;
use crate::combinators::timeout::Timeout;
use crate::cpython::traversal;
use crate::event_loop::guest::Guest;
use crate::future::Future;
use crate::handle::Handle;
use crate::listener::Listener;
use crate::socket_operation::SocketOperation;
use crate::task::Task;
use crate::transport::SocketTransport;

/// Something to run.
pub enum Item {
    /// A callback: of `call_soon`, `call_later`, `add_reader`.
    Handle(Py<Handle>),
    /// A transport whose protocol has been told that it is connected begins to read.
    Start(Py<SocketTransport>),
    /// A transport that can read.
    Read(Py<SocketTransport>),
    /// A transport that can write.
    Write(Py<SocketTransport>),
    /// A listening socket that has connections to accept.
    Accept(Py<Listener>),
    /// A `sock_*` operation that can go on.
    Resume(Py<SocketOperation>),
    /// A task that goes on.
    Step(Py<Task>),
    /// A task whose future is done.
    Wakeup(Py<Task>),
    /// An observer whose future is done.
    Notify(Box<(Observer, Py<Future>)>),
    /// A future that gets its result, unless it was cancelled.
    Settle(Box<(Py<Future>, Py<PyAny>)>),
    /// A timeout whose time has come, unless it was rescheduled meanwhile.
    Expire(Py<Timeout>),
    /// A guest that has asked for a turn.
    Turn(Py<Guest>),
    /// A guest that has something to poll for.
    Poll(Py<Guest>),
}

impl Item {
    /// Runs it.
    ///
    /// # Errors
    /// Only what is to end the run of the loop.
    pub fn run(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Handle(handle) => Handle::run(handle.bind(py)),
            Self::Start(transport) => SocketTransport::start(transport.bind(py)),
            Self::Read(transport) => SocketTransport::read_ready(transport.bind(py)),
            Self::Write(transport) => SocketTransport::write_ready(transport.bind(py)),
            Self::Accept(listener) => Listener::accept_ready(listener.bind(py)),
            Self::Resume(operation) => SocketOperation::resume(operation.bind(py)),
            Self::Step(task) => Task::step(task.bind(py)),
            Self::Wakeup(task) => Task::wakeup(task.bind(py)),
            Self::Notify(told) => told.0.notify(told.1.bind(py).as_any()),
            Self::Settle(settled) => Future::finish_unless_cancelled(settled.0.bind(py), settled.1.bind(py).clone()),
            Self::Expire(timeout) => Timeout::expire(timeout.bind(py)),
            Self::Turn(guest) => {
                Guest::turn(guest.bind(py));
                Ok(())
            }
            Self::Poll(guest) => {
                Guest::poll(guest.bind(py));
                Ok(())
            }
        }
    }

    /// Whether it is a step of a task.
    pub fn is_task(&self) -> bool {
        matches!(self, Self::Step(_) | Self::Wakeup(_))
    }

    /// Whether it is a step of a task that has failed, with an exception that nobody has looked at.
    pub fn is_failed_task(&self, py: Python<'_>) -> bool {
        match self {
            Self::Step(task) | Self::Wakeup(task) => task.bind(py).as_super().get().has_unseen_exception(py),
            _ => false,
        }
    }

    /// The object that runs, for reports in debug mode.
    pub fn object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self {
            Self::Handle(handle) => handle.bind(py).clone().into_any(),
            Self::Start(transport) | Self::Read(transport) | Self::Write(transport) => {
                transport.bind(py).clone().into_any()
            }
            Self::Accept(listener) => listener.bind(py).clone().into_any(),
            Self::Resume(operation) => operation.bind(py).clone().into_any(),
            Self::Step(task) | Self::Wakeup(task) => task.bind(py).clone().into_any(),
            Self::Notify(told) => told.0.as_any().bind(py).clone(),
            Self::Settle(settled) => settled.0.bind(py).clone().into_any(),
            Self::Expire(timeout) => timeout.bind(py).clone().into_any(),
            Self::Turn(guest) | Self::Poll(guest) => guest.bind(py).clone().into_any(),
        }
    }

    /// As [`Item::object`]. To drop the object is cheaper than to drop the item, which would have to look whether the
    /// thread is attached.
    pub fn into_object(self, py: Python<'_>) -> Bound<'_, PyAny> {
        match self {
            Self::Handle(handle) => handle.into_bound(py).into_any(),
            Self::Start(transport) | Self::Read(transport) | Self::Write(transport) => {
                transport.into_bound(py).into_any()
            }
            Self::Accept(listener) => listener.into_bound(py).into_any(),
            Self::Resume(operation) => operation.into_bound(py).into_any(),
            Self::Step(task) | Self::Wakeup(task) => task.into_bound(py).into_any(),
            Self::Expire(timeout) => timeout.into_bound(py).into_any(),
            Self::Turn(guest) | Self::Poll(guest) => guest.into_bound(py).into_any(),
            Self::Notify(_) | Self::Settle(_) => self.object(py),
        }
    }

    /// Has the garbage collector see a handle that it may not have seen so far.
    pub fn show_to_collector(&self, py: Python<'_>) {
        if let Self::Handle(handle) = self {
            traversal::show_to_collector(handle.bind(py));
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Handle(handle) => visit.call(handle),
            Self::Start(transport) | Self::Read(transport) | Self::Write(transport) => visit.call(transport),
            Self::Accept(listener) => visit.call(listener),
            Self::Resume(operation) => visit.call(operation),
            Self::Step(task) | Self::Wakeup(task) => visit.call(task),
            Self::Notify(told) => {
                told.0.traverse(visit)?;
                visit.call(&told.1)
            }
            Self::Settle(settled) => {
                visit.call(&settled.0)?;
                visit.call(&settled.1)
            }
            Self::Expire(timeout) => visit.call(timeout),
            Self::Turn(guest) | Self::Poll(guest) => visit.call(guest),
        }
    }
}
