//! What a datagram transport does for every datagram. The rest of it (its life, its buffer for what the kernel doesn't
//! take, flow control) is the standard library's: see `python/ioxide/_transports.py`.
//!
//! Several datagrams are taken per readiness event, as long as nobody can tell. asyncio takes one, so that whatever a
//! datagram sets off runs before the next one is delivered, and may close the transport; here the next one waits for
//! the next turn as soon as the protocol has scheduled anything.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::RawFd;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketAddrUnix};

use crate::address::Address;
use crate::cpython::buffer::{Contiguous, is_bytes_like};
use crate::cpython::{asyncio, descriptor};
use crate::errors;
use crate::event_loop::{Direction, EventLoop};

/// How many datagrams are taken per readiness event: others want their turn, too.
const DATAGRAMS_PER_EVENT: usize = 32;

/// A base of `ioxide.DatagramTransport`, in front of the standard library's.
#[pyclass(frozen, subclass, module = "ioxide._ioxide")]
pub struct DatagramMethods;

impl DatagramMethods {
    fn fd(slf: &Bound<'_, Self>) -> PyResult<RawFd> {
        let py = slf.py();
        slf.getattr(pyo3::intern!(py, "_sock"))?.call_method0(pyo3::intern!(py, "fileno"))?.extract()
    }

    fn error_received(slf: &Bound<'_, Self>, error: &PyErr) -> PyResult<()> {
        let py = slf.py();
        let protocol = slf.getattr(pyo3::intern!(py, "_protocol"))?;
        protocol.call_method1(pyo3::intern!(py, "error_received"), (errors::exception(py, error),)).map(drop)
    }

    /// As asyncio treats what sending raises: an error of the operating system is the protocol's, any other is fatal.
    fn sending_failed(slf: &Bound<'_, Self>, error: &PyErr) -> PyResult<()> {
        let py = slf.py();
        if errors::ends_the_loop(py, error) {
            return Err(error.clone_ref(py));
        }
        if error.is_instance_of::<PyOSError>(py) {
            return Self::error_received(slf, error);
        }
        let message = "Fatal write error on datagram transport";
        slf.call_method1(pyo3::intern!(py, "_fatal_error"), (errors::exception(py, error), message)).map(drop)
    }

    /// Whether the next datagram may be delivered in the same turn: the transport still reads, nothing that could change
    /// that is about to run, and the loop goes on.
    fn may_go_on(slf: &Bound<'_, Self>, event_loop: &EventLoop, fd: RawFd, scheduled: usize) -> PyResult<bool> {
        let py = slf.py();
        Ok(event_loop.scheduled(py) == scheduled
            && !event_loop.is_told_to_stop()
            && event_loop.is_watched(py, fd, Direction::Read)
            && !slf.getattr(pyo3::intern!(py, "_closing"))?.is_truthy()?
            && Self::fd(slf)? == fd)
    }

    /// Sends `data` at once if this is the common case: nothing is buffered, the address needs no look-up, and the
    /// kernel takes it or says why not. Returns whether that is so; if it isn't, nothing has been done.
    fn send_now(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>, address: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let py = slf.py();
        if !is_bytes_like(data) || !data.len().is_ok_and(|length| length > 0) {
            return Ok(false);
        }
        let is_fixed = slf.getattr(pyo3::intern!(py, "_address"))?.is_truthy()?;
        if (is_fixed && address.is_some())
            || slf.getattr(pyo3::intern!(py, "_conn_lost"))?.is_truthy()?
            || slf.getattr(pyo3::intern!(py, "_buffer"))?.is_truthy()?
        {
            return Ok(false);
        }
        let peer = slf.getattr(pyo3::intern!(py, "_extra"))?.get_item(pyo3::intern!(py, "peername"))?;
        let target = if peer.is_truthy()? {
            None
        } else {
            let family = slf.getattr(pyo3::intern!(py, "_family"))?.extract()?;
            let Some(target) = address.and_then(|address| numeric(address, family)) else { return Ok(false) };
            Some(target)
        };
        let bytes = data;
        let Ok(data) = Contiguous::of(bytes) else { return Ok(false) };
        if target.is_some() {
            let socket = slf.getattr(pyo3::intern!(py, "_sock"))?;
            let audited = asyncio::AUDIT.get(py)?.call1(("socket.sendto", socket, address));
            if let Err(error) = audited {
                return Self::sending_failed(slf, &error).map(|()| true);
            }
        }
        // From here on no code of the program's runs before the system call.
        let Ok(source) = descriptor::borrow(Self::fd(slf)?) else { return Ok(false) };
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let sent = match &target {
            None => rustix::net::send(source, data.as_slice(py), flags),
            Some(target) => target.send(source, data.as_slice(py), flags),
        };
        drop(data);
        match sent {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::INTR) => {
                slf.call_method1(pyo3::intern!(py, "_send_later"), (bytes, address)).map(|_| true)
            }
            Err(errno) => Self::error_received(slf, &errors::os_error(py, errno)).map(|()| true),
        }
    }
}

