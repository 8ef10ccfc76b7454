//! `asyncio.timeout`: a time by which a block of code has to be done, or else its task is cancelled.
//!
//! A timeout is *created*, then *entered* (its timer is armed, unless it has no deadline). From there it goes to *exited*, or
//! to *expiring* (the timer has cancelled the task) and *expired*.
//!
//! On a native loop and for a native task the timer is an item of its own. An item that has become ready can't be taken
//! back: [`Timeout::expire`] looks whether it is still wanted.

mod block;
pub mod error;
mod expiry;
mod private_attributes;

use pyo3::exceptions::{PyAssertionError, PyRuntimeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::ended::Ended;
use super::native_coroutine::NativeCoroutine;
use super::operation::Operation;
use super::running_loop;
use super::timer::Timer;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::{asyncio, current_task};
use crate::task::Task;
pub use block::Block;
use block::Raised;
use error::is_cancellation;

/// Cancels the task that is in `async with` of it at a time, and makes a `TimeoutError` of that.
///
/// `timeout` and `timeout_at` make it; `when` is a time by the loop's clock, in seconds, or `None` for never.
#[pyclass(frozen, weakref, module = "ioxide")]
pub struct Timeout {
    state: AttachedCell<State>,
}

struct State {
    phase: Phase,
    when: Py<PyAny>,
    timer: Option<Timer>,
    entered: Option<Entered>,
}

/// Who is in the block.
struct Entered {
    task: Py<PyAny>,
    /// How many requests to cancel the task there were before.
    cancelling: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Created,
    Entered,
    Expiring,
    Expired,
    Exited,
}

/// Returns a timeout that expires `delay` seconds from now, or never if that is `None`. Raises `RuntimeError` if no loop runs.
#[pyfunction]
pub fn timeout<'py>(delay: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Timeout>> {
    Timeout::within(&running_loop(delay.py())?, delay)
}

/// Returns a timeout that expires at `when`, by the loop's clock, in seconds, or never if that is `None`.
#[pyfunction]
pub fn timeout_at(when: Bound<'_, PyAny>) -> PyResult<Bound<'_, Timeout>> {
    let py = when.py();
    Bound::new(py, Timeout::new(when))
}

impl Phase {
    /// As reprs and messages have it.
    const fn value(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Entered => "active",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::Exited => "finished",
        }
    }
}

impl Timeout {
    /// A timeout of `delay` seconds from now.
    ///
    /// # Errors
    /// What the program's clock raises; `TypeError` for a delay that isn't a number.
    pub fn within<'py>(event_loop: &Bound<'py, PyAny>, delay: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let py = delay.py();
        let when = if delay.is_none() { delay.clone() } else { expiry::now(event_loop)?.add(delay)? };
        Bound::new(py, Self::new(when))
    }

    /// The block begins: the timer is armed.
    ///
    /// # Errors
    /// `RuntimeError` if it was entered before or if no task runs, and what the loop raises.
    pub fn enter(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if slf.get().phase(py) != Phase::Created {
            return Err(PyRuntimeError::new_err("Timeout has already been entered"));
        }
        let event_loop = &running_loop(py)?;
        let Some(task) = current_task::get(event_loop)?.filter(|task| !task.is_none()) else {
            return Err(PyRuntimeError::new_err("Timeout should be used inside a task"));
        };
        let cancelling = match task.cast_exact::<Task>() {
            Ok(native) => native.get().cancelling(py).into(),
            Err(_) => task.call_method0(pyo3::intern!(py, "cancelling"))?.extract()?,
        };
        let entered = Entered { task: task.unbind(), cancelling };
        let (when, before) = slf.get().state.with(py, |state| {
            state.phase = Phase::Entered;
            (state.when.clone_ref(py), state.entered.replace(entered))
        });
        drop(before);
        Self::arm(slf, event_loop, when.bind(py))
    }

    /// The block has ended, with an exception or without. Returns whether that was a cancellation by this timeout, and by
    /// nobody else: then a [`error::timeout_error`] is to be raised.
    ///
    /// # Errors
    /// `AssertionError` if the timeout isn't entered, and what a task or a handle that isn't ours raises.
    pub fn exit(
        slf: &Bound<'_, Self>,
        class: Option<&Bound<'_, PyAny>>,
        exception: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let py = slf.py();
        let timer = slf.get().state.with(py, |state| match state.phase {
            Phase::Entered | Phase::Expiring => Some(state.timer.take()),
            Phase::Created | Phase::Expired | Phase::Exited => None,
        });
        let Some(timer) = timer else { return Err(PyAssertionError::new_err(())) };
        if let Some(timer) = timer {
            timer.cancel(py)?;
        }
        let expired = slf.get().state.with(py, |state| {
            if state.phase != Phase::Expiring {
                state.phase = Phase::Exited;
                return None;
            }
            state.phase = Phase::Expired;
            state.entered.as_ref().map(|entered| (entered.task.clone_ref(py), entered.cancelling))
        });
        let Some((task, cancelling)) = expired else { return Ok(false) };
        let (left, Some(class)) = (uncancel(task.bind(py))?, class) else { return Ok(false) };
        if left > cancelling {
            return Ok(false);
        }
        is_cancellation(class, exception)
    }

    fn phase(&self, py: Python<'_>) -> Phase {
        self.state.with(py, |state| state.phase)
    }
}

