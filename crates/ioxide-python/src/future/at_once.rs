//! What futures mostly do, by the shortest way: a task waits for one, it gets a result, and the task goes on with that.

use pyo3::prelude::*;

use super::Future;
use super::callbacks::{Callback, Callbacks};
use super::state::Outcome;
use crate::cpython::shortcut::{self, method_shortcut};
use crate::event_loop::EventLoop;
use crate::item::Item;

impl Future {
    /// A task is about to wait for the future: whether it is the first to say so. `None` if there is nothing to wait for.
    pub(super) fn begin_wait(&self, py: Python<'_>) -> Option<bool> {
        self.state.with(py, |state| {
            matches!(state.outcome, Outcome::Pending).then(|| !std::mem::replace(&mut state.is_blocking, true))
        })
    }

    /// The result, if there is one.
    pub(super) fn result_at_once<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |state| match &state.outcome {
            Outcome::Result(result) => Some(result.bind(py).clone()),
            _ => None,
        })
    }

    /// Finishes with a result if nobody is to be told of it, or a task that goes to the loop's queue as it is.
    fn finish_at_once(slf: &Bound<'_, Self>, result: &Bound<'_, PyAny>) -> Option<()> {
        let py = slf.py();
        let event_loop = slf.get().native_loop(py)?;
        if !EventLoop::surely_takes_items(&event_loop) {
            return None;
        }
        let callbacks = slf.get().state.with(py, |state| {
            let is_plain = matches!(state.callbacks, Callbacks::None | Callbacks::One(Callback::Wakeup(_)));
            if !is_plain || !matches!(state.outcome, Outcome::Pending) {
                return None;
            }
            state.outcome = Outcome::Result(result.clone().unbind());
            state.log_traceback = false;
            Some(std::mem::replace(&mut state.callbacks, Callbacks::None))
        })?;
        if let Callbacks::One(Callback::Wakeup(task)) = callbacks {
            event_loop.get().push(py, Item::Wakeup(task));
        }
        Some(())
    }
}

method_shortcut!(SetResult: Future, "set_result", 1, |slf, arguments| {
    Future::finish_at_once(slf, &*arguments.get(0)?)?;
    Some(slf.py().None().into_bound(slf.py()))
});

/// Puts the shortcut before the method.
///
/// # Errors
/// What looking at the class raises.
pub fn install_shortcuts(py: Python<'_>) -> PyResult<()> {
    shortcut::install::<SetResult>(py)
}
