//! What exception objects carry, by the C API: attributes would go through `__setattr__` of the exception's class, which
//! may refuse them.

#[cfg(Py_3_12)]
use std::mem::offset_of;
use std::ptr::null_mut;

use pyo3::exceptions::{PyBaseException, PyDeprecationWarning, PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
#[cfg(Py_3_12)]
use pyo3::types::PyBool;
use pyo3::types::{PyTraceback, PyTuple, PyType};

#[cfg(Py_3_12)]
use super::attached_cell::AttachedCell;
#[cfg(Py_3_12)]
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
    let py = value.py();
    // Given as it is, a tuple would be taken for the arguments, and an exception for the error itself.
    let error = py.get_type::<PyStopIteration>().call1((value,))?;
    Ok(PyErr::from_value(error))
}

/// What a coroutine fails with: a `StopIteration` would be taken for its result. See PEP 479.
pub fn not_the_end_of_iteration(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let raised = PyRuntimeError::new_err("coroutine raised StopIteration");
    raised.set_context(py, Some(error.clone_ref(py)));
    raised.set_cause(py, Some(error));
    raised
}

/// Ends an iteration with a value, as the slot `tp_iternext` does that returns null then.
pub fn end_iteration(value: Bound<'_, PyAny>) {
    if value.is_none() {
        return; // no exception is needed for that
    }
    #[cfg(Py_3_12)]
    if value.is(&*PyBool::new(value.py(), true)) {
        match shared_stop_iteration_of_true(value.py()) {
            Ok(shared) => set_raised(shared),
            Err(error) => error.restore(value.py()),
        }
        return;
    }
    set_stop_iteration(value);
}

/// The `StopIteration` of `True`, which is what coroutines of locks end with, without making one each time. The interpreter,
/// which awaits, takes the value out at once, so the same one serves again. One that has been seen by a program isn't as it
/// was made, and another takes its place: a program that steps a coroutine by `next` itself sees it, and what its traceback
/// holds stays until the next coroutine ends with `True`.
#[cfg(Py_3_12)]
fn shared_stop_iteration_of_true(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static SHARED: AttachedCell<Option<Shared>> = AttachedCell::new(None);
    let reused = SHARED.with(py, |shared| {
        let shared = shared.as_ref()?;
        let exception = shared.exception.bind(py);
        (is_sole_reference(exception) && is_as_made(exception, shared)).then(|| exception.clone().into_any())
    });
    if let Some(reused) = reused {
        return Ok(reused);
    }
    let exception = py.get_type::<PyStopIteration>().call1((true,))?.cast_into::<PyBaseException>()?;
    let arguments = exception.getattr("args")?.unbind();
    let shared = Shared { exception: exception.clone().unbind(), arguments };
    if let Some(before) = SHARED.replace(py, Some(shared)) {
        before.exception.drop_ref(py);
        before.arguments.drop_ref(py);
    }
    Ok(exception.into_any())
}

/// An exception that is raised again and again, and what it had as its arguments when it was made.
#[cfg(Py_3_12)]
struct Shared {
    exception: Py<PyBaseException>,
    arguments: Py<PyAny>,
}

/// Whether nobody has changed the exception, nor has it come through a frame.
#[cfg(Py_3_12)]
fn is_as_made(exception: &Bound<'_, PyBaseException>, shared: &Shared) -> bool {
    let field = |offset| {
        let place = exception.as_ptr().wrapping_byte_add(offset).cast::<*mut ffi::PyObject>();
        // SAFETY: this is a `StopIteration` that was made above, which has a reference or null there; the thread is attached.
        unsafe { *place }
    };
    let added = [
        offset_of!(ffi::PyStopIterationObject, dict),
        offset_of!(ffi::PyStopIterationObject, notes),
        offset_of!(ffi::PyStopIterationObject, traceback),
        offset_of!(ffi::PyStopIterationObject, context),
        offset_of!(ffi::PyStopIterationObject, cause),
    ];
    field(offset_of!(ffi::PyStopIterationObject, value)) == PyBool::new(exception.py(), true).as_ptr()
        && field(offset_of!(ffi::PyStopIterationObject, args)) == shared.arguments.as_ptr()
        && added.into_iter().all(|offset| field(offset).is_null())
}

/// Raises an exception as it is.
#[cfg(Py_3_12)]
fn set_raised(exception: Bound<'_, PyAny>) {
    // SAFETY: the thread is attached. The function takes the reference over.
    unsafe { ffi::PyErr_SetRaisedException(exception.into_ptr()) };
}

/// Raises a `StopIteration` with a value.
#[cfg(Py_3_12)]
fn set_stop_iteration(value: Bound<'_, PyAny>) {
    let py = value.py();
    // SAFETY: the exception's class is there as long as the interpreter, and is a class.
    let class = unsafe { ffi::PyExc_StopIteration }.cast::<ffi::PyTypeObject>();
    // SAFETY: as above.
    let make = unsafe { (*class).tp_new }.expect("exceptions can be made");
    // SAFETY: the thread is attached; the function borrows the objects, so many as the first argument says.
    let arguments = unsafe { ffi::PyTuple_Pack(1, value.as_ptr()) };
    // SAFETY: it returns a new reference, or null with an error set.
    let Some(arguments) = (unsafe { Bound::from_owned_ptr_or_opt(py, arguments) }) else { return };
    // SAFETY: this is the first half of calling the class, with a tuple of the arguments, and no keywords.
    let exception = unsafe { make(class, arguments.as_ptr(), null_mut()) };
    // SAFETY: it returns a new reference, or null with an error set.
    let Some(exception) = (unsafe { Bound::from_owned_ptr_or_opt(py, exception) }) else { return };
    let fields = exception.as_ptr().cast::<ffi::PyStopIterationObject>();
    // SAFETY: this is a new `StopIteration`, whose arguments are in it; the other half of the call is to put the value into
    // its field, which is null yet.
    unsafe { (*fields).value = value.into_ptr() };
    set_raised(exception);
}

/// Raises a `StopIteration` with a value. One is made only if somebody looks at it.
#[cfg(not(Py_3_12))]
fn set_stop_iteration(value: Bound<'_, PyAny>) {
    let py = value.py();
    if value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyBaseException>() {
        // Such a value would be taken for the arguments, or for the exception.
        match stop_iteration(&value) {
            Ok(error) | Err(error) => error.restore(py),
        }
        return;
    }
    let class = py.get_type::<PyStopIteration>().into_ptr();
    // SAFETY: the thread is attached. The function takes the references over, and a traceback may be missing.
    unsafe { ffi::PyErr_Restore(class, value.into_ptr(), null_mut()) };
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
