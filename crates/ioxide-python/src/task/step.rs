//! A step of a task: the coroutine runs to where it waits next, or to its end.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::Task;
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::cpython::coroutine::{self, Sent};
use crate::cpython::{asyncio, context, current_task};
use crate::errors;
use crate::future::{self, Ended, Future};

impl Task {
    /// The ready queue has come to the task: takes a step, in the task's context. It stays the loop's current task: the
    /// loop sees to it that another takes its place, or none.
    ///
    /// # Errors
    /// Only what is to end the run of the loop, and `InvalidStateError` if the task is done.
    pub fn step(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::step_as_current(slf, None)
    }

    /// What the task waited for is done: takes a step, in the task's context.
    ///
    /// # Errors
    /// As [`Task::step`].
    pub fn wakeup(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let waiter = slf.get().state.with(py, |state| state.waiter.as_ref().map(|waiter| waiter.bind(py).clone()));
        let exception = waiter.as_ref().and_then(exception_of);
        drop(waiter);
        Self::step_as_current(slf, exception)
    }

    /// Takes a step as the current task of the loop, and in the task's context.
    fn step_as_current(slf: &Bound<'_, Self>, exception: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        current_task::set(&slf.as_super().get().event_loop(py)?, slf.as_any())?;
        context::run_in(&slf.get().context(py), || Self::begin_step(slf, exception))
    }

    /// Takes a step. The context is entered already, and the task is its loop's current one.
    fn begin_step(slf: &Bound<'_, Self>, exception: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let task = slf.get();
        if slf.as_super().get().done(py) {
            let exception = exception.unwrap_or_else(|| py.None().into_bound(py));
            let (task, exception) = (slf.repr()?, exception.repr()?);
            let message = if cfg!(Py_3_14) {
                format!("__step(): already done: {task} {exception}")
            } else {
                format!("_step(): already done: {task}, {exception}")
            };
            return Err(future::invalid_state(py, &message)?);
        }
        let (waited, must_cancel) =
            task.state.with(py, |state| (state.waiter.take(), std::mem::take(&mut state.must_cancel)));
        drop(waited);
        let exception = match exception {
            exception if !must_cancel => exception,
            Some(exception) if exception.is_instance(asyncio::CANCELLED_ERROR.get(py)?)? => Some(exception),
            _ => Some(slf.as_super().get().make_cancelled_error(py)?),
        };
        Self::run_step(slf, exception)
    }

    /// Runs the coroutine, and deals with what comes out of it.
    pub(super) fn run_step(slf: &Bound<'_, Self>, exception: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let coroutine = slf.get().state.with(py, |state| state.coroutine.as_ref().map(|it| it.bind(py).clone()));
        let Some(coroutine) = coroutine else {
            return Err(PyRuntimeError::new_err("uninitialized Task object"));
        };
        let sent = match exception {
            None => NativeCoroutine::send_none_to(&coroutine),
            Some(exception) => coroutine::throw(&coroutine, exception),
        };
        drop(coroutine);
        match sent {
            Ok(Sent::Yielded(object)) => Self::wait_for(slf, &object),
            Ok(Sent::Returned(value)) => Self::returned(slf, value),
            Err(error) => Self::raised(slf, error),
        }
    }

    fn returned(slf: &Bound<'_, Self>, value: Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let task = slf.get();
        task.unregister(py);
        let future = slf.as_super();
        // Cancelled right before the coroutine ended.
        if task.state.with(py, |state| std::mem::take(&mut state.must_cancel)) {
            return Future::cancel_with(future, future.get().cancel_message(py)).map(drop);
        }
        Future::finish(future, value)
    }

    fn raised(slf: &Bound<'_, Self>, error: PyErr) -> PyResult<()> {
        let py = slf.py();
        slf.get().unregister(py);
        let exception = errors::exception(py, &error);
        let future = slf.as_super();
        if exception.is_instance(asyncio::CANCELLED_ERROR.get(py)?)? {
            future.get().set_cancelled_error(py, exception);
            return Future::cancel_with(future, None).map(drop);
        }
        Future::fail(future, &exception)?;
        if errors::ends_the_loop(py, &error) { Err(error) } else { Ok(()) }
    }

    /// Waits for what the coroutine has yielded.
    fn wait_for(slf: &Bound<'_, Self>, awaited: &Bound<'_, PyAny>) -> PyResult<()> {
        if awaited.is_none() {
            // A bare `yield` lets the others run for a turn.
            return Self::schedule_step(slf);
        }
        if awaited.is(slf) {
            return Self::refuse(slf, &format!("Task cannot await on itself: {}", slf.repr()?));
        }
        if let Some(native) = Future::as_native(awaited) {
            return Self::wait_for_native(slf, native);
        }
        Self::wait_for_foreign(slf, awaited)
    }

