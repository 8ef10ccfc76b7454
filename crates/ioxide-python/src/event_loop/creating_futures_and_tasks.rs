//! Creating futures and tasks.
//!
//! From Python 3.14 on the loop makes the standard library's: there `python -m asyncio ps` reads the C tasks' memory from
//! another process, and call graphs go through C functions that know no others.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::EventLoop;
use crate::cpython::asyncio;
use crate::future::Future;
use crate::task::Task;

impl EventLoop {
    /// Whether tasks can be put into the ready queue as they are. In debug mode they go through `call_soon`, which
    /// checks and remembers; likewise where a subclass has a `call_soon` of its own; and a closed loop's raises.
    pub fn takes_items(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let event_loop = slf.get();
        if event_loop.is_debug() || event_loop.is_loop_closed() {
            return Ok(false);
        }
        Ok(!Self::overrides(slf, &event_loop.overrides_call_soon, "call_soon")?)
    }

    /// Whether the loop's `create_task` would make a native task, and nothing else: no subclass has its own, there is no
    /// task factory, and the loop is open.
    pub fn makes_native_tasks(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let event_loop = slf.get();
        Ok(cfg!(not(Py_3_14))
            && !event_loop.is_loop_closed()
            && event_loop.task_factory.with(slf.py(), |factory| factory.is_none())
            && !Self::overrides(slf, &event_loop.overrides_create_task, "create_task")?)
    }

    /// Whether the loop's `create_future` makes a native future, and does nothing else.
    ///
    /// # Errors
    /// What looking up the method raises.
    pub fn makes_native_futures(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Ok(cfg!(not(Py_3_14)) && !Self::overrides(slf, &slf.get().overrides_create_future, "create_future")?)
    }

    /// Makes a native future that belongs to this loop.
    ///
    /// # Errors
    /// What looking at the stack raises, in debug mode.
    pub fn make_future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Future>> {
        Bound::new(slf.py(), Future::of_native_loop(slf)?)
    }
}

#[cfg(not(Py_3_14))]
#[pymethods]
impl EventLoop {
    /// Makes a future that belongs to this loop.
    fn create_future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Future>> {
        Self::make_future(slf)
    }

    /// Makes a task that runs `coro`, by the task factory if one is set.
    #[pyo3(signature = (coro, *, name = None, context = None, **kwargs))]
    fn create_task<'py>(
        slf: &Bound<'py, Self>,
        coro: &Bound<'py, PyAny>,
        name: Option<&Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.get().check_closed()?;
        let has_factory = slf.get().task_factory.with(py, |factory| factory.is_some());
        if !has_factory && kwargs.is_none() {
            return Task::spawn(slf, coro, name, context).map(Bound::into_any);
        }
        asyncio::CREATE_TASK.get(py)?.call((slf, coro, name, context), kwargs)
    }
}

#[pymethods]
impl EventLoop {
    /// What makes the tasks, `None` for the loop itself.
    #[getter]
    fn _task_factory(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.task_factory.with(py, |factory| factory.as_ref().map(|factory| factory.clone_ref(py)))
    }

    #[setter(_task_factory)]
    fn set_native_task_factory(&self, py: Python<'_>, factory: Option<Bound<'_, PyAny>>) {
        drop(self.task_factory.replace(py, factory.map(Bound::unbind)));
    }
}
