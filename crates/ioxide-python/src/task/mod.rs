//! `asyncio.Task`: a coroutine that runs on the loop, in steps, and the future of its result.
//!
//! A task that isn't done is in one of three states:
//!
//! - *waiting*: it is among the callbacks of the future in `waiter`, which is pending;
//! - *scheduled*: it is in the loop's ready queue, for its first step or because what it waited for is done;
//! - *running*: its coroutine is on the stack.
//!
//! The ready queue holds the task itself. What it does follows the C class of the standard library, messages included.

pub mod cancelling;
mod introspection;
mod making;
mod step;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PyRuntimeError;
#[cfg(Py_3_15)]
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

#[cfg(Py_3_15)]
use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::context;
use crate::cpython::finalizer::Finalize;
use crate::cpython::free_list::free_list;
use crate::cpython::live_tasks::{self, Registration};
use crate::event_loop::EventLoop;
use crate::future::Future;
use crate::item::Item;

/// Numbers the tasks that get no name.
static TASKS_NAMED: AtomicU64 = AtomicU64::new(0);

/// A coroutine that runs on the loop.
#[pyclass(frozen, extends = Future, subclass, module = "ioxide")]
pub struct Task {
    pub(crate) state: AttachedCell<State>,
}

/// What a task holds besides what a future does.
pub struct State {
    coroutine: Option<Py<PyAny>>,
    context: Option<Py<PyAny>>,
    /// What the task waits for.
    waiter: Option<Py<PyAny>>,
    name: Name,
    /// Its place among the tasks that `all_tasks` finds, until it is done.
    registration: Option<Registration>,
    cancels_requested: u32,
    /// The coroutine gets a `CancelledError` at its next step.
    must_cancel: bool,
    /// To be destroyed while pending is to be reported.
    logs_destroyed_pending: bool,
}

/// A name that was given, or a number of which one is made when somebody asks.
enum Name {
    Number(u64),
    Text(Py<PyString>),
}

impl State {
    const fn new() -> Self {
        Self {
            coroutine: None,
            context: None,
            waiter: None,
            name: Name::Number(0),
            registration: None,
            cancels_requested: 0,
            must_cancel: false,
            logs_destroyed_pending: true,
        }
    }

    /// Of a task that hasn't begun, with a copy of the current context if it is given none.
    fn of(
        coroutine: &Bound<'_, PyAny>,
        name: Option<&Bound<'_, PyAny>>,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let context = match context.filter(|context| !context.is_none()) {
            #[cfg(Py_3_15)]
            Some(context) if !context.is_instance(asyncio::CONTEXT.get(coroutine.py())?)? => {
                let class = context.get_type();
                return Err(PyTypeError::new_err(format!("a contextvars.Context was expected, got {}", class.name()?)));
            }
            Some(context) => context.unbind(),
            None => context::copy_current(coroutine.py())?,
        };
        let name = Name::of(name)?;
        Ok(Self { coroutine: Some(coroutine.clone().unbind()), context: Some(context), name, ..Self::new() })
    }
}

impl Name {
    fn of(name: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        match name.filter(|name| !name.is_none()) {
            None => Ok(Self::Number(TASKS_NAMED.fetch_add(1, Ordering::Relaxed) + 1)),
            Some(name) => match name.cast_exact::<PyString>() {
                Ok(text) => Ok(Self::Text(text.clone().unbind())),
                Err(_) => Ok(Self::Text(name.str()?.unbind())),
            },
        }
    }
}

impl Task {
    /// Makes the task known to `all_tasks`.
    fn register(slf: &Bound<'_, Self>) {
        slf.get().unregister(slf.py());
        let registration = live_tasks::register(slf);
        slf.get().state.with(slf.py(), |state| state.registration = Some(registration));
    }

    /// The task is done, or about to go.
    fn unregister(&self, py: Python<'_>) {
        if let Some(registration) = self.state.with(py, |state| state.registration.take()) {
            live_tasks::unregister(py, registration);
        }
    }

    /// Puts the task into the loop's ready queue.
    fn schedule_step(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if let Some(event_loop) = slf.as_super().get().native_loop(py)
            && EventLoop::takes_items(&event_loop)?
        {
            event_loop.get().push(py, Item::Step(slf.clone().unbind()));
            return Ok(());
        }
        Self::call_soon(slf, slf.getattr(pyo3::intern!(py, "task_step"))?, None)
    }

