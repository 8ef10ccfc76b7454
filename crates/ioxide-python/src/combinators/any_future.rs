//! Futures of whatever kind: ours by their fields, others by their methods.

use pyo3::prelude::*;
use pyo3::types::{PyList, PySet, PyTuple};

use super::awaiting_task;
use super::observer::Observer;
use crate::cpython::{asyncio, coroutine};
use crate::event_loop::EventLoop;
use crate::future::{Future, Outlook};
use crate::task::cancelling;

/// Whether asyncio takes an object for a future.
///
/// # Errors
/// What looking at it raises.
pub fn is_future(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    if Future::as_native(object).is_some() {
        return Ok(true);
    }
    if coroutine::is_exact_coroutine(object) {
        return Ok(false);
    }
    asyncio::IS_FUTURE.get(object.py())?.call1((object,))?.is_truthy()
}

/// Whether an object is a list, a tuple or a set, so that it can't be a future or a coroutine. Of others that has to be
/// asked, which takes longer.
pub fn is_plain_collection(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyList>()
        || object.is_exact_instance_of::<PyTuple>()
        || object.is_exact_instance_of::<PySet>()
}

/// The loop of a future.
///
/// # Errors
/// What asking a future that isn't ours raises.
pub fn loop_of<'py>(future: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match Future::as_native(future) {
        Some(native) => native.get().event_loop(future.py()),
        None => asyncio::GET_LOOP.get(future.py())?.call1((future,)),
    }
}

/// Whether a future is done.
///
/// # Errors
/// What asking a future that isn't ours raises.
pub fn is_done(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    match Future::as_native(future) {
        Some(native) => Ok(native.get().done(future.py())),
        None => future.call_method0(pyo3::intern!(future.py(), "done"))?.is_truthy(),
    }
}

/// Whether a future was cancelled.
///
/// # Errors
/// What asking a future that isn't ours raises.
pub fn is_cancelled(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    match Future::as_native(future) {
        Some(native) => Ok(native.get().cancelled(future.py())),
        None => future.call_method0(pyo3::intern!(future.py(), "cancelled"))?.is_truthy(),
    }
}

/// Makes a future of a loop.
///
/// # Errors
/// What the loop's `create_future` raises.
pub fn create<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match event_loop.cast::<EventLoop>() {
        Ok(native) if EventLoop::makes_native_futures(native)? => EventLoop::make_future(native).map(Bound::into_any),
        _ => event_loop.call_method0(pyo3::intern!(event_loop.py(), "create_future")),
    }
}

/// Lets whoever waits for `waiter` go on, unless it is done: its result is `None`.
///
/// # Errors
/// What scheduling the callbacks raises, and what a future that isn't ours raises.
pub fn release(waiter: &Bound<'_, PyAny>) -> PyResult<()> {
    finish(waiter, waiter.py().None().into_bound(waiter.py()))
}

/// Sets the result of a future, unless it is done.
///
/// # Errors
/// As [`release`].
pub fn finish<'py>(future: &Bound<'py, PyAny>, result: Bound<'py, PyAny>) -> PyResult<()> {
    if is_done(future)? { Ok(()) } else { set_result(future, result) }
}

/// Finishes a future with a result.
///
/// # Errors
/// `InvalidStateError` if it is done, what scheduling the callbacks raises, and what a future that isn't ours raises.
pub fn set_result<'py>(future: &Bound<'py, PyAny>, result: Bound<'py, PyAny>) -> PyResult<()> {
    match future.cast_exact::<Future>() {
        Ok(native) => Future::finish(native, result),
        Err(_) => future.call_method1(pyo3::intern!(future.py(), "set_result"), (result,)).map(drop),
    }
}

/// Finishes a future with an exception.
///
/// # Errors
/// As [`set_result`].
pub fn set_exception(future: &Bound<'_, PyAny>, exception: &Bound<'_, PyAny>) -> PyResult<()> {
    match future.cast_exact::<Future>() {
        Ok(native) => Future::set_exception(native, exception),
        Err(_) => future.call_method1(pyo3::intern!(future.py(), "set_exception"), (exception,)).map(drop),
    }
}

/// What has become of a future, as `cancelled`, `exception` and `result` tell it. An exception counts as seen then.
///
/// # Errors
/// What asking a future that isn't ours raises.
pub fn outlook<'py>(future: &Bound<'py, PyAny>) -> PyResult<Outlook<'py>> {
    let py = future.py();
    if let Some(native) = Future::as_native(future) {
        return Ok(native.get().outlook(py));
    }
    if !is_done(future)? {
        return Ok(Outlook::Pending);
    }
    if future.call_method0(pyo3::intern!(py, "cancelled"))?.is_truthy()? {
        return Ok(Outlook::Cancelled);
    }
    let exception = future.call_method0(pyo3::intern!(py, "exception"))?;
    if !exception.is_none() {
        return Ok(Outlook::Exception(exception));
    }
    future.call_method0(pyo3::intern!(py, "result")).map(Outlook::Result)
}

/// The `CancelledError` of a future that was cancelled.
///
/// # Errors
/// What asking a future that isn't ours raises.
pub fn cancelled_error<'py>(future: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match Future::as_native(future) {
        Some(native) => native.get().make_cancelled_error(future.py()),
        None => future.call_method0(pyo3::intern!(future.py(), "_make_cancelled_error")),
    }
}

/// What `result()` gives or raises.
///
/// # Errors
/// What it raises.
pub fn result<'py>(future: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match Future::as_native(future) {
        Some(native) => native.get().take_result(future.py()),
        None => future.call_method0(pyo3::intern!(future.py(), "result")),
    }
}

/// Cancels a future.
///
/// # Errors
/// What its `cancel` raises.
pub fn cancel(future: &Bound<'_, PyAny>, message: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
    cancelling::cancel(future, message)
}

/// Has `observer` told when `future` is done: in the turn after.
///
/// # Errors
/// What scheduling that raises, if the future is done already.
pub fn observe(future: &Bound<'_, PyAny>, observer: Observer) -> PyResult<()> {
    if let Some(native) = Future::as_native(future) {
        return Future::add_observer(native, observer);
    }
    let py = future.py();
    future.call_method1(pyo3::intern!(py, "add_done_callback"), (observer.callable(py)?,))?;
    awaiting_task::tell(future, observer.awaiting_task(future).as_ref())
}

/// Takes back [`observe`].
///
/// # Errors
/// What removing a callback from a future that isn't ours raises.
pub fn ignore(future: &Bound<'_, PyAny>, observer: &Observer) -> PyResult<()> {
    if let Some(native) = Future::as_native(future) {
        native.get().remove_observer(future.py(), observer);
        return Ok(());
    }
    let py = future.py();
    future.call_method1(pyo3::intern!(py, "remove_done_callback"), (observer.callable(py)?,))?;
    awaiting_task::take_back(future, observer.awaiting_task(future).as_ref())
}
