//! A function that makes native coroutines, as Python sees it: `inspect.iscoroutinefunction` says yes.
//!
//! A function of an extension is none to whoever looks: `unittest.mock.patch("asyncio.sleep")` would take it for one that
//! returns at once. What looks, looks at the function's code object; so there is one, that of the standard library's
//! function in whose place this one can be put. It is never run.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyCFunction;

use crate::cpython::vectorcall::{Entry, StandsForFunction};

/// A coroutine function.
#[pyclass(frozen, weakref, name = "coroutine_function", module = "ioxide._ioxide")]
pub struct CoroutineFunction {
    function: Py<PyAny>,
    /// The standard library's function of the same name.
    stock: Py<PyAny>,
    entry: Entry,
}

impl CoroutineFunction {
    /// Makes a coroutine function of a function that returns coroutines, in the place of `stock`.
    ///
    /// # Errors
    /// Out of memory.
    pub fn make<'py>(function: Bound<'py, PyCFunction>, stock: Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let py = function.py();
        let function = function.into_any().unbind();
        Bound::new(py, Self { function, stock: stock.unbind(), entry: Entry::new::<Self>() })
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
    /// What describes its parameters is the standard library's, the rest the function's.
    fn __getattr__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        match name {
            "__code__" | "__defaults__" | "__kwdefaults__" | "__annotations__" => self.stock.bind(py).getattr(name),
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
        visit.call(&self.function)?;
        visit.call(&self.stock)
    }
}
