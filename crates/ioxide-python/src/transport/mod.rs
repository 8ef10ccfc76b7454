//! The transport of a connected stream socket, TCP or Unix.
//!
//! Life of a transport: made of a socket, it schedules `connection_made`, then begins to read. It *closes* when told
//! to, at the end of the stream, or on an error; from then on it reads nothing. `connection_lost` follows once the
//! buffer is written (or at once after an error), and with it the socket is closed and the protocol let go.
//!
//! The transport's own callbacks into the protocol may close it, change the protocol, write, or pause; so each takes
//! what it needs out of the state first and looks at the state again afterwards.

mod closing;
pub mod datagram;
mod flow_control;
mod info;
pub mod pipe;
mod reading;
mod write_buffer;
mod writing;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use pyo3::exceptions::PyKeyError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::IntoPyDict;
use rustix::io::Errno;

use crate::address::Address;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::socket::{NativeSocket, SocketKind};
use crate::cpython::{asyncio, context, descriptor};
use crate::errors;
use crate::event_loop::{Direction, EventLoop, TransportId, Watcher};
use crate::item::Item;
use crate::streams::protocol::StreamReaderProtocol;
use flow_control::FlowControl;
use write_buffer::WriteBuffer;

/// Who owns the descriptor. Python's object is made only when somebody asks for it.
enum Socket {
    Native(NativeSocket),
    Python(Py<PyAny>),
}

/// How the protocol takes what was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `data_received(bytes)`.
    Streaming,
    /// `get_buffer` and `buffer_updated`.
    Buffered,
    /// The protocol of a stream, not overridden: what comes goes into its reader.
    Reader,
}

/// The transport of a stream socket.
#[pyclass(frozen, weakref, module = "ioxide")]
pub struct SocketTransport {
    event_loop: Py<EventLoop>,
    id: TransportId,
    fd: RawFd,
    local_address: Address,
    peer_address: Address,
    /// What Python's socket object is made of when one is asked for: none for a socket that is Python's already.
    kind: Option<SocketKind>,
    /// The context of all that the protocol is told of reading, writing and closing, if the connection was given one
    /// (Python 3.15). Otherwise each is told in a copy of what was current when it was arranged.
    context: Option<Py<PyAny>>,
    state: AttachedCell<State>,
}

#[expect(clippy::struct_excessive_bools, reason = "asyncio's transport can be each of these independently")]
struct State {
    /// `None` once `connection_lost` was called.
    socket: Option<Socket>,
    protocol: Option<Py<PyAny>>,
    style: Style,
    server: Option<Py<PyAny>>,
    /// `asyncio.trsock.TransportSocket`, once somebody asked for it.
    transport_socket: Option<Py<PyAny>>,
    /// What `get_extra_info` knows besides the sockets and their addresses.
    extra: Option<Py<PyAny>>,
    /// Resolved when the protocol was told of the connection.
    waiter: Option<Py<PyAny>>,
    /// Resolved when the write buffer is empty: `sendfile` waits for that.
    empty_waiter: Option<Py<PyAny>>,
    /// The context that the protocol reads in: a copy of what was current when reading began.
    read_context: Py<PyAny>,
    /// The context that it is told in to resume writing: a copy of what was current when the buffer began to fill.
    write_context: Option<Py<PyAny>>,
    buffer: WriteBuffer,
    flow_control: FlowControl,
    is_closing: bool,
    is_paused: bool,
    /// `write_eof` was called.
    has_written_eof: bool,
    /// The garbage collector has emptied this object, and perhaps what it belonged to.
    is_cleared: bool,
    /// How often something was written in vain since the connection was lost; zero while it isn't.
    lost_writes: u32,
}

