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
