//! What exception objects carry, by the C API: attributes would go through `__setattr__` of the exception's class, which
//! may refuse them.

use pyo3::exceptions::{PyBaseException, PyDeprecationWarning, PyStopIteration, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyTraceback, PyTuple, PyType};

use super::attached_cell::AttachedCell;
use super::ownership::is_sole_reference;

/// The error that raising `exception` gives: it is chained to the exception that is being handled, as `raise` does.
pub fn raised(exception: &Bound<'_, PyAny>) -> PyErr {
    // SAFETY: the thread is attached and both are live objects; the class of an exception instance is its type.
    unsafe { ffi::PyErr_SetObject(exception.get_type().as_ptr(), exception.as_ptr()) };
    PyErr::fetch(exception.py())
}

/// The `StopIteration` that ends an iteration with a value.
///
/// # Errors
/// Out of memory.
pub fn stop_iteration(value: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    // Given as it is, a tuple would be taken for the arguments, and an exception for the error itself.
    let error = value.py().get_type::<PyStopIteration>().call1((value,))?;
    Ok(PyErr::from_value(error))
}

/// As [`stop_iteration`] of `True`, which is what coroutines of locks end with, without making one each time. Whoever awaits it
/// takes the value out at once; so the same one serves again, unless somebody has kept it, or it has come through a frame of
/// Python's, which it then remembers.
///
/// # Errors
/// Out of memory.
pub fn stop_iteration_of_true(py: Python<'_>) -> PyResult<PyErr> {
    static SHARED: AttachedCell<Option<Py<PyBaseException>>> = AttachedCell::new(None);
    if let Some(shared) = SHARED.with(py, Option::take) {
        let shared = shared.into_bound(py);
        if is_sole_reference(&shared) && traceback(&shared).is_none() {
            drop(SHARED.replace(py, Some(shared.clone().unbind())));
            return Ok(PyErr::from_value(shared.into_any()));
        }
    }
    let made = py.get_type::<PyStopIteration>().call1((true,))?;
    drop(SHARED.replace(py, made.cast::<PyBaseException>().ok().map(|made| made.clone().unbind())));
    Ok(PyErr::from_value(made))
}

/// An exception's traceback.
pub fn traceback(exception: &Bound<'_, PyBaseException>) -> Option<Py<PyAny>> {
    // SAFETY: the thread is attached, and the type says that this is an exception.
    let traceback = unsafe { ffi::PyException_GetTraceback(exception.as_ptr()) };
    // SAFETY: the function returns a new reference, or null.
    unsafe { Bound::from_owned_ptr_or_opt(exception.py(), traceback) }.map(Bound::unbind)
}

/// Gives an exception a traceback, or none.
///
/// # Errors
/// `TypeError` for what is no traceback.
pub fn set_traceback(exception: &Bound<'_, PyBaseException>, traceback: Option<Py<PyAny>>) -> PyResult<()> {
    let py = exception.py();
    let traceback = traceback.unwrap_or_else(|| py.None());
    // SAFETY: the thread is attached, and the type says that this is an exception.
    match unsafe { ffi::PyException_SetTraceback(exception.as_ptr(), traceback.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(py)),
    }
}

/// The error that a coroutine's `throw(type, val, tb)` raises.
///
/// # Errors
/// `TypeError` for arguments that `throw` refuses, and the warning that more than one argument is deprecated.
pub fn of_throw_arguments<'py>(
    r#type: &Bound<'py, PyAny>,
    val: Option<Bound<'py, PyAny>>,
    tb: Option<Bound<'py, PyAny>>,
) -> PyResult<PyErr> {
    let py = r#type.py();
    if cfg!(Py_3_12) && val.is_some() {
        let message = c"the (type, exc, tb) signature of throw() is deprecated, use the single-arg signature instead.";
        PyErr::warn(py, &py.get_type::<PyDeprecationWarning>(), message, 1)?;
    }
    let tb = tb.filter(|tb| !tb.is_none());
    if let Some(tb) = &tb
        && !tb.is_instance_of::<PyTraceback>()
    {
        return Err(PyTypeError::new_err("throw() third argument must be a traceback"));
    }
    let val = val.filter(|val| !val.is_none());
    let exception = match r#type.cast::<PyType>() {
        Ok(class) => match val {
            Some(val) if val.is_instance(class)? => val,
            Some(val) if val.is_instance_of::<PyTuple>() => class.call1(val.cast::<PyTuple>()?)?,
            Some(val) => class.call1((val,))?,
            None => class.call0()?,
        },
        Err(_) if val.is_some() => {
            return Err(PyTypeError::new_err("instance exception may not have a separate value"));
        }
        Err(_) => r#type.clone(),
    };
    let Ok(exception) = exception.cast_into::<PyBaseException>() else {
        return Err(PyTypeError::new_err(
            "exceptions must be classes deriving BaseException or instances of such a class",
        ));
    };
    if let Some(tb) = tb {
        set_traceback(&exception, Some(tb.unbind()))?;
    }
    Ok(PyErr::from_value(exception.into_any()))
}
