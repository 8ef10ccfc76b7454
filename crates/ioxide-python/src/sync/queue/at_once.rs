//! What a queue does at once when nobody waits for it, and nothing of it is the program's.

use pyo3::prelude::*;

use super::Queue;
use super::passing::{Getting, Putting};
use super::state::Limit;
use crate::cpython::shortcut::{self, method_shortcut};

impl Queue {
    /// Puts an item in if there is room and nobody waits for an item, or else does nothing.
    pub(super) fn put_at_once(&self, item: &Bound<'_, PyAny>) -> bool {
        let py = item.py();
        if !self.own_methods.are_none(py) || !self.getters.is_surely_empty(py) || self.is_shutdown(py) {
            return false;
        }
        let limit = match self.state.with(py, |state| state.limit) {
            Limit::Unlimited => usize::MAX,
            Limit::Items(limit) => limit,
            Limit::Unclear => return false,
        };
        if !self.finished.has_no_event(py) || !self.items.push_below(item, limit) {
            return false;
        }
        self.state.with(py, |state| state.unfinished += 1);
        self.finished.clear_at_once(py);
        true
    }

    /// Takes an item out if there is one and nobody waits for room, or else does nothing.
    pub(super) fn take_at_once<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        if !self.own_methods.are_none(py) || !self.putters.is_surely_empty(py) {
            return None;
        }
        self.items.pop(py, self.kind)
    }
}

impl Putting {
    /// Puts the item in if there is nothing to wait for, or else does nothing. Called within a borrow.
    pub fn end_at_once<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let is_put = self.passing.waiting.is_none() && self.passing.queue.get().put_at_once(self.item.bind(py));
        is_put.then(|| py.None().into_bound(py))
    }

    /// Drops it, where the drop of a `Py` might be put off.
    pub fn release(self, py: Python<'_>) {
        self.passing.queue.drop_ref(py);
        self.item.drop_ref(py);
        drop(self.passing.waiting);
    }
}

impl Getting {
    /// Takes an item out if there is nothing to wait for, or else does nothing. Called within a borrow.
    pub fn end_at_once<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        if self.passing.waiting.is_some() { None } else { self.passing.queue.get().take_at_once(py) }
    }

    /// Drops it, where the drop of a `Py` might be put off.
    pub fn release(self, py: Python<'_>) {
        self.passing.queue.drop_ref(py);
        drop(self.passing.waiting);
    }
}

method_shortcut!(Put: Queue, "put", 1, |slf, arguments| {
    let item = arguments.get(0)?.to_owned();
    Queue::put(slf.clone(), item).ok().map(Bound::into_any)
});
method_shortcut!(PutNowait: Queue, "put_nowait", 1, |slf, arguments| {
    slf.get().put_at_once(&*arguments.get(0)?).then(|| slf.py().None().into_bound(slf.py()))
});
method_shortcut!(Get: Queue, "get", 0, |slf, _| Queue::get(slf.clone()).ok().map(Bound::into_any));
method_shortcut!(GetNowait: Queue, "get_nowait", 0, |slf, _| slf.get().take_at_once(slf.py()));

/// Puts the shortcuts before the methods.
///
/// # Errors
/// What looking at the class raises.
pub fn install_shortcuts(py: Python<'_>) -> PyResult<()> {
    shortcut::install::<Put>(py)?;
    shortcut::install::<PutNowait>(py)?;
    shortcut::install::<Get>(py)?;
    shortcut::install::<GetNowait>(py)
}
