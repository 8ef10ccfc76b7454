//! Running what needs a running loop, from a function that Python has called.

use pyo3::prelude::*;

use crate::guest::Guest;

/// Runs `body` with the running loop in reach, as a future has it: for what has to be made there, such as a socket.
///
/// # Errors
/// Those of [`future_into_py`](crate::future_into_py), and [`RustPanic`](crate::RustPanic) if `body` panics.
///
/// # Examples
/// ```no_run
/// use std::time::Duration;
///
/// use pyo3::prelude::*;
///
/// #[pyfunction]
/// fn remind(py: Python<'_>) -> PyResult<()> {
///     ioxide_pyo3::enter(py, || drop(ioxide::spawn(async { println!("in the next turn") })))
/// }
/// ```
pub fn enter<R>(py: Python<'_>, body: impl FnOnce() -> R) -> PyResult<R> {
    Guest::running(py)?.enter_and_catch(py, body)
}
