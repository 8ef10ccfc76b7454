//! The underscored attributes, for the standard library's code and for programs that read and set them.

use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use super::StreamReader;
use super::limit::{self, Limit};

impl StreamReader {
    pub(super) fn set_transport_attribute(&self, py: Python<'_>, transport: Option<&Bound<'_, PyAny>>) {
        let kept = transport.map(|transport| transport.clone().unbind());
        drop(self.state.with(py, |state| std::mem::replace(&mut state.transport, kept)));
    }
}

/// `None` for Python's.
fn object(value: &Bound<'_, PyAny>) -> Option<Py<PyAny>> {
    (!value.is_none()).then(|| value.clone().unbind())
}

#[pymethods]
impl StreamReader {
    /// What was received and not read: from now on this array itself.
    #[getter]
    fn _buffer<'py>(&self, py: Python<'py>) -> Bound<'py, PyByteArray> {
        self.buffer.share(py)
    }

    #[setter(_buffer)]
    fn set_buffer(&self, value: &Bound<'_, PyByteArray>) {
        self.buffer.replace(value);
    }

    #[getter]
    fn _eof(&self, py: Python<'_>) -> bool {
        self.is_at_eof(py)
    }

    #[setter(_eof)]
    fn set_eof(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_at_eof = value.is_truthy()?;
        self.state.with(value.py(), |state| state.is_at_eof = is_at_eof);
        Ok(())
    }

    #[getter]
    fn _paused(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_paused)
    }

    #[setter(_paused)]
    fn set_paused(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_paused = value.is_truthy()?;
        self.state.with(value.py(), |state| state.is_paused = is_paused);
        Ok(())
    }

    #[getter]
    fn _limit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.state.with(py, |state| state.limit.to_python(py)) {
            Some(limit) => Ok(limit),
            None => Ok(limit::DEFAULT.into_pyobject(py)?.into_any()),
        }
    }

    #[setter(_limit)]
    fn set_limit(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let limit = Limit::of(value)?;
        drop(self.state.with(value.py(), |state| std::mem::replace(&mut state.limit, limit)));
        Ok(())
    }

    #[getter]
    fn _loop(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.event_loop.as_ref().map(|event_loop| event_loop.clone_ref(py)))
    }

    #[setter(_loop)]
    fn set_event_loop(&self, value: &Bound<'_, PyAny>) {
        let event_loop = object(value);
        drop(self.state.with(value.py(), |state| std::mem::replace(&mut state.event_loop, event_loop)));
    }

    #[getter]
    fn _waiter(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.waiter.as_ref().map(|waiter| waiter.clone_ref(py)))
    }

    #[setter(_waiter)]
    fn set_waiter(&self, value: &Bound<'_, PyAny>) {
        let waiter = object(value);
        drop(self.state.with(value.py(), |state| std::mem::replace(&mut state.waiter, waiter)));
    }

    #[getter]
    fn _exception(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.exception(py)
    }

    #[setter(_exception)]
    fn set_exception_attribute(&self, value: &Bound<'_, PyAny>) {
        let exception = object(value);
        drop(self.state.with(value.py(), |state| std::mem::replace(&mut state.exception, exception)));
    }

    #[getter]
    fn _transport(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.transport(py).map(Bound::unbind)
    }

    #[setter(_transport)]
    fn set_transport_by_name(&self, value: &Bound<'_, PyAny>) {
        self.set_transport_attribute(value.py(), (!value.is_none()).then_some(value));
    }
}
