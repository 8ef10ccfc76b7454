//! A `sock_*` operation: a native coroutine that tries, waits for the descriptor if it must, and tries again.
//!
//! States: *created* (nothing done yet), *waiting* (the future is pending, the loop watches the descriptor for this
//! operation), *finished*. Awaiting takes it from the first to the last, through the second only if the socket isn't
//! ready. Leaving the second by any way, an exception thrown in or `close` included, ceases to watch, unless a later
//! operation on the same descriptor has taken the place.

use std::os::fd::RawFd;

use pyo3::call::PyCallArgs;
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyStopIteration, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::buffer::{Contiguous, Writable};
use crate::cpython::descriptor;
use crate::errors;
use crate::event_loop::{Direction, EventLoop, READ_SIZE, Watcher};

/// What to do, and with what.
pub enum Kind {
    /// Receive up to so many bytes.
    Receive(Py<PyAny>),
    /// Receive into a buffer.
    ReceiveInto(Py<PyAny>),
    /// Send everything.
    SendAll(Py<PyAny>),
    /// Accept a connection.
    Accept,
    /// Receive a datagram of up to so many bytes, and the address that it came from.
    ReceiveFrom(Py<PyAny>),
    /// Receive a datagram into a buffer, up to so many bytes of it, or all of it for zero.
    ReceiveFromInto(Py<PyAny>, Py<PyAny>),
    /// Send a datagram to an address.
    SendTo(Py<PyAny>, Py<PyAny>),
}

/// A coroutine that works on a socket.
#[pyclass(frozen, weakref, module = "ioxide._ioxide")]
pub struct SocketOperation {
    event_loop: Py<EventLoop>,
    socket: Py<PyAny>,
    kind: Kind,
    state: AttachedCell<State>,
    /// What a `SendAll` still holds while it waits, and how many bytes of it have been sent. Holding it keeps the program
    /// from changing its size.
    sending: AttachedCell<Option<(Contiguous, usize)>>,
}

enum State {
    Created,
    Waiting(Waiting),
    Finished,
}

struct Waiting {
    future: Py<PyAny>,
    /// What `future.__await__()` gave: it yields the future to the task, and then gives its result.
    iterator: Py<PyAny>,
    fd: RawFd,
}

impl Kind {
    fn direction(&self) -> Direction {
        match self {
            Self::SendAll(_) | Self::SendTo(..) => Direction::Write,
            Self::Receive(_)
            | Self::ReceiveInto(_)
            | Self::Accept
            | Self::ReceiveFrom(_)
            | Self::ReceiveFromInto(..) => Direction::Read,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Receive(_) => "sock_recv",
            Self::ReceiveInto(_) => "sock_recv_into",
            Self::SendAll(_) => "sock_sendall",
            Self::Accept => "sock_accept",
            Self::ReceiveFrom(_) => "sock_recvfrom",
            Self::ReceiveFromInto(..) => "sock_recvfrom_into",
            Self::SendTo(..) => "sock_sendto",
        }
    }
}

