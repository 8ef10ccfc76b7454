//! Creating futures and tasks: for now the standard library's own, which are written in C.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::EventLoop;
use crate::cpython::asyncio;

#[pymethods]
impl EventLoop {
    /// Makes a future that belongs to this loop.
    pub fn create_future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let arguments = PyDict::new(py);
        arguments.set_item(pyo3::intern!(py, "loop"), slf)?;
        asyncio::FUTURE.get(py)?.call(PyTuple::empty(py), Some(&arguments))
    }
}
