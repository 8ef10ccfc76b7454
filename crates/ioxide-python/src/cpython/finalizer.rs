//! Finalizers (PEP 442) for native classes: what an object does when it is about to go, while it is still whole.
//!
//! `PyO3` has no slot for it, so it is put into the class's type object after that was made, before there is an instance
//! or a subclass. Classes derived from it in Python don't inherit the slot: they find a method `__del__`, which the class
//! has to have, too.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::prelude::*;

use super::pending_exception::PendingException;

/// A class with a finalizer.
pub trait Finalize: PyClass {
    /// Where the class's own deallocation is kept once it was replaced.
    fn deallocation() -> &'static OnceLock<ffi::destructor>;

    /// Whether `finalize` would do nothing. Asked of an object whose last reference has gone: no reference to it may be
    /// made, and no code run.
    fn has_nothing_to_do(slf: &Bound<'_, Self>) -> bool;

    /// The object is about to go, unless this keeps it. What is raised is reported as unraisable.
    ///
    /// # Errors
    /// Whatever it likes.
    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()>;
}

/// Gives the class its finalizer.
pub fn install<T: Finalize>(py: Python<'_>) {
    let class = T::type_object_raw(py);
    // SAFETY: the type object lives as long as the interpreter. The module's initialisation calls this before the class
    // can be reached by anybody else, and holds the GIL.
    let class = unsafe { &mut *class };
    let original = class.tp_dealloc.expect("every class that PyO3 makes has a deallocation");
    if T::deallocation().set(original).is_ok() {
        class.tp_finalize = Some(finalize::<T>);
        class.tp_dealloc = Some(deallocate::<T>);
    }
}

unsafe extern "C" fn finalize<T: Finalize>(object: *mut ffi::PyObject) {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: and with a live object, whose class is `T` or derived from it.
    let object = unsafe { Bound::from_borrowed_ptr(py, object) };
    // A panic has been reported by the panic hook, and there is nobody to hand it to.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _pending = PendingException::set_aside(py);
        if let Err(error) = object.cast::<T>().map_err(PyErr::from).and_then(T::finalize) {
            error.write_unraisable(py, Some(&object));
        }
    }));
}

unsafe extern "C" fn deallocate<T: Finalize>(object: *mut ffi::PyObject) {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: and with an object whose memory is whole. What is borrowed here ends before anything is done to it.
    let dying = unsafe { Borrowed::from_ptr(py, object) };
    // SAFETY: this is the deallocation of the class `T`, which those that are derived from it come to as well.
    let dying = unsafe { dying.cast_unchecked::<T>() };
    let dying = Dying {
        object,
        free: *T::deallocation().get().expect("put there when this function was"),
        has_finalizer: !T::has_nothing_to_do(&dying),
    };
    if DEPTH.get() >= MAX_DEPTH {
        // SAFETY: the object is alive but for its references, and was made by an allocator that has the collector's
        // header. Untracked, nobody finds it any more until it is freed.
        unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
        DEFERRED.with_borrow_mut(|deferred| deferred.push(dying));
        HAS_DEFERRED.set(true);
        return;
    }
    DEPTH.set(DEPTH.get() + 1);
    dying.end();
    DEPTH.set(DEPTH.get() - 1);
    if DEPTH.get() == 0 && HAS_DEFERRED.replace(false) {
        end_deferred();
    }
}

/// An object whose last reference has gone.
struct Dying {
    object: *mut ffi::PyObject,
    free: ffi::destructor,
    has_finalizer: bool,
}

impl Dying {
    fn end(self) {
        // SAFETY: `deallocate` was called with the object, whose last reference has gone; a thread that does this is
        // attached. For a class derived from the one that the finalizer is of, that has run by now, and isn't run again.
        if self.has_finalizer && unsafe { ffi::PyObject_CallFinalizerFromDealloc(self.object) } < 0 {
            return; // the finalizer has kept it
        }
        // SAFETY: this is what the interpreter would have called.
        unsafe { (self.free)(self.object) };
    }
}

/// So many objects end each within the other. A chain of futures, each the result of the next, or of coroutines of which
/// each awaits the next, would otherwise need as much stack as it is long.
const MAX_DEPTH: u32 = 50;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static HAS_DEFERRED: Cell<bool> = const { Cell::new(false) };
    static DEFERRED: RefCell<Vec<Dying>> = const { RefCell::new(Vec::new()) };
}

/// Ends what was put off by `deallocate`, below on this stack.
fn end_deferred() {
    while let Some(dying) = DEFERRED.with_borrow_mut(Vec::pop) {
        DEPTH.set(1);
        if dying.has_finalizer {
            // SAFETY: the object is whole, and was untracked when it was put off. A finalizer may keep it.
            unsafe { ffi::PyObject_GC_Track(dying.object.cast()) };
        }
        dying.end();
        DEPTH.set(0);
    }
}
