//! Driving coroutines by the C API, without a `StopIteration` for a coroutine that returns.

use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::{PyClass, PyResult, ffi};

use crate::cpython::asyncio;

/// What a coroutine did.
pub enum Sent<'py> {
    /// It waits for this.
    Yielded(Bound<'py, PyAny>),
    /// It has ended, with this result.
    Returned(Bound<'py, PyAny>),
}

/// Lets a coroutine go on, as its `send(None)` does.
///
/// # Errors
/// What the coroutine raises.
pub fn send_none<'py>(coroutine: &Bound<'py, PyAny>) -> PyResult<Sent<'py>> {
    let py = coroutine.py();
    let mut result = std::ptr::null_mut();
    // SAFETY: the thread is attached, both arguments are live objects, and `result` is a place for one pointer.
    let status = unsafe { ffi::PyIter_Send(coroutine.as_ptr(), py.None().as_ptr(), &raw mut result) };
    // SAFETY: the function leaves a new reference in `result`, or null and an error for `PYGEN_ERROR`.
    let result = unsafe { Bound::from_owned_ptr_or_err(py, result) }?;
    Ok(if status == ffi::PySendResult::PYGEN_RETURN { Sent::Returned(result) } else { Sent::Yielded(result) })
}

/// Raises an exception where a coroutine waits, as its `throw` does.
///
/// # Errors
/// What the coroutine raises.
pub fn throw<'py>(coroutine: &Bound<'py, PyAny>, exception: Bound<'py, PyAny>) -> PyResult<Sent<'py>> {
    let py = coroutine.py();
    match coroutine.call_method1(pyo3::intern!(py, "throw"), (exception,)) {
        Ok(yielded) => Ok(Sent::Yielded(yielded)),
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
            error.value(py).getattr(pyo3::intern!(py, "value")).map(Sent::Returned)
        }
        Err(error) => Err(error),
    }
}

/// Whether an object is what calling an `async def` function gives.
pub fn is_exact_coroutine(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the argument is a live object; the macro only looks at its type.
    unsafe { ffi::PyCoro_CheckExact(object.as_ptr()) != 0 }
}

/// What `await object` iterates over: a coroutine itself, of another object what its `__await__` returns.
///
/// # Errors
/// `TypeError` if the object can't be awaited, `RuntimeError` for a coroutine that somebody else awaits, and what the
/// object's `__await__` raises.
pub fn awaitable_iterator<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    if is_exact_coroutine(object) {
        if !object.getattr(pyo3::intern!(py, "cr_await"))?.is_none() {
            return Err(PyRuntimeError::new_err("coroutine is being awaited already"));
        }
        return Ok(object.clone());
    }
    let class = object.get_type();
    let Some(method) = class.getattr_opt(pyo3::intern!(py, "__await__"))? else {
        // A generator that `types.coroutine` has marked is awaited as it is.
        if is_generator(object)? && asyncio::IS_AWAITABLE.get(py)?.call1((object,))?.is_truthy()? {
            return Ok(object.clone());
        }
        let name = class.name()?;
        let message = if cfg!(Py_3_14) {
            format!("'{name}' object can't be awaited")
        } else {
            format!("object {name} can't be used in 'await' expression")
        };
        return Err(PyTypeError::new_err(message));
    };
    let iterator = method.call1((object,))?;
    // SAFETY: the argument is a live object; the function only looks at its type.
    if unsafe { ffi::PyIter_Check(iterator.as_ptr()) } == 0 {
        let message = format!("__await__() returned non-iterator of type '{}'", iterator.get_type().name()?);
        return Err(PyTypeError::new_err(message));
    }
    Ok(iterator)
}

/// A class of coroutines.
pub trait Awaitable: PyClass {
    /// Whether somebody awaits it already.
    fn is_awaited(slf: &Bound<'_, Self>) -> bool;
}

/// Has what the class's `__await__` and `__iter__` give be the object itself, without a method's call to say so. The class
/// needs these methods: they are what Python code finds.
pub fn is_its_own_iterator<T: Awaitable>(py: Python<'_>) {
    // SAFETY: the type object lives as long as the interpreter. The module's initialisation calls this before there is an
    // instance, and holds the GIL.
    let class = unsafe { &mut *T::type_object_raw(py) };
    class.tp_iter = Some(ffi::PyObject_SelfIter);
    // SAFETY: as above; this is a part of the type object, or null.
    if let Some(methods) = unsafe { class.tp_as_async.as_mut() } {
        methods.am_await = Some(await_itself::<T>);
    }
}

unsafe extern "C" fn await_itself<T: Awaitable>(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: and with a live object.
    let coroutine = unsafe { Borrowed::from_ptr(py, object) };
    // SAFETY: it is of the class, whose slot this is, or of one derived from it.
    let coroutine = unsafe { coroutine.cast_unchecked::<T>() };
    if T::is_awaited(&coroutine) {
        PyRuntimeError::new_err("coroutine is being awaited already").restore(py);
        return std::ptr::null_mut();
    }
    coroutine.to_owned().into_ptr().cast()
}

/// Whether asyncio takes an object for a coroutine.
///
/// # Errors
/// What `asyncio.iscoroutine` raises.
pub fn is_coroutine(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    if is_exact_coroutine(object) {
        return Ok(true);
    }
    asyncio::IS_COROUTINE.get(object.py())?.call1((object,))?.is_truthy()
}

/// Whether an object is a generator.
///
/// # Errors
/// What `inspect.isgenerator` raises.
pub fn is_generator(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    asyncio::IS_GENERATOR.get(object.py())?.call1((object,))?.is_truthy()
}
