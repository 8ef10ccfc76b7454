//! The timer of a timeout: arming it, and what happens when the time has come.

use pyo3::exceptions::PyAssertionError;
use pyo3::prelude::*;

use super::{Phase, Timeout};
use crate::combinators::any_future;
use crate::combinators::timer::Timer;
use crate::cpython::context;
use crate::event_loop::EventLoop;
use crate::item::Item;
use crate::task::Task;

impl Timeout {
    /// The native timer's time has come. It is still wanted if it isn't cancelled, and none was armed in its place.
    ///
    /// # Errors
    /// What cancelling the task raises.
    pub fn expire(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let found = slf.get().state.with(py, |state| match (&state.timer, &state.entered) {
            (Some(Timer::Native(event_loop, key)), Some(entered)) => {
                Some((event_loop.clone_ref(py), *key, entered.task.clone_ref(py)))
            }
            _ => None,
        });
        let Some((event_loop, key, task)) = found else { return Ok(()) };
        if event_loop.get().is_armed(py, key) {
            return Ok(());
        }
        let Ok(native) = task.bind(py).cast_exact::<Task>() else { return Self::cancel_task(slf) };
        // Whatever the task waits for may be the program's, and look at a context variable as it is cancelled.
        let context = context::copy(&native.get().context(py))?;
        context::run_in(context.bind(py), || Self::cancel_task(slf))
    }

    fn cancel_task(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let task = slf.get().state.with(py, |state| match (state.phase, &state.entered) {
            (Phase::Entered, Some(entered)) => Some(entered.task.clone_ref(py)),
            _ => None,
        });
        let Some(task) = task else { return Err(PyAssertionError::new_err(())) };
        if task.bind(py).is_exact_instance_of::<Task>() {
            any_future::cancel(task.bind(py), None)?;
        } else {
            task.call_method0(py, pyo3::intern!(py, "cancel"))?;
        }
        let timer = slf.get().state.with(py, |state| {
            state.phase = Phase::Expiring;
            state.timer.take()
        });
        drop(timer);
        Ok(())
    }

    /// Arms the timer for `when`, unless that is `None`.
    pub(super) fn arm(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, when: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        if when.is_none() {
            return Ok(());
        }
        let is_due = when.le(now(event_loop)?)?;
        let timer = if let Some(timer) = Self::arm_without_handle(slf, event_loop, when, is_due)? {
            timer
        } else {
            let expire = slf.getattr(pyo3::intern!(py, "_on_timeout"))?;
            Timer::Handle(if is_due {
                event_loop.call_method1(pyo3::intern!(py, "call_soon"), (expire,))?.unbind()
            } else {
                event_loop.call_method1(pyo3::intern!(py, "call_at"), (when, expire))?.unbind()
            })
        };
        drop(slf.get().state.with(py, |state| state.timer.replace(timer)));
        Ok(())
    }

    fn arm_without_handle(
        slf: &Bound<'_, Self>,
        event_loop: &Bound<'_, PyAny>,
        when: &Bound<'_, PyAny>,
        is_due: bool,
    ) -> PyResult<Option<Timer>> {
        let Ok(event_loop) = event_loop.cast::<EventLoop>() else { return Ok(None) };
        if is_due || !slf.get().is_of_native_task(slf.py()) {
            return Ok(None);
        }
        let key = EventLoop::arm_at_without_handle(event_loop, when, || Item::Expire(slf.clone().unbind()))?;
        Ok(key.map(|key| Timer::Native(event_loop.clone().unbind(), key)))
    }

    fn is_of_native_task(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| {
            state.entered.as_ref().is_some_and(|entered| entered.task.bind(py).is_exact_instance_of::<Task>())
        })
    }
}

/// The time by the loop's clock.
pub(super) fn now<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match event_loop.cast::<EventLoop>() {
        Ok(native) => EventLoop::now(native),
        Err(_) => event_loop.call_method0(pyo3::intern!(event_loop.py(), "time")),
    }
}

#[pymethods]
impl Timeout {
    /// What a handle calls when the time has come.
    fn _on_timeout(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::cancel_task(slf)
    }
}
