//! `asyncio.wait_for`, as it is from Python 3.12 on: a timeout around `await`, in the task of whoever calls.
//!
//! A timeout of zero or less is another matter: what isn't done then is cancelled before it begins.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::awaiting::Awaiting;
use super::creating_tasks::future_of;
use super::native_coroutine::NativeCoroutine;
use super::operation::{Operation, Resumption, Step};
use super::timeout::Timeout;
use super::timeout::error::timeout_error;
use super::{any_future, running_loop};
use crate::cpython::asyncio;
use crate::errors;

/// The coroutine of one `wait_for`.
pub struct WaitFor {
    awaitable: Py<PyAny>,
    timeout: Py<PyAny>,
    state: State,
}

enum State {
    Created,
    /// Within the timeout.
    Waiting(Awaiting, Py<Timeout>),
    /// There was no time at all: until the future that was cancelled is done.
    Cancelling(Awaiting, Py<PyAny>),
}

/// Awaits `fut`, for `timeout` seconds at most, and returns its result. Then it is cancelled, and `TimeoutError` is raised
/// once it is done. A timeout of `None` is none.
#[pyfunction]
pub fn wait_for<'py>(fut: Bound<'py, PyAny>, timeout: Bound<'py, PyAny>) -> PyResult<Bound<'py, NativeCoroutine>> {
    let py = fut.py();
    let waiting = WaitFor { awaitable: fut.unbind(), timeout: timeout.unbind(), state: State::Created };
    NativeCoroutine::make(py, "wait_for", Operation::WaitFor(waiting))
}

impl WaitFor {
    pub(super) fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        match &self.state {
            State::Created => self.begin(py),
            State::Waiting(awaiting, timeout) => conclude(timeout.bind(py), awaiting.resume(py, resumption)),
            State::Cancelling(awaiting, future) => match awaiting.resume(py, resumption)? {
                Step::Returned(_) => result_in_no_time(future.bind(py)),
                yielded @ Step::Yielded(_) => Ok(yielded),
            },
        }
    }

    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        let timeout = self.timeout.bind(py);
        if !timeout.is_none() && timeout.le(0)? {
            return self.begin_in_no_time(py);
        }
        let timeout = Timeout::within(&running_loop(py)?, timeout)?;
        Timeout::enter(&timeout)?;
        let awaiting = match Awaiting::of(self.awaitable.bind(py)) {
            Ok(awaiting) => awaiting,
            Err(error) => return conclude(&timeout, Err(error)),
        };
        let step = conclude(&timeout, awaiting.resume(py, Resumption::Next));
        self.state = State::Waiting(awaiting, timeout.unbind());
        step
    }

    fn begin_in_no_time<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        let future = future_of(self.awaitable.bind(py), None)?;
        if any_future::is_done(&future)? {
            return any_future::result(&future).map(Step::Returned);
        }
        let awaiting = Awaiting::of(&asyncio::CANCEL_AND_WAIT.get(py)?.call1((&future,))?)?;
        let step = awaiting.resume(py, Resumption::Next);
        self.state = State::Cancelling(awaiting, future.unbind());
        step
    }

    pub(super) fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &self.state {
            State::Created => None,
            State::Waiting(awaiting, _) | State::Cancelling(awaiting, _) => Some(awaiting.object(py)),
        }
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.awaitable)?;
        visit.call(&self.timeout)?;
        match &self.state {
            State::Created => Ok(()),
            State::Waiting(awaiting, timeout) => {
                awaiting.traverse(visit)?;
                visit.call(timeout)
            }
            State::Cancelling(awaiting, future) => {
                awaiting.traverse(visit)?;
                visit.call(future)
            }
        }
    }
}

/// Leaves the timeout if what is awaited has ended.
fn conclude<'py>(timeout: &Bound<'py, Timeout>, step: PyResult<Step<'py>>) -> PyResult<Step<'py>> {
    let py = timeout.py();
    match step {
        Ok(Step::Yielded(_)) => step,
        Ok(Step::Returned(_)) => {
            Timeout::exit(timeout, None, None)?;
            step
        }
        Err(error) => {
            let exception = errors::exception(py, &error);
            if Timeout::exit(timeout, Some(exception.get_type().as_any()), Some(&exception))? {
                return Err(timed_out(exception)?);
            }
            Err(error)
        }
    }
}

/// The result of a future that was cancelled for lack of time. It may have one nevertheless.
fn result_in_no_time<'py>(future: &Bound<'py, PyAny>) -> PyResult<Step<'py>> {
    let py = future.py();
    match any_future::result(future) {
        Ok(result) => Ok(Step::Returned(result)),
        Err(error) if error.matches(py, asyncio::CANCELLED_ERROR.get(py)?)? => {
            Err(timed_out(errors::exception(py, &error))?)
        }
        Err(error) => Err(error),
    }
}

/// A `TimeoutError`, raised while `cancelled` is handled and because of it.
fn timed_out(cancelled: Bound<'_, PyAny>) -> PyResult<PyErr> {
    let py = cancelled.py();
    let error = timeout_error(py, Some(cancelled.clone()));
    error.setattr(pyo3::intern!(py, "__context__"), cancelled)?;
    Ok(PyErr::from_value(error))
}
