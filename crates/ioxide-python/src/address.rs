//! Socket addresses, as Python writes them.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::net::{SocketAddrAny, SocketAddrUnix};

/// A socket's address, in as little room as it takes.
pub enum Address {
    /// Of the internet.
    Inet(SocketAddr),
    /// Of a Unix socket. Boxed, for it is much larger than the other.
    Unix(Box<SocketAddrUnix>),
    /// None that is known.
    Unknown,
}

impl Address {
    /// From what the kernel gave.
    pub fn from_kernel(address: Option<SocketAddrAny>) -> Self {
        let Some(address) = address else { return Self::Unix(Box::new(SocketAddrUnix::new_unnamed())) };
        if let Ok(inet) = SocketAddr::try_from(address.clone()) {
            return Self::Inet(inet);
        }
        SocketAddrUnix::try_from(address).map_or(Self::Unknown, |unix| Self::Unix(Box::new(unix)))
    }

    /// As the socket module writes it; `None` for an address that isn't known.
    ///
    /// # Errors
    /// Out of memory.
    pub fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Inet(address) => inet_to_python(py, *address),
            Self::Unix(address) => unix_to_python(py, address),
            Self::Unknown => Ok(py.None().into_bound(py)),
        }
    }
}

/// `(host, port)`, and for version 6 also the flow and the scope.
///
/// # Errors
/// Out of memory.
pub fn inet_to_python(py: Python<'_>, address: SocketAddr) -> PyResult<Bound<'_, PyAny>> {
    match address {
        SocketAddr::V4(address) => (address.ip().to_string(), address.port()).into_bound_py_any(py),
        SocketAddr::V6(address) => {
            (inet6_text(*address.ip()), address.port(), address.flowinfo(), address.scope_id()).into_bound_py_any(py)
        }
    }
}

/// As `inet_ntop(3)` writes it: with the last four bytes in decimal where all before them are zero.
fn inet6_text(address: Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            format!("::{}", Ipv4Addr::new(a, b, c, d))
        }
        _ => address.to_string(),
    }
}

/// A path as `str`, an abstract name as `bytes` with its leading NUL, no name as the empty `str`.
fn unix_to_python<'py>(py: Python<'py>, address: &SocketAddrUnix) -> PyResult<Bound<'py, PyAny>> {
    if let Some(path) = address.path() {
        let path = OsStr::from_bytes(path.to_bytes());
        return path.into_bound_py_any(py);
    }
    match address.abstract_name() {
        Some(name) if !name.is_empty() => Ok(PyBytes::new(py, &[b"\0", name].concat()).into_any()),
        _ => "".into_bound_py_any(py),
    }
}
