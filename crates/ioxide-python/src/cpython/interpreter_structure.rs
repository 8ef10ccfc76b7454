//! Words of the interpreter's structures that no function of the C API reaches. Which word is what, those find out who ask.

use pyo3::ffi;
use pyo3::prelude::*;

/// Reads a word of a structure of the interpreter's.
///
/// # Safety
/// The structure is alive and longer than that, and no other thread changes it meanwhile.
pub(super) unsafe fn word<T>(structure: *mut T, place: usize) -> *mut ffi::PyObject {
    let word = structure.cast::<*mut ffi::PyObject>().wrapping_add(place);
    // SAFETY: the caller's promise. Structures of the interpreter's are aligned for words. The read is volatile, for the
    // word may be padding, or be changed by code that the compiler doesn't see.
    unsafe { word.read_volatile() }
}

/// Puts another value into a word of a structure of the interpreter's. Returns what was there.
///
/// # Safety
/// As [`word`]; no other thread reads it meanwhile, and the interpreter expects such a value there.
#[cfg(Py_3_14)]
pub(super) unsafe fn replace_word<T>(structure: *mut T, place: usize, value: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let word = structure.cast::<*mut ffi::PyObject>().wrapping_add(place);
    // SAFETY: as in `word`.
    let before = unsafe { word.read_volatile() };
    // SAFETY: as in `word`.
    unsafe { word.write_volatile(value) };
    before
}

/// The state of the thread that is attached.
pub(super) fn thread_state(_py: Python<'_>) -> *mut ffi::PyThreadState {
    // SAFETY: the thread is attached, so it has a state, which lives at least as long as that.
    unsafe { ffi::PyThreadState_Get() }
}
