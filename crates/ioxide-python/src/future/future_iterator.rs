//! What `await future` iterates over: it yields the future to the task once, and then gives its result.

use std::sync::OnceLock;

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::Future;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::coroutine::Sent;
use crate::cpython::exception;
use crate::cpython::free_list::free_list;
use crate::cpython::light_deallocation::LightDeallocation;
use crate::cpython::shortcut::StepShortcut;

/// The iterator of one `await`.
#[pyclass(frozen, module = "ioxide._ioxide")]
pub struct FutureIterator {
    /// `None` when the iteration has ended.
    future: AttachedCell<Option<Py<Future>>>,
}

impl FutureIterator {
    pub const fn new(future: Py<Future>) -> Self {
        Self { future: AttachedCell::new(Some(future)) }
    }
}

free_list!(FutureIterator);

impl LightDeallocation for FutureIterator {
    fn deallocation() -> &'static OnceLock<ffi::destructor> {
        static DEALLOCATION: OnceLock<ffi::destructor> = OnceLock::new();
        &DEALLOCATION
    }

    fn holds_nothing(slf: &Bound<'_, Self>) -> bool {
        slf.get().future.with(slf.py(), |future| future.is_none())
    }
}

impl StepShortcut for FutureIterator {
    fn general() -> &'static OnceLock<ffi::iternextfunc> {
        static GENERAL: OnceLock<ffi::iternextfunc> = OnceLock::new();
        &GENERAL
    }

    /// The step that yields the future, and the one that ends with its result.
    fn take<'py>(slf: &Bound<'py, Self>) -> Option<Sent<'py>> {
        let py = slf.py();
        let place = &slf.get().future;
        let future = place.with(py, |future| future.as_ref().map(|future| future.clone_ref(py)))?.into_bound(py);
        match future.get().begin_wait(py) {
            Some(true) => Some(Sent::Yielded(future.into_any())),
            Some(false) => None,
            None => {
                let result = future.get().result_at_once(py)?;
                if let Some(future) = place.replace(py, None) {
                    future.drop_ref(py);
                }
                Some(Sent::Returned(result))
            }
        }
    }
}

#[pymethods]
impl FutureIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Yields the future while it is pending. Once it is done ends with its result, or raises its exception.
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(future) = self.future.with(py, |future| future.as_ref().map(|future| future.clone_ref(py))) else {
            return Ok(None);
        };
        let future = future.into_bound(py);
        match future.get().begin_wait(py) {
            Some(true) => return Ok(Some(future.into_any())),
            Some(false) => return Err(PyRuntimeError::new_err("await wasn't used with future")),
            None => {}
        }
        drop(self.future.replace(py, None));
        exception::end_iteration(future.get().take_result(py)?);
        Ok(None)
    }

    /// As `__next__`: what is sent is of no concern.
    fn send<'py>(&self, py: Python<'py>, _value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let yielded = self.__next__(py)?;
        yielded.ok_or_else(|| PyErr::take(py).unwrap_or_else(|| PyStopIteration::new_err(())))
    }

    /// Raises an exception where the task waits, which ends the iteration.
    #[pyo3(signature = (r#type, val = None, tb = None))]
    fn throw(
        &self,
        r#type: &Bound<'_, PyAny>,
        val: Option<Bound<'_, PyAny>>,
        tb: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let error = exception::of_throw_arguments(r#type, val, tb);
        drop(self.future.replace(r#type.py(), None));
        Err(error?)
    }

    /// Ends the iteration.
    fn close(&self, py: Python<'_>) {
        drop(self.future.replace(py, None));
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.future.traverse(|future| visit.call(future))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.future.replace(py, None));
    }
}
