//! Whose task waits behind a combinator, for call graphs (3.14 and later).
//!
//! `gather`, `shield` and their kin remember the task that called them. A native future finds it through the observer that
//! the combinator has there; a future of the C classes, which finds only what it was told, is told of it.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::cpython::{asyncio, current_task};
use crate::future::Future;

/// The task that runs on the loop, from Python 3.14 on; before that nobody asks.
///
/// # Errors
/// What asyncio's function raises.
pub fn current(event_loop: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    if cfg!(not(Py_3_14)) {
        return Ok(None);
    }
    Ok(current_task::get(event_loop)?.map(Bound::unbind))
}

/// As [`current`], where the loop may not be known: `None` stands for none.
///
/// # Errors
/// As that.
pub fn current_if_running(event_loop: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    if event_loop.is_none() { Ok(None) } else { current(event_loop) }
}

/// `task` waits for `future`: tells it, if it isn't ours.
///
/// # Errors
/// Out of memory.
pub fn tell(future: &Bound<'_, PyAny>, task: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    note("future_add_to_awaited_by", future, task)
}

/// Takes back [`tell`].
///
/// # Errors
/// Out of memory.
pub fn take_back(future: &Bound<'_, PyAny>, task: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    note("future_discard_from_awaited_by", future, task)
}

/// Calls one of asyncio's functions that keep account, by its name: there is another one for asyncio's Python class.
fn note(function: &str, future: &Bound<'_, PyAny>, task: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let py = future.py();
    match task {
        Some(task) if cfg!(Py_3_14) && Future::as_native(future).is_none() => {
            asyncio::FUTURES.get(py)?.call_method1(PyString::intern(py, function), (future, task)).map(drop)
        }
        _ => Ok(()),
    }
}
