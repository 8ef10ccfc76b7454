//! A server's listening socket: accepts connections and makes transports of them.

use std::os::fd::{OwnedFd, RawFd};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketFlags};

use crate::address::Address;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::socket::{NativeSocket, SocketKind};
use crate::cpython::{asyncio, context, descriptor};
use crate::errors;
use crate::event_loop::{Direction, EventLoop, Watcher};
use crate::transport::SocketTransport;

/// Accepts connections for a server.
#[pyclass(frozen, weakref, module = "ioxide._ioxide")]
pub struct Listener {
    event_loop: Py<EventLoop>,
    protocol_factory: Py<PyAny>,
    socket: Py<PyAny>,
    server: Option<Py<PyAny>>,
    backlog: i64,
    /// What a TLS connection is made with, `None` for a plain one.
    tls: Option<Tls>,
    /// The server's context, or else the one that was current when it began to serve: connections begin in a copy of it.
    context: Py<PyAny>,
    /// The server has given a context (Python 3.15): a connection keeps its copy.
    has_own_context: bool,
    /// What every connection of this socket has in common, found out when the first one comes.
    family: AttachedCell<Option<SocketKind>>,
}

struct Tls {
    context: Py<PyAny>,
    arguments: Py<PyTuple>,
    keywords: Option<Py<PyDict>>,
}

