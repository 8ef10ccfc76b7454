//! `asyncio.TaskGroup`: tasks that have all ended when the block that made them does.
//!
//! The group is told of each task's end. The first failure cancels the other tasks and the parent task, which runs the
//! block. The block's end waits for a future that the last task settles: see [`context_manager`].
//!
//! Programs derive classes from this one, replace its private methods and set its private attributes. So the methods are
//! called by name, and an attribute may hold anything. As long as the program has replaced nothing, the group is an
//! [`Observer`] of its tasks.

mod context_manager;
mod ends_of_tasks;
mod private_attributes;
#[cfg(not(Py_3_13))]
mod program_attributes;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyTuple};

use super::any_future;
use super::awaiting_task;
use super::creating_tasks::task_on;
use super::observer::Observer;
use crate::cpython::attached_cell::AttachedCell;
use crate::future::Future;
pub use context_manager::{Entering, Leaving};

/// An asynchronous context manager for tasks that end before its block does.
///
/// `create_task` makes them, and the end of the block waits for all of them. If one fails, the others are cancelled, and
/// so is the block; then the failures are raised as an `ExceptionGroup`.
#[cfg_attr(Py_3_13, pyclass(frozen, subclass, dict, weakref, module = "ioxide"))]
#[cfg_attr(not(Py_3_13), pyclass(frozen, subclass, weakref, module = "ioxide"))]
pub struct TaskGroup {
    state: AttachedCell<State>,
}

/// What the attributes hold. A `None` is Python's.
#[expect(clippy::struct_excessive_bools, reason = "each is an attribute that programs read and set")]
struct State {
    entered: bool,
    exiting: bool,
    aborting: bool,
    parent_cancel_requested: bool,
    /// `cancel` was called before the block (3.15 and later).
    cancel_on_enter: bool,
    event_loop: Py<PyAny>,
    parent_task: Py<PyAny>,
    /// Of whose end the group hasn't been told.
    tasks: Py<PyAny>,
    /// What tasks have failed with. `None` once it was raised.
    errors: Py<PyAny>,
    /// What is raised in the place of all errors.
    base_error: Py<PyAny>,
    /// The future that the block's end waits for.
    completed: Py<PyAny>,
    /// Whether the methods that deal with a task's end are all native. Looked up at the first task.
    observes: Option<bool>,
    #[cfg(not(Py_3_13))]
    attributes: Option<Py<PyDict>>,
}

impl State {
    fn new(py: Python<'_>) -> PyResult<Self> {
        let tasks = PySet::empty(py)?.into_any().unbind();
        Ok(Self { tasks, errors: PyList::empty(py).into_any().unbind(), ..Self::cleared(py) })
    }

    fn cleared(py: Python<'_>) -> Self {
        Self {
            entered: false,
            exiting: false,
            aborting: false,
            parent_cancel_requested: false,
            cancel_on_enter: false,
            event_loop: py.None(),
            parent_task: py.None(),
            tasks: py.None(),
            errors: py.None(),
            base_error: py.None(),
            completed: py.None(),
            observes: None,
            #[cfg(not(Py_3_13))]
            attributes: None,
        }
    }
}

