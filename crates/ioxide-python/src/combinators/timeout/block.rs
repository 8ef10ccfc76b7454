//! The coroutines that `async with timeout(…)` awaits as the block begins and as it ends.
//!
//! Neither ever waits, so they need nothing of what a [`crate::combinators::native_coroutine::NativeCoroutine`] has for that, and cost
//! less than half of one. From outside they are coroutines like any: they run once, when they are awaited, and warn when
//! they are forgotten.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyStopIteration, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::Timeout;
use super::error::timeout_error;
use crate::cpython::exception;

/// What `__aenter__` and `__aexit__` of a timeout return.
#[pyclass(frozen, name = "coroutine", module = "ioxide._ioxide")]
pub struct BlockCoroutine {
    timeout: Py<Timeout>,
    action: Action,
    is_finished: AtomicBool,
}

/// Which of the two it is.
pub enum Action {
    /// `__aenter__`.
    Enter,
    /// `__aexit__`, with the class of the exception and the exception.
    Exit(Py<PyAny>, Option<Py<PyAny>>),
}

impl BlockCoroutine {
    /// Makes a coroutine that hasn't run.
    ///
    /// # Errors
    /// Out of memory.
    pub fn make(timeout: Bound<'_, Timeout>, action: Action) -> PyResult<Bound<'_, Self>> {
        let py = timeout.py();
        Bound::new(py, Self { timeout: timeout.unbind(), action, is_finished: AtomicBool::new(false) })
    }

    fn finish(&self) -> PyResult<()> {
        if self.is_finished.swap(true, Ordering::Relaxed) {
            return Err(PyRuntimeError::new_err("cannot reuse already awaited coroutine"));
        }
        Ok(())
    }

    const fn qualified_name(&self) -> &'static str {
        match self.action {
            Action::Enter => "Timeout.__aenter__",
            Action::Exit(..) => "Timeout.__aexit__",
        }
    }
}

#[pymethods]
impl BlockCoroutine {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Runs it. To end without a value is cheaper than with one: no `StopIteration` is made.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.finish()?;
        let timeout = self.timeout.bind(py);
        match &self.action {
            Action::Enter => {
                Timeout::enter(timeout)?;
                Err(exception::stop_iteration(timeout.as_any())?)
            }
            Action::Exit(class, cancelled) => {
                let cancelled = cancelled.as_ref().map(|cancelled| cancelled.bind(py));
                if Timeout::exit(timeout, Some(class.bind(py)), cancelled)? {
                    return Err(exception::raised(&timeout_error(py, cancelled.cloned())));
                }
                Ok(None)
            }
        }
    }

    /// Runs it.
    fn send(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        if !value.is_none() && !self.is_finished.load(Ordering::Relaxed) {
            return Err(PyTypeError::new_err("can't send non-None value to a just-started coroutine"));
        }
        self.__next__(py)?.ok_or_else(|| PyStopIteration::new_err(()))
    }

    /// Raises an exception in the place of running.
    #[pyo3(signature = (r#type, val = None, tb = None))]
    fn throw(
        &self,
        r#type: &Bound<'_, PyAny>,
        val: Option<Bound<'_, PyAny>>,
        tb: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let error = exception::of_throw_arguments(r#type, val, tb)?;
        self.finish()?;
        Err(error)
    }

    /// It won't run any more.
    fn close(&self) {
        self.is_finished.store(true, Ordering::Relaxed);
    }

    #[getter]
    fn __name__(&self) -> &'static str {
        match self.action {
            Action::Enter => "__aenter__",
            Action::Exit(..) => "__aexit__",
        }
    }

    #[getter]
    fn __qualname__(&self) -> &'static str {
        self.qualified_name()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> String {
        format!("<coroutine object {} at {:p}>", slf.get().qualified_name(), slf.as_ptr())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.timeout)?;
        match &self.action {
            Action::Enter => Ok(()),
            Action::Exit(class, exception) => {
                visit.call(class)?;
                visit.call(exception)
            }
        }
    }
}

/// What is awaited where there is nothing to wait for. All share one.
#[pyclass(frozen, name = "coroutine", module = "ioxide._ioxide")]
pub struct Ended;

impl Ended {
    /// The one that all share.
    ///
    /// # Errors
    /// Out of memory.
    pub fn shared(py: Python<'_>) -> PyResult<&Bound<'_, Self>> {
        static SHARED: PyOnceLock<Py<Ended>> = PyOnceLock::new();
        SHARED.get_or_try_init(py, || Py::new(py, Self)).map(|ended| ended.bind(py))
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

/// Warns of one that was forgotten. Nobody can get hold of it any more, so this needn't be a finalizer.
impl Drop for BlockCoroutine {
    fn drop(&mut self) {
        if *self.is_finished.get_mut() {
            return;
        }
        let message = match self.action {
            Action::Enter => c"coroutine 'Timeout.__aenter__' was never awaited",
            Action::Exit(..) => c"coroutine 'Timeout.__aexit__' was never awaited",
        };
        Python::attach(|py| {
            let pending = PyErr::take(py);
            if let Err(error) = PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), message, 1) {
                error.write_unraisable(py, None);
            }
            if let Some(pending) = pending {
                pending.restore(py);
            }
        });
    }
}
