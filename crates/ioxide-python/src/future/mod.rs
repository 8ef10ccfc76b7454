//! `asyncio.Future`: a result that is there later.
//!
//! A future is *pending*, then once and for all *finished* (with a result or an exception) or *cancelled*. With that its
//! callbacks are scheduled, in the order in which they were added. A task that waits is such a callback, of a kind of its
//! own: the loop gets the task itself to run, not a handle.
//!
//! What it does follows the C class of the standard library, messages included.

mod at_once;
#[cfg(Py_3_14)]
pub mod awaited_by;
mod callbacks;
mod future_iterator;
mod private_attributes;
#[cfg(not(Py_3_13))]
mod program_attributes;
mod reports;
mod settling;
mod state;
mod waiter;

use std::sync::OnceLock;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::combinators::gather::GatheringFuture;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::finalizer::Finalize;
use crate::cpython::free_list::{self, free_list};
use crate::cpython::{asyncio, exception};
use crate::event_loop::EventLoop;
use crate::task::Task;
pub use at_once::install_shortcuts;
pub use future_iterator::FutureIterator;
pub use state::{Ended, Outlook, State};
use state::{Outcome, Owner};

/// A result that is there later.
#[cfg_attr(Py_3_13, pyclass(frozen, subclass, dict, weakref, module = "ioxide"))]
#[cfg_attr(not(Py_3_13), pyclass(frozen, subclass, weakref, module = "ioxide"))]
pub struct Future {
    pub(crate) state: AttachedCell<State>,
}

impl Future {
    /// A pending future of a native loop, for objects that are made of it.
    ///
    /// # Errors
    /// What looking at the stack raises, in debug mode.
    pub fn of_native_loop(event_loop: &Bound<'_, EventLoop>) -> PyResult<Self> {
        let mut state = State::new(Some(Owner::Native(event_loop.clone().unbind())));
        if event_loop.get().is_debug() {
            let source_traceback = asyncio::EXTRACT_STACK.get(event_loop.py())?.call0()?;
            state.rare().source_traceback = Some(source_traceback.unbind());
        }
        Ok(Self { state: AttachedCell::new(state) })
    }

    /// A pending future of whatever loop, for objects that are made of it.
    ///
    /// # Errors
    /// What asking a loop that isn't ours whether it is in debug mode raises.
    pub fn of_loop(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        State::of_loop(event_loop).map(|state| Self { state: AttachedCell::new(state) })
    }

    /// An object that isn't initialised.
    pub const fn uninitialised() -> Self {
        Self { state: AttachedCell::new(State::new(None)) }
    }

    /// Makes the object a pending future of `event_loop`, or else of the loop that is current.
    ///
    /// # Errors
    /// `RuntimeError` if there is no current loop, and from Python 3.15 on if the object is initialised.
    pub fn initialise(slf: &Bound<'_, Self>, event_loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        if cfg!(Py_3_15) && slf.get().state.with(py, |state| state.event_loop.is_some()) {
            let name = slf.get_type().name()?;
            return Err(PyRuntimeError::new_err(format!("{name} object is already initialized")));
        }
        let event_loop = match event_loop {
            Some(event_loop) => event_loop.clone(),
            None => asyncio::GET_EVENT_LOOP.get(py)?.call0()?,
        };
        let state = State::of_loop(&event_loop)?;
        drop(slf.get().state.replace(py, state));
        Ok(())
    }

    /// The native loop, if the future belongs to one.
    pub fn native_loop<'py>(&self, py: Python<'py>) -> Option<Bound<'py, EventLoop>> {
        self.state.with(py, |state| match &state.event_loop {
            Some(Owner::Native(event_loop)) => Some(event_loop.bind(py).clone()),
            _ => None,
        })
    }

    /// The loop.
    ///
    /// # Errors
    /// `RuntimeError` if the object was never initialised.
    pub fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let event_loop =
            self.state.with(py, |state| state.event_loop.as_ref().map(|owner| owner.as_any().bind(py).clone()));
        event_loop.ok_or_else(|| PyRuntimeError::new_err("Future object is not initialized."))
    }

    fn check_initialised(&self, py: Python<'_>) -> PyResult<()> {
        let is_initialised = self.state.with(py, |state| state.event_loop.is_some());
        if is_initialised { Ok(()) } else { Err(PyRuntimeError::new_err("Future object is not initialized.")) }
    }

    /// What `result` and `exception` look at first: they have an error of their own for an object that isn't initialised.
    fn check_asked(&self, py: Python<'_>) -> PyResult<()> {
        let is_initialised = self.state.with(py, |state| state.event_loop.is_some());
        if is_initialised { Ok(()) } else { Err(invalid_state(py, "Future object is not initialized.")?) }
    }

    /// Whether the future has neither finished nor been cancelled.
    pub fn is_pending(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| matches!(state.outcome, Outcome::Pending))
    }

    /// Whether the future failed and nobody has looked at the exception, so that its end is to be reported.
    pub fn has_unseen_exception(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.log_traceback)
    }

    /// Whether an object is of exactly this class, so that nothing of it is overridden. Tasks have their own.
    pub fn is_exact(object: &Bound<'_, PyAny>) -> bool {
        object.is_exact_instance_of::<Self>()
    }

    /// The future, if it is of one of our classes and nothing of it is overridden but what they do themselves: to be
    /// cancelled.
    pub fn as_native<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, Self>> {
        if let Ok(future) = object.cast_exact::<Self>() {
            return Some(future);
        }
        if let Ok(task) = object.cast_exact::<Task>() {
            return Some(task.as_super());
        }
        object.cast_exact::<GatheringFuture>().ok().map(Bound::as_super)
    }
}

