//! A cell for what Python objects hold and change: reached only by a thread that is attached to the interpreter.
//!
//! Under the GIL one thread is attached at a time, so a `RefCell` does; on a free-threaded build it is a mutex.
//!
//! The access is a closure, so that it is short and its end is plain to see. **It must not call into Python, wake
//! anything, nor drop a Python object**: each of these may run arbitrary code, which may come back to this very cell.
//! Take out what is needed, end the access, then call. What breaks the rule panics (GIL) or deadlocks (free-threaded),
//! it isn't undefined behaviour.

#[cfg(not(Py_GIL_DISABLED))]
use std::cell::RefCell;
#[cfg(Py_GIL_DISABLED)]
use std::sync::{Mutex, PoisonError};

use pyo3::Python;

/// Interior mutability for the fields of a frozen class.
pub struct AttachedCell<T> {
    #[cfg(not(Py_GIL_DISABLED))]
    value: RefCell<T>,
    #[cfg(Py_GIL_DISABLED)]
    value: Mutex<T>,
}

// SAFETY: the `RefCell` is touched only in `with`, whose caller shows by its `Python` token that its thread is attached,
// and in `traverse`, which the garbage collector calls on an attached thread. Under the GIL one thread is attached at a
// time, and handing over the GIL orders one thread's accesses before the next one's. If a closure should let go of the
// GIL in the middle, the borrow flag makes the other thread panic. `T: Send`, since each thread in turn changes it.
#[cfg(not(Py_GIL_DISABLED))]
unsafe impl<T: Send> Sync for AttachedCell<T> {}

impl<T> AttachedCell<T> {
    /// Makes a cell that holds `value`.
    pub const fn new(value: T) -> Self {
        #[cfg(not(Py_GIL_DISABLED))]
        return Self { value: RefCell::new(value) };
        #[cfg(Py_GIL_DISABLED)]
        return Self { value: Mutex::new(value) };
    }

    /// The value, of a cell that nobody else has.
    pub fn into_inner(self) -> T {
        #[cfg(not(Py_GIL_DISABLED))]
        return self.value.into_inner();
        #[cfg(Py_GIL_DISABLED)]
        return self.value.into_inner().unwrap_or_else(PoisonError::into_inner);
    }

    /// Lends the value to `access`, which must keep the rule in the module's documentation.
    #[cfg_attr(not(Py_GIL_DISABLED), inline)]
    pub fn with<R>(&self, _py: Python<'_>, access: impl FnOnce(&mut T) -> R) -> R {
        #[cfg(not(Py_GIL_DISABLED))]
        return access(&mut self.value.borrow_mut());
        #[cfg(Py_GIL_DISABLED)]
        return access(&mut self.value.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Puts `value` in and returns what was there, for the caller to drop after the access.
    pub fn replace(&self, py: Python<'_>, value: T) -> T {
        self.with(py, |current| std::mem::replace(current, value))
    }

    /// Copies the value out.
    pub fn get(&self, py: Python<'_>) -> T
    where
        T: Copy,
    {
        self.with(py, |value| *value)
    }

    /// Puts a value in that is no Python object.
    pub fn set(&self, py: Python<'_>, value: T)
    where
        T: Copy,
    {
        self.with(py, |current| *current = value);
    }

    /// Shows the value to the garbage collector. A value that is being changed at that moment isn't shown: its object
    /// is in use then, and the next collection sees it.
    pub fn traverse<E>(&self, visit: impl FnOnce(&T) -> Result<(), E>) -> Result<(), E> {
        #[cfg(not(Py_GIL_DISABLED))]
        return self.value.try_borrow().map_or(Ok(()), |value| visit(&value));
        #[cfg(Py_GIL_DISABLED)]
        return self.value.try_lock().map_or(Ok(()), |value| visit(&value));
    }
}
