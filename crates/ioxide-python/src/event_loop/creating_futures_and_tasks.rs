//! Creating futures and tasks.
//!
//! They are native, unless a task factory makes the tasks, or the program has put classes of its own in the place of
//! `asyncio.futures.Future` and `asyncio.tasks.Task` before the loop makes its first.

use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::EventLoop;
use super::native_methods::Method;
use crate::cpython::asyncio;
use crate::cpython::free_list;
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
        Self::is_native(slf, Method::CallSoon)
    }

    /// As [`EventLoop::takes_items`], if that is known without asking anybody.
    pub fn surely_takes_items(slf: &Bound<'_, Self>) -> bool {
        let event_loop = slf.get();
        !event_loop.is_debug() && !event_loop.is_loop_closed() && Self::is_surely_native(slf, Method::CallSoon)
    }

    /// Whether the loop's `create_task` would make a native task, and nothing else: no subclass has its own, there is no
    /// task factory, and the loop is open.
    pub fn makes_native_tasks(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let event_loop = slf.get();
        Ok(!event_loop.is_loop_closed()
            && event_loop.task_factory.with(slf.py(), |factory| factory.is_none())
            && Self::is_native(slf, Method::CreateTask)?
            && !Self::tasks_are_replaced(slf)?)
    }

    /// Whether the loop's `create_future` makes a native future, and does nothing else.
    ///
    /// # Errors
    /// What looking up the method raises.
    pub fn makes_native_futures(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Ok(Self::is_native(slf, Method::CreateFuture)? && !Self::futures_are_replaced(slf)?)
    }

    /// Makes a native future that belongs to this loop.
    ///
    /// # Errors
    /// What looking at the stack raises, in debug mode.
    pub fn make_future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Future>> {
        free_list::make(slf.py(), Future::of_native_loop(slf)?)
    }

    fn futures_are_replaced(slf: &Bound<'_, Self>) -> PyResult<bool> {
        is_replaced::<Future>(slf.py(), &slf.get().futures_are_replaced, "Future")
    }

    fn tasks_are_replaced(slf: &Bound<'_, Self>) -> PyResult<bool> {
        is_replaced::<Task>(slf.py(), &slf.get().tasks_are_replaced, "Task")
    }
}

/// Whether asyncio's name `class` stands for neither its own class nor ours. Looked up once per loop, into `known`.
fn is_replaced<Ours: PyTypeInfo>(py: Python<'_>, known: &PyOnceLock<bool>, class: &str) -> PyResult<bool> {
    let is_replaced = known.get_or_try_init(py, || {
        let by_the_program = asyncio::CLASS_OF_THE_PROGRAM.get(py)?.call1((class,))?;
        Ok::<_, PyErr>(!by_the_program.is_none() && !by_the_program.is(py.get_type::<Ours>()))
    })?;
    Ok(*is_replaced)
}

#[pymethods]
impl EventLoop {
    /// Makes a future that belongs to this loop.
    fn create_future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if Self::futures_are_replaced(slf)? {
            return asyncio::CREATE_FUTURE.get(slf.py())?.call1((slf,));
        }
        Self::make_future(slf).map(Bound::into_any)
    }

    /// Makes a task that runs `coro`, by the task factory if one is set. That gets the keywords as they are.
    #[cfg(Py_3_14)]
    #[pyo3(signature = (coro, **kwargs))]
    fn create_task<'py>(
        slf: &Bound<'py, Self>,
        coro: &Bound<'py, PyAny>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.get().check_closed()?;
        let has_factory = slf.get().task_factory.with(py, |factory| factory.is_some());
        if has_factory || Self::tasks_are_replaced(slf)? {
            return asyncio::CREATE_TASK.get(py)?.call((slf, coro), kwargs);
        }
        Task::spawn_with(slf, coro, kwargs).map(Bound::into_any)
    }

    #[cfg(not(Py_3_14))]
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
        if !has_factory && kwargs.is_none() && !Self::tasks_are_replaced(slf)? {
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
