//! How a future ends, and what whoever asks then gets.

use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::state::Outcome;
use super::{Ended, Future, Outlook, invalid_state};
use crate::cpython::{asyncio, exception};

impl Future {
    /// An exception isn't to be reported any more.
    pub fn mark_as_seen(&self, py: Python<'_>) {
        self.state.with(py, |state| state.log_traceback = false);
    }

    /// How it has ended. Whoever asks is taken to have seen an exception.
    ///
    /// # Errors
    /// What making a `CancelledError` raises.
    pub fn ended<'py>(&self, py: Python<'py>) -> PyResult<Ended<'py>> {
        enum Found {
            Pending,
            Cancelled,
            Result(Py<PyAny>),
            Exception(Py<PyBaseException>, Option<Py<PyAny>>),
        }
        let found = self.state.with(py, |state| match &mut state.outcome {
            Outcome::Pending => Found::Pending,
            Outcome::Cancelled => Found::Cancelled,
            Outcome::Result(result) => {
                state.log_traceback = false;
                Found::Result(result.clone_ref(py))
            }
            Outcome::Exception(exception, traceback) => {
                state.log_traceback = false;
                Found::Exception(exception.clone_ref(py), traceback.take())
            }
        });
        Ok(match found {
            Found::Pending => Ended::Pending,
            Found::Cancelled => Ended::Error(self.make_cancelled_error(py)?),
            Found::Result(result) => Ended::Result(result.into_bound(py)),
            Found::Exception(exception, traceback) => {
                let exception = exception.into_bound(py);
                exception::set_traceback(&exception, traceback)?;
                Ended::Error(exception.into_any())
            }
        })
    }

    /// What has become of the future. An exception counts as seen then.
    pub fn outlook<'py>(&self, py: Python<'py>) -> Outlook<'py> {
        self.state.with(py, |state| match &state.outcome {
            Outcome::Pending => Outlook::Pending,
            Outcome::Cancelled => Outlook::Cancelled,
            Outcome::Result(result) => Outlook::Result(result.bind(py).clone()),
            Outcome::Exception(exception, _) => {
                state.log_traceback = false;
                Outlook::Exception(exception.bind(py).clone().into_any())
            }
        })
    }

    /// The result.
    ///
    /// # Errors
    /// The exception, `CancelledError`, or `InvalidStateError` while the future is pending.
    pub fn take_result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.ended(py)? {
            Ended::Result(result) => Ok(result),
            Ended::Error(error) => Err(exception::raised(&error)),
            Ended::Pending => Err(invalid_state(py, "Result is not set.")?),
        }
    }

    /// The `CancelledError` that says that this future was cancelled.
    pub fn make_cancelled_error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (error, message) = self.state.with(py, |state| match &mut state.rare {
            Some(rare) => {
                (rare.cancelled_error.take(), rare.cancel_message.as_ref().map(|message| message.clone_ref(py)))
            }
            None => (None, None),
        });
        if let Some(error) = error {
            return Ok(error.into_bound(py));
        }
        let class = asyncio::CANCELLED_ERROR.get(py)?;
        match message {
            Some(message) => class.call1((message,)),
            None => class.call0(),
        }
    }

    /// Finishes with a result.
    ///
    /// # Errors
    /// `InvalidStateError` if the future isn't pending, and what scheduling its callbacks raises.
    pub fn finish(slf: &Bound<'_, Self>, result: Bound<'_, PyAny>) -> PyResult<()> {
        Self::settle(slf, Outcome::Result(result.unbind()), false)
    }

    /// Finishes with a result, unless it was cancelled.
    ///
    /// # Errors
    /// As [`Future::finish`].
    pub fn finish_unless_cancelled(slf: &Bound<'_, Self>, result: Bound<'_, PyAny>) -> PyResult<()> {
        if slf.get().state.with(slf.py(), |state| matches!(state.outcome, Outcome::Cancelled)) {
            return Ok(());
        }
        Self::finish(slf, result)
    }

    /// Finishes with an exception, which is reported if nobody ever asks for it.
    ///
    /// # Errors
    /// As [`Future::finish`]; `TypeError` for what is no exception.
    pub fn fail(slf: &Bound<'_, Self>, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let exception = normalise(exception)?;
        let traceback = exception::traceback(&exception);
        Self::settle(slf, Outcome::Exception(exception.unbind(), traceback), true)
    }

    fn settle(slf: &Bound<'_, Self>, outcome: Outcome, log_traceback: bool) -> PyResult<()> {
        let py = slf.py();
        let future = slf.get();
        future.check_initialised(py)?;
        let refused = future.state.with(py, |state| {
            if !matches!(state.outcome, Outcome::Pending) {
                return Some(outcome);
            }
            state.outcome = outcome;
            None
        });
        if refused.is_some() {
            return Err(invalid_state(py, "invalid state")?);
        }
        Self::schedule_callbacks(slf)?;
        if log_traceback {
            // Not before: who is told that it failed needn't be told again.
            future.state.with(py, |state| state.log_traceback = true);
        }
        Ok(())
    }

    /// Cancels the future, if it is pending. Returns whether it was.
    ///
    /// # Errors
    /// What scheduling the callbacks raises.
    pub fn cancel_with(slf: &Bound<'_, Self>, message: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        let py = slf.py();
        let message = message.filter(|message| !message.is_none()).map(Bound::unbind);
        let (is_pending, before) = slf.get().state.with(py, |state| {
            state.log_traceback = false;
            if !matches!(state.outcome, Outcome::Pending) {
                return (false, message);
            }
            state.outcome = Outcome::Cancelled;
            let before = match (&mut state.rare, message) {
                (None, None) => None,
                (_, message) => std::mem::replace(&mut state.rare().cancel_message, message),
            };
            (true, before)
        });
        drop(before);
        if is_pending {
            Self::schedule_callbacks(slf)?;
        }
        Ok(is_pending)
    }

    /// Notes with what message the future was asked to cancel.
    pub fn set_cancel_message(&self, py: Python<'_>, message: Option<Bound<'_, PyAny>>) {
        let message = message.filter(|message| !message.is_none()).map(Bound::unbind);
        let before = self.state.with(py, |state| match (&mut state.rare, message) {
            (None, None) => None,
            (_, message) => std::mem::replace(&mut state.rare().cancel_message, message),
        });
        drop(before);
    }

    /// The message that [`Future::set_cancel_message`] noted.
    pub fn cancel_message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |state| {
            let rare = state.rare.as_ref()?;
            rare.cancel_message.as_ref().map(|message| message.bind(py).clone())
        })
    }

    /// Keeps the `CancelledError` that ended a task for the first who asks.
    pub fn set_cancelled_error(&self, py: Python<'_>, error: Bound<'_, PyAny>) {
        let error = error.unbind();
        let before = self.state.with(py, |state| state.rare().cancelled_error.replace(error));
        drop(before);
    }
}