impl TaskGroup {
    /// What one of the attributes holds.
    fn read<'py>(&self, py: Python<'py>, attribute: impl FnOnce(&State) -> &Py<PyAny>) -> Bound<'py, PyAny> {
        self.state.with(py, |state| attribute(state).bind(py).clone())
    }

    fn write(&self, value: &Bound<'_, PyAny>, attribute: impl FnOnce(&mut State) -> &mut Py<PyAny>) {
        let (py, value) = (value.py(), value.clone().unbind());
        drop(self.state.with(py, |state| std::mem::replace(attribute(state), value)));
    }

    fn has_tasks(&self, py: Python<'_>) -> PyResult<bool> {
        self.read(py, |state| &state.tasks).is_truthy()
    }

    /// Why no task can be made.
    fn refusal(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        let (entered, exiting) = self.state.with(py, |state| (state.entered, state.exiting));
        if !entered {
            return Ok(Some("has not been entered"));
        }
        if exiting && !self.has_tasks(py)? {
            return Ok(Some("is finished"));
        }
        Ok(self.state.with(py, |state| state.aborting).then_some("is shutting down"))
    }

    fn check_that_it_takes_tasks(slf: &Bound<'_, Self>, coroutine: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(reason) = slf.get().refusal(slf.py())? else { return Ok(()) };
        if cfg!(Py_3_13) {
            coroutine.call_method0("close")?;
        }
        Err(PyRuntimeError::new_err(format!("TaskGroup {} {reason}", slf.repr()?)))
    }

    /// Makes the task one of the group.
    fn take_in(slf: &Bound<'_, Self>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        if cfg!(not(Py_3_12)) {
            Self::observe(slf, task)?;
            return add(&slf.get().read(py, |state| &state.tasks), task);
        }
        // An eager task may have ended already. From Python 3.14 on the group is told of that in the next turn.
        if cfg!(not(Py_3_14)) && any_future::is_done(task)? {
            return slf.call_method1(pyo3::intern!(py, "_on_task_done"), (task,)).map(drop);
        }
        add(&slf.get().read(py, |state| &state.tasks), task)?;
        Self::observe(slf, task)?;
        // An eager task may have cancelled the group.
        if cfg!(Py_3_15) && slf.get().state.with(py, |state| state.aborting) && !any_future::is_done(task)? {
            return ends_of_tasks::cancel(task);
        }
        Ok(())
    }

    /// The parent task, for call graphs: it waits for all tasks.
    pub fn awaiting_task<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        Some(self.read(py, |state| &state.parent_task)).filter(|task| !task.is_none())
    }

    /// Has the group told of the task's end.
    fn observe(slf: &Bound<'_, Self>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        if let Some(native) = Future::as_native(task)
            && Self::observes(slf)?
        {
            return Future::add_observer(native, Observer::TaskGroup(slf.clone().unbind()));
        }
        let on_task_done = slf.getattr(pyo3::intern!(py, "_on_task_done"))?;
        task.call_method1(pyo3::intern!(py, "add_done_callback"), (on_task_done,))?;
        awaiting_task::tell(task, slf.get().awaiting_task(py).as_ref())
    }

    /// Whether the group can be told without a callback, which would run in a context of its own: no method is replaced
    /// that is called then.
    fn observes(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let py = slf.py();
        if let Some(known) = slf.get().state.with(py, |state| state.observes) {
            return Ok(known);
        }
        let observes = Self::is_plain(slf)? || Self::has_own_methods(slf)?;
        slf.get().state.with(py, |state| state.observes = Some(observes));
        Ok(observes)
    }

    /// Whether nothing can be replaced: neither by a class nor in the object.
    fn is_plain(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if !slf.is_exact_instance_of::<Self>() {
            return Ok(false);
        }
        // Without a dictionary what the program sets is nothing that this class has.
        Ok(cfg!(not(Py_3_13)) || !slf.getattr(pyo3::intern!(slf.py(), "__dict__"))?.is_truthy()?)
    }

    fn has_own_methods(slf: &Bound<'_, Self>) -> PyResult<bool> {
        for name in ["_on_task_done", "_is_base_error", "_abort"] {
            let own = slf.py().get_type::<Self>().getattr(name)?.call_method1("__get__", (slf,))?;
            if !slf.getattr(name)?.eq(own)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn add(tasks: &Bound<'_, PyAny>, task: &Bound<'_, PyAny>) -> PyResult<()> {
    match tasks.cast_exact::<PySet>() {
        Ok(tasks) => tasks.add(task),
        Err(_) => tasks.call_method1(pyo3::intern!(tasks.py(), "add"), (task,)).map(drop),
    }
}

#[pymethods]
impl TaskGroup {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "()")]
    fn new(py: Python<'_>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { state: AttachedCell::new(State::cleared(py)) }
    }

    fn __init__(&self, py: Python<'_>) -> PyResult<()> {
        let state = State::new(py)?;
        drop(self.state.replace(py, state));
        Ok(())
    }

    /// Makes a task that runs `coro`. The keywords are those of the loop's `create_task`. The end of the block waits for
    /// the task.
    ///
    /// Raises `RuntimeError` before the block, after it, and while the group cancels its tasks.
    #[cfg(Py_3_14)]
    #[pyo3(signature = (coro, **kwargs))]
    fn create_task<'py>(
        slf: &Bound<'py, Self>,
        coro: &Bound<'py, PyAny>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::check_that_it_takes_tasks(slf, coro)?;
        let event_loop = slf.get().read(slf.py(), |state| &state.event_loop);
        let task = task_on(&event_loop, coro, kwargs)?;
        Self::take_in(slf, &task)?;
        Ok(task)
    }

    /// Makes a task that runs `coro`, named `name`, in `context` or else in a copy of the current one. The end of the
    /// block waits for it.
    ///
    /// Raises `RuntimeError` before the block, after it, and while the group cancels its tasks.
    #[cfg(not(Py_3_14))]
    #[pyo3(signature = (coro, *, name = None, context = None))]
    fn create_task<'py>(
        slf: &Bound<'py, Self>,
        coro: &Bound<'py, PyAny>,
        name: Option<&Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::check_that_it_takes_tasks(slf, coro)?;
        let event_loop = slf.get().read(slf.py(), |state| &state.event_loop);
        let task = task_on(&event_loop, coro, name, context)?;
        Self::take_in(slf, &task)?;
        Ok(task)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let count = |label: &str, several: Bound<'_, PyAny>| {
            if several.is_truthy()? {
                Ok::<_, PyErr>(format!(" {label}={}", several.len()?))
            } else {
                Ok(String::new())
            }
        };
        let tasks = count("tasks", self.read(py, |state| &state.tasks))?;
        let errors = count("errors", self.read(py, |state| &state.errors))?;
        let stage = match self.state.with(py, |state| (state.aborting, state.entered)) {
            (true, _) => " cancelling",
            (false, true) => " entered",
            (false, false) => "",
        };
        Ok(format!("<TaskGroup{tasks}{errors}{stage}>"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.traverse(|state| {
            #[cfg(not(Py_3_13))]
            visit.call(&state.attributes)?;
            let held = [&state.event_loop, &state.parent_task, &state.tasks, &state.errors, &state.base_error];
            held.into_iter().try_for_each(|object| visit.call(object))?;
            visit.call(&state.completed)
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.state.replace(py, State::cleared(py)));
    }
}
