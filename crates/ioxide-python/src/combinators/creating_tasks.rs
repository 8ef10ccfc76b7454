//! `asyncio.create_task` and `asyncio.ensure_future`.

#[cfg(not(Py_3_14))]
use pyo3::exceptions::PyDeprecationWarning;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::any_future::{is_future, loop_of};
use super::running_loop;
use crate::cpython::{asyncio, coroutine};
use crate::event_loop::EventLoop;
use crate::task::Task;

/// Makes a task of the running loop that runs `coro`. The keywords are those of the loop's `create_task`. Raises
/// `RuntimeError` if no loop runs.
#[cfg(Py_3_14)]
#[pyfunction]
#[pyo3(signature = (coro, **kwargs))]
pub fn create_task<'py>(coro: &Bound<'py, PyAny>, kwargs: Option<&Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyAny>> {
    task_on(&running_loop(coro.py())?, coro, kwargs)
}

/// Makes a task as the loop's `create_task` does.
///
/// # Errors
/// What that raises.
#[cfg(Py_3_14)]
pub fn task_on<'py>(
    event_loop: &Bound<'py, PyAny>,
    coroutine: &Bound<'py, PyAny>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    match native_loop(event_loop)? {
        Some(native) => Task::spawn_with(native, coroutine, keywords).map(Bound::into_any),
        None => event_loop.call_method(pyo3::intern!(event_loop.py(), "create_task"), (coroutine,), keywords),
    }
}

/// Makes a task of the running loop that runs `coro`. Raises `RuntimeError` if no loop runs.
#[cfg(not(Py_3_14))]
#[pyfunction]
#[pyo3(signature = (coro, *, name = None, context = None))]
pub fn create_task<'py>(
    coro: &Bound<'py, PyAny>,
    name: Option<&Bound<'py, PyAny>>,
    context: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    task_on(&running_loop(coro.py())?, coro, name, context)
}

/// Makes a task as the loop's `create_task` does.
///
/// # Errors
/// What that raises.
#[cfg(not(Py_3_14))]
pub fn task_on<'py>(
    event_loop: &Bound<'py, PyAny>,
    coroutine: &Bound<'py, PyAny>,
    name: Option<&Bound<'py, PyAny>>,
    context: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = event_loop.py();
    if let Some(native) = native_loop(event_loop)? {
        return Task::spawn(native, coroutine, name, context).map(Bound::into_any);
    }
    let keywords = PyDict::new(py);
    if cfg!(Py_3_13) {
        keywords.set_item(pyo3::intern!(py, "name"), name)?;
    }
    if let Some(context) = context.filter(|context| !context.is_none()) {
        keywords.set_item(pyo3::intern!(py, "context"), context)?;
    }
    let task = event_loop.call_method(pyo3::intern!(py, "create_task"), (coroutine,), Some(&keywords))?;
    // Before Python 3.13 a loop's `create_task` needn't know names.
    if let Some(name) = name.filter(|name| cfg!(not(Py_3_13)) && !name.is_none()) {
        set_name(&task, name)?;
    }
    Ok(task)
}

#[cfg(not(Py_3_14))]
fn set_name(task: &Bound<'_, PyAny>, name: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = task.py();
    if let Some(set_name) = task.getattr_opt(pyo3::intern!(py, "set_name"))? {
        return set_name.call1((name,)).map(drop);
    }
    let message =
        c"Task.set_name() was added in Python 3.8, the method support will be mandatory for third-party task \
        implementations since 3.13.";
    PyErr::warn(py, &py.get_type::<PyDeprecationWarning>(), message, 1)
}

/// The loop, if its `create_task` is nothing but the making of a native task.
fn native_loop<'a, 'py>(event_loop: &'a Bound<'py, PyAny>) -> PyResult<Option<&'a Bound<'py, EventLoop>>> {
    match event_loop.cast::<EventLoop>() {
        Ok(native) if EventLoop::makes_native_tasks(native)? => Ok(Some(native)),
        _ => Ok(None),
    }
}

/// Returns `coro_or_future` if it is a future, and else a task that awaits it.
///
/// Raises `TypeError` for what can't be awaited, and `ValueError` for a future of another loop than `loop`.
#[pyfunction]
#[pyo3(signature = (coro_or_future, *, r#loop = None))]
pub fn ensure_future<'py>(
    coro_or_future: &Bound<'py, PyAny>,
    r#loop: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    future_of(coro_or_future, r#loop.filter(|event_loop| !event_loop.is_none()))
}

/// As [`ensure_future`].
///
/// # Errors
/// As that.
pub fn future_of<'py>(
    awaitable: &Bound<'py, PyAny>,
    event_loop: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = awaitable.py();
    if is_future(awaitable)? {
        if let Some(event_loop) = event_loop
            && !loop_of(awaitable)?.is(event_loop)
        {
            return Err(PyValueError::new_err(
                "The future belongs to a different loop than the one specified as the loop argument",
            ));
        }
        return Ok(awaitable.clone());
    }
    let is_coroutine = coroutine::is_coroutine(awaitable)?;
    let coroutine = if is_coroutine {
        awaitable.clone()
    } else if asyncio::IS_AWAITABLE.get(py)?.call1((awaitable,))?.is_truthy()? {
        asyncio::WRAP_AWAITABLE.get(py)?.call1((awaitable,))?
    } else {
        return Err(PyTypeError::new_err("An asyncio.Future, a coroutine or an awaitable is required"));
    };
    let event_loop = match event_loop {
        Some(event_loop) => event_loop.clone(),
        None => asyncio::GET_EVENT_LOOP.get(py)?.call0()?,
    };
    let made = match native_loop(&event_loop)? {
        Some(native) => Task::spawn(native, &coroutine, None, None).map(Bound::into_any),
        None => event_loop.call_method1(pyo3::intern!(py, "create_task"), (&coroutine,)),
    };
    if is_coroutine && made.as_ref().is_err_and(|error| error.is_instance_of::<PyRuntimeError>(py)) {
        coroutine.call_method0("close")?;
    }
    made
}
