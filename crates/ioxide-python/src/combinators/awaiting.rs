//! Awaiting within a native coroutine: what `await` is to a coroutine in Python.

use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::native_coroutine::NativeCoroutine;
use super::operation::{Resumption, Step};
use crate::cpython::coroutine::{self, Sent};
use crate::future::Future;

/// Something that is awaited. It is resumed until it has returned or raised.
pub enum Awaiting {
    /// A native future, not overridden.
    Future(Py<Future>),
    /// What the object's `__await__` gave, or a coroutine.
    Iterator(Py<PyAny>),
}

impl Awaiting {
    /// As `await object` begins.
    ///
    /// # Errors
    /// `TypeError` if the object can't be awaited, and what its `__await__` raises.
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if Future::is_exact(object) {
            return Ok(Self::Future(object.cast::<Future>()?.clone().unbind()));
        }
        coroutine::awaitable_iterator(object).map(|iterator| Self::Iterator(iterator.unbind()))
    }

    /// Runs to where it waits next, or to its end.
    ///
    /// # Errors
    /// What the awaited raises.
    pub fn resume<'py>(&self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        match (self, resumption) {
            // As a generator would, which the exception ends.
            (Self::Future(_), Resumption::Throw(error)) if error.is_instance_of::<PyStopIteration>(py) => {
                error.value(py).getattr(pyo3::intern!(py, "value")).map(Step::Returned)
            }
            (Self::Future(_), Resumption::Throw(error)) => Err(error),
            (Self::Future(future), Resumption::Next) => resume_future(future.bind(py)),
            (Self::Iterator(iterator), Resumption::Next) => {
                Ok(NativeCoroutine::send_none_to(iterator.bind(py))?.into())
            }
            (Self::Iterator(iterator), Resumption::Throw(error)) => throw(iterator.bind(py), error),
        }
    }

    /// What is awaited.
    pub fn object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self {
            Self::Future(future) => future.bind(py).clone().into_any(),
            Self::Iterator(iterator) => iterator.bind(py).clone(),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Future(future) => visit.call(future),
            Self::Iterator(iterator) => visit.call(iterator),
        }
    }
}

impl<'py> From<Sent<'py>> for Step<'py> {
    fn from(sent: Sent<'py>) -> Self {
        match sent {
            Sent::Yielded(object) => Self::Yielded(object),
            Sent::Returned(value) => Self::Returned(value),
        }
    }
}

fn resume_future<'py>(future: &Bound<'py, Future>) -> PyResult<Step<'py>> {
    let py = future.py();
    if !future.get().is_pending(py) {
        return future.get().take_result(py).map(Step::Returned);
    }
    if future.get().state.with(py, |state| std::mem::replace(&mut state.is_blocking, true)) {
        return Err(PyRuntimeError::new_err("await wasn't used with future"));
    }
    Ok(Step::Yielded(future.clone().into_any()))
}

/// Raises an exception where the awaited waits, as the interpreter does for a coroutine that awaits it.
fn throw<'py>(iterator: &Bound<'py, PyAny>, error: PyErr) -> PyResult<Step<'py>> {
    let py = iterator.py();
    if error.is_instance_of::<PyGeneratorExit>(py) {
        if let Some(close) = iterator.getattr_opt(pyo3::intern!(py, "close"))? {
            close.call0()?;
        }
        return Err(error);
    }
    if iterator.getattr_opt(pyo3::intern!(py, "throw"))?.is_none() {
        return Err(error);
    }
    coroutine::throw(iterator, crate::errors::exception(py, &error)).map(Step::from)
}