fn uncancel(task: &Bound<'_, PyAny>) -> PyResult<i64> {
    match task.cast_exact::<Task>() {
        Ok(native) => Ok(native.get().uncancel(task.py()).into()),
        Err(_) => task.call_method0(pyo3::intern!(task.py(), "uncancel"))?.extract(),
    }
}

#[pymethods]
impl Timeout {
    #[new]
    fn new(when: Bound<'_, PyAny>) -> Self {
        let state = State { phase: Phase::Created, when: when.unbind(), timer: None, entered: None };
        Self { state: AttachedCell::new(state) }
    }

    /// The time at which it expires, by the loop's clock, in seconds; `None` for never.
    fn when(&self, py: Python<'_>) -> Py<PyAny> {
        self.state.with(py, |state| state.when.clone_ref(py))
    }

    /// Has it expire at `when` instead. Raises `RuntimeError` outside the block and once it has expired.
    fn reschedule(slf: &Bound<'_, Self>, when: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        match slf.get().phase(py) {
            Phase::Entered => {}
            Phase::Created => return Err(PyRuntimeError::new_err("Timeout has not been entered")),
            phase => {
                let message = format!("Cannot change state of {} Timeout", phase.value());
                return Err(PyRuntimeError::new_err(message));
            }
        }
        let new = when.clone().unbind();
        let (before, timer) =
            slf.get().state.with(py, |state| (std::mem::replace(&mut state.when, new), state.timer.take()));
        drop(before);
        if let Some(timer) = timer {
            timer.cancel(py)?;
        }
        if when.is_none() { Ok(()) } else { Self::arm(slf, &running_loop(py)?, when) }
    }

    /// Whether it has cancelled the task.
    fn expired(&self, py: Python<'_>) -> bool {
        matches!(self.phase(py), Phase::Expiring | Phase::Expired)
    }

    fn __aenter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, NativeCoroutine>> {
        let py = slf.py();
        let block = Block { timeout: slf.unbind(), raised: None };
        NativeCoroutine::make(py, "Timeout.__aenter__", Operation::Timeout(block))
    }

    /// Raises `TimeoutError` in the place of a `CancelledError` that is its own. A block that has ended without an exception is
    /// left at once, not when what this returns is awaited: there is nothing to wait for, and it saves a coroutine.
    fn __aexit__<'py>(
        slf: Bound<'py, Self>,
        exc_type: Option<Bound<'py, PyAny>>,
        exc_val: Option<Bound<'py, PyAny>>,
        exc_tb: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = exc_tb;
        let Some(exc_type) = exc_type else {
            Self::exit(&slf, None, None)?;
            return Ended::shared(slf.py());
        };
        let py = slf.py();
        let raised = Box::new(Raised { class: exc_type.unbind(), exception: exc_val.map(Bound::unbind) });
        let block = Block { timeout: slf.unbind(), raised: Some(raised) };
        NativeCoroutine::make(py, "Timeout.__aexit__", Operation::Timeout(block)).map(Bound::into_any)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let phase = self.phase(py);
        if phase != Phase::Entered {
            return Ok(format!("<Timeout [{}]>", phase.value()));
        }
        let when = self.when(py).into_bound(py);
        let when = if when.is_none() { when } else { asyncio::ROUND.get(py)?.call1((when, 3))? };
        Ok(format!("<Timeout [{}] when={}>", phase.value(), when.str()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.traverse(|state| {
            visit.call(&state.when)?;
            if let Some(timer) = &state.timer {
                timer.traverse(&visit)?;
            }
            state.entered.as_ref().map_or(Ok(()), |entered| visit.call(&entered.task))
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        let cleared = self.state.with(py, |state| (state.timer.take(), state.entered.take()));
        drop(cleared);
    }
}
