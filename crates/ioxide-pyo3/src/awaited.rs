//! Something of Python's, awaited in Rust.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::guest::Guest;

/// Awaits something of Python's in Rust: a coroutine, which becomes a task, or a future.
///
/// The task begins to run with the loop's next turn, whether the future is polled or not. To drop the future before it is
/// done cancels the task.
///
/// # Errors
/// Those of [`future_into_py`](crate::future_into_py), and `TypeError` for what can't be awaited.
///
/// # Cancel safety
/// To drop it cancels what it awaits.
///
/// # Examples
/// ```no_run
/// use pyo3::prelude::*;
///
/// /// Calls an `async def` of Python's twice, and adds.
/// #[pyfunction]
/// fn twice<'py>(function: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
///     let py = function.py();
///     let function = function.unbind();
///     ioxide_pyo3::future_into_py(py, async move {
///         let mut sum = 0;
///         for _ in 0..2 {
///             let result = Python::attach(|py| ioxide_pyo3::into_future(&function.bind(py).call0()?))?;
///             let result = result.await?;
///             sum += Python::attach(|py| result.extract::<i64>(py))?;
///         }
///         Ok(sum)
///     })
/// }
/// ```
pub fn into_future(awaitable: &Bound<'_, PyAny>) -> PyResult<Awaited> {
    static ENSURE_FUTURE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = awaitable.py();
    let _guest = Guest::running(py)?;
    let task = ENSURE_FUTURE.import(py, "asyncio", "ensure_future")?.call1((awaitable,))?;
    let ended = Arc::<Ended>::default();
    task.call_method1(pyo3::intern!(py, "add_done_callback"), (Callback { ended: Arc::clone(&ended) },))?;
    Ok(Awaited { task: Some(task.unbind()), ended })
}

/// The future of [`into_future`]: the result of what it awaits, or the exception.
///
/// # Panics
/// When it is polled again after its end.
#[derive(Debug)]
#[must_use = "to drop it cancels what it awaits"]
pub struct Awaited {
    /// `None` once the result was taken.
    task: Option<Py<PyAny>>,
    ended: Arc<Ended>,
}

/// Whether the task is done, and who waits for that.
#[derive(Debug, Default)]
struct Ended {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_done: bool,
    waker: Option<Waker>,
}

impl Ended {
    /// No code of the program's runs under the lock, so a poisoned lock holds a state that is whole.
    fn with<R>(&self, access: impl FnOnce(&mut State) -> R) -> R {
        access(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Future for Awaited {
    type Output = PyResult<Py<PyAny>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = context.waker().clone();
        let (is_done, before) = self.ended.with(|state| (state.is_done, state.waker.replace(waker)));
        drop(before);
        if !is_done {
            return Poll::Pending;
        }
        let task = self.task.take().expect("a future isn't polled again after its end");
        Poll::Ready(Python::attach(|py| task.call_method0(py, pyo3::intern!(py, "result"))))
    }
}

impl Drop for Awaited {
    /// Cancels a task that isn't done.
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        if self.ended.with(|state| state.is_done) {
            return;
        }
        // Without an interpreter there is no task left to cancel.
        let _ = Python::try_attach(|py| {
            // On a loop that is closed nothing can be cancelled: it fails, and there is nothing more to be done.
            let _ = task.call_method0(py, pyo3::intern!(py, "cancel"));
            drop(task);
        });
    }
}

/// The done callback of a task.
#[pyclass(frozen, module = "ioxide_pyo3")]
struct Callback {
    ended: Arc<Ended>,
}

#[pymethods]
impl Callback {
    fn __call__(&self, py: Python<'_>, _task: &Bound<'_, PyAny>) -> PyResult<()> {
        let waker = self.ended.with(|state| {
            state.is_done = true;
            state.waker.take()
        });
        let Some(waker) = waker else { return Ok(()) };
        match Guest::running(py) {
            // Within the guest, so that the wake-up is queued as one of the loop's own thread.
            Ok(guest) => guest.enter_and_catch(py, || waker.wake()),
            // A future of somebody else's may be done on any thread, and wakers are for any.
            Err(_no_loop) => {
                waker.wake();
                Ok(())
            }
        }
    }
}
