//! `asyncio.Future`: a result that is there later.
//!
//! A future is *pending*, then once and for all *finished* (with a result or an exception) or *cancelled*. With that its
//! callbacks are scheduled, in the order in which they were added. A task that waits is such a callback, of a kind of its
//! own: the loop gets the task itself to run, not a handle.
//!
//! What it does follows the C class of the standard library, messages included.

mod callbacks;
mod future_iterator;
mod private_attributes;
#[cfg(not(Py_3_13))]
mod program_attributes;
mod reports;

use std::sync::OnceLock;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::finalizer::Finalize;
use crate::event_loop::EventLoop;
use callbacks::Callbacks;
pub use future_iterator::FutureIterator;

/// A result that is there later.
#[cfg_attr(Py_3_13, pyclass(frozen, subclass, dict, weakref, module = "ioxide"))]
#[cfg_attr(not(Py_3_13), pyclass(frozen, subclass, weakref, module = "ioxide"))]
pub struct Future {
    pub(crate) state: AttachedCell<State>,
}

/// What a future holds.
pub struct State {
    /// `None` for an object that was never initialised.
    event_loop: Option<Owner>,
    outcome: Outcome,
    callbacks: Callbacks,
    /// A task is about to wait: see `_asyncio_future_blocking`.
    pub(crate) is_blocking: bool,
    /// An exception is to be reported if nobody ever looks at it.
    log_traceback: bool,
    rare: Option<Box<Rare>>,
}

/// The loop that a future belongs to.
enum Owner {
    Native(Py<EventLoop>),
    Foreign(Py<PyAny>),
}

/// What became of a future.
enum Outcome {
    Pending,
    Cancelled,
    Result(Py<PyAny>),
    /// The exception, and its traceback for the first who gets it.
    Exception(Py<PyAny>, Option<Py<PyAny>>),
}

/// What few futures have.
#[derive(Default)]
struct Rare {
    cancel_message: Option<Py<PyAny>>,
    /// The `CancelledError` that ended a task, for the first who asks.
    cancelled_error: Option<Py<PyAny>>,
    /// Where the future was made, in debug mode.
    source_traceback: Option<Py<PyAny>>,
    /// Attributes that the program has set: see `program_attributes`.
    #[cfg(not(Py_3_13))]
    attributes: Option<Py<pyo3::types::PyDict>>,
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

impl State {
    const fn new(event_loop: Option<Owner>) -> Self {
        Self {
            event_loop,
            outcome: Outcome::Pending,
            callbacks: Callbacks::None,
            is_blocking: false,
            log_traceback: false,
            rare: None,
        }
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

impl Owner {
    fn of(event_loop: &Bound<'_, PyAny>) -> Self {
        match event_loop.cast::<EventLoop>() {
            Ok(native) => Self::Native(native.clone().unbind()),
            Err(_) => Self::Foreign(event_loop.clone().unbind()),
        }
    }

    fn as_any(&self) -> &Py<PyAny> {
        match self {
            Self::Native(event_loop) => event_loop.as_any(),
            Self::Foreign(event_loop) => event_loop,
        }
    }
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

    /// An object that isn't initialised.
    pub const fn uninitialised() -> Self {
        Self { state: AttachedCell::new(State::new(None)) }
    }

    /// Makes the object a pending future of `event_loop`, or else of the loop that is current.
    ///
    /// # Errors
    /// `RuntimeError` if there is no current loop.
    pub fn initialise(slf: &Bound<'_, Self>, event_loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let event_loop = match event_loop {
            Some(event_loop) => event_loop.clone(),
            None => asyncio::GET_EVENT_LOOP.get(py)?.call0()?,
        };
        let mut state = State::new(Some(Owner::of(&event_loop)));
        if event_loop.call_method0(pyo3::intern!(py, "get_debug"))?.is_truthy()? {
            let source_traceback = asyncio::EXTRACT_STACK.get(py)?.call0()?;
            state.rare().source_traceback = Some(source_traceback.unbind());
        }
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

    /// Whether the future has neither finished nor been cancelled.
    pub fn is_pending(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| matches!(state.outcome, Outcome::Pending))
    }

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
            Exception(Py<PyAny>, Option<Py<PyAny>>),
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
                exception.setattr(pyo3::intern!(py, "__traceback__"), traceback)?;
                Ended::Error(exception)
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
            Ended::Error(error) => Err(PyErr::from_value(error)),
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

    /// Finishes with an exception, which is reported if nobody ever asks for it.
    ///
    /// # Errors
    /// As [`Future::finish`]; `TypeError` for what is no exception.
    pub fn fail(slf: &Bound<'_, Self>, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let exception = normalise(exception)?;
        let traceback = exception.getattr(pyo3::intern!(py, "__traceback__"))?;
        let traceback = (!traceback.is_none()).then(|| traceback.unbind());
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
            state.log_traceback = log_traceback;
            None
        });
        if refused.is_some() {
            return Err(invalid_state(py, "invalid state")?);
        }
        Self::schedule_callbacks(slf)
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

