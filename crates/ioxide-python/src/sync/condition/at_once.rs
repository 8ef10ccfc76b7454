//! What a condition does at once, with a lock of ours that nobody else waits for.

use pyo3::prelude::*;

use super::Condition;
use crate::combinators::ended::Ended;
use crate::cpython::shortcut::{self, method_shortcut};

method_shortcut!(Enter: Condition, "__aenter__", 0, |slf, _| {
    let has_native_lock = slf.get().state.with(slf.py(), |state| state.native_lock.is_some());
    if has_native_lock { Condition::__aenter__(slf).ok().map(|made| made.into_bound(slf.py()).into_any()) } else { None }
});
method_shortcut!(Leave: Condition, "__aexit__", 3, |slf, _| {
    let lock = slf.get().native_lock(slf.py())?;
    if lock.get().let_go_at_once(slf.py()) { Ended::shared(slf.py()).ok() } else { None }
});

/// Puts the shortcuts before the methods.
///
/// # Errors
/// What looking at the class raises.
pub fn install_shortcuts(py: Python<'_>) -> PyResult<()> {
    shortcut::install::<Enter>(py)?;
    shortcut::install::<Leave>(py)
}
