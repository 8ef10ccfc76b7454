//! `bytearray`, changed in place: what others have of it changes with it.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyByteArrayMethods};

/// Lends the bytes to `read`, which doesn't call into Python.
pub fn read<R>(array: &Bound<'_, PyByteArray>, read: impl FnOnce(&[u8]) -> R) -> R {
    // SAFETY: the thread is attached, and `read` runs no Python code, so that under the GIL nobody else runs any that would
    // change the array meanwhile.
    read(unsafe { array.as_bytes() })
}

/// Puts bytes at the end.
///
/// # Errors
/// `BufferError` while somebody holds a view of the array.
pub fn extend(array: &Bound<'_, PyByteArray>, data: &[u8]) -> PyResult<()> {
    let before = array.len();
    array.resize(before + data.len())?;
    // SAFETY: as in `read`. `data` is not of this array: its resizing would have been refused while it is lent.
    let bytes = unsafe { array.as_bytes_mut() };
    bytes[before..].copy_from_slice(data);
    Ok(())
}

/// Takes `count` bytes away from the front.
///
/// # Errors
/// `BufferError` while somebody holds a view of the array.
pub fn remove_front(array: &Bound<'_, PyByteArray>, count: usize) -> PyResult<()> {
    let count = ffi::Py_ssize_t::try_from(count).unwrap_or(ffi::Py_ssize_t::MAX);
    // SAFETY: the thread is attached and the array a live object.
    match unsafe { ffi::PySequence_DelSlice(array.as_ptr(), 0, count) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(array.py())),
    }
}
