//! What `await future` iterates over: it yields the future to the task once, and then gives its result.

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::Future;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::exception;
use crate::cpython::free_list::free_list;

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

#[pymethods]
impl FutureIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Yields the future while it is pending. Once it is done ends with its result, or raises its exception.
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        enum Step {
            Yield,
            Refuse,
            End,
        }
        let Some(future) = self.future.with(py, |future| future.as_ref().map(|future| future.clone_ref(py))) else {
            return Ok(None);
        };
        let future = future.into_bound(py);
        let is_pending = future.get().is_pending(py);
        let step = future.get().state.with(py, |state| match (is_pending, state.is_blocking) {
            (true, false) => {
                state.is_blocking = true;
                Step::Yield
            }
            (true, true) => Step::Refuse,
            (false, _) => Step::End,
        });
        match step {
            Step::Yield => return Ok(Some(future.into_any())),
            Step::Refuse => return Err(PyRuntimeError::new_err("await wasn't used with future")),
            Step::End => {}
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