    /// Has `exception` raised in the coroutine at its next step, which is scheduled.
    fn schedule_throw(slf: &Bound<'_, Self>, exception: Bound<'_, PyAny>) -> PyResult<()> {
        Self::call_soon(slf, slf.getattr(pyo3::intern!(slf.py(), "task_step"))?, Some(exception))
    }

    fn call_soon(slf: &Bound<'_, Self>, step: Bound<'_, PyAny>, argument: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let keywords = PyDict::new(py);
        keywords.set_item(pyo3::intern!(py, "context"), slf.get().context(py))?;
        let arguments = PyTuple::new(py, std::iter::once(step).chain(argument).collect::<Vec<_>>())?;
        let event_loop = slf.as_super().get().event_loop(py)?;
        event_loop.getattr(pyo3::intern!(py, "call_soon"))?.call(arguments, Some(&keywords)).map(drop)
    }

    /// The context that the task runs in.
    pub fn context<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.state.with(py, |state| match &state.context {
            Some(context) => context.bind(py).clone(),
            None => py.None().into_bound(py),
        })
    }

    /// Nobody is told if the task is destroyed while it is pending.
    pub fn is_destroyed_silently(&self, py: Python<'_>) {
        self.state.with(py, |state| state.logs_destroyed_pending = false);
    }
}

free_list!(Task);

#[pymethods]
impl Task {
    #[cfg(Py_3_12)]
    #[new]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(coro, *, loop=None, name=None, context=None, eager_start=False)"
    )]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        Self::uninitialised()
    }

    #[cfg(not(Py_3_12))]
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(coro, *, loop=None, name=None, context=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        Self::uninitialised()
    }

    #[cfg(Py_3_12)]
    #[pyo3(signature = (coro, *, r#loop = None, name = None, context = None, eager_start = None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        coro: &Bound<'_, PyAny>,
        r#loop: Option<&Bound<'_, PyAny>>,
        name: Option<&Bound<'_, PyAny>>,
        context: Option<Bound<'_, PyAny>>,
        eager_start: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let eager_start = eager_start.map_or(Ok(false), PyAnyMethods::is_truthy)?;
        Self::initialise(slf, coro, r#loop, name, context, eager_start)
    }

    #[cfg(not(Py_3_12))]
    #[pyo3(signature = (coro, *, r#loop = None, name = None, context = None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        coro: &Bound<'_, PyAny>,
        r#loop: Option<&Bound<'_, PyAny>>,
        name: Option<&Bound<'_, PyAny>>,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        Self::initialise(slf, coro, r#loop, name, context, false)
    }

    /// A task's result is its coroutine's.
    #[pyo3(signature = (result, /))]
    fn set_result(&self, result: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = result;
        Err(PyRuntimeError::new_err("Task does not support set_result operation"))
    }

    /// A task's exception is its coroutine's.
    #[pyo3(signature = (exception, /))]
    fn set_exception(&self, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = exception;
        Err(PyRuntimeError::new_err("Task does not support set_exception operation"))
    }

    /// What classes derived from this one do before they go.
    fn __del__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::finalize(slf)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.traverse(|state| {
            visit.call(&state.coroutine)?;
            visit.call(&state.context)?;
            visit.call(&state.waiter)?;
            if let Name::Text(name) = &state.name { visit.call(name) } else { Ok(()) }
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        self.unregister(py);
        let cleared = self.state.with(py, |state| (state.coroutine.take(), state.context.take(), state.waiter.take()));
        drop(cleared);
    }
}

/// A task that goes leaves the list of those that are.
impl Drop for Task {
    fn drop(&mut self) {
        Python::attach(|py| self.unregister(py));
    }
}

impl Finalize for Task {
    fn deallocation() -> &'static OnceLock<pyo3::ffi::destructor> {
        static DEALLOCATION: OnceLock<pyo3::ffi::destructor> = OnceLock::new();
        &DEALLOCATION
    }

    fn has_nothing_to_do(slf: &Bound<'_, Self>) -> bool {
        let py = slf.py();
        let is_registered = slf.get().state.with(py, |state| state.registration.is_some());
        !is_registered && !slf.as_super().get().is_pending(py) && Future::has_nothing_to_do(slf.as_super())
    }

    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::report_destroyed(slf)
    }
}