/// An exception of what `set_exception` takes: an instance, or a class of which one is made.
fn normalise<'py>(exception: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBaseException>> {
    let py = exception.py();
    let instance = match exception.cast::<PyType>() {
        Ok(class) if class.is_subclass_of::<PyBaseException>()? => class.call0()?,
        _ => exception.clone(),
    };
    let Ok(instance) = instance.cast_into::<PyBaseException>() else {
        return Err(PyTypeError::new_err("invalid exception object"));
    };
    if !instance.is_instance_of::<PyStopIteration>() {
        return Ok(instance);
    }
    let message = "StopIteration interacts badly with generators and cannot be raised into a Future";
    // Refused by asyncio up to 3.11.7 and 3.12.1, where what is derived from it isn't; replaced by what a generator would
    // make of it since.
    let version = py.version_info();
    if version < (3, 11, 8) || (version >= (3, 12) && version < (3, 12, 2)) {
        let is_it = instance.is_exact_instance_of::<PyStopIteration>();
        return if is_it { Err(PyTypeError::new_err(message)) } else { Ok(instance) };
    }
    let replacement = PyRuntimeError::new_err(message).into_value(py).into_bound(py);
    replacement.setattr("__cause__", &instance)?;
    replacement.setattr("__context__", &instance)?;
    Ok(replacement)
}
