//! Which task runs on a loop, where `asyncio.current_task` looks for it: a dictionary by loop up to Python 3.13, a place
//! in the thread's state from 3.14 on, which only functions of asyncio's reach.

use pyo3::prelude::*;

use crate::cpython::asyncio;

/// The task that runs on the loop.
///
/// # Errors
/// What hashing the loop raises.
#[cfg(not(Py_3_14))]
pub fn get<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    asyncio::CURRENT_TASKS.get(event_loop.py())?.cast::<pyo3::types::PyDict>()?.get_item(event_loop)
}

/// The task that runs on the loop.
///
/// # Errors
/// What asyncio's function raises.
#[cfg(Py_3_14)]
pub fn get<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = event_loop.py();
    let current_task = asyncio::CURRENT_TASK.get(py)?;
    let mut task = current_task.call1((event_loop,))?;
    if task.is_none() {
        // Tasks of asyncio's Python class are noted elsewhere. A program that makes such has put its function here.
        let replaced = asyncio::TASKS.get(py)?.getattr(pyo3::intern!(py, "current_task"))?;
        if !replaced.is(current_task) {
            task = replaced.call1((event_loop,))?;
        }
    }
    Ok(Some(task).filter(|task| !task.is_none()))
}

/// Makes `task` the current one of its loop, whichever was before.
///
/// # Errors
/// What hashing the loop raises.
#[cfg(not(Py_3_14))]
pub fn set(event_loop: &Bound<'_, PyAny>, task: &Bound<'_, PyAny>) -> PyResult<()> {
    asyncio::CURRENT_TASKS.get(event_loop.py())?.cast::<pyo3::types::PyDict>()?.set_item(event_loop, task)
}

/// No task is the current one of the loop any more.
///
/// # Errors
/// What hashing the loop raises.
#[cfg(not(Py_3_14))]
pub fn clear(event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
    let tasks = asyncio::CURRENT_TASKS.get(event_loop.py())?.cast::<pyo3::types::PyDict>()?;
    match tasks.del_item(event_loop) {
        // Somebody else has taken it out.
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyKeyError>(event_loop.py()) => Ok(()),
        result => result,
    }
}

/// Makes `task` the current one of its loop, whichever was before.
///
/// # Errors
/// What asyncio's function raises: nothing on the loop's own thread.
#[cfg(Py_3_14)]
pub fn set(event_loop: &Bound<'_, PyAny>, task: &Bound<'_, PyAny>) -> PyResult<()> {
    asyncio::SWAP_CURRENT_TASK.get(event_loop.py())?.call1((event_loop, task)).map(drop)
}

/// No task is the current one of the loop any more.
///
/// # Errors
/// What asyncio's function raises: nothing on the loop's own thread.
#[cfg(Py_3_14)]
pub fn clear(event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = event_loop.py();
    asyncio::SWAP_CURRENT_TASK.get(py)?.call1((event_loop, py.None())).map(drop)
}