impl Listener {
    /// Prepares to listen on `socket`, which is bound and listens already.
    ///
    /// # Errors
    /// Out of memory.
    #[expect(clippy::too_many_arguments, reason = "the standard library's server has as many to pass on")]
    pub fn new(
        event_loop: &Bound<'_, EventLoop>,
        protocol_factory: &Bound<'_, PyAny>,
        socket: &Bound<'_, PyAny>,
        ssl_context: Option<Bound<'_, PyAny>>,
        server: Option<Bound<'_, PyAny>>,
        backlog: i64,
        tls_arguments: &Bound<'_, PyTuple>,
        tls_keywords: Option<&Bound<'_, PyDict>>,
        server_context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let tls = ssl_context.map(|context| Tls {
            context: context.unbind(),
            arguments: tls_arguments.clone().unbind(),
            keywords: tls_keywords.cloned().map(Bound::unbind),
        });
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            protocol_factory: protocol_factory.clone().unbind(),
            socket: socket.clone().unbind(),
            server: server.map(Bound::unbind),
            backlog,
            tls,
            has_own_context: server_context.is_some(),
            context: match server_context {
                Some(context) => context.unbind(),
                None => context::copy_current(event_loop.py())?,
            },
            family: AttachedCell::new(None),
        })
    }

    /// Begins to accept.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed, and what the kernel says of the descriptor.
    pub fn listen(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let listener = slf.get();
        let watcher = Watcher::Listener(slf.clone().unbind());
        let replaced = listener.event_loop.get().watch(py, listener.fd(py)?, Direction::Read, watcher)?;
        drop(replaced);
        Ok(())
    }

    /// Accepts what waits, up to the backlog: there may be many connections per readiness event.
    ///
    /// # Errors
    /// Only what is to end the run of the loop.
    pub fn accept_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let listener = slf.get();
        let accepted_at_once = listener.backlog + i64::from(cfg!(Py_3_14));
        for _ in 0..accepted_at_once.max(1) {
            // The server may have been closed before this ran, or by the protocol factory, and the number of its
            // descriptor be somebody else's.
            let fd = listener.fd(py)?;
            if !listener.event_loop.get().is_watched_by(py, fd, Direction::Read, slf.as_any()) {
                return Ok(());
            }
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            match rustix::net::acceptfrom_with(descriptor::borrow(fd)?, flags) {
                Ok((connection, peer)) => listener.accepted(py, connection, peer)?,
                Err(Errno::CONNABORTED) if cfg!(Py_3_14) => {}
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return Ok(()),
                Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    return Self::pause(slf, fd, errno);
                }
                Err(errno) => {
                    let error = errors::os_error(py, errno);
                    let message = "Exception in accepting a connection";
                    return errors::report(listener.event_loop.bind(py), message, &error, &[]);
                }
            }
        }
        Ok(())
    }

    /// Out of descriptors or memory: the kernel would report the socket again at once, so it is left alone for a while.
    fn pause(slf: &Bound<'_, Self>, fd: RawFd, errno: Errno) -> PyResult<()> {
        let py = slf.py();
        let listener = slf.get();
        let event_loop = listener.event_loop.bind(py);
        let socket = asyncio::TRANSPORT_SOCKET.get(py)?.call1((&listener.socket,))?;
        let error = errors::os_error(py, errno);
        errors::report(event_loop, "socket.accept() out of system resource", &error, &[("socket", &socket)])?;
        // Only now: a handler that ends the run of the loop must leave a server that goes on in the next one.
        event_loop.get().unwatch_if(py, fd, Direction::Read, slf.as_any());
        let delay = asyncio::ACCEPT_RETRY_DELAY.get(py)?.call0()?;
        event_loop.call_method1("call_later", (delay, slf.getattr("_listen_again")?)).map(drop)
    }

    fn accepted(&self, py: Python<'_>, connection: OwnedFd, peer: Option<SocketAddrAny>) -> PyResult<()> {
        let event_loop = self.event_loop.bind(py);
        let context = context::copy(self.context.bind(py))?;
        let socket = NativeSocket { descriptor: connection, kind: self.kind(py)? };
        let peer = Address::from_kernel(peer);
        let own_context = self.has_own_context.then(|| context.bind(py).clone());
        let result = context::run_in(context.bind(py), || match &self.tls {
            None => self.connect(py, socket, peer, own_context),
            Some(tls) => self.connect_by_tls(py, socket, &peer, tls, own_context),
        });
        match result {
            Err(error) if !errors::ends_the_loop(py, &error) => {
                // asyncio keeps this to debug mode: a server shouldn't log what any client can provoke.
                if !event_loop.get().is_debug() {
                    return Ok(());
                }
                errors::report(event_loop, "Error on transport creation for incoming connection", &error, &[])
            }
            result => result,
        }
    }

    fn connect(
        &self,
        py: Python<'_>,
        socket: NativeSocket,
        peer: Address,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let protocol = self.protocol_factory.bind(py).call0()?;
        let server = self.server.as_ref().map(|server| server.bind(py).clone());
        SocketTransport::from_native_socket(self.event_loop.bind(py), socket, peer, &protocol, server, context)
            .map(drop)
    }

    /// The standard library's accepting coroutine makes the transport, on the loop's own and with its TLS protocol.
    fn connect_by_tls(
        &self,
        py: Python<'_>,
        socket: NativeSocket,
        peer: &Address,
        tls: &Tls,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let event_loop = self.event_loop.bind(py);
        let extra = PyDict::new(py);
        extra.set_item("peername", peer.to_python(py)?)?;
        let mut arguments = vec![
            self.protocol_factory.bind(py).clone(),
            socket.into_python(py)?,
            extra.into_any(),
            tls.context.bind(py).clone(),
            self.server.as_ref().map_or_else(|| py.None().into_bound(py), |server| server.bind(py).clone()),
        ];
        arguments.extend(tls.arguments.bind(py).iter());
        let keywords = match &tls.keywords {
            Some(keywords) => keywords.bind(py).copy()?,
            None => PyDict::new(py),
        };
        let task_keywords = PyDict::new(py);
        if let Some(context) = context {
            keywords.set_item("context", &context)?;
            task_keywords.set_item("context", context)?;
        }
        let accepting =
            event_loop.getattr("_accept_connection2")?.call(PyTuple::new(py, arguments)?, Some(&keywords))?;
        event_loop.call_method("create_task", (accepting,), Some(&task_keywords)).map(drop)
    }

    fn fd(&self, py: Python<'_>) -> PyResult<RawFd> {
        self.socket.bind(py).call_method0("fileno")?.extract()
    }

    fn kind(&self, py: Python<'_>) -> PyResult<SocketKind> {
        if let Some(kind) = self.family.get(py) {
            return Ok(kind);
        }
        let socket = self.socket.bind(py);
        let number = |name: &str| socket.getattr(name)?.extract::<i32>();
        let kind = (number("family")?, number("type")?, number("proto")?);
        self.family.set(py, Some(kind));
        Ok(kind)
    }
}

#[pymethods]
impl Listener {
    /// Accepts again after a pause, unless the server was closed meanwhile.
    fn _listen_again(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().fd(slf.py())? < 0 {
            return Ok(());
        }
        Self::listen(slf)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<Listener socket={}>", self.socket.bind(py).repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.protocol_factory)?;
        visit.call(&self.socket)?;
        visit.call(&self.server)?;
        visit.call(&self.context)?;
        let Some(tls) = &self.tls else { return Ok(()) };
        visit.call(&tls.context)?;
        visit.call(&tls.arguments)?;
        visit.call(&tls.keywords)
    }
}