impl SocketOperation {
    /// Makes the coroutine.
    ///
    /// # Errors
    /// Out of memory.
    pub fn make<'py>(
        event_loop: &Bound<'py, EventLoop>,
        socket: &Bound<'py, PyAny>,
        kind: Kind,
    ) -> PyResult<Bound<'py, Self>> {
        Bound::new(
            event_loop.py(),
            Self {
                event_loop: event_loop.clone().unbind(),
                socket: socket.clone().unbind(),
                kind,
                state: AttachedCell::new(State::Created),
                sending: AttachedCell::new(None),
            },
        )
    }

    /// The descriptor is ready: tries again, and settles the future if that ends the operation.
    ///
    /// # Errors
    /// What the future's methods raise, which is nothing while it is pending.
    pub fn resume(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let operation = slf.get();
        let waiting = operation.state.with(py, |state| match state {
            State::Waiting(waiting) => Some((waiting.future.clone_ref(py), waiting.fd)),
            State::Created | State::Finished => None,
        });
        let Some((future, fd)) = waiting else { return Ok(()) };
        // Queued before somebody else took its place.
        if !operation.event_loop.get().is_watched_by(py, fd, operation.kind.direction(), slf.as_any()) {
            return Ok(());
        }
        let future = future.bind(py);
        if future.call_method0("done")?.is_truthy()? {
            operation.unwatch(slf); // cancelled, and perhaps nobody takes another step
            return Ok(());
        }
        let result = match operation.attempt(py) {
            Ok(None) => return Ok(()),
            Ok(Some(result)) => Ok(result),
            Err(error) if errors::ends_the_loop(py, &error) => return Err(error),
            Err(error) => Err(error),
        };
        operation.unwatch(slf);
        match result {
            Ok(result) => future.call_method1("set_result", (result,))?,
            Err(error) => future.call_method1("set_exception", (errors::exception(py, &error),))?,
        };
        Ok(())
    }

    /// The first step: tries, and begins to wait if the socket isn't ready.
    fn begin(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let operation = slf.get();
        operation.check_socket(py)?;
        if let Some(result) = operation.attempt(py)? {
            return Err(PyStopIteration::new_err((result.unbind(),)));
        }
        let fd = operation.fd(py)?;
        let event_loop = operation.event_loop.bind(py);
        event_loop.call_method1("_ensure_fd_no_transport", (fd,))?;
        let future = EventLoop::make_future(event_loop)?.into_any();
        let iterator = future.call_method0("__await__")?;
        let waiting = Waiting { future: future.unbind(), iterator: iterator.clone().unbind(), fd };
        drop(operation.state.replace(py, State::Waiting(waiting)));
        let watcher = Watcher::Operation(slf.clone().unbind());
        let replaced = event_loop.get().watch(py, fd, operation.kind.direction(), watcher)?;
        if let Some(replaced) = replaced {
            replaced.cancel(py)?;
        }
        iterator.call_method0("__next__").map(Bound::unbind)
    }

    /// Does it if it can be done now; `None` means that it can't.
    fn attempt<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &self.kind {
            Kind::Receive(size) => self.receive(py, size.bind(py).extract()?),
            Kind::ReceiveInto(buffer) => self.receive_into(py, &Writable::of(buffer.bind(py))?),
            Kind::SendAll(data) => self.send_all(py, data.bind(py)),
            Kind::Accept => self.accept(py),
            Kind::ReceiveFrom(size) => self.ask_socket(py, pyo3::intern!(py, "recvfrom"), (size,)),
            Kind::ReceiveFromInto(buffer, size) => {
                let size = if size.bind(py).is_truthy()? { size.clone_ref(py) } else { length(buffer.bind(py))? };
                self.ask_socket(py, pyo3::intern!(py, "recvfrom_into"), (buffer, size))
            }
            Kind::SendTo(data, address) => self.ask_socket(py, pyo3::intern!(py, "sendto"), (data, address)),
        }
    }

    fn receive<'py>(&self, py: Python<'py>, size: isize) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Ok(size) = usize::try_from(size) else {
            return Err(PyValueError::new_err("negative buffersize in recv"));
        };
        let source = descriptor::borrow(self.fd(py)?)?;
        if size == 0 {
            return Ok(Some(PyBytes::new(py, &[]).into_any())); // the kernel would have it wait for a byte
        }
        if size <= READ_SIZE {
            let received = self.event_loop.get().with_read_buffer(py, |buffer| {
                // `bytes` isn't tracked by the garbage collector, so making one within the borrow runs no other code.
                rustix::net::recv(source, &mut buffer[..size], RecvFlags::DONTWAIT)
                    .map(|(count, _)| PyBytes::new(py, &buffer[..count]).into_any())
            });
            return outcome(py, received);
        }
        // The size is the program's: one that can't be had is its error, and mustn't abort the process.
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(size).map_err(|_| PyMemoryError::new_err(()))?;
        let received = rustix::net::recv(source, spare_capacity(&mut buffer), RecvFlags::DONTWAIT);
        outcome(py, received.map(|_| PyBytes::new(py, &buffer).into_any()))
    }

    fn receive_into<'py>(&self, py: Python<'py>, buffer: &Writable) -> PyResult<Option<Bound<'py, PyAny>>> {
        let source = descriptor::borrow(self.fd(py)?)?;
        if buffer.is_empty() {
            return Ok(Some(0_usize.into_pyobject(py)?.into_any()));
        }
        let received = buffer.write(|buffer| rustix::net::recv(source, &mut *buffer, RecvFlags::DONTWAIT));
        match outcome(py, received)? {
            Some((count, _)) => Ok(Some(count.into_pyobject(py)?.into_any())),
            None => Ok(None),
        }
    }

    fn send_all<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let target = descriptor::borrow(self.fd(py)?)?;
        let (data, sent) = match self.sending.replace(py, None) {
            Some(held) => held,
            None => (Contiguous::of(data)?, 0),
        };
        let rest = data.as_slice(py).get(sent..).unwrap_or_default();
        let count = rustix::net::send(target, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        let sent = sent + outcome(py, count)?.unwrap_or_default();
        if sent >= data.len(py) {
            return Ok(Some(py.None().into_bound(py)));
        }
        drop(self.sending.replace(py, Some((data, sent))));
        Ok(None)
    }

    fn accept<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let accepted = self.ask_socket(py, pyo3::intern!(py, "accept"), ())?;
        if let Some(accepted) = &accepted {
            accepted.get_item(0)?.call_method1("setblocking", (false,))?;
        }
        Ok(accepted)
    }

    /// Calls a method of Python's socket object: it knows how every family writes its addresses.
    fn ask_socket<'py>(
        &self,
        py: Python<'py>,
        method: &Bound<'py, PyString>,
        arguments: impl PyCallArgs<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.socket.bind(py).call_method1(method, arguments) {
            Ok(result) => Ok(Some(result)),
            Err(error) if errors::would_block(py, &error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn fd(&self, py: Python<'_>) -> PyResult<RawFd> {
        match self.socket.bind(py).call_method0("fileno")?.extract()? {
            ..0 => Err(errors::os_error(py, Errno::BADF)),
            fd => Ok(fd),
        }
    }

    fn check_socket(&self, py: Python<'_>) -> PyResult<()> {
        let socket = self.socket.bind(py);
        if socket.is_instance(asyncio::SSL_SOCKET.get(py)?)? {
            return Err(PyTypeError::new_err("Socket cannot be of type SSLSocket"));
        }
        let is_debug = self.event_loop.get().is_debug();
        if is_debug && !socket.call_method0("gettimeout")?.eq(0)? {
            return Err(PyValueError::new_err("the socket must be non-blocking"));
        }
        Ok(())
    }

    fn unwatch(&self, slf: &Bound<'_, Self>) {
        let py = slf.py();
        let fd = self.state.with(py, |state| match state {
            State::Waiting(waiting) => Some(waiting.fd),
            State::Created | State::Finished => None,
        });
        let Some(fd) = fd else { return };
        let event_loop = self.event_loop.get();
        event_loop.unwatch_if(py, fd, self.kind.direction(), slf.as_any());
    }

    /// Ends the operation from whatever state. Returns the iterator if it was waiting.
    fn finish(slf: &Bound<'_, Self>) -> Option<Py<PyAny>> {
        let operation = slf.get();
        operation.unwatch(slf);
        drop(operation.sending.replace(slf.py(), None));
        match operation.state.replace(slf.py(), State::Finished) {
            State::Waiting(waiting) => Some(waiting.iterator),
            State::Created | State::Finished => None,
        }
    }

    fn iterator(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.state.with(py, |state| match state {
            State::Created => Ok(None),
            State::Waiting(waiting) => Ok(Some(waiting.iterator.clone_ref(py))),
            State::Finished => Err(PyRuntimeError::new_err("cannot reuse already awaited coroutine")),
        })
    }
}

#[pymethods]
impl SocketOperation {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let step = match slf.get().iterator(py)? {
            None => Self::begin(slf),
            Some(iterator) => iterator.call_method0(py, "__next__"),
        };
        if step.is_err() {
            drop(Self::finish(slf));
        }
        step
    }

    /// Goes on, as the `send` of a coroutine does.
    fn send(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let is_new = slf.get().state.with(slf.py(), |state| matches!(state, State::Created));
        if is_new && !value.is_none() {
            return Err(PyTypeError::new_err("can't send non-None value to a just-started coroutine"));
        }
        Self::__next__(slf)
    }

    /// Raises an exception where the coroutine waits, which ends it.
    #[pyo3(signature = (*exception))]
    fn throw(slf: &Bound<'_, Self>, exception: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let iterator = Self::finish(slf);
        let future = match iterator {
            Some(iterator) => iterator.into_bound(py),
            // Nothing waits: a future's iterator normalises the arguments and raises them.
            None => EventLoop::make_future(slf.get().event_loop.bind(py))?.call_method0("__await__")?,
        };
        future.call_method1("throw", exception.clone()).map(Bound::unbind)
    }

    /// Ends the coroutine without a result.
    fn close(slf: &Bound<'_, Self>) {
        drop(Self::finish(slf));
    }

    #[getter]
    fn __name__(&self) -> &'static str {
        self.kind.name()
    }

    #[getter]
    fn __qualname__(&self) -> String {
        format!("Loop.{}", self.kind.name())
    }

    fn __repr__(&self) -> String {
        format!("<coroutine object Loop.{}>", self.kind.name())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.socket)?;
        match &self.kind {
            Kind::Receive(object) | Kind::ReceiveInto(object) | Kind::SendAll(object) | Kind::ReceiveFrom(object) => {
                visit.call(object)?;
            }
            Kind::ReceiveFromInto(first, second) | Kind::SendTo(first, second) => {
                visit.call(first)?;
                visit.call(second)?;
            }
            Kind::Accept => {}
        }
        self.state.traverse(|state| match state {
            State::Waiting(waiting) => {
                visit.call(&waiting.future)?;
                visit.call(&waiting.iterator)
            }
            State::Created | State::Finished => Ok(()),
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.state.replace(py, State::Finished));
    }
}

/// What `len(buffer)` is, for a method that takes a number of bytes.
fn length(buffer: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    Ok(buffer.len()?.into_pyobject(buffer.py())?.into_any().unbind())
}

/// "Not now" is no error but `None`.
fn outcome<T>(py: Python<'_>, result: Result<T, Errno>) -> PyResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(errno) => Err(errors::os_error(py, errno)),
    }
}
