//! Rust futures for Python, as pyo3-async-runtimes gives them with tokio: what `benches/extensions.py` compares with.

use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3_async_runtimes::tokio::{future_into_py, get_runtime};
use tokio::net::UnixStream;

/// Is ready at once, with `value`.
#[pyfunction]
#[pyo3(signature = (value = None))]
fn ready(py: Python<'_>, value: Option<Py<PyAny>>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move { Ok(value) })
}

/// A stream socket that Rust reads.
#[pyclass]
struct Connection(Arc<UnixStream>);

#[pymethods]
impl Connection {
    /// Takes a duplicate of a descriptor.
    #[new]
    fn new(descriptor: i32) -> PyResult<Self> {
        // SAFETY: the caller's socket is open while this runs.
        let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let stream = StdUnixStream::from(descriptor.try_clone_to_owned()?);
        stream.set_nonblocking(true)?;
        let _runtime = get_runtime().enter();
        Ok(Self(Arc::new(UnixStream::from_std(stream)?)))
    }

    /// Reads up to `size` bytes.
    fn read<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyAny>> {
        let stream = Arc::clone(&self.0);
        future_into_py(py, async move {
            let mut buffer = vec![0; size];
            let count = loop {
                stream.readable().await?;
                match stream.try_read(&mut buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    result => break result?,
                }
            };
            Ok(Python::attach(|py| PyBytes::new(py, &buffer[..count]).unbind()))
        })
    }
}

#[pymodule]
mod tokio_futures {
    #[pymodule_export]
    use super::{Connection, ready};
}
