//! A function that makes native coroutines, as Python sees it: `inspect.iscoroutinefunction` and `asyncio`'s say yes.
//!
//! A function of an extension can't be marked so. What looks, such as `unittest.mock.patch("asyncio.sleep")`, would take
//! it for one that returns at once.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyCFunction;

use crate::cpython::asyncio;
use crate::cpython::vectorcall::{Entry, StandsForFunction};

/// A coroutine function.
#[pyclass(frozen, weakref, name = "coroutine_function", module = "ioxide._ioxide")]
pub struct CoroutineFunction {
    function: Py<PyAny>,
    entry: Entry,
}

impl CoroutineFunction {
    /// Makes a coroutine function of a function that returns coroutines.
    ///
    /// # Errors
    /// Out of memory.
    pub fn make(function: Bound<'_, PyCFunction>) -> PyResult<Bound<'_, Self>> {
        let py = function.py();
        Bound::new(py, Self { function: function.into_any().unbind(), entry: Entry::new::<Self>() })
    }
}

impl StandsForFunction for CoroutineFunction {
    fn entry(&self) -> &Entry {
        &self.entry
    }

    fn function(&self) -> &Py<PyAny> {
        &self.function
    }
}

#[pymethods]
impl CoroutineFunction {
    /// Name, documentation and signature are the function's.
    fn __getattr__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        match name {
            "_is_coroutine" => asyncio::COROUTINE_MARK.get(py).cloned(),
            "_is_coroutine_mark" | "_is_coroutine_marker" if cfg!(Py_3_12) => {
                asyncio::INSPECTED_COROUTINE_MARK.get(py).cloned()
            }
            "__signature__" => asyncio::SIGNATURE.get(py)?.call1((&self.function,)),
            _ => self.function.bind(py).getattr(name),
        }
    }

    #[getter(__doc__)]
    fn doc<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.function.bind(py).getattr("__doc__")
    }

    #[getter(__module__)]
    fn module(&self) -> &'static str {
        "ioxide"
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(format!("<coroutine function ioxide.{}>", slf.getattr("__name__")?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<String> {
        slf.getattr("__name__")?.extract()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)
    }
}
