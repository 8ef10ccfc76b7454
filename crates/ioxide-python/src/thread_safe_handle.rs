//! `asyncio.events._ThreadSafeHandle` (Python 3.14): what `call_soon_threadsafe` returns.
//!
//! Another thread that cancels it, or asks whether it is cancelled, waits while the callback runs: by then the callback
//! has either ended or will not run.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::cpython::asyncio;
use crate::event_loop::EventLoop;
use crate::handle::Handle;

/// A handle that any thread may cancel.
#[pyclass(frozen, extends = Handle, name = "_ThreadSafeHandle", module = "ioxide")]
pub struct ThreadSafeHandle {
    /// A `threading.RLock`: the callback itself may cancel its handle.
    lock: Py<PyAny>,
}

impl ThreadSafeHandle {
    /// Makes a handle that isn't scheduled yet.
    ///
    /// # Errors
    /// Out of memory.
    pub fn make<'py>(
        event_loop: &Bound<'py, EventLoop>,
        callback: &Bound<'py, PyAny>,
        arguments: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let handle = Handle::new(event_loop, callback, arguments, context)?;
        let lock = asyncio::REENTRANT_LOCK.get(py)?.call0()?.unbind();
        Bound::new(py, PyClassInitializer::from(handle).add_subclass(Self { lock }))
    }

    /// Runs the callback under the lock, unless it was cancelled.
    ///
    /// # Errors
    /// As [`Handle::run`].
    pub fn run(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().locked(slf.py(), || Handle::run_unless_cancelled(slf.as_super()))
    }

    /// Does something under the lock. Waiting for it lets other threads run.
    fn locked<R>(&self, py: Python<'_>, action: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        self.lock.call_method0(py, pyo3::intern!(py, "acquire"))?;
        let result = action();
        self.lock.call_method0(py, pyo3::intern!(py, "release"))?;
        result
    }
}

#[pymethods]
impl ThreadSafeHandle {
    /// Makes sure that the callback doesn't run, and lets go of it and of its arguments. Waits while it runs.
    fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().locked(slf.py(), || Handle::cancel(slf.as_super()))
    }

    /// Whether the handle was cancelled. Waits while the callback runs.
    fn cancelled(slf: &Bound<'_, Self>) -> PyResult<bool> {
        slf.get().locked(slf.py(), || Ok(slf.as_super().get().cancelled(slf.py())))
    }

    fn _run(slf: &Bound<'_, Self>) -> PyResult<()> {
        // From Python 3.14 on the reference that the caller has needn't be counted.
        let held = slf.clone();
        Self::run(&held)
    }

    /// To `isinstance`, a handle of asyncio's.
    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::THREAD_SAFE_HANDLE.get(py).cloned()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lock)
    }
}
