//! Futures that an extension's Rust coroutine yields to its task, and finishes to be resumed.

use pyo3::prelude::*;

use super::Future;
use crate::event_loop::EventLoop;

impl Future {
    /// Makes a pending future that a coroutine may yield at once: it is marked as `await` marks one.
    ///
    /// # Errors
    /// What a `create_future` of the program's own raises.
    pub fn make_waiter<'py>(event_loop: &Bound<'py, EventLoop>) -> PyResult<Bound<'py, PyAny>> {
        let py = event_loop.py();
        if EventLoop::makes_native_futures(event_loop)? {
            let future = EventLoop::make_future(event_loop)?;
            future.get().state.with(py, |state| state.is_blocking = true);
            return Ok(future.into_any());
        }
        let future = event_loop.call_method0(pyo3::intern!(py, "create_future"))?;
        future.setattr(pyo3::intern!(py, "_asyncio_future_blocking"), true)?;
        Ok(future)
    }

    /// Finishes such a future with `None`, unless it is done.
    ///
    /// # Errors
    /// What scheduling its callbacks raises.
    pub fn finish_waiter(waiter: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = waiter.py();
        let none = py.None().into_bound(py);
        match Self::as_native(waiter) {
            Some(future) if future.get().is_pending(py) => Self::finish(future, none),
            Some(_) => Ok(()),
            None if waiter.call_method0(pyo3::intern!(py, "done"))?.is_truthy()? => Ok(()),
            None => waiter.call_method1(pyo3::intern!(py, "set_result"), (none,)).map(drop),
        }
    }
}
