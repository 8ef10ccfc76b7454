//! Making tasks of Rust futures.

use std::future::{Future, poll_fn};
use std::pin::pin;

use ioxide::Task;
use pyo3::prelude::*;

use crate::context;
use crate::guest::Guest;

/// Makes a task of a Rust future on the running ioxide loop, from a function that Python has called. It runs beside
/// Python's tasks, in a copy of the context that is current now.
///
/// Within a future that runs already, [`ioxide::spawn`] does as well; that one has no context of its own.
///
/// # Errors
/// Those of [`future_into_py`](crate::future_into_py).
///
/// # Examples
/// ```no_run
/// use pyo3::prelude::*;
///
/// #[pyfunction]
/// fn start(py: Python<'_>) -> PyResult<()> {
///     let task = ioxide_pyo3::spawn(py, async { /* … */ })?;
///     // To drop the handle leaves the task running.
///     drop(task);
///     Ok(())
/// }
/// ```
pub fn spawn<F>(py: Python<'_>, future: F) -> PyResult<Task<F::Output>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let guest = Guest::running(py)?;
    let future = in_context(context::copy_current(py)?, future);
    Ok(guest.enter(py, || ioxide::spawn(future)))
}

/// Runs each step of `future` in `context`, which is nobody else's.
async fn in_context<F: Future>(context: Py<PyAny>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|waker| {
        Python::attach(|py| {
            let step = context::run_in(context.bind(py), || future.as_mut().poll(waker));
            step.expect("nobody else has the context, so that nobody can be in it")
        })
    })
    .await
}
