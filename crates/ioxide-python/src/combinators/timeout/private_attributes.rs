//! The private attributes of the standard library's class, to be looked at.

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;

use super::Timeout;
use crate::combinators::timer::Timer;
use crate::cpython::asyncio;

#[pymethods]
impl Timeout {
    #[getter]
    fn _state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::TIMEOUT_STATE.get(py)?.call1((self.phase(py).value(),))
    }

    #[getter]
    fn _when(&self, py: Python<'_>) -> Py<PyAny> {
        self.when(py)
    }

    #[getter]
    fn _task(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.entered.as_ref().map(|entered| entered.task.clone_ref(py)))
    }

    #[getter]
    fn _cancelling(&self, py: Python<'_>) -> PyResult<i64> {
        let cancelling = self.state.with(py, |state| state.entered.as_ref().map(|entered| entered.cancelling));
        cancelling.ok_or_else(|| PyAttributeError::new_err("'Timeout' object has no attribute '_cancelling'"))
    }

    /// The handle of the timer. `None` also for a timer that the loop keeps without one.
    #[getter]
    fn _timeout_handler(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| match &state.timer {
            Some(Timer::Handle(handle)) => Some(handle.clone_ref(py)),
            _ => None,
        })
    }
}
