//! What a semaphore does at once when nobody waits for it, and its permits are counted by a small integer.

use pyo3::prelude::*;

use super::{BoundedSemaphore, Semaphore};
use crate::combinators::ended::Ended;
use crate::cpython::shortcut::{self, method_shortcut};
use crate::sync::count::Count;

impl Semaphore {
    /// Takes a permit if there is one and nobody is in line for it, or else does nothing.
    pub(super) fn take_at_once(&self, py: Python<'_>) -> bool {
        self.is_plain(py)
            && self.waiters.is_surely_empty(py)
            && self.value.with(py, |value| match value {
                Count::Small(value) if *value > 0 => {
                    *value -= 1;
                    true
                }
                _ => false,
            })
    }

    /// Gives a permit back if nobody has to be told and there may be another, or else does nothing.
    fn give_back_at_once(&self, py: Python<'_>) -> bool {
        if !self.is_plain(py) || !self.waiters.is_surely_empty(py) {
            return false;
        }
        let bound = self.bound.with(py, |bound| match bound {
            None => Some(i64::MAX),
            Some(Count::Small(bound)) => Some(*bound),
            Some(Count::Object(_)) => None,
        });
        let Some(bound) = bound else { return false };
        self.value.with(py, |value| match value {
            Count::Small(value) if *value < bound => {
                *value += 1;
                true
            }
            _ => false,
        })
    }
}

method_shortcut!(Acquire: Semaphore, "acquire", 0, |slf, _| Semaphore::acquire(slf.clone()).ok().map(Bound::into_any));
method_shortcut!(Release: Semaphore, "release", 0, |slf, _| {
    let py = slf.py();
    // Of a bounded one, this is what `super().release()` calls, which has no bound.
    let is_unbounded = slf.get().bound.with(py, |bound| bound.is_none());
    (is_unbounded && slf.get().give_back_at_once(py)).then(|| py.None().into_bound(py))
});
method_shortcut!(ReleaseBounded: BoundedSemaphore, "release", 0, |slf, _| {
    let py = slf.py();
    slf.as_super().get().give_back_at_once(py).then(|| py.None().into_bound(py))
});
method_shortcut!(Enter: Semaphore, "__aenter__", 0, |slf, _| Semaphore::__aenter__(slf.clone()).ok().map(Bound::into_any));
method_shortcut!(Leave: Semaphore, "__aexit__", 3, |slf, _| {
    if slf.get().give_back_at_once(slf.py()) { Ended::shared(slf.py()).ok() } else { None }
});

/// Puts the shortcuts before the methods.
///
/// # Errors
/// What looking at the class raises.
pub fn install_shortcuts(py: Python<'_>) -> PyResult<()> {
    shortcut::install::<Acquire>(py)?;
    shortcut::install::<Release>(py)?;
    shortcut::install::<ReleaseBounded>(py)?;
    shortcut::install::<Enter>(py)?;
    shortcut::install::<Leave>(py)
}