impl SocketTransport {
    /// Makes a transport of a socket of Python's.
    ///
    /// # Errors
    /// What the socket's methods raise.
    pub fn from_python_socket<'py>(
        event_loop: &Bound<'py, EventLoop>,
        socket: &Bound<'py, PyAny>,
        protocol: &Bound<'py, PyAny>,
        waiter: Option<Bound<'py, PyAny>>,
        extra: Option<Bound<'py, PyAny>>,
        server: Option<Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let fd = socket.call_method0("fileno")?.extract()?;
        let peer = rustix::net::getpeername(descriptor::borrow(fd)?).map_or(Address::Unknown, Address::from_kernel);
        let socket = Socket::Python(socket.clone().unbind());
        let state = State::new(event_loop.py(), socket, waiter, extra, context.as_ref())?;
        Self::make(event_loop, fd, peer, protocol, server, context, state)
    }

    /// Makes a transport of a socket that was just accepted.
    ///
    /// # Errors
    /// What `connection_made`'s scheduling raises: nothing, unless memory is out.
    pub fn from_native_socket<'py>(
        event_loop: &Bound<'py, EventLoop>,
        socket: NativeSocket,
        peer: Address,
        protocol: &Bound<'py, PyAny>,
        server: Option<Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let fd = socket.descriptor.as_raw_fd();
        let state = State::new(event_loop.py(), Socket::Native(socket), None, None, context.as_ref())?;
        Self::make(event_loop, fd, peer, protocol, server, context, state)
    }

    fn make<'py>(
        event_loop: &Bound<'py, EventLoop>,
        fd: RawFd,
        peer_address: Address,
        protocol: &Bound<'py, PyAny>,
        server: Option<Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
        mut state: State,
    ) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let source = descriptor::borrow(fd)?;
        let local_address = match rustix::net::getsockname(source) {
            Ok(address) => Address::from_kernel(Some(address)),
            Err(errno @ Errno::BADF) => return Err(errors::os_error(py, errno)),
            Err(_) => Address::Unknown,
        };
        if matches!(local_address, Address::Inet(_)) {
            // The kernel refuses it for other streams than those of TCP, which have nothing to switch off.
            let _ = rustix::net::sockopt::set_tcp_nodelay(source, true);
        }
        state.style = Style::of(protocol)?;
        state.protocol = Some(protocol.clone().unbind());
        let transport = Self {
            event_loop: event_loop.clone().unbind(),
            id: event_loop.get().next_transport_id(),
            fd,
            local_address,
            peer_address,
            kind: state.kind(),
            context: context.map(Bound::unbind),
            state: AttachedCell::new(state),
        };
        let transport = Bound::new(py, transport)?;
        event_loop.get().claim(py, fd, transport.get().id);
        if let Some(server) = server {
            asyncio::ATTACH.get(py)?.call1((&server, &transport))?;
            // Only now: a transport that was never attached mustn't be detached.
            let before = transport.get().state.with(py, |state| state.server.replace(server.unbind()));
            drop(before);
        }
        let connection_made = protocol.getattr(pyo3::intern!(py, "connection_made"))?;
        transport.get().call_soon(py, &connection_made, Some(transport.as_any().clone()))?;
        event_loop.get().push(py, Item::Start(transport.clone().unbind()));
        Ok(transport)
    }

    /// The context for what is arranged now.
    fn context_for_callbacks(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.context.as_ref().map_or_else(|| context::copy_current(py), |context| Ok(context.clone_ref(py)))
    }

    /// Schedules `callback(argument)` in the connection's context.
    fn call_soon(
        &self,
        py: Python<'_>,
        callback: &Bound<'_, PyAny>,
        argument: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let call_soon = self.event_loop.bind(py).getattr(pyo3::intern!(py, "call_soon"))?;
        let keywords = match &self.context {
            Some(context) => Some([("context", context)].into_py_dict(py)?),
            None => None,
        };
        call_soon.call((callback, argument), keywords.as_ref()).map(drop)
    }

    /// The protocol was told of the connection: reading begins, and whoever waits for the connection goes on.
    ///
    /// # Errors
    /// What the waiter's methods raise: nothing.
    pub fn start(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        let waiter = transport.state.with(py, |state| state.waiter.take());
        let watched = if transport.is_reading(py) { Self::watch(slf, Direction::Read) } else { Ok(()) };
        if let Some(waiter) = waiter {
            resolve(waiter.bind(py))?;
        }
        watched
    }

    fn watch(slf: &Bound<'_, Self>, direction: Direction) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        let watcher = Watcher::Transport(slf.clone().unbind());
        let replaced = transport.event_loop.get().watch(py, transport.fd, direction, watcher)?;
        drop(replaced);
        Ok(())
    }

    fn unwatch(slf: &Bound<'_, Self>, direction: Direction) {
        let transport = slf.get();
        transport.event_loop.get().unwatch_if(slf.py(), transport.fd, direction, slf.as_any());
    }

    /// Fails if the descriptor isn't this transport's any more: the program has Python's socket object, and may close
    /// it. The number may be another file's by then, which must neither be read nor written.
    fn check_descriptor(&self, py: Python<'_>) -> Result<(), Errno> {
        let socket = self.state.with(py, |state| match &state.socket {
            Some(Socket::Native(_)) => Ok(None),
            Some(Socket::Python(socket)) => Ok(Some(socket.clone_ref(py))),
            None => Err(Errno::BADF),
        })?;
        let Some(socket) = socket else { return Ok(()) };
        let number = socket.bind(py).call_method0(pyo3::intern!(py, "fileno"));
        match number.and_then(|number| number.extract::<RawFd>()) {
            Ok(number) if number == self.fd => Ok(()),
            _ => Err(Errno::BADF),
        }
    }

    fn protocol(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.protocol.as_ref().map(|protocol| protocol.clone_ref(py)))
    }

    fn is_debug(&self) -> bool {
        self.event_loop.get().is_debug()
    }

    /// Logs a line with the transport in it, in debug mode.
    fn log(slf: &Bound<'_, Self>, message: &str) -> PyResult<()> {
        if slf.get().is_debug() {
            asyncio::LOGGER.get(slf.py())?.call_method1("debug", (message, slf))?;
        }
        Ok(())
    }

    /// Reports a failure to the loop's exception handler.
    fn report(slf: &Bound<'_, Self>, message: &str, error: &PyErr) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        let protocol = transport.protocol(py).unwrap_or_else(|| py.None());
        let details = [("transport", slf.as_any()), ("protocol", protocol.bind(py))];
        errors::report(transport.event_loop.bind(py), message, error, &details)
    }
}

