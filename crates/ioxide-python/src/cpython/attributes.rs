//! An object's own attributes: setting them as `object` does, for a class that does something else besides, and looking
//! for one past the object's class.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// Whether an attribute is in the object's `__dict__`. An object that hasn't any is taken to have it.
///
/// # Errors
/// What hashing the name raises.
pub fn has_own(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> PyResult<bool> {
    // SAFETY: the thread is attached, and the object is alive; the function returns a new reference, or null with an error.
    let attributes = unsafe { ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut()) };
    // SAFETY: as the line above says.
    match unsafe { Bound::from_owned_ptr_or_err(object.py(), attributes) } {
        Ok(attributes) => attributes.cast::<PyDict>()?.contains(name),
        Err(_) => Ok(true),
    }
}

/// Sets an attribute, or deletes it if there is no value, as `object.__setattr__` and `object.__delattr__` do.
///
/// # Errors
/// `AttributeError` if there is no such attribute, or it can't be written.
#[cfg(not(Py_3_13))]
pub fn set(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>, value: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let value = value.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: the thread is attached; all are live objects, or null for the value, which deletes.
    match unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), value) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(object.py())),
    }
}
