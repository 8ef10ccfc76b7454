//! Which native loop runs on this thread: what other extensions ask, without a call into Python.
//!
//! asyncio has a note of its own, of any kind of loop, and only its functions reach it.

use std::cell::{Cell, RefCell};

use pyo3::prelude::*;

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
