//! The interpreter's guard against recursion that is too deep, for native code that calls itself.

use pyo3::ffi;
use pyo3::prelude::*;

/// Counts a level for as long as it lives.
pub struct Level(());

/// Enters a level of recursion.
///
/// # Errors
/// `RecursionError` if that is too deep.
pub fn enter(py: Python<'_>) -> PyResult<Level> {
    // SAFETY: the thread is attached, and the text ends with a NUL.
    match unsafe { ffi::Py_EnterRecursiveCall(c" while calling a Python object".as_ptr()) } {
        0 => Ok(Level(())),
        _ => Err(PyErr::fetch(py)),
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        // SAFETY: `enter` entered this level on this thread, which is still attached: levels don't outlive a call.
        unsafe { ffi::Py_LeaveRecursiveCall() };
    }
}
