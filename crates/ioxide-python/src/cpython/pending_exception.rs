//! The exception that is on its way while an object goes.

use std::ptr::null_mut;

use pyo3::ffi;
use pyo3::prelude::*;

/// Sets the thread's pending exception aside, if there is one, and raises it again as this is dropped. `PyErr::take` won't
/// do: it resumes the panic behind a `PanicException`.
pub struct PendingException<'py> {
    parts: [*mut ffi::PyObject; 3],
    _attached: Python<'py>,
}

impl<'py> PendingException<'py> {
    /// Sets it aside.
    pub fn set_aside(py: Python<'py>) -> Self {
        let [mut class, mut value, mut traceback] = [null_mut(); 3];
        // SAFETY: the thread is attached. The function gives its references away, or nulls where there is no exception.
        #[allow(deprecated, reason = "what replaces it isn't there before 3.12")]
        unsafe {
            ffi::PyErr_Fetch(&raw mut class, &raw mut value, &raw mut traceback);
        }
        Self { parts: [class, value, traceback], _attached: py }
    }
}

impl Drop for PendingException<'_> {
    fn drop(&mut self) {
        let [class, value, traceback] = self.parts;
        // SAFETY: the thread is attached. The function takes over the references, which came from the one above; three
        // nulls are no exception.
        #[allow(deprecated, reason = "what replaces it isn't there before 3.12")]
        unsafe {
            ffi::PyErr_Restore(class, value, traceback);
        }
    }
}
