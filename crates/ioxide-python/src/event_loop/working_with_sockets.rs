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

    /// Receives a datagram of up to `bufsize` bytes. The coroutine's result is `(bytes, address)`.
    fn sock_recvfrom<'py>(
        slf: &Bound<'py, Self>,
        sock: &Bound<'py, PyAny>,
        bufsize: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, SocketOperation>> {
        SocketOperation::make(slf, sock, Kind::ReceiveFrom(bufsize.unbind()))
    }

    /// Receives a datagram into `buf`, up to `nbytes` of it, or as many as there is room for. The coroutine's result is
    /// `(how many bytes, address)`.
    #[pyo3(signature = (sock, buf, nbytes = None), text_signature = "($self, sock, buf, nbytes=0)")]
    fn sock_recvfrom_into<'py>(
        slf: &Bound<'py, Self>,
        sock: &Bound<'py, PyAny>,
        buf: Bound<'py, PyAny>,
        nbytes: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, SocketOperation>> {
        let nbytes = nbytes.unwrap_or_else(|| slf.py().None().into_bound(slf.py()));
        SocketOperation::make(slf, sock, Kind::ReceiveFromInto(buf.unbind(), nbytes.unbind()))
    }

    /// Sends `data` as a datagram to `address`. The coroutine's result is how many bytes went.
    fn sock_sendto<'py>(
        slf: &Bound<'py, Self>,
        sock: &Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        address: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, SocketOperation>> {
        SocketOperation::make(slf, sock, Kind::SendTo(data.unbind(), address.unbind()))
    }
}
