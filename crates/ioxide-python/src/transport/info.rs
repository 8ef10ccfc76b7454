//! What a transport tells about itself: `get_extra_info`, its repr, and the private attributes that the standard
//! library's own code reads.

use std::os::fd::RawFd;

use pyo3::prelude::*;

use super::{Socket, SocketTransport, lookup};
use crate::cpython::asyncio;
use crate::cpython::socket::{closed_socket, socket_for};
use crate::event_loop::Direction;

impl SocketTransport {
    /// The socket as Python's object, made now if there was none. `None` once it is closed.
    fn python_socket<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some(kind) = self.state.with(py, |state| state.kind()) {
            let made = socket_for(py, self.fd, kind)?;
            // Making it may have run code (an audit hook's) that closed the transport, or asked for the socket as well.
            let native = self.state.with(py, |state| match state.socket.take() {
                Some(Socket::Native(native)) => {
                    state.socket = Some(Socket::Python(made.clone().unbind()));
                    Some(native)
                }
                other => {
                    state.socket = other;
                    None
                }
            });
            match native {
                Some(native) => native.disown(),
                None => drop(made.call_method0("detach")?),
            }
        }
        Ok(self.state.with(py, |state| match &state.socket {
            Some(Socket::Python(socket)) => Some(socket.bind(py).clone()),
            _ => None,
        }))
    }

    /// The `TransportSocket` around it. It stays when the socket is closed, as asyncio's does.
    pub(super) fn transport_socket<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let known = self.state.with(py, |state| state.transport_socket.as_ref().map(|socket| socket.clone_ref(py)));
        if let Some(known) = known {
            return Ok(Some(known.into_bound(py)));
        }
        let socket = match (self.python_socket(py)?, self.kind) {
            (Some(socket), _) => socket,
            (None, Some(kind)) => closed_socket(py, kind)?,
            (None, None) => return Ok(None),
        };
        let socket = asyncio::TRANSPORT_SOCKET.get(py)?.call1((socket,))?;
        let before = self.state.with(py, |state| state.transport_socket.replace(socket.clone().unbind()));
        drop(before);
        Ok(Some(socket))
    }

    fn describe_watch(&self, py: Python<'_>, direction: Direction) -> &'static str {
        let is_open = self.state.with(py, |state| state.socket.is_some());
        if is_open && self.event_loop.get().is_watched(py, self.fd, direction) { "polling" } else { "idle" }
    }
}

#[pymethods]
impl SocketTransport {
    /// What is known of the connection: "socket", "sockname", "peername", and what came with the socket.
    #[pyo3(signature = (name, default = None))]
    fn get_extra_info<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let extra = self.state.with(py, |state| state.extra.as_ref().map(|extra| extra.clone_ref(py)));
        if let Some(extra) = extra
            && let Some(value) = lookup(extra.bind(py), name)?
        {
            return Ok(value);
        }
        let default = || default.unwrap_or_else(|| py.None().into_bound(py));
        match name.extract::<&str>() {
            Ok("socket") => Ok(self.transport_socket(py)?.unwrap_or_else(default)),
            Ok("sockname") => self.local_address.to_python(py),
            Ok("peername") => self.peer_address.to_python(py),
            _ => Ok(default()),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let (is_closed, is_closing, size) =
            self.state.with(py, |state| (state.socket.is_none(), state.is_closing, state.buffer.size()));
        let mut words = vec!["SocketTransport".to_owned()];
        if is_closed {
            words.push("closed".to_owned());
        } else if is_closing {
            words.push("closing".to_owned());
        }
        words.push(format!("fd={}", self.fd));
        if !is_closed && !self.event_loop.get().is_loop_closed() {
            words.push(format!("read={}", self.describe_watch(py, Direction::Read)));
            let state = self.describe_watch(py, Direction::Write);
            words.push(format!("write=<{state}, bufsize={size}>"));
        }
        format!("<{}>", words.join(" "))
    }

    #[getter]
    fn _sock<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.python_socket(py)
    }

    #[getter]
    fn _sock_fd(&self) -> RawFd {
        self.fd
    }

    #[getter]
    fn _paused(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_paused)
    }

    #[getter]
    fn _protocol(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.protocol(py)
    }

    #[getter]
    fn _loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.event_loop.clone_ref(py).into_any()
    }

    /// `loop.start_tls` takes this transport.
    #[classattr]
    fn _start_tls_compatible() -> bool {
        true
    }

    /// `loop.sendfile` may write to the descriptor itself.
    #[getter]
    fn _sendfile_compatible<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::SENDFILE_NATIVE.get(py).cloned()
    }

    /// A future that is resolved when nothing is left to write. `write` raises until it is reset.
    fn _make_empty_waiter<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let future = crate::event_loop::EventLoop::make_future(self.event_loop.bind(py))?.into_any();
        let (is_taken, is_empty) = self.state.with(py, |state| (state.empty_waiter.is_some(), state.buffer.is_empty()));
        if is_taken {
            return Err(pyo3::exceptions::PyRuntimeError::new_err("Empty waiter is already set"));
        }
        let waiter = future.clone().unbind();
        self.state.with(py, |state| state.empty_waiter = Some(waiter));
        if is_empty {
            future.call_method1("set_result", (py.None(),))?;
        }
        Ok(future)
    }

    /// Lends the descriptor to somebody else, or takes it back: `sendfile` writes to it itself.
    fn _lend_descriptor(&self, py: Python<'_>, lend: bool) {
        let is_open = self.state.with(py, |state| !state.is_closing);
        if lend {
            self.event_loop.get().disclaim(py, self.fd, self.id);
        } else if is_open {
            self.event_loop.get().claim(py, self.fd, self.id);
        }
    }

    fn _reset_empty_waiter(&self, py: Python<'_>) {
        drop(self.state.with(py, |state| state.empty_waiter.take()));
    }
}
