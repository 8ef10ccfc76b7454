//! Working with socket objects directly: `sock_recv` and its kin.
//!
//! Each returns a native coroutine. Like one written in Python, it does nothing before it is awaited.

use pyo3::prelude::*;

use super::EventLoop;
use crate::socket_operation::{Kind, SocketOperation};

#[pymethods]
impl EventLoop {
    /// Receives up to `n` bytes. The coroutine's result is empty at the end of the stream.
    fn sock_recv<'py>(
        slf: &Bound<'py, Self>,
        sock: &Bound<'py, PyAny>,
        n: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, SocketOperation>> {
        SocketOperation::make(slf, sock, Kind::Receive(n.unbind()))
    }

    /// Receives into `buf`. The coroutine's result is how many bytes came.
    fn sock_recv_into<'py>(
        slf: &Bound<'py, Self>,
        sock: &Bound<'py, PyAny>,
        buf: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, SocketOperation>> {
        SocketOperation::make(slf, sock, Kind::ReceiveInto(buf.unbind()))
    }

    /// Sends all of `data`.
    fn sock_sendall<'py>(
        slf: &Bound<'py, Self>,
        sock: &Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, SocketOperation>> {
        SocketOperation::make(slf, sock, Kind::SendAll(data.unbind()))
    }

    /// Accepts a connection. The coroutine's result is `(socket, address)`.
    fn sock_accept<'py>(slf: &Bound<'py, Self>, sock: &Bound<'py, PyAny>) -> PyResult<Bound<'py, SocketOperation>> {
        SocketOperation::make(slf, sock, Kind::Accept)
    }
}
