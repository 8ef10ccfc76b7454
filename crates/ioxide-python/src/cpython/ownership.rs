//! Who holds an object.

use pyo3::ffi;
use pyo3::prelude::*;

/// Whether `object` is the only reference to what it refers to, so that nobody else sees what becomes of that. On a
/// free-threaded build, where a count says less, the answer may be `false` though it is. It has to be a reference of ours,
/// not an argument of a call: from Python 3.14 on an argument is borrowed from a variable that isn't counted.
pub fn is_sole_reference<T>(object: &Bound<'_, T>) -> bool {
    // SAFETY: the object is alive, and the thread attached; the function only reads its count.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) == 1 }
}

/// Whether there are just `count` references to what `object` refers to, this one included.
pub fn is_held_by<T>(object: &Bound<'_, T>, count: ffi::Py_ssize_t) -> bool {
    // SAFETY: the object is alive, and the thread attached; the function only reads its count.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) == count }
}
