//! What is awaited where there is nothing to wait for, and what there was to do is done.

use std::sync::OnceLock;

use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::cpython::coroutine::{Awaitable, Sent};
use crate::cpython::exception;
use crate::cpython::shortcut::StepShortcut;

/// A coroutine that ends at once, each time that it is awaited. All share one.
#[pyclass(frozen, name = "coroutine", module = "ioxide._ioxide")]
pub struct Ended;

impl Ended {
    /// The one that all share.
    ///
    /// # Errors
    /// Out of memory.
    pub fn shared(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        static SHARED: PyOnceLock<Py<Ended>> = PyOnceLock::new();
        let shared = SHARED.get_or_try_init(py, || Py::new(py, Self))?;
        Ok(shared.bind(py).clone().into_any())
    }
}

impl Awaitable for Ended {
    fn is_awaited(_slf: &Bound<'_, Self>) -> bool {
        false
    }
}

impl StepShortcut for Ended {
    fn general() -> &'static OnceLock<pyo3::ffi::iternextfunc> {
        static GENERAL: OnceLock<pyo3::ffi::iternextfunc> = OnceLock::new();
        &GENERAL
    }

    fn take<'py>(slf: &Bound<'py, Self>) -> Option<Sent<'py>> {
        Some(Sent::Returned(slf.py().None().into_bound(slf.py())))
    }
}

#[pymethods]
impl Ended {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    /// Ends.
    fn send(&self, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let _ = value;
        Err(PyStopIteration::new_err(()))
    }

    /// Raises an exception in the place of that.
    #[pyo3(signature = (r#type, val = None, tb = None))]
    fn throw(
        &self,
        r#type: &Bound<'_, PyAny>,
        val: Option<Bound<'_, PyAny>>,
        tb: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        Err(exception::of_throw_arguments(r#type, val, tb)?)
    }

    /// Does nothing.
    fn close(&self) {}
}
