//! What the pipe transports do for every chunk. The rest of them is the standard library's: see
//! `python/ioxide/_transports.py`.

use std::os::fd::{BorrowedFd, RawFd};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PySlice, PyTuple};
use rustix::io::Errno;

use crate::cpython::buffer::{Contiguous, is_bytes_like};
use crate::cpython::{asyncio, descriptor};
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
                Ok(data) if !data.as_bytes().is_empty() => {
                    let protocol = slf.getattr(pyo3::intern!(py, "_protocol"))?;
                    return protocol.call_method1(pyo3::intern!(py, "data_received"), (data,)).map(drop);
                }
                // The end and a failure are there to stay: whoever reads again finds them again.
                Ok(_) | Err(_) => {}
            }
        }
        let inherited = asyncio::READ_PIPE_TRANSPORT.get(py)?;
        inherited.call_method1(pyo3::intern!(py, "_read_ready"), (slf,)).map(drop)
    }
}

impl WritePipeMethods {
    /// Writes what the pipe takes of `data` at once. Returns how many bytes that was, and how many are left; `None` if
    /// this isn't the common case, in which nothing is done.
    fn write_now(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<Option<(usize, usize)>> {
        let py = slf.py();
        if !is_bytes_like(data)
            || data.len()? == 0
            || slf.getattr(pyo3::intern!(py, "_conn_lost"))?.is_truthy()?
            || slf.getattr(pyo3::intern!(py, "_closing"))?.is_truthy()?
            || slf.getattr(pyo3::intern!(py, "_buffer"))?.is_truthy()?
        {
            return Ok(None);
        }
        let (Ok(data), Ok(target)) = (Contiguous::of(data), fd(slf.as_any())) else { return Ok(None) };
        let data = data.as_slice(py);
        // A failure is there to stay: whoever writes again finds it again.
        Ok(rustix::io::write(target, data).ok().map(|written| (written, data.len() - written)))
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
            Some((_, 0)) => return Ok(()),
            Some((written, left)) if written > 0 => {
                let view = PyMemoryView::from(data)?.call_method1(pyo3::intern!(py, "cast"), ("B",))?;
                view.get_item(PySlice::new(py, written.cast_signed(), (written + left).cast_signed(), 1))?
            }
            _ => data.clone(),
        };
        let inherited = asyncio::WRITE_PIPE_TRANSPORT.get(py)?;
        inherited.call_method1(pyo3::intern!(py, "write"), (slf, rest)).map(drop)
    }
}

fn fd<'fd>(transport: &Bound<'_, PyAny>) -> PyResult<BorrowedFd<'fd>> {
    let number: RawFd = transport.getattr(pyo3::intern!(transport.py(), "_fileno"))?.extract()?;
    descriptor::borrow(number)
}
