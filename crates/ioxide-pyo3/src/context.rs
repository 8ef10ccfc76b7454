//! Context variables (PEP 567), by the C API: the caller's context, and running Rust code in one.

use pyo3::ffi;
use pyo3::prelude::*;

/// Copies the context that is current on this thread, as `contextvars.copy_context()` does.
///
/// # Errors
/// Out of memory.
pub(crate) fn copy_current(py: Python<'_>) -> PyResult<Py<PyAny>> {
    // SAFETY: the thread is attached; the function takes nothing.
    let context = unsafe { ffi::PyContext_CopyCurrent() };
    // SAFETY: it returns a new reference, or null with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, context) }.map(Bound::unbind)
}

/// Runs `body` in `context`, as `context.run(body)` does.
///
/// # Errors
/// `RuntimeError` if somebody is in the context already.
pub(crate) fn run_in<R>(context: &Bound<'_, PyAny>, body: impl FnOnce() -> R) -> PyResult<R> {
    // SAFETY: the thread is attached and the object is alive; the function checks its type.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } < 0 {
        return Err(PyErr::fetch(context.py()));
    }
    let _entered = Entered(context);
    Ok(body())
}

/// Leaves the context again, also when a panic passes through.
struct Entered<'a, 'py>(&'a Bound<'py, PyAny>);

impl Drop for Entered<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: `run_in` has entered this context on this thread, and keeps it alive.
        if unsafe { ffi::PyContext_Exit(self.0.as_ptr()) } < 0 {
            // What ran has entered another one and not left it. Nobody above could do anything about it.
            PyErr::fetch(self.0.py()).write_unraisable(self.0.py(), Some(self.0));
        }
    }
}