    fn wait_for_native(slf: &Bound<'_, Self>, awaited: &Bound<'_, Future>) -> PyResult<()> {
        let py = slf.py();
        let event_loop = slf.as_super().get().event_loop(py)?;
        let is_blocking = awaited.get().state.with(py, |state| std::mem::take(&mut state.is_blocking));
        if !awaited.get().belongs_to(py, &event_loop) {
            return Self::refuse(slf, &attached_to_a_different_loop(slf, awaited.as_any())?);
        }
        if !is_blocking {
            return Self::refuse(slf, &yielded_instead(slf, awaited.as_any())?);
        }
        Future::add_waiter(awaited, slf)?;
        Self::now_waits_for(slf, awaited.as_any())
    }

    /// Futures that aren't ours, or whose methods may be overridden: by what they say of themselves.
    fn wait_for_foreign(slf: &Bound<'_, Self>, awaited: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let blocking = awaited.getattr_opt(pyo3::intern!(py, "_asyncio_future_blocking"))?;
        let Some(blocking) = blocking.filter(|blocking| !blocking.is_none()) else {
            let message = if coroutine::is_generator(awaited)? {
                format!(
                    "yield was used instead of yield from for generator in task {} with {}",
                    slf.repr()?,
                    awaited.repr()?
                )
            } else {
                format!("Task got bad yield: {}", awaited.repr()?)
            };
            return Self::refuse(slf, &message);
        };
        let its_loop = asyncio::GET_LOOP.get(py)?.call1((awaited,))?;
        if !its_loop.is(&slf.as_super().get().event_loop(py)?) {
            return Self::refuse(slf, &attached_to_a_different_loop(slf, awaited)?);
        }
        if !blocking.is_truthy()? {
            return Self::refuse(slf, &yielded_instead(slf, awaited)?);
        }
        awaited.setattr(pyo3::intern!(py, "_asyncio_future_blocking"), false)?;
        let keywords = PyDict::new(py);
        keywords.set_item(pyo3::intern!(py, "context"), slf.get().context(py))?;
        let wakeup = slf.getattr(pyo3::intern!(py, "task_wakeup"))?;
        awaited.call_method(pyo3::intern!(py, "add_done_callback"), (wakeup,), Some(&keywords))?;
        Self::now_waits_for(slf, awaited)
    }

    /// The task is among the callbacks of `awaited`. Passes on a cancellation that came meanwhile.
    fn now_waits_for(slf: &Bound<'_, Self>, awaited: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let waiter = awaited.clone().unbind();
        let (before, must_cancel) = slf.get().state.with(py, |state| (state.waiter.replace(waiter), state.must_cancel));
        drop(before);
        if must_cancel && super::cancelling::cancel(awaited, slf.as_super().get().cancel_message(py))? {
            slf.get().state.with(py, |state| state.must_cancel = false);
        }
        Ok(())
    }

    /// What was yielded can't be waited for: the coroutine gets a `RuntimeError` at its next step.
    fn refuse(slf: &Bound<'_, Self>, message: &str) -> PyResult<()> {
        // Made, and not raised: a task that begins eagerly may do so while an exception is handled, which isn't its context.
        let error = slf.py().get_type::<PyRuntimeError>().call1((message,))?;
        Self::schedule_throw(slf, error)
    }
}

fn attached_to_a_different_loop(task: &Bound<'_, Task>, awaited: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(format!("Task {} got Future {} attached to a different loop", task.repr()?, awaited.repr()?))
}

fn yielded_instead(task: &Bound<'_, Task>, awaited: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(format!("yield was used instead of yield from in task {} with {}", task.repr()?, awaited.repr()?))
}

/// What a future that is done would raise, `None` if it has a result. A future that isn't ours may fail to tell: then the
/// task gets that failure.
fn exception_of<'py>(future: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let py = future.py();
    let result = match Future::as_native(future) {
        Some(native) => match native.get().ended(py) {
            Ok(Ended::Result(_)) => return None,
            Ok(Ended::Error(error)) => return Some(error),
            Ok(Ended::Pending) => future::invalid_state(py, "Result is not set.").and_then(Err),
            Err(error) => Err(error),
        },
        None => future.call_method0(pyo3::intern!(py, "result")).map(drop),
    };
    result.err().map(|error| errors::exception(py, &error))
}

#[pymethods]
impl Task {
    /// Takes a step: what the loop calls in debug mode, and a loop that isn't ours always.
    #[pyo3(signature = (exception = None))]
    fn task_step(slf: &Bound<'_, Self>, exception: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let event_loop = slf.as_super().get().event_loop(py)?;
        asyncio::ENTER_TASK.get(py)?.call1((&event_loop, slf))?;
        let stepped = Self::begin_step(slf, exception);
        let left = asyncio::LEAVE_TASK.get(py)?.call1((&event_loop, slf)).map(drop);
        stepped.and(left)
    }

    /// Takes a step when `future` is done: its callback where a loop or a future isn't ours.
    fn task_wakeup(slf: &Bound<'_, Self>, future: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::task_step(slf, exception_of(future))
    }
}
