//! `asyncio.as_completed`: hands out futures, or their results, in the order in which they are done.
//!
//! From Python 3.13 on the iterator begins when it is made, and is an asynchronous one, too. Before, it is a generator:
//! whatever happens does so at its first step.

use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PySet;

use super::any_future::{self, is_future};
use super::awaiting_task;
use super::completion_queue::{Completion, CompletionQueue, Gives, NextCompleted};
use super::creating_tasks::future_of;
use super::native_coroutine::NativeCoroutine;
use super::observer::Observer;
use super::operation::Operation;
use super::running_loop;
use super::timer::Timer;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::{asyncio, coroutine};

/// Returns an iterator of coroutines, as many as there are different awaitables in `fs`, which run at the same time. To
/// await one of them gives the result, or raises the exception, of the next awaitable that is done; `TimeoutError` if that
/// isn't within `timeout` seconds of the start.
///
/// From Python 3.13 on, `async for` goes through the futures themselves, and the tasks of coroutines. Raises `TypeError`
/// for a single awaitable.
#[pyfunction]
#[pyo3(signature = (fs, *, timeout = None))]
pub fn as_completed<'py>(
    fs: &Bound<'py, PyAny>,
    timeout: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, AsCompletedIterator>> {
    let arguments = Arguments { fs: fs.clone().unbind(), timeout: timeout.map(Bound::unbind) };
    let state = State { phase: Phase::Created(arguments), todo: None, left: 0, timer: None, awaiting_task: None };
    let iterator = AsCompletedIterator { queue: CompletionQueue::new(), state: AttachedCell::new(state) };
    let iterator = Bound::new(fs.py(), iterator)?;
    if cfg!(Py_3_13) {
        AsCompletedIterator::begin_if_new(&iterator)?;
    }
    Ok(iterator)
}

/// Hands out futures as they are done.
#[pyclass(frozen, weakref, name = "_AsCompletedIterator", module = "ioxide")]
pub struct AsCompletedIterator {
    pub(super) queue: CompletionQueue,
    state: AttachedCell<State>,
}

struct State {
    phase: Phase,
    /// The futures that aren't done, until this object is cleared. Empty when the time is up.
    todo: Option<Py<PySet>>,
    /// How many nobody has asked for.
    left: usize,
    timer: Option<Timer>,
    /// The task that waits for them: see `awaiting_task`.
    awaiting_task: Option<Py<PyAny>>,
}

enum Phase {
    Created(Arguments),
    /// What `fs` runs meanwhile may come back here.
    Beginning,
    Begun,
}

struct Arguments {
    fs: Py<PyAny>,
    timeout: Option<Py<PyAny>>,
}

impl AsCompletedIterator {
    fn begin_if_new(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let arguments = slf.get().state.with(py, |state| match std::mem::replace(&mut state.phase, Phase::Beginning) {
            Phase::Created(arguments) => Ok(Some(arguments)),
            Phase::Beginning => Err(PyValueError::new_err("generator already executing")),
            Phase::Begun => {
                state.phase = Phase::Begun;
                Ok(None)
            }
        });
        let Some(arguments) = arguments? else { return Ok(()) };
        let begun = Self::begin(slf, &arguments);
        slf.get().state.with(py, |state| state.phase = Phase::Begun);
        begun
    }

    fn begin(slf: &Bound<'_, Self>, arguments: &Arguments) -> PyResult<()> {
        let py = slf.py();
        let fs = arguments.fs.bind(py);
        check_iterable(fs)?;
        let event_loop = asyncio::GET_EVENT_LOOP.get(py)?.call0()?;
        if cfg!(Py_3_14) {
            let awaiting_task = awaiting_task::current(&running_loop(py)?)?;
            slf.get().state.with(py, |state| state.awaiting_task = awaiting_task);
        }
        let awaitables = py.get_type::<PySet>().call1((fs,))?.cast_into::<PySet>()?;
        let todo = PySet::empty(py)?;
        for awaitable in &awaitables {
            todo.add(future_of(&awaitable, Some(&event_loop))?)?;
        }
        // Futures that aren't ours may come back while the set is gone through: it is another that they change.
        let futures: Vec<_> = todo.iter().collect();
        slf.get().state.with(py, |state| state.todo = Some(todo.unbind()));
        for future in &futures {
            any_future::observe(future, Observer::AsCompleted(slf.clone().unbind()))?;
        }
        if let Some(timeout) = arguments.timeout.as_ref().filter(|_| !futures.is_empty()) {
            let time_is_up = slf.getattr(pyo3::intern!(py, "_handle_timeout"))?;
            let timer = Timer::with_handle(&event_loop, (timeout, time_is_up))?;
            slf.get().state.with(py, |state| state.timer = Some(timer));
        }
        slf.get().state.with(py, |state| state.left = futures.len());
        Ok(())
    }

