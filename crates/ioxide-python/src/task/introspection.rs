//! What a task says of itself: name, coroutine, stack, repr, and the report that it was destroyed while pending.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::{Name, Task};
use crate::cpython::asyncio;
use crate::future::Future;

impl Task {
    /// The object is about to go: reports that it is pending, or that nobody has looked at its exception.
    ///
    /// # Errors
    /// What the loop's exception handler lets through.
    pub fn report_destroyed(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let future = slf.as_super();
        // As a weak reference to it would be dead by now: `all_tasks` doesn't find it, even if somebody keeps it.
        slf.get().unregister(py);
        let (logs, has_coroutine) =
            slf.get().state.with(py, |state| (state.logs_destroyed_pending, state.coroutine.is_some()));
        if logs && has_coroutine && future.get().is_pending(py) {
            let context = PyDict::new(py);
            context.set_item("task", slf)?;
            context.set_item("message", "Task was destroyed but it is pending!")?;
            Future::report(future, &context)?;
        }
        Future::report_unseen_exception(future)
    }
}

#[pymethods]
impl Task {
    /// The task's name.
    fn get_name<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let known = self.state.with(py, |state| match &state.name {
            Name::Text(name) => Ok(name.bind(py).clone()),
            Name::Number(number) => Err(*number),
        });
        known.unwrap_or_else(|number| {
            let name = PyString::new(py, &format!("Task-{number}"));
            let kept = name.clone().unbind();
            let before = self.state.with(py, |state| std::mem::replace(&mut state.name, Name::Text(kept)));
            drop(before);
            name
        })
    }

    /// Names the task `value`, or what `str(value)` is.
    #[pyo3(signature = (value, /))]
    fn set_name(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = Name::Text(value.str()?.unbind());
        drop(self.state.with(value.py(), |state| std::mem::replace(&mut state.name, name)));
        Ok(())
    }

    /// The coroutine. `None` for a task that ended while it was started eagerly.
    fn get_coro(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.coroutine.as_ref().map(|coroutine| coroutine.clone_ref(py)))
    }

    /// The context that the coroutine runs in.
    #[cfg(Py_3_12)]
    fn get_context<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.context(py)
    }

    /// The frames of the coroutine, the oldest first: where it waits, or where it failed.
    #[pyo3(signature = (*, limit = None))]
    fn get_stack<'py>(slf: &Bound<'py, Self>, limit: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::TASK_GET_STACK.get(slf.py())?.call1((slf, limit))
    }

    /// Prints what `get_stack` gives as a traceback is printed, to `file` or else to the standard error stream.
    #[pyo3(signature = (*, limit = None, file = None))]
    fn print_stack<'py>(
        slf: &Bound<'py, Self>,
        limit: Option<Bound<'py, PyAny>>,
        file: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        asyncio::TASK_PRINT_STACK.get(slf.py())?.call1((slf, limit, file))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        asyncio::DESCRIBE_TASK.get(slf.py())?.call1((slf,))?.extract()
    }

    #[getter]
    fn _coro(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.get_coro(py)
    }

    #[getter]
    fn _fut_waiter(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.waiter.as_ref().map(|waiter| waiter.clone_ref(py)))
    }

    #[getter]
    fn _must_cancel(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.must_cancel)
    }

    #[getter]
    fn _log_destroy_pending(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.logs_destroyed_pending)
    }

    #[setter(_log_destroy_pending)]
    fn set_log_destroy_pending(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let logs = value.is_truthy()?;
        self.state.with(value.py(), |state| state.logs_destroyed_pending = logs);
        Ok(())
    }

    /// To `isinstance`, a task of asyncio's.
    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::TASK.get(py).cloned()
    }
}
