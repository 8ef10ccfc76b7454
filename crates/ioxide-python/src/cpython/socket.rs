//! Making Python's socket object for a descriptor that is open already.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use pyo3::prelude::*;

use crate::cpython::asyncio;

/// A socket that Python doesn't know yet.
pub struct NativeSocket {
    /// The open socket.
    pub descriptor: OwnedFd,
    /// What it is.
    pub kind: SocketKind,
}

/// A socket's family, type and protocol, in the kernel's numbers.
pub type SocketKind = (i32, i32, i32);

/// Makes a non-blocking `socket.socket` with a descriptor that somebody else owns. The caller lets go of its own claim
/// by [`NativeSocket::disown`] when it takes the object, or has the object `detach`.
///
/// The object is made by the C functions that `socket.socket()` itself ends in. The class's own `__init__` is Python
/// code: a signal handler may raise in the midst of it, and nobody could tell any more who closes the descriptor.
///
/// # Errors
/// What the socket module raises. The descriptor is the caller's then, as before.
pub fn socket_for(py: Python<'_>, descriptor: i32, kind: SocketKind) -> PyResult<Bound<'_, PyAny>> {
    let class = asyncio::SOCKET.get(py)?;
    let (family, type_, protocol) = kind;
    let socket = class.call_method1("__new__", (class,))?;
    let made = asyncio::NATIVE_SOCKET
        .get(py)?
        .call_method1("__init__", (&socket, family, type_, protocol, descriptor))
        .and_then(|_| socket.setattr("_io_refs", 0))
        .and_then(|()| socket.setattr("_closed", false))
        .and_then(|()| socket.call_method1("setblocking", (false,)));
    match made {
        Ok(_) => Ok(socket),
        Err(error) => {
            socket.call_method0("detach")?;
            Err(error)
        }
    }
}

/// A socket object that is closed, for who asks for the socket of a closed transport.
///
/// # Errors
/// What the socket module raises.
pub fn closed_socket(py: Python<'_>, kind: SocketKind) -> PyResult<Bound<'_, PyAny>> {
    let socket = asyncio::SOCKET.get(py)?.call1(kind)?;
    socket.call_method0("close")?;
    Ok(socket)
}

impl NativeSocket {
    /// Hands the socket over to Python.
    ///
    /// # Errors
    /// What the socket module raises. The socket is closed then.
    pub fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let socket = socket_for(py, self.descriptor.as_raw_fd(), self.kind)?;
        self.disown();
        Ok(socket)
    }

    /// Lets go of the descriptor without closing it: an object of Python's has it now.
    pub fn disown(self) {
        let _ = self.descriptor.into_raw_fd();
    }
}
