//! Which native loop runs on this thread: what other extensions ask, without a call into Python.
//!
//! asyncio has a note of its own, of any kind of loop, and only its functions reach it.

use std::cell::{Cell, RefCell};

use pyo3::prelude::*;
use pyo3::types::IntoPyDict;

use super::EventLoop;

thread_local! {
    static NUMBER: Cell<u64> = const { Cell::new(0) };
    static RUNNING: RefCell<Option<Py<EventLoop>>> = const { RefCell::new(None) };
}

/// The number of the loop that runs on this thread, zero if none does.
pub fn number() -> u64 {
    NUMBER.get()
}

/// The loop that runs on this thread.
pub fn get(py: Python<'_>) -> Option<Bound<'_, EventLoop>> {
    RUNNING.with_borrow(|running| running.as_ref().map(|running| running.bind(py).clone()))
}

/// Has each forked child forget the loop that its parent was running, as asyncio has it forget its own note.
///
/// # Errors
/// Out of memory.
pub fn forget_in_forked_children(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let keywords = [("after_in_child", wrap_pyfunction!(forget, module)?)].into_py_dict(py)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&keywords)).map(drop)
}

#[pyfunction]
fn forget() {
    NUMBER.set(0);
    drop(RUNNING.take());
}

/// The loop runs on this thread for as long as this lives, and then the one that did before.
pub(super) struct RunningHere {
    outer: Option<Py<EventLoop>>,
    number_of_outer: u64,
}

impl RunningHere {
    pub(super) fn begin(event_loop: &Bound<'_, EventLoop>) -> Self {
        Self {
            outer: RUNNING.replace(Some(event_loop.clone().unbind())),
            number_of_outer: NUMBER.replace(event_loop.get().number),
        }
    }
}

impl Drop for RunningHere {
    fn drop(&mut self) {
        NUMBER.set(self.number_of_outer);
        drop(RUNNING.replace(self.outer.take()));
    }
}
