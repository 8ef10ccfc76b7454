//! Setting attributes as `object` does, for a class that does something else besides.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// Sets an attribute, or deletes it if there is no value, as `object.__setattr__` and `object.__delattr__` do.
///
/// # Errors
/// `AttributeError` if there is no such attribute, or it can't be written.
pub fn set(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>, value: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let value = value.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: the thread is attached; all are live objects, or null for the value, which deletes.
    match unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), value) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(object.py())),
    }
}
