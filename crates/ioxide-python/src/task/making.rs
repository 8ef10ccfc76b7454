//! Making a task: by the loop, by the class, and eagerly.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
#[cfg(Py_3_14)]
use pyo3::types::PyDict;

use super::{State, Task};
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::{asyncio, context, coroutine, free_list};
use crate::event_loop::EventLoop;
use crate::future::Future;

impl Task {
    /// Makes a task on a native loop and schedules its first step.
    ///
    /// # Errors
    /// `TypeError` if `coroutine` is no coroutine, `RuntimeError` if the loop is closed.
    pub fn spawn<'py>(
        event_loop: &Bound<'py, EventLoop>,
        coroutine: &Bound<'py, PyAny>,
        name: Option<&Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let state = state_of(coroutine, name, context)?;
        let future = Future::of_native_loop(event_loop)?;
        let task = Self { state: AttachedCell::new(state) };
        let task = free_list::make_derived(event_loop.py(), future, task, true, |future, task| {
            Bound::new(event_loop.py(), PyClassInitializer::from(future).add_subclass(task))
        })?;
        Self::schedule_first_step(&task)?;
        Ok(task)
    }

    /// As [`Task::spawn`], with the keywords that the class takes besides the loop.
    ///
    /// # Errors
    /// As that; `TypeError` for a keyword that the class doesn't know.
    #[cfg(Py_3_14)]
    pub fn spawn_with<'py>(
        event_loop: &Bound<'py, EventLoop>,
        coroutine: &Bound<'py, PyAny>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let Some(keywords) = keywords else { return Self::spawn(event_loop, coroutine, None, None) };
        let name = keywords.get_item(pyo3::intern!(py, "name"))?;
        let context = keywords.get_item(pyo3::intern!(py, "context"))?;
        if keywords.len() == usize::from(name.is_some()) + usize::from(context.is_some()) {
            return Self::spawn(event_loop, coroutine, name.as_ref(), context);
        }
        let keywords = keywords.copy()?;
        keywords.set_item(pyo3::intern!(py, "loop"), event_loop)?;
        Ok(py.get_type::<Self>().call((coroutine,), Some(&keywords))?.cast_into()?)
    }

    /// Makes a task on any loop that takes its first step at once, if the loop runs (3.12 and later).
    ///
    /// # Errors
    /// `TypeError` if `coroutine` is no coroutine.
    #[cfg(Py_3_12)]
    pub fn start<'py>(
        event_loop: &Bound<'py, PyAny>,
        coroutine: &Bound<'py, PyAny>,
        name: Option<&Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let task = Bound::new(event_loop.py(), Self::uninitialised())?;
        let event_loop = Some(event_loop).filter(|event_loop| !event_loop.is_none());
        Self::initialise(&task, coroutine, event_loop, name, context, true)?;
        Ok(task)
    }

    /// Gives a new task its coroutine, name and context.
    fn prepare(
        slf: &Bound<'_, Self>,
        coroutine: &Bound<'_, PyAny>,
        name: Option<&Bound<'_, PyAny>>,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let state = state_of(coroutine, name, context).inspect_err(|_| slf.get().is_destroyed_silently(py))?;
        // What ran up to here may have initialised the task as well.
        slf.get().unregister(py);
        drop(slf.get().state.replace(py, state));
        Ok(())
    }

    fn schedule_first_step(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::schedule_step(slf)?;
        Self::register(slf);
        Ok(())
    }

    pub(super) fn uninitialised() -> PyClassInitializer<Self> {
        PyClassInitializer::from(Future::uninitialised()).add_subclass(Self { state: AttachedCell::new(State::new()) })
    }

    /// Makes the object a task of `event_loop`, or else of the loop that is current, that runs `coroutine`.
    pub(super) fn initialise(
        slf: &Bound<'_, Self>,
        coroutine: &Bound<'_, PyAny>,
        event_loop: Option<&Bound<'_, PyAny>>,
        name: Option<&Bound<'_, PyAny>>,
        context: Option<Bound<'_, PyAny>>,
        eager_start: bool,
    ) -> PyResult<()> {
        let py = slf.py();
        Future::initialise(slf.as_super(), event_loop)?;
        slf.get().unregister(py);
        Self::prepare(slf, coroutine, name, context)?;
        let event_loop = slf.as_super().get().event_loop(py)?;
        if eager_start && event_loop.call_method0("is_running")?.is_truthy()? {
            return Self::start_eagerly(slf);
        }
        Self::schedule_first_step(slf)
    }

    /// Runs the first step at once, on the caller's stack (3.12 and later).
    fn start_eagerly(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        Self::register(slf);
        let event_loop = slf.as_super().get().event_loop(py)?;
        let previous = asyncio::SWAP_CURRENT_TASK.get(py)?.call1((&event_loop, slf))?;
        let stepped = context::run_in(&slf.get().context(py), || Self::run_step(slf, None));
        asyncio::SWAP_CURRENT_TASK.get(py)?.call1((&event_loop, previous))?;
        if slf.as_super().get().done(py) {
            drop(slf.get().state.with(py, |state| state.coroutine.take()));
        }
        if cfg!(Py_3_15) && stepped.is_err() {
            slf.get().is_destroyed_silently(py);
        }
        stepped
    }
}

/// What a task that is to run `coroutine` begins with.
fn state_of(
    coroutine: &Bound<'_, PyAny>,
    name: Option<&Bound<'_, PyAny>>,
    context: Option<Bound<'_, PyAny>>,
) -> PyResult<State> {
    if !coroutine::is_coroutine(coroutine)? {
        return Err(PyTypeError::new_err(format!("a coroutine was expected, got {}", coroutine.repr()?)));
    }
    State::of(coroutine, name, context)
}