    /// Whether an object is of exactly this class, so that nothing of it is overridden. Tasks have their own.
    pub fn is_exact(object: &Bound<'_, PyAny>) -> bool {
        object.is_exact_instance_of::<Self>()
    }
}

/// An exception of what `set_exception` takes: an instance, or a class of which one is made.
fn normalise<'py>(exception: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = exception.py();
    let instance = match exception.cast::<PyType>() {
        Ok(class) if class.is_subclass_of::<pyo3::exceptions::PyBaseException>()? => class.call0()?,
        _ => exception.clone(),
    };
    if !instance.is_instance_of::<pyo3::exceptions::PyBaseException>() {
        return Err(PyTypeError::new_err("invalid exception object"));
    }
    if !instance.is_instance_of::<pyo3::exceptions::PyStopIteration>() {
        return Ok(instance);
    }
    let message = "StopIteration interacts badly with generators and cannot be raised into a Future";
    if cfg!(not(Py_3_12)) {
        return Err(PyTypeError::new_err(message));
    }
    let replacement = PyRuntimeError::new_err(message).into_value(py).into_bound(py).into_any();
    replacement.setattr("__cause__", &instance)?;
    replacement.setattr("__context__", &instance)?;
    Ok(replacement)
}

/// `asyncio.InvalidStateError`.
///
/// # Errors
/// What its import raises.
pub fn invalid_state(py: Python<'_>, message: &str) -> PyResult<PyErr> {
    Ok(PyErr::from_value(asyncio::INVALID_STATE_ERROR.get(py)?.call1((message,))?))
}

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
        if !self.state.with(py, |state| state.event_loop.is_some()) {
            return Err(invalid_state(py, "Future object is not initialized.")?);
        }
        self.take_result(py)
    }

    /// The exception that was set, `None` if there is a result instead. Raises `CancelledError` if the future was
    /// cancelled, and `InvalidStateError` while it is pending.
    fn exception<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if !self.state.with(py, |state| state.event_loop.is_some()) {
            return Err(invalid_state(py, "Future object is not initialized.")?);
        }
        let found = self.state.with(py, |state| match &state.outcome {
            Outcome::Pending => Err(false),
            Outcome::Cancelled => Err(true),
            Outcome::Result(_) => Ok(None),
            Outcome::Exception(exception, _) => Ok(Some(exception.clone_ref(py))),
        });
        match found {
            Ok(exception) => {
                self.state.with(py, |state| state.log_traceback = false);
                Ok(exception.map(|exception| exception.into_bound(py)))
            }
            Err(true) => Err(PyErr::from_value(self.make_cancelled_error(py)?)),
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
    fn cancelled(&self, py: Python<'_>) -> bool {
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
        Bound::new(py, FutureIterator::new(slf.unbind()))
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
        self.state.traverse(|state| {
            if let Some(owner) = &state.event_loop {
                visit.call(owner.as_any())?;
            }
            match &state.outcome {
                Outcome::Pending | Outcome::Cancelled => {}
                Outcome::Result(result) => visit.call(result)?,
                Outcome::Exception(exception, traceback) => {
                    visit.call(exception)?;
                    visit.call(traceback)?;
                }
            }
            state.callbacks.traverse(&visit)?;
            let Some(rare) = &state.rare else { return Ok(()) };
            visit.call(&rare.cancel_message)?;
            visit.call(&rare.cancelled_error)?;
            #[cfg(not(Py_3_13))]
            visit.call(&rare.attributes)?;
            visit.call(&rare.source_traceback)
        })
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

    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::report_unseen_exception(slf)
    }
}
