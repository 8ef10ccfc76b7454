//! What a timeout makes of the exception that its block has ended with.

use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;
#[cfg(Py_3_13)]
use pyo3::types::PyType;

use crate::cpython::asyncio;

/// The error of a timeout that has expired, in the place of the `CancelledError` that it has raised in the block.
pub fn timeout_error<'py>(py: Python<'py>, cancelled: Option<Bound<'py, PyAny>>) -> Bound<'py, PyAny> {
    let error = PyTimeoutError::new_err(());
    error.set_cause(py, cancelled.map(PyErr::from_value));
    error.into_value(py).into_bound(py).into_any()
}

/// Whether a block that was cancelled by its timeout has ended with that cancellation.
///
/// # Errors
/// What importing asyncio raises.
#[cfg(not(Py_3_13))]
pub fn is_cancellation(class: &Bound<'_, PyAny>, _exception: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
    Ok(class.is(asyncio::CANCELLED_ERROR.get(class.py())?))
}

/// Whether a block that was cancelled by its timeout has ended with that cancellation. An exception that has come out of it
/// gets the timeout into its history.
///
/// # Errors
/// `TypeError` if `class` is no class, and what an exception raises that is looked at.
#[cfg(Py_3_13)]
pub fn is_cancellation(class: &Bound<'_, PyAny>, exception: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
    let py = class.py();
    let cancelled_error = asyncio::CANCELLED_ERROR.get(py)?;
    let is_cancellation = match class.cast::<PyType>() {
        Ok(class) => class.is_subclass(cancelled_error)?,
        Err(_) => return Err(pyo3::exceptions::PyTypeError::new_err("issubclass() arg 1 must be a class")),
    };
    if is_cancellation {
        return Ok(true);
    }
    let Some(exception) = exception else { return Ok(false) };
    insert_timeout_error(exception)?;
    if exception.is_instance(asyncio::EXCEPTION_GROUP.get(py)?)? {
        for member in exception.getattr(pyo3::intern!(py, "exceptions"))?.try_iter()? {
            insert_timeout_error(&member?)?;
        }
    }
    Ok(false)
}

/// Puts a timeout's error before the first cancellation in the chain of what was being handled.
#[cfg(Py_3_13)]
fn insert_timeout_error(exception: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = exception.py();
    let name = pyo3::intern!(py, "__context__");
    let cancelled_error = asyncio::CANCELLED_ERROR.get(py)?;
    let mut exception = exception.clone();
    loop {
        let handled = exception.getattr(name)?;
        if handled.is_none() {
            return Ok(());
        }
        if handled.is_instance(cancelled_error)? {
            let error = timeout_error(py, Some(handled.clone()));
            error.setattr(name, handled)?;
            return exception.setattr(name, error);
        }
        exception = handled;
    }
}