#[pymethods]
impl DatagramMethods {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self
    }

    /// Takes datagrams from the socket and gives them to the protocol.
    fn _read_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let event_loop = slf.getattr(pyo3::intern!(py, "_loop"))?;
        // Without a loop the connection is lost.
        let Ok(event_loop) = event_loop.cast::<EventLoop>() else { return Ok(()) };
        let fd = Self::fd(slf)?;
        for _ in 0..DATAGRAMS_PER_EVENT {
            let scheduled = event_loop.get().scheduled(py);
            let received = match descriptor::borrow(fd) {
                Err(_) => Err(Errno::BADF),
                Ok(source) => event_loop.get().with_read_buffer(py, |buffer| {
                    // `bytes` isn't tracked by the garbage collector: making one within the borrow runs no other code.
                    rustix::net::recvfrom(source, &mut *buffer, RecvFlags::DONTWAIT)
                        .map(|(count, _, sender)| (PyBytes::new(py, &buffer[..count]), sender))
                }),
            };
            match received {
                Ok((data, sender)) => {
                    let address = sender_to_python(py, sender)?;
                    let protocol = slf.getattr(pyo3::intern!(py, "_protocol"))?;
                    protocol.call_method1(pyo3::intern!(py, "datagram_received"), (data, address))?;
                }
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(errno) => return Self::error_received(slf, &errors::os_error(py, errno)),
            }
            if !Self::may_go_on(slf, event_loop.get(), fd, scheduled)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends `data` to `addr`, or to the endpoint's remote address. What the kernel doesn't take now is buffered.
    #[pyo3(signature = (data, addr = None))]
    fn sendto(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>, addr: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        if Self::send_now(slf, data, addr)? {
            return Ok(());
        }
        let inherited = asyncio::DATAGRAM_TRANSPORT.get(py)?;
        inherited.call_method1(pyo3::intern!(py, "sendto"), (slf, data, addr)).map(drop)
    }
}

/// Where a datagram goes.
enum Target {
    Inet(SocketAddr),
    Unix(SocketAddrUnix),
}

impl Target {
    fn send(&self, socket: std::os::fd::BorrowedFd<'_>, data: &[u8], flags: SendFlags) -> Result<usize, Errno> {
        match self {
            Self::Inet(address) => rustix::net::sendto(socket, data, flags, address),
            Self::Unix(address) => rustix::net::sendto(socket, data, flags, address),
        }
    }
}

/// Reads an address that needs no look-up, as the socket module would for a socket of this family.
fn numeric(address: &Bound<'_, PyAny>, family: u16) -> Option<Target> {
    match AddressFamily::from_raw(family) {
        AddressFamily::UNIX => {
            let path: &str = address.extract().ok()?;
            let is_path = !path.is_empty() && !path.starts_with('\0');
            is_path.then(|| SocketAddrUnix::new(path).ok().map(Target::Unix))?
        }
        AddressFamily::INET => {
            let (host, port): (&str, u16) = address.cast_exact::<PyTuple>().ok()?.extract().ok()?;
            let host: Ipv4Addr = host.parse().ok()?;
            Some(Target::Inet(SocketAddr::new(host.into(), port)))
        }
        AddressFamily::INET6 => inet6(address.cast_exact::<PyTuple>().ok()?),
        _ => None,
    }
}

fn inet6(address: &Bound<'_, PyTuple>) -> Option<Target> {
    let host = address.get_item(0).ok()?;
    let host: Ipv6Addr = host.extract::<&str>().ok()?.parse().ok()?;
    let number = |index: usize| match address.get_item(index) {
        Ok(number) => number.extract::<u32>().ok(),
        Err(_) => Some(0),
    };
    let (port, flow_info, scope) = (u16::try_from(number(1)?).ok()?, number(2)?, number(3)?);
    // A flow is written in another byte order than this type has it: left to the socket module.
    let is_plain = (2..=4).contains(&address.len()) && flow_info == 0;
    is_plain.then(|| Target::Inet(SocketAddrV6::new(host, port, 0, scope).into()))
}

/// As `recvfrom` of the socket module gives it: `None` for a sender without a name.
fn sender_to_python(py: Python<'_>, sender: Option<SocketAddrAny>) -> PyResult<Bound<'_, PyAny>> {
    match sender {
        None => Ok(py.None().into_bound(py)),
        some => Address::from_kernel(some).to_python(py),
    }
}