impl State {
    fn new(
        py: Python<'_>,
        socket: Socket,
        waiter: Option<Bound<'_, PyAny>>,
        extra: Option<Bound<'_, PyAny>>,
        context: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        Ok(Self {
            socket: Some(socket),
            protocol: None,
            style: Style::Streaming,
            server: None,
            transport_socket: None,
            extra: extra.map(Bound::unbind),
            waiter: waiter.map(Bound::unbind),
            empty_waiter: None,
            read_context: match context {
                Some(context) => context.clone().unbind(),
                None => context::copy_current(py)?,
            },
            write_context: None,
            buffer: WriteBuffer::new(),
            flow_control: FlowControl::new(),
            is_closing: false,
            is_paused: false,
            has_written_eof: false,
            is_cleared: false,
            lost_writes: 0,
        })
    }

    fn kind(&self) -> Option<SocketKind> {
        match &self.socket {
            Some(Socket::Native(socket)) => Some(socket.kind),
            Some(Socket::Python(_)) | None => None,
        }
    }

    fn is_lost(&self) -> bool {
        self.lost_writes > 0
    }
}

impl Style {
    fn of(protocol: &Bound<'_, PyAny>) -> PyResult<Self> {
        if StreamReaderProtocol::as_plain(protocol).is_some() {
            return Ok(Self::Reader);
        }
        let is_buffered = protocol.is_instance(asyncio::BUFFERED_PROTOCOL.get(protocol.py())?)?;
        Ok(if is_buffered { Self::Buffered } else { Self::Streaming })
    }
}

#[pymethods]
impl SocketTransport {
    /// Replaces the protocol. What was read before has gone to the old one.
    fn set_protocol(&self, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let style = Style::of(protocol)?;
        let before = self.state.with(protocol.py(), |state| {
            state.style = style;
            state.protocol.replace(protocol.clone().unbind())
        });
        drop(before);
        Ok(())
    }

    /// The protocol, `None` once the connection is lost.
    fn get_protocol(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.protocol(py)
    }

    /// Whether the transport is closing or closed.
    pub fn is_closing(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_closing)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.context)?;
        self.state.traverse(|state| {
            visit.call(&state.read_context)?;
            visit.call(&state.write_context)?;
            if let Some(Socket::Python(socket)) = &state.socket {
                visit.call(socket)?;
            }
            visit.call(&state.protocol)?;
            visit.call(&state.server)?;
            visit.call(&state.transport_socket)?;
            visit.call(&state.extra)?;
            visit.call(&state.waiter)?;
            visit.call(&state.flow_control.given)?;
            visit.call(&state.empty_waiter)
        })
    }

    /// Breaks cycles. The socket stays: what is left of the transport warns of it and closes it.
    fn __clear__(&self, py: Python<'_>) {
        let cleared = self.state.with(py, |state| {
            state.is_cleared = true;
            let limits = state.flow_control.given.take();
            (state.protocol.take(), state.extra.take(), state.waiter.take(), state.empty_waiter.take(), limits)
        });
        drop(cleared);
    }

    /// To `isinstance`, a transport of asyncio's.
    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::TRANSPORT.get(py).cloned()
    }
}

impl Socket {
    fn descriptor(&self, number: RawFd) -> PyResult<BorrowedFd<'_>> {
        match self {
            Self::Native(socket) => Ok(socket.descriptor.as_fd()),
            Self::Python(_) => descriptor::borrow(number),
        }
    }
}

/// Resolves a future that somebody waits for, unless they have been cancelled.
fn resolve(waiter: &Bound<'_, PyAny>) -> PyResult<()> {
    if waiter.call_method0("done")?.is_truthy()? {
        return Ok(());
    }
    waiter.call_method1("set_result", (waiter.py().None(),)).map(drop)
}

/// Fails a future that somebody waits for, unless they have been cancelled.
fn reject(waiter: &Bound<'_, PyAny>, error: &PyErr) -> PyResult<()> {
    if waiter.call_method0("done")?.is_truthy()? {
        return Ok(());
    }
    waiter.call_method1("set_exception", (errors::exception(waiter.py(), error),)).map(drop)
}

/// What `extra[key]` is, if there is such a thing.
fn lookup<'py>(extra: &Bound<'py, PyAny>, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    match extra.get_item(key) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyKeyError>(extra.py()) => Ok(None),
        Err(error) => Err(error),
    }
}
