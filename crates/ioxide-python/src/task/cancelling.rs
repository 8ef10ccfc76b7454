//! Cancelling a task: a request that its coroutine gets as a `CancelledError`, and may deny.

use pyo3::prelude::*;

use super::Task;
use crate::combinators::gather::GatheringFuture;
use crate::cpython::recursion;
use crate::future::Future;

/// Calls `future.cancel(message)`.
pub fn cancel(future: &Bound<'_, PyAny>, message: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
    let py = future.py();
    if Future::is_exact(future) {
        return Future::cancel_with(future.cast::<Future>()?, message);
    }
    // Tasks may wait for each other in a chain of any length, or in a ring.
    let _level = recursion::enter(py)?;
    if let Ok(task) = future.cast_exact::<Task>() {
        return Task::cancel(task, message);
    }
    if let Ok(gathering) = future.cast_exact::<GatheringFuture>() {
        return GatheringFuture::cancel_children(gathering, message.as_ref());
    }
    future.call_method1(pyo3::intern!(py, "cancel"), (message,))?.is_truthy()
}

#[pymethods]
impl Task {
    /// Asks the task to end: its coroutine gets a `CancelledError` with `msg`, in the next turn or where it waits.
    /// Returns `False` if the task is done already.
    #[pyo3(signature = (msg = None))]
    pub(super) fn cancel(slf: &Bound<'_, Self>, msg: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        let py = slf.py();
        let future = slf.as_super();
        future.get().mark_as_seen(py);
        if future.get().done(py) {
            return Ok(false);
        }
        let waiter = slf.get().state.with(py, |state| {
            state.cancels_requested = state.cancels_requested.saturating_add(1);
            state.waiter.as_ref().map(|waiter| waiter.bind(py).clone())
        });
        // It stays the waiter: it may be a task that ignores the cancellation, and be cancelled again.
        if let Some(waiter) = waiter
            && cancel(&waiter, msg.clone())?
        {
            return Ok(true);
        }
        slf.get().state.with(py, |state| state.must_cancel = true);
        future.get().set_cancel_message(py, msg);
        Ok(true)
    }

    /// How many requests to cancel are pending: `cancel` counts up, `uncancel` down.
    pub fn cancelling(&self, py: Python<'_>) -> u32 {
        self.state.with(py, |state| state.cancels_requested)
    }

    /// Takes back one request to cancel. Returns how many are left.
    pub fn uncancel(&self, py: Python<'_>) -> u32 {
        self.state.with(py, |state| {
            if state.cancels_requested > 0 {
                state.cancels_requested -= 1;
                state.must_cancel &= cfg!(not(Py_3_13)) || state.cancels_requested > 0;
            }
            state.cancels_requested
        })
    }
}
