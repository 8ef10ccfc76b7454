//! Opening network connections: the native part of it, which makes a transport of a connected socket.

use pyo3::prelude::*;

use super::EventLoop;
use crate::transport::SocketTransport;

#[pymethods]
impl EventLoop {
    /// Makes a transport of a connected stream socket. `waiter` is set when the protocol has been told.
    #[pyo3(signature = (sock, protocol, waiter = None, *, extra = None, server = None, context = None))]
    fn _make_socket_transport<'py>(
        slf: &Bound<'py, Self>,
        sock: &Bound<'py, PyAny>,
        protocol: &Bound<'py, PyAny>,
        waiter: Option<Bound<'py, PyAny>>,
        extra: Option<Bound<'py, PyAny>>,
        server: Option<Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, SocketTransport>> {
        slf.call_method1(pyo3::intern!(slf.py(), "_ensure_fd_no_transport"), (sock,))?;
        SocketTransport::from_python_socket(slf, sock, protocol, waiter, extra, server, context)
    }
}
