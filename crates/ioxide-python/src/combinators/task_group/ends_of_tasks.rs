//! What a group does when one of its tasks has ended.

use pyo3::exceptions::{PyAssertionError, PyBaseException, PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet};

use super::TaskGroup;
use crate::combinators::{any_future, awaiting_task};
use crate::cpython::context;
use crate::future::{self, Future, Outlook};
use crate::task::Task;

impl TaskGroup {
    /// A task has ended: notes its failure, if it is one. The first failure cancels the other tasks and the parent task.
    ///
    /// # Errors
    /// What the program's tasks and methods raise.
    pub fn task_is_done(slf: &Bound<'_, Self>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let group = slf.get();
        discard(&group.read(py, |state| &state.tasks), task)?;
        awaiting_task::take_back(task, group.awaiting_task(py).as_ref())?;
        let completed = group.read(py, |state| &state.completed);
        if !completed.is_none() && !group.has_tasks(py)? {
            settle(&completed)?;
        }
        match exception_of(task)? {
            Some(exception) => Self::task_has_failed(slf, task, &exception),
            None => Ok(()),
        }
    }

    fn task_has_failed(slf: &Bound<'_, Self>, task: &Bound<'_, PyAny>, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let group = slf.get();
        group.add_error(exception)?;
        Self::note_base_error(slf, exception)?;
        let parent = group.read(py, |state| &state.parent_task);
        // Whatever is cancelled may be the program's, and look at a context variable.
        match parent.cast_exact::<Task>() {
            Ok(native) => {
                let context = context::copy(&native.get().context(py))?;
                context::run_in(context.bind(py), || Self::end_early(slf, &parent, task, exception))
            }
            Err(_) => Self::end_early(slf, &parent, task, exception),
        }
    }

    fn end_early(
        slf: &Bound<'_, Self>,
        parent: &Bound<'_, PyAny>,
        task: &Bound<'_, PyAny>,
        exception: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        let group = slf.get();
        if any_future::is_done(parent)? {
            return Self::report_orphan(slf, task, exception);
        }
        if group.state.with(py, |state| state.aborting || state.parent_cancel_requested) {
            return Ok(());
        }
        slf.call_method0(pyo3::intern!(py, "_abort"))?;
        // The end of the block takes this request back.
        group.state.with(py, |state| state.parent_cancel_requested = true);
        cancel(parent)
    }

    /// An error is raised with the others.
    pub(super) fn add_error(&self, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let errors = self.read(exception.py(), |state| &state.errors);
        match errors.cast_exact::<PyList>() {
            Ok(errors) => errors.append(exception),
            Err(_) => errors.call_method1(pyo3::intern!(exception.py(), "append"), (exception,)).map(drop),
        }
    }

    /// The first exception that is of the kind is raised in the place of all others.
    pub(super) fn note_base_error(slf: &Bound<'_, Self>, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let is_base_error = slf.call_method1(pyo3::intern!(py, "_is_base_error"), (exception,))?.is_truthy()?;
        if is_base_error && slf.get().read(py, |state| &state.base_error).is_none() {
            slf.get().write(exception, |state| &mut state.base_error);
        }
        Ok(())
    }

    /// Nobody is left who could get the exception.
    fn report_orphan(slf: &Bound<'_, Self>, task: &Bound<'_, PyAny>, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let parent = slf.get().read(py, |state| &state.parent_task);
        let message =
            format!("Task {} has errored out but its parent task {} is already completed", task.repr()?, parent.str()?);
        let report = PyDict::new(py);
        report.set_item("message", message)?;
        report.set_item("exception", exception)?;
        report.set_item("task", task)?;
        let event_loop = slf.get().read(py, |state| &state.event_loop);
        event_loop.call_method1("call_exception_handler", (report,)).map(drop)
    }
}

fn discard(tasks: &Bound<'_, PyAny>, task: &Bound<'_, PyAny>) -> PyResult<()> {
    match tasks.cast_exact::<PySet>() {
        Ok(tasks) => tasks.discard(task).map(drop),
        Err(_) => tasks.call_method1(pyo3::intern!(tasks.py(), "discard"), (task,)).map(drop),
    }
}

/// The last task has ended.
fn settle(completed: &Bound<'_, PyAny>) -> PyResult<()> {
    if any_future::is_done(completed)? {
        return Ok(());
    }
    match completed.cast_exact::<Future>() {
        Ok(native) => Future::finish(native, true.into_pyobject(completed.py())?.to_owned().into_any()),
        Err(_) => completed.call_method1(pyo3::intern!(completed.py(), "set_result"), (true,)).map(drop),
    }
}

/// What a task has failed with, `None` if it has a result or was cancelled.
fn exception_of<'py>(task: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = task.py();
    if let Some(native) = Future::as_native(task) {
        return match native.get().outlook(py) {
            Outlook::Exception(exception) => Ok(Some(exception)),
            Outlook::Cancelled | Outlook::Result(_) => Ok(None),
            Outlook::Pending => Err(future::invalid_state(py, "Exception is not set.")?),
        };
    }
    if task.call_method0(pyo3::intern!(py, "cancelled"))?.is_truthy()? {
        return Ok(None);
    }
    task.call_method0(pyo3::intern!(py, "exception")).map(|exception| Some(exception).filter(|it| !it.is_none()))
}

/// Cancels a task, without a message: not every task of others takes one.
pub(super) fn cancel(task: &Bound<'_, PyAny>) -> PyResult<()> {
    match Future::as_native(task) {
        Some(_) => any_future::cancel(task, None).map(drop),
        None => task.call_method0(pyo3::intern!(task.py(), "cancel")).map(drop),
    }
}

#[pymethods]
impl TaskGroup {
    /// Deals with the end of a task.
    fn _on_task_done(slf: &Bound<'_, Self>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::task_is_done(slf, task)
    }

    /// Whether an exception is raised in the place of all others.
    fn _is_base_error(&self, exc: &Bound<'_, PyAny>) -> PyResult<bool> {
        if !exc.is_instance_of::<PyBaseException>() {
            return Err(PyAssertionError::new_err(()));
        }
        Ok(exc.is_instance_of::<PySystemExit>() || exc.is_instance_of::<PyKeyboardInterrupt>())
    }

    /// Cancels every task that isn't done. No more can be made.
    fn _abort(&self, py: Python<'_>) -> PyResult<()> {
        self.state.with(py, |state| state.aborting = true);
        for task in self.read(py, |state| &state.tasks).try_iter()? {
            let task = task?;
            if !any_future::is_done(&task)? {
                cancel(&task)?;
            }
        }
        Ok(())
    }
}

#[cfg(Py_3_15)]
#[pymethods]
impl TaskGroup {
    /// Cancels the tasks that aren't done, and the block, which then ends without an exception. Before the block: cancels
    /// it when it is entered. After it, and the second time, there is nothing to do.
    #[pyo3(name = "cancel")]
    pub(super) fn cancel_all(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let group = slf.get();
        let (entered, exiting) = group.state.with(py, |state| {
            state.cancel_on_enter |= !state.entered;
            (state.entered, state.exiting)
        });
        if !entered || (exiting && !group.has_tasks(py)?) || group.state.with(py, |state| state.aborting) {
            return Ok(());
        }
        slf.call_method0(pyo3::intern!(py, "_abort"))?;
        let parent = group.read(py, |state| &state.parent_task);
        if !parent.is_truthy()? || group.state.with(py, |state| state.parent_cancel_requested) {
            return Ok(());
        }
        // The end of the block takes this request back.
        group.state.with(py, |state| state.parent_cancel_requested = true);
        cancel(&parent)
    }
}
