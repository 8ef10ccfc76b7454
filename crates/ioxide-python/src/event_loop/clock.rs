//! The loop's clock.

use ioxide::clock;
use pyo3::prelude::*;
use pyo3::types::PyFloat;

use super::EventLoop;
use super::native_methods::Method;

impl EventLoop {
    /// What the loop's clock says, in seconds.
    ///
    /// # Errors
    /// What the program's clock raises.
    pub fn now<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if Self::is_native(slf, Method::Time)? {
            return Ok(slf.get().time(py).into_any());
        }
        slf.call_method0(pyo3::intern!(py, "time"))
    }
}

#[pymethods]
impl EventLoop {
    /// The loop's clock, in seconds: `time.monotonic()`.
    pub(super) fn time<'py>(&self, py: Python<'py>) -> Bound<'py, PyFloat> {
        PyFloat::new(py, clock::to_seconds(clock::monotonic()))
    }
}
