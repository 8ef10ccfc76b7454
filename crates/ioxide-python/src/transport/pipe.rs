//! What the pipe transports do for every chunk. The rest of them is the standard library's: see
//! `python/ioxide/_transports.py`.

use std::os::fd::{BorrowedFd, RawFd};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PySlice, PyTuple};
use rustix::io::Errno;

use crate::cpython::buffer::{Contiguous, is_bytes_like};
use crate::cpython::{asyncio, descriptor};
use crate::errors;
use crate::event_loop::EventLoop;

/// A base of `ioxide.ReadPipeTransport`, in front of the standard library's.
#[pyclass(frozen, subclass, module = "ioxide._ioxide")]
pub struct ReadPipeMethods;

/// A base of `ioxide.WritePipeTransport`, in front of the standard library's.
#[pyclass(frozen, subclass, module = "ioxide._ioxide")]
pub struct WritePipeMethods;

#[pymethods]
impl ReadPipeMethods {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self
    }

    /// Reads from the pipe and gives the data to the protocol.
    fn _read_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let event_loop = slf.getattr(pyo3::intern!(py, "_loop"))?;
        if let (Ok(event_loop), Ok(source)) = (event_loop.cast::<EventLoop>(), fd(slf.as_any())) {
            let received = event_loop.get().with_read_buffer(py, |buffer| {
                // `bytes` isn't tracked by the garbage collector, so making one within the borrow runs no other code.
                rustix::io::read(source, &mut *buffer).map(|count| PyBytes::new(py, &buffer[..count]))
            });
            match received {
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(errno) => return failed(slf.as_any(), errno, "Fatal read error on pipe transport"),
                Ok(data) if data.as_bytes().is_empty() => {
                    return slf.call_method0(pyo3::intern!(py, "_end_reached")).map(drop);
                }
                Ok(data) => {
                    let protocol = slf.getattr(pyo3::intern!(py, "_protocol"))?;
                    return protocol.call_method1(pyo3::intern!(py, "data_received"), (data,)).map(drop);
                }
            }
        }
        let inherited = asyncio::READ_PIPE_TRANSPORT.get(py)?;
        inherited.call_method1(pyo3::intern!(py, "_read_ready"), (slf,)).map(drop)
    }
}

/// What became of an attempt to write.
enum Attempt {
    /// Not the common case, or no room: nothing was done.
    None,
    /// So many bytes were written, and so many are left.
    Written(usize, usize),
    /// The pipe is broken.
    Failed(Errno),
}

impl WritePipeMethods {
    /// Writes what the pipe takes of `data` at once, if nothing is buffered.
    fn write_now(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<Attempt> {
        let py = slf.py();
        if !is_bytes_like(data)
            || !data.len().is_ok_and(|length| length > 0)
            || slf.getattr(pyo3::intern!(py, "_conn_lost"))?.is_truthy()?
            || slf.getattr(pyo3::intern!(py, "_closing"))?.is_truthy()?
            || slf.getattr(pyo3::intern!(py, "_buffer"))?.is_truthy()?
        {
            return Ok(Attempt::None);
        }
        let (Ok(data), Ok(target)) = (Contiguous::of(data), fd(slf.as_any())) else { return Ok(Attempt::None) };
        let data = data.as_slice(py);
        Ok(match rustix::io::write(target, data) {
            Ok(written) => Attempt::Written(written, data.len() - written),
            Err(Errno::AGAIN | Errno::INTR) => Attempt::None,
            Err(errno) => Attempt::Failed(errno),
        })
    }
}

#[pymethods]
impl WritePipeMethods {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self
    }

    /// Writes `data`, without waiting. What the pipe doesn't take now is buffered.
    fn write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let rest = match Self::write_now(slf, data)? {
            Attempt::Failed(errno) => {
                let lost = slf.getattr(pyo3::intern!(py, "_conn_lost"))?.add(1)?;
                slf.setattr(pyo3::intern!(py, "_conn_lost"), lost)?;
                return failed(slf.as_any(), errno, "Fatal write error on pipe transport");
            }
            Attempt::Written(_, 0) => return Ok(()),
            Attempt::Written(written, left) if written > 0 => {
                let view = PyMemoryView::from(data)?.call_method1(pyo3::intern!(py, "cast"), ("B",))?;
                // Not by `PySlice::new`, which leaks its numbers (PyO3 0.30).
                view.get_item(py.get_type::<PySlice>().call1((written, written + left))?)?
            }
            Attempt::Written(..) | Attempt::None => data.clone(),
        };
        let inherited = asyncio::WRITE_PIPE_TRANSPORT.get(py)?;
        inherited.call_method1(pyo3::intern!(py, "write"), (slf, rest)).map(drop)
    }
}

/// The transport closes because of an error.
fn failed(transport: &Bound<'_, PyAny>, errno: Errno, message: &str) -> PyResult<()> {
    let py = transport.py();
    let error = errors::exception(py, &errors::os_error(py, errno));
    transport.call_method1(pyo3::intern!(py, "_fatal_error"), (error, message)).map(drop)
}

fn fd<'fd>(transport: &Bound<'_, PyAny>) -> PyResult<BorrowedFd<'fd>> {
    let number: RawFd = transport.getattr(pyo3::intern!(transport.py(), "_fileno"))?.extract()?;
    descriptor::borrow(number)
}
