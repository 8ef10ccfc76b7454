//! Up to Python 3.13: a dictionary of asyncio's, by loop.

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::cpython::asyncio;

/// The dictionary has a name: there is nothing to look for.
pub fn find(_py: Python<'_>) {}

/// Whether the current task is reached without a call into asyncio.
pub fn is_found() -> bool {
    true
}

/// The task that runs on the loop.
///
/// # Errors
/// What hashing the loop raises.
pub fn get<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    current_tasks(event_loop.py())?.get_item(event_loop)
}

/// Makes `task` the current one of its loop, whichever was before.
///
/// # Errors
/// What hashing the loop raises.
pub fn set(event_loop: &Bound<'_, PyAny>, task: &Bound<'_, PyAny>) -> PyResult<()> {
    current_tasks(event_loop.py())?.set_item(event_loop, task)
}

/// No task is the current one of the loop any more.
///
/// # Errors
/// What hashing the loop raises.
pub fn clear(event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = event_loop.py();
    match current_tasks(py)?.del_item(event_loop) {
        // Somebody else has taken it out.
        Err(error) if error.is_instance_of::<PyKeyError>(py) => Ok(()),
        result => result,
    }
}

fn current_tasks(py: Python<'_>) -> PyResult<&Bound<'_, PyDict>> {
    Ok(asyncio::CURRENT_TASKS.get(py)?.cast()?)
}
