//! Errors, as asyncio raises and reports them.

use pyo3::exceptions::{
    PyBlockingIOError, PyInterruptedError, PyKeyboardInterrupt, PyOSError, PyRuntimeError, PySystemExit,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustix::io::Errno;

use crate::cpython::asyncio;
use crate::event_loop::EventLoop;

/// Whether an exception ends the run of the loop instead of being reported: asyncio lets these two through everywhere.
pub fn ends_the_loop(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyKeyboardInterrupt>(py) || error.is_instance_of::<PySystemExit>(py)
}

/// The exception as Python's object, with its traceback: before 3.12 the two are apart until somebody joins them.
pub fn exception<'py>(py: Python<'py>, error: &PyErr) -> Bound<'py, PyAny> {
    error.clone_ref(py).into_value(py).into_bound(py).into_any()
}

/// Whether an exception only says that a socket isn't ready.
pub fn would_block(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyBlockingIOError>(py) || error.is_instance_of::<PyInterruptedError>(py)
}

/// The `OSError` for an error number, of the subclass that Python has for it (PEP 3151).
pub fn os_error(py: Python<'_>, errno: Errno) -> PyErr {
    let number = errno.raw_os_error();
    match asyncio::STRERROR.get(py).and_then(|strerror| strerror.call1((number,))) {
        Ok(text) => PyOSError::new_err((number, text.unbind())),
        Err(error) => error,
    }
}

/// As [`os_error`], for what the core crate gives.
pub fn from_io_error(py: Python<'_>, error: &std::io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => os_error(py, Errno::from_raw_os_error(number)),
        None => PyOSError::new_err(error.to_string()),
    }
}

/// What every method of a closed loop raises.
pub fn loop_is_closed() -> PyErr {
    PyRuntimeError::new_err("Event loop is closed")
}

/// Reports `error` to the loop's exception handler, with whatever else `details` holds.
///
/// # Errors
/// Only what ends the loop: the handler's own failures are reported by the loop.
pub fn report(
    event_loop: &Bound<'_, EventLoop>,
    message: &str,
    error: &PyErr,
    details: &[(&str, &Bound<'_, PyAny>)],
) -> PyResult<()> {
    let py = event_loop.py();
    let context = PyDict::new(py);
    context.set_item("message", message)?;
    context.set_item("exception", exception(py, error))?;
    for (key, value) in details {
        context.set_item(key, value)?;
    }
    event_loop.call_method1("call_exception_handler", (context,)).map(drop)
}
