//! Free lists: the memory of objects that have gone, kept for the next ones of their class.
//!
//! A loop makes and forgets a handle per callback, and a future per wait. Of what such an object costs, a third is asking
//! the allocator and the garbage collector for its memory and giving it back; and a burst of new objects has the collector
//! go through all of them.
//!
//! `PyO3` has free lists, too; but what comes out of them isn't tracked by the collector.

use std::ffi::c_void;

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::cpython::attached_cell::AttachedCell;

/// So many bytes are kept for each class.
const CAPACITY: usize = 128 << 10;

/// A class with a free list. Classes that are derived from it may inherit what is put into it, but their objects' memory
/// goes its own way.
pub trait FreeList: PyClass {
    /// Where the memory is kept.
    fn kept() -> &'static Kept;
}

/// The memory of objects that have gone.
pub struct Kept(AttachedCell<Vec<Memory>>);

/// The memory of one object, with the garbage collector's header before it, which says that it is neither tracked nor
/// finalized.
struct Memory(*mut ffi::PyObject);

// SAFETY: nothing refers to the memory but the list that it is in, whose access is ordered by the GIL.
unsafe impl Send for Memory {}

impl Kept {
    /// Nothing.
    pub const fn new() -> Self {
        Self(AttachedCell::new(Vec::new()))
    }
}

/// Makes a class one that has a free list.
macro_rules! free_list {
    ($class:ty) => {
        impl $crate::cpython::free_list::FreeList for $class {
            fn kept() -> &'static $crate::cpython::free_list::Kept {
                static KEPT: $crate::cpython::free_list::Kept = $crate::cpython::free_list::Kept::new();
                &KEPT
            }
        }
    };
}
pub(crate) use free_list;

/// Gives the class its free list.
pub fn install<T: FreeList>(py: Python<'_>) {
    // SAFETY: the type object lives as long as the interpreter. The module's initialisation calls this before the class
    // can be reached by anybody else, and holds the GIL, so that there is no object yet whose memory came otherwise.
    let class = unsafe { &mut *T::type_object_raw(py) };
    class.tp_alloc = Some(allocate::<T>);
    class.tp_free = Some(free::<T>);
}

unsafe extern "C" fn allocate<T: FreeList>(
    class: *mut ffi::PyTypeObject,
    count: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    let is_exact = std::ptr::eq(class, T::type_object_raw(py));
    let Some(Memory(object)) = is_exact.then(|| T::kept().0.with(py, Vec::pop)).flatten() else {
        // SAFETY: this is what the interpreter would have called, with these arguments.
        return unsafe { ffi::PyType_GenericAlloc(class, count) };
    };
    // What follows is what `PyType_GenericAlloc` does with the memory that it gets.
    // SAFETY: the class is alive, for an object of it is being made.
    let size = unsafe { size_of_objects(class) };
    // SAFETY: the memory was of an object of this very class, so it is as large; and nothing refers to it any more.
    unsafe { object.cast::<u8>().write_bytes(0, size) };
    // SAFETY: the memory is as large as the class asks for.
    unsafe { ffi::PyObject_Init(object, class) };
    // SAFETY: the object has a header, which says that it isn't tracked; its fields are zero, which the collector skips.
    unsafe { ffi::PyObject_GC_Track(object.cast()) };
    object
}

unsafe extern "C" fn free<T: FreeList>(object: *mut c_void) {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: an object keeps its class until its memory is freed.
    let class = unsafe { ffi::Py_TYPE(object.cast()) };
    // SAFETY: the object's header is still there. Who is finalized once isn't finalized again: no memory for another.
    let is_finalized = unsafe { ffi::PyObject_GC_IsFinalized(object.cast()) } != 0;
    let may_be_kept = !is_finalized && std::ptr::eq(class, T::type_object_raw(py));
    let is_kept = may_be_kept
        && T::kept().0.with(py, |kept| {
            // SAFETY: the class is alive, as it is `T`.
            let has_room = (kept.len() + 1) * unsafe { size_of_objects(class) } <= CAPACITY;
            if has_room {
                kept.push(Memory(object.cast()));
            }
            has_room
        });
    if !is_kept {
        // SAFETY: the object's deallocation has untracked it, dropped what was in it, and gives its memory back with this.
        unsafe { ffi::PyObject_GC_Del(object) };
    }
}

/// How many bytes an object takes.
///
/// # Safety
/// The class is alive.
unsafe fn size_of_objects(class: *const ffi::PyTypeObject) -> usize {
    // SAFETY: the caller's promise.
    let size = unsafe { (*class).tp_basicsize };
    usize::try_from(size).expect("a size isn't negative")
}