    /// Counts down how many are left to be asked for. `false` if there are none.
    pub(super) fn claim(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| {
            let is_one_left = state.left > 0;
            state.left = state.left.saturating_sub(1);
            is_one_left
        })
    }

    /// Takes back [`AsCompletedIterator::claim`]: whoever waited has got nothing.
    pub(super) fn give_back(&self, py: Python<'_>) {
        self.state.with(py, |state| state.left += 1);
    }

    /// The task that waits for the futures.
    pub fn awaiting_task<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |state| state.awaiting_task.as_ref().map(|task| task.bind(py).clone()))
    }

    /// The futures that aren't done, unless there are none.
    fn todo<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PySet>> {
        let todo = self.state.with(py, |state| state.todo.as_ref().map(|todo| todo.bind(py).clone()));
        todo.filter(|todo| !todo.is_empty())
    }

    /// One of the futures is done.
    ///
    /// # Errors
    /// `KeyError` if it has been told of before, and what a future that isn't ours raises.
    pub fn future_is_done(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = future.py();
        let Some(todo) = self.todo(py) else { return Ok(()) };
        if !todo.discard(future)? {
            return Err(PyKeyError::new_err((future.clone().unbind(),)));
        }
        awaiting_task::take_back(future, self.awaiting_task(py).as_ref())?;
        self.queue.put(py, Completion::Done(future.clone().unbind()))?;
        if !todo.is_empty() {
            return Ok(());
        }
        let timer = self.state.with(py, |state| state.timer.take());
        timer.map_or(Ok(()), |timer| timer.cancel(py))
    }

    fn next_completed<'py>(
        slf: &Bound<'py, Self>,
        name: &'static str,
        gives: Gives,
    ) -> PyResult<Bound<'py, NativeCoroutine>> {
        let next = NextCompleted::new(slf.clone().unbind(), gives);
        NativeCoroutine::make(slf.py(), name, Operation::NextCompleted(next))
    }
}

fn check_iterable(fs: &Bound<'_, PyAny>) -> PyResult<()> {
    if any_future::is_plain_collection(fs) {
        return Ok(());
    }
    let (is_awaitable, expectation) = if cfg!(Py_3_13) {
        let is_awaitable = asyncio::IS_AWAITABLE.get(fs.py())?.call1((fs,))?.is_truthy()?;
        (is_awaitable, "expects an iterable of awaitables")
    } else {
        (is_future(fs)? || coroutine::is_coroutine(fs)?, "expect an iterable of futures")
    };
    if is_awaitable {
        return Err(PyTypeError::new_err(format!("{expectation}, not {}", fs.get_type().name()?)));
    }
    Ok(())
}

#[pymethods]
impl AsCompletedIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, NativeCoroutine>>> {
        Self::begin_if_new(slf)?;
        if !slf.get().claim(slf.py()) {
            return Ok(None);
        }
        let name =
            if cfg!(Py_3_13) { "_AsCompletedIterator._wait_for_one" } else { "as_completed.<locals>._wait_for_one" };
        Self::next_completed(slf, name, Gives::Result).map(Some)
    }

    /// What a future that isn't ours calls when it is done.
    fn _handle_completion(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        self.future_is_done(future)
    }

    /// The time is up: whoever waits for a future that isn't done gets a `TimeoutError`.
    fn _handle_timeout(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let Some(todo) = slf.get().todo(py) else { return Ok(()) };
        let observer = Observer::AsCompleted(slf.clone().unbind());
        for future in todo.iter().collect::<Vec<_>>() {
            any_future::ignore(&future, &observer)?;
            slf.get().queue.put(py, Completion::TimeIsUp)?;
        }
        todo.clear();
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.queue.traverse(&visit)?;
        self.state.traverse(|state| {
            if let Phase::Created(arguments) = &state.phase {
                visit.call(&arguments.fs)?;
                visit.call(&arguments.timeout)?;
            }
            visit.call(&state.todo)?;
            visit.call(&state.awaiting_task)?;
            state.timer.as_ref().map_or(Ok(()), |timer| timer.traverse(&visit))
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        self.queue.clear(py);
        let cleared = State { phase: Phase::Begun, todo: None, left: 0, timer: None, awaiting_task: None };
        drop(self.state.replace(py, cleared));
    }
}

/// The asynchronous iterator.
#[cfg(Py_3_13)]
#[pymethods]
impl AsCompletedIterator {
    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, NativeCoroutine>> {
        Self::next_completed(slf, "_AsCompletedIterator.__anext__", Gives::Future)
    }
}

/// The generator.
#[cfg(not(Py_3_13))]
#[pymethods]
impl AsCompletedIterator {
    /// Goes on. What is sent is of no concern, but the first time it has to be `None`.
    fn send<'py>(slf: &Bound<'py, Self>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, NativeCoroutine>> {
        let is_new = slf.get().state.with(slf.py(), |state| matches!(state.phase, Phase::Created(_)));
        if is_new && !value.is_none() {
            return Err(PyTypeError::new_err("can't send non-None value to a just-started generator"));
        }
        Self::__next__(slf)?.ok_or_else(|| pyo3::exceptions::PyStopIteration::new_err(()))
    }

    /// Ends the iteration with an exception.
    #[pyo3(signature = (r#type, val = None, tb = None))]
    fn throw<'py>(
        &self,
        r#type: &Bound<'py, PyAny>,
        val: Option<Bound<'py, PyAny>>,
        tb: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let error = crate::cpython::exception::of_throw_arguments(r#type, val, tb)?;
        self.close(r#type.py())?;
        Err(error)
    }

    /// Ends the iteration. The coroutines that were handed out can be awaited further on.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = self.state.with(py, |state| {
            if matches!(state.phase, Phase::Beginning) {
                return Err(PyValueError::new_err("generator already executing"));
            }
            state.left = 0;
            Ok(std::mem::replace(&mut state.phase, Phase::Begun))
        });
        closed.map(drop)
    }
}
