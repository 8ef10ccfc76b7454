//! Context variables (PEP 567): copying contexts, and running Rust code in one, by the C API.

use pyo3::prelude::*;
use pyo3::{PyResult, ffi};

/// Copies the context that is current on this thread, as `contextvars.copy_context()` does.
///
/// # Errors
/// Out of memory.
pub fn copy_current(py: Python<'_>) -> PyResult<Py<PyAny>> {
    // SAFETY: the thread is attached; the function takes nothing and returns a new reference, or null with an error set.
    let context = unsafe { ffi::PyContext_CopyCurrent() };
    // SAFETY: as the line above says.
    unsafe { Bound::from_owned_ptr_or_err(py, context) }.map(Bound::unbind)
}

/// Copies `context`, as its `copy()` does.
///
/// # Errors
/// `TypeError` if it isn't a context.
pub fn copy(context: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    // SAFETY: the thread is attached and the argument is a live object; the function checks its type, and returns a new
    // reference, or null with an error set.
    let copy = unsafe { ffi::PyContext_Copy(context.as_ptr()) };
    // SAFETY: as the line above says.
    unsafe { Bound::from_owned_ptr_or_err(context.py(), copy) }.map(Bound::unbind)
}

/// Runs `body` in `context`, as `context.run(body)` does.
///
/// # Errors
/// `RuntimeError` if some thread is in the context already, `TypeError` if it isn't a context, and what `body` raises.
pub fn run_in<R>(context: &Bound<'_, PyAny>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    // SAFETY: the thread is attached and the argument is a live object; the function checks its type.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } < 0 {
        return Err(PyErr::fetch(context.py()));
    }
    let entered = Entered(context);
    let result = body();
    drop(entered);
    result
}

/// Leaves the context again, also when a panic passes through.
struct Entered<'a, 'py>(&'a Bound<'py, PyAny>);

impl Drop for Entered<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: `run_in` entered this context on this thread, and it keeps the object alive.
        if unsafe { ffi::PyContext_Exit(self.0.as_ptr()) } < 0 {
            // Somebody entered another context and didn't leave it. Nobody above could do anything about it.
            PyErr::fetch(self.0.py()).write_unraisable(self.0.py(), Some(self.0));
        }
    }
}