/// `asyncio.InvalidStateError`.
///
/// # Errors
/// What its import raises.
pub fn invalid_state(py: Python<'_>, message: &str) -> PyResult<PyErr> {
    Ok(exception::raised(&asyncio::INVALID_STATE_ERROR.get(py)?.call1((message,))?))
}

free_list!(Future);

#[pymethods]
impl Future {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(*, loop=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, pyo3::types::PyDict>>) -> Self {
        Self::uninitialised()
    }

    #[pyo3(signature = (*, r#loop = None))]
    fn __init__(slf: &Bound<'_, Self>, r#loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        Self::initialise(slf, r#loop)
    }

    /// The result. Raises the exception that was set, `CancelledError` if the future was cancelled, and
    /// `InvalidStateError` while it is pending.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.check_asked(py)?;
        self.take_result(py)
    }

    /// The exception that was set, `None` if there is a result instead. Raises `CancelledError` if the future was
    /// cancelled, and `InvalidStateError` while it is pending.
    fn exception<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.check_asked(py)?;
        let found = self.state.with(py, |state| match &state.outcome {
            Outcome::Pending => Err(false),
            Outcome::Cancelled => Err(true),
            Outcome::Result(_) => Ok(None),
            Outcome::Exception(exception, _) => Ok(Some(exception.clone_ref(py).into_any())),
        });
        match found {
            Ok(exception) => {
                self.state.with(py, |state| state.log_traceback = false);
                Ok(exception.map(|exception| exception.into_bound(py)))
            }
            Err(true) => Err(exception::raised(&self.make_cancelled_error(py)?)),
            Err(false) => Err(invalid_state(py, "Exception is not set.")?),
        }
    }

    /// Finishes with a result. Raises `InvalidStateError` if the future isn't pending.
    #[pyo3(signature = (result, /))]
    pub fn set_result(slf: &Bound<'_, Self>, result: Bound<'_, PyAny>) -> PyResult<()> {
        Self::finish(slf, result)
    }

    /// Finishes with an exception, or an instance of an exception class. Raises `InvalidStateError` if the future isn't
    /// pending, and `TypeError` for what is no exception.
    #[pyo3(signature = (exception, /))]
    pub fn set_exception(slf: &Bound<'_, Self>, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.get().check_initialised(slf.py())?;
        if !slf.get().is_pending(slf.py()) {
            return Err(invalid_state(slf.py(), "invalid state")?);
        }
        Self::fail(slf, exception)
    }

    /// Cancels the future, with a message for the `CancelledError`. Returns `False` if it was done already.
    #[pyo3(signature = (msg = None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        slf.get().check_initialised(slf.py())?;
        Self::cancel_with(slf, msg)
    }

    /// Whether the future was cancelled.
    pub fn cancelled(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| matches!(state.outcome, Outcome::Cancelled))
    }

    /// Whether the future has finished or was cancelled.
    pub fn done(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.event_loop.is_some() && !matches!(state.outcome, Outcome::Pending))
    }

    /// The loop that the future belongs to.
    fn get_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.event_loop(py)
    }

    fn __await__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, FutureIterator>> {
        slf.get().check_initialised(slf.py())?;
        let py = slf.py();
        free_list::make(py, FutureIterator::new(slf.unbind()))
    }

    fn __iter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, FutureIterator>> {
        Self::__await__(slf)
    }

    /// `Future[int]`.
    #[classmethod]
    #[pyo3(signature = (item, /))]
    fn __class_getitem__<'py>(cls: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::GENERIC_ALIAS.get(cls.py())?.call1((cls, item))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        reports::describe(slf)
    }

    /// What classes derived from this one do before they go.
    fn __del__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::finalize(slf)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.traverse(|state| state.traverse(&visit))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.state.replace(py, State::new(None)));
    }
}

impl Finalize for Future {
    fn deallocation() -> &'static OnceLock<pyo3::ffi::destructor> {
        static DEALLOCATION: OnceLock<pyo3::ffi::destructor> = OnceLock::new();
        &DEALLOCATION
    }

    fn has_nothing_to_do(slf: &Bound<'_, Self>) -> bool {
        !slf.get().has_unseen_exception(slf.py())
    }

    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::report_unseen_exception(slf)
    }
}
