//! What a future holds.

use pyo3::exceptions::PyBaseException;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::callbacks::Callbacks;
use crate::cpython::asyncio;
use crate::event_loop::EventLoop;

/// What a future holds.
pub struct State {
    /// `None` for an object that was never initialised.
    pub(super) event_loop: Option<Owner>,
    pub(super) outcome: Outcome,
    pub(super) callbacks: Callbacks,
    /// A task is about to wait: see `_asyncio_future_blocking`.
    pub(crate) is_blocking: bool,
    /// An exception is to be reported if nobody ever looks at it.
    pub(super) log_traceback: bool,
    pub(super) rare: Option<Box<Rare>>,
}

/// The loop that a future belongs to.
pub(super) enum Owner {
    Native(Py<EventLoop>),
    Foreign(Py<PyAny>),
}

/// What became of a future.
pub(super) enum Outcome {
    Pending,
    Cancelled,
    Result(Py<PyAny>),
    /// The exception, and its traceback for the first who gets it.
    Exception(Py<PyBaseException>, Option<Py<PyAny>>),
}

/// What few futures have.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) cancel_message: Option<Py<PyAny>>,
    /// The `CancelledError` that ended a task, for the first who asks.
    pub(super) cancelled_error: Option<Py<PyAny>>,
    /// Who awaits the future, by the word of the program: see `awaited_by`.
    #[cfg(Py_3_14)]
    pub(super) awaited_by: Option<Py<pyo3::types::PySet>>,
    /// Where the future was made, in debug mode.
    pub(super) source_traceback: Option<Py<PyAny>>,
    /// Attributes that the program has set: see `program_attributes`.
    #[cfg(not(Py_3_13))]
    pub(super) attributes: Option<Py<pyo3::types::PyDict>>,
}

/// How a future has ended.
pub enum Ended<'py> {
    /// Not yet.
    Pending,
    /// With a result.
    Result(Bound<'py, PyAny>),
    /// With an exception, or cancelled: what is to be raised.
    Error(Bound<'py, PyAny>),
}

/// What has become of a future.
pub enum Outlook<'py> {
    /// Nothing yet.
    Pending,
    /// It was cancelled.
    Cancelled,
    /// It has this result.
    Result(Bound<'py, PyAny>),
    /// It has failed with this exception.
    Exception(Bound<'py, PyAny>),
}

impl State {
    /// Of a pending future of `event_loop`.
    ///
    /// # Errors
    /// What asking a loop that isn't ours whether it is in debug mode raises.
    pub(super) fn of_loop(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = event_loop.py();
        let mut state = Self::new(Some(Owner::of(event_loop)));
        if event_loop.call_method0(pyo3::intern!(py, "get_debug"))?.is_truthy()? {
            let source_traceback = asyncio::EXTRACT_STACK.get(py)?.call0()?;
            state.rare().source_traceback = Some(source_traceback.unbind());
        }
        Ok(state)
    }

    pub(super) const fn new(event_loop: Option<Owner>) -> Self {
        Self {
            event_loop,
            outcome: Outcome::Pending,
            callbacks: Callbacks::None,
            is_blocking: false,
            log_traceback: false,
            rare: None,
        }
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(owner) = &self.event_loop {
            visit.call(owner.as_any())?;
        }
        match &self.outcome {
            Outcome::Pending | Outcome::Cancelled => {}
            Outcome::Result(result) => visit.call(result)?,
            Outcome::Exception(exception, traceback) => {
                visit.call(exception)?;
                visit.call(traceback)?;
            }
        }
        self.callbacks.traverse(visit)?;
        let Some(rare) = &self.rare else { return Ok(()) };
        visit.call(&rare.cancel_message)?;
        visit.call(&rare.cancelled_error)?;
        #[cfg(not(Py_3_13))]
        visit.call(&rare.attributes)?;
        #[cfg(Py_3_14)]
        visit.call(&rare.awaited_by)?;
        visit.call(&rare.source_traceback)
    }
}

impl Owner {
    pub(super) fn of(event_loop: &Bound<'_, PyAny>) -> Self {
        match event_loop.cast::<EventLoop>() {
            Ok(native) => Self::Native(native.clone().unbind()),
            Err(_) => Self::Foreign(event_loop.clone().unbind()),
        }
    }

    pub(super) fn as_any(&self) -> &Py<PyAny> {
        match self {
            Self::Native(event_loop) => event_loop.as_any(),
            Self::Foreign(event_loop) => event_loop,
        }
    }
}
