//! What asyncio builds on futures and tasks: sleeping, waiting for several, timeouts, groups.
//!
//! Each file has one of asyncio's functions or classes, after the standard library's module of the running version. Their
//! coroutines are [`native_coroutine::NativeCoroutine`]s; whoever is told of a future's end is an [`observer::Observer`].
//!
//! They take any loop and any future. Where both are native, and nothing of them is overridden, no Python code runs.

pub mod any_future;
pub mod as_completed;
pub mod awaiting;
pub mod awaiting_task;
pub mod completion_queue;
pub mod coroutine_function;
pub mod creating_tasks;
#[cfg(Py_3_12)]
pub mod eager_tasks;
pub mod ended;
pub mod gather;
pub mod native_coroutine;
pub mod observer;
pub mod operation;
pub mod shield;
pub mod sleep;
pub mod task_group;
pub mod timeout;
pub mod timer;
pub mod wait;
#[cfg(Py_3_12)]
pub mod wait_for;

use pyo3::prelude::*;

use crate::cpython::asyncio;

/// The loop that runs in this thread.
///
/// # Errors
/// `RuntimeError` if there is none.
fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    asyncio::GET_RUNNING_LOOP.get(py)?.call0()
}

/// The loop that runs in this thread, or `None`.
///
/// # Errors
/// What asking for it raises.
pub fn running_loop_or_none(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    asyncio::GET_RUNNING_LOOP_OR_NONE.get(py)?.call0()
}
