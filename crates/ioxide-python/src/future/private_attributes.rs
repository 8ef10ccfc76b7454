//! The underscored attributes that asyncio's own modules, and libraries, read and write.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use super::Future;
use super::state::Outcome;
use crate::cpython::asyncio;

#[pymethods]
impl Future {
    #[getter]
    fn _state(&self, py: Python<'_>) -> &'static str {
        self.state.with(py, |state| match state.outcome {
            Outcome::Pending => "PENDING",
            Outcome::Cancelled => "CANCELLED",
            Outcome::Result(_) | Outcome::Exception(..) => "FINISHED",
        })
    }

    #[getter]
    fn _asyncio_future_blocking(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.event_loop.is_some() && state.is_blocking)
    }

    #[setter(_asyncio_future_blocking)]
    fn set_asyncio_future_blocking(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.check_initialised(value.py())?;
        let is_blocking = value.is_truthy()?;
        self.state.with(value.py(), |state| state.is_blocking = is_blocking);
        Ok(())
    }

    #[getter]
    fn _loop<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.event_loop(py).ok()
    }

    /// `(function, context)` of each callback, `None` if there is none.
    #[getter]
    fn _callbacks<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let callbacks = self.state.with(py, |state| state.callbacks.clone_refs(py));
        if callbacks.is_empty() {
            return Ok(None);
        }
        let pairs = callbacks.iter().map(|callback| callback.to_python(py)?.into_pyobject(py));
        PyList::new(py, pairs.collect::<PyResult<Vec<Bound<'py, PyTuple>>>>()?).map(Some)
    }

    #[getter]
    fn _result(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| match &state.outcome {
            Outcome::Result(result) => Some(result.clone_ref(py)),
            _ => None,
        })
    }

    #[getter]
    fn _exception(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| match &state.outcome {
            Outcome::Exception(exception, _) => Some(exception.clone_ref(py).into_any()),
            _ => None,
        })
    }

    #[getter]
    fn _log_traceback(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.log_traceback)
    }

    #[setter(_log_traceback)]
    fn set_log_traceback(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if value.is_truthy()? {
            return Err(PyValueError::new_err("_log_traceback can only be set to False"));
        }
        self.mark_as_seen(value.py());
        Ok(())
    }

    #[getter]
    fn _source_traceback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| {
            let rare = state.rare.as_ref()?;
            rare.source_traceback.as_ref().map(|traceback| traceback.clone_ref(py))
        })
    }

    #[getter]
    fn _cancel_message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.cancel_message(py)
    }

    #[setter(_cancel_message)]
    fn assign_cancel_message(&self, py: Python<'_>, value: Option<Bound<'_, PyAny>>) {
        self.set_cancel_message(py, value);
    }

    /// A `CancelledError` with the message that `cancel` was given.
    fn _make_cancelled_error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.make_cancelled_error(py)
    }

    /// To `isinstance`, a future of asyncio's.
    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::FUTURE.get(py).cloned()
    }
}
