//! What the garbage collector asks of every object, again and again: what it refers to.
//!
//! `PyO3` answers with a class's `__traverse__`, after it has forbidden to attach, looked for the base class's answer and
//! prepared for a panic: several times the work of the answer itself. For the classes whose objects a loop makes by the
//! thousand, what is installed here goes to the fields at once.

use std::ffi::{c_int, c_void};

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::prelude::*;

/// A class that tells what its objects refer to.
pub trait Traverse: PyClass {
    /// Shows each object that this one refers to, those of its base class included, up to the first error. Nothing else is
    /// done: no reference is made, nothing is called, and nothing can panic, for the collector is at work.
    ///
    /// # Errors
    /// What `show` returns.
    fn each<E>(slf: &Bound<'_, Self>, show: &mut impl FnMut(&Py<PyAny>) -> Result<(), E>) -> Result<(), E>;
}

/// Has the collector ask [`Traverse::each`]. The class has no `__dict__`.
pub fn install<T: Traverse>(py: Python<'_>) {
    // SAFETY: the type object lives as long as the interpreter. The module's initialisation calls this before there is an
    // instance, and holds the GIL.
    let class = unsafe { &mut *T::type_object_raw(py) };
    assert_eq!(class.tp_dictoffset, 0, "an object refers to its dictionary, too");
    assert!(class.tp_traverse.is_some(), "the collector doesn't know the class's objects");
    class.tp_traverse = Some(traverse::<T>);
}

/// Has the collector see an object that it may not have seen so far.
pub fn show_to_collector<T: Traverse>(object: &Bound<'_, T>) {
    // SAFETY: the object is alive and has the collector's header, for its class has a traversal.
    if unsafe { ffi::PyObject_GC_IsTracked(object.as_ptr()) } == 0 {
        // SAFETY: as above, it isn't tracked, and it is whole.
        unsafe { ffi::PyObject_GC_Track(object.as_ptr().cast()) };
    }
}

unsafe extern "C" fn traverse<T: Traverse>(
    object: *mut ffi::PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the collector runs on an attached thread.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: and asks of live objects. The reference to it is borrowed: the collector's counts must be right.
    let object = unsafe { Borrowed::from_ptr(py, object) };
    // SAFETY: this is asked of objects of the class `T` and of those derived from it.
    let object = unsafe { object.cast_unchecked::<T>() };
    let shown = T::each(&object, &mut |referred| {
        // SAFETY: this is the collector's function, and its argument.
        match unsafe { visit(referred.as_ptr(), argument) } {
            0 => Ok(()),
            stopped => Err(stopped),
        }
    });
    shown.err().unwrap_or(0)
}
