//! The tasks that aren't done, for `asyncio.all_tasks`.
//!
//! asyncio keeps its tasks in a set of weak references, which costs more than all the rest of making a task. Here a task
//! has a place in a list, and takes itself out when it is done or goes. `ioxide._cpython` shows the list to asyncio.

use pyo3::ffi;
use pyo3::prelude::*;
use slab::Slab;

use crate::cpython::attached_cell::AttachedCell;
use crate::task::Task;

/// A task's place in the list.
pub struct Registration(usize);

/// A task, without a reference of its own: its place is given back before its memory is.
#[derive(Clone, Copy)]
struct Weak(*mut ffi::PyObject);

// SAFETY: the pointer is followed only in `all`, on an attached thread, and only while it is in the list.
unsafe impl Send for Weak {}

static TASKS: AttachedCell<Slab<Weak>> = AttachedCell::new(Slab::new());

/// Adds a task.
pub fn register(task: &Bound<'_, Task>) -> Registration {
    Registration(TASKS.with(task.py(), |tasks| tasks.insert(Weak(task.as_ptr()))))
}

/// Takes a task out.
#[expect(clippy::needless_pass_by_value, reason = "a place is given back once")]
pub fn unregister(py: Python<'_>, registration: Registration) {
    TASKS.with(py, |tasks| tasks.remove(registration.0));
}

/// Every task that isn't done, of all loops.
pub fn all(py: Python<'_>) -> Vec<Bound<'_, PyAny>> {
    TASKS.with(py, |tasks| {
        let alive = tasks.iter().filter_map(|(_, task)| {
            // SAFETY: a task is in the list until `unregister`, which its `Drop` calls before its memory is given back.
            // Under the GIL nothing comes between the look and the new reference. A count of zero says that the object
            // is being destroyed right now, below us on the stack: it must not be handed out.
            let is_alive = unsafe { ffi::Py_REFCNT(task.0) } > 0;
            // SAFETY: as above; the count isn't zero, so that the new reference keeps the object.
            is_alive.then(|| unsafe { Bound::from_borrowed_ptr(py, task.0) })
        });
        alive.collect()
    })
}
