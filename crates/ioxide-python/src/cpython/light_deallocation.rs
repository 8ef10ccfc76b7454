//! Deallocation of objects that hold nothing any more: of a coroutine that has ended, of an iterator that is through.
//!
//! `PyO3` counts that the thread is attached, drops the value and asks the class how to free the memory. Where a look at the
//! object says that there is nothing to drop, its memory goes to the free list at once.

use std::sync::OnceLock;

use pyo3::ffi;
use pyo3::prelude::*;

use super::free_list::{self, FreeList};

/// A class whose objects hold nothing at their end, as a rule. They have no `__dict__`.
pub trait LightDeallocation: FreeList {
    /// Where the class's deallocation is kept once it was replaced.
    fn deallocation() -> &'static OnceLock<ffi::destructor>;

    /// Whether the object holds nothing, neither references nor memory, and has no finalizer that would do something. Asked
    /// of an object whose last reference has gone: no reference to it may be made, and no code run.
    fn holds_nothing(slf: &Bound<'_, Self>) -> bool;
}

/// Has the class's objects freed so. To be called after a finalizer was installed, if the class has one.
pub fn install<T: LightDeallocation>(py: Python<'_>) {
    // SAFETY: the type object lives as long as the interpreter. The module's initialisation calls this before the class
    // can be reached by anybody else, and holds the GIL.
    let class = unsafe { &mut *T::type_object_raw(py) };
    assert_eq!(class.tp_dictoffset, 0, "an object with a dictionary holds something");
    let original = class.tp_dealloc.expect("every class that PyO3 makes has a deallocation");
    if T::deallocation().set(original).is_ok() {
        class.tp_dealloc = Some(deallocate::<T>);
    }
}

unsafe extern "C" fn deallocate<T: LightDeallocation>(object: *mut ffi::PyObject) {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: and with an object whose memory is whole. What is borrowed here ends before anything is done to it.
    let dying = unsafe { Borrowed::from_ptr(py, object) };
    // SAFETY: this is the deallocation of the class `T`, which those that are derived from it come to as well.
    let dying = unsafe { dying.cast_unchecked::<T>() };
    let holds_nothing = T::holds_nothing(&dying);
    // SAFETY: the object's memory is whole.
    if holds_nothing && unsafe { free_list::is_simple::<T>(py, object) } {
        // SAFETY: such an object holds nothing, as the class says.
        unsafe { free_list::free_simple::<T>(py, object) };
        return;
    }
    let original = *T::deallocation().get().expect("put there when this function was");
    // SAFETY: this is what the interpreter would have called.
    unsafe { original(object) };
}
