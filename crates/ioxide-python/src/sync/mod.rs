//! What tasks meet at: queues, locks, events, conditions, semaphores and barriers.
//!
//! Each file has the classes of one of asyncio's. An operation that needn't wait makes no future. One that waits makes a
//! future of the loop and puts it among the [`waiters::Waiters`]; whoever wakes it finishes the future, and the task goes
//! into the ready queue with that.

pub mod acquiring;
pub mod barrier;
pub mod condition;
pub mod condition_waits;
pub mod count;
pub mod event;
pub mod lock;
pub mod loop_bound;
pub mod operation;
pub mod own_methods;
pub mod queue;
pub mod semaphore;
pub mod waiters;

use pyo3::prelude::*;

use crate::combinators::any_future;
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::cpython::asyncio;
use loop_bound::LoopBound;
use operation::SyncOperation;
use waiters::Waiters;

/// Puts the shortcuts before the methods.
///
/// # Errors
/// What looking at the classes raises.
pub fn install_shortcuts(py: Python<'_>) -> PyResult<()> {
    condition::install_shortcuts(py)?;
    event::install_shortcuts(py)?;
    lock::install_shortcuts(py)?;
    queue::install_shortcuts(py)?;
    semaphore::install_shortcuts(py)
}

/// Whether an error is a `CancelledError`.
fn is_cancellation(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    Ok(error.is_instance(py, asyncio::CANCELLED_ERROR.get(py)?))
}

/// Whether nobody waits, so that who comes needn't either: who was cancelled, and hasn't run since, doesn't count.
fn line_is_empty(waiters: &Waiters, py: Python<'_>) -> PyResult<bool> {
    let mut position = 0;
    while let Some(waiter) = waiters.at(py, position)? {
        if !any_future::is_cancelled(&waiter)? {
            return Ok(false);
        }
        position += 1;
    }
    Ok(true)
}

/// The loop that `owner` waits on.
fn loop_of<'py>(owner: &Bound<'py, PyAny>, bound: &LoopBound, is_plain: bool) -> PyResult<Bound<'py, PyAny>> {
    if is_plain { bound.bind(owner) } else { owner.call_method0(pyo3::intern!(owner.py(), "_get_loop")) }
}

/// What `__aexit__` returns for an object whose `release` may be the program's.
fn leave_by_name(object: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let py = object.py();
    let operation = SyncOperation::Leave(object.unbind());
    NativeCoroutine::make(py, "_ContextManagerMixin.__aexit__", operation.into()).map(Bound::into_any)
}
