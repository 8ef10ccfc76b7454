//! The block of a task group: how it is entered, and left.
//!
//! To leave is a coroutine that waits for a future for as long as there are tasks: the last one settles it. Meanwhile the
//! parent task may be cancelled, once or again and again.

use pyo3::exceptions::{PyBaseExceptionGroup, PyGeneratorExit, PyRuntimeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::TaskGroup;
use crate::combinators::any_future;
use crate::combinators::awaiting::Awaiting;
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::combinators::operation::{Operation, Resumption, Step};
use crate::combinators::running_loop;
use crate::cpython::{asyncio, current_task, exception};
use crate::errors;

/// The coroutine of `__aenter__`.
pub struct Entering {
    group: Py<TaskGroup>,
}

/// The coroutine of `__aexit__`.
pub struct Leaving {
    group: Py<TaskGroup>,
    /// The class of what ends the block, `None` if nothing was raised.
    raised_class: Py<PyAny>,
    raised: Py<PyAny>,
    /// The `CancelledError` that says that the parent task was cancelled by others than the group.
    cancellation: Option<Py<PyAny>>,
    /// The last `CancelledError` that came while the coroutine waited, whoever has cancelled (3.15 and later).
    last_cancellation: Option<Py<PyAny>>,
    /// What is awaited, once the coroutine has begun to wait.
    awaiting: Option<Awaiting>,
}

impl Entering {
    pub(in crate::combinators) fn resume<'py>(&self, py: Python<'py>) -> PyResult<Step<'py>> {
        let slf = self.group.bind(py);
        let group = slf.get();
        if group.state.with(py, |state| state.entered) {
            return Err(PyRuntimeError::new_err(format!("TaskGroup {} has already been entered", slf.repr()?)));
        }
        let mut event_loop = group.read(py, |state| &state.event_loop);
        if event_loop.is_none() {
            event_loop = running_loop(py)?;
            group.write(&event_loop, |state| &mut state.event_loop);
        }
        let parent = current_task::get(&event_loop)?.unwrap_or_else(|| py.None().into_bound(py));
        group.write(&parent, |state| &mut state.parent_task);
        if parent.is_none() {
            let message = format!("TaskGroup {} cannot determine the parent task", slf.repr()?);
            return Err(PyRuntimeError::new_err(message));
        }
        let is_cancelled = group.state.with(py, |state| {
            state.entered = true;
            state.cancel_on_enter
        });
        if is_cancelled {
            slf.call_method0(pyo3::intern!(py, "cancel"))?;
        }
        Ok(Step::Returned(slf.clone().into_any()))
    }

    pub(in crate::combinators) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.group)
    }
}

impl Leaving {
    pub(in crate::combinators) fn resume<'py>(
        &mut self,
        py: Python<'py>,
        resumption: Resumption,
    ) -> PyResult<Step<'py>> {
        let step = self.wait_and_finish(py, resumption);
        if cfg!(Py_3_14) && !matches!(step, Ok(Step::Yielded(_))) {
            self.group.get().forget(py);
        }
        step
    }

    fn wait_and_finish<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        match self.awaiting.take() {
            None => self.begin(py)?,
            Some(awaiting) => {
                let step = awaiting.resume(py, resumption);
                if matches!(step, Ok(Step::Yielded(_))) {
                    self.awaiting = Some(awaiting);
                    return step;
                }
                self.has_waited(py, step)?;
            }
        }
        while self.group.get().has_tasks(py)? {
            let awaiting = Awaiting::of(&self.group.get().completed_future(py)?)?;
            let step = awaiting.resume(py, Resumption::Next);
            if matches!(step, Ok(Step::Yielded(_))) {
                self.awaiting = Some(awaiting);
                return step;
            }
            self.has_waited(py, step)?;
        }
        self.finish(py)
    }

    fn begin(&mut self, py: Python<'_>) -> PyResult<()> {
        let slf = self.group.bind(py);
        let group = slf.get();
        group.state.with(py, |state| state.exiting = true);
        let raised = self.raised.bind(py);
        if !raised.is_none() {
            TaskGroup::note_base_error(slf, raised)?;
        }
        if self.is_cancelled(py)? {
            self.cancellation = Some(self.raised.clone_ref(py)).filter(|raised| !raised.is_none(py));
        }
        if cfg!(not(Py_3_13)) && group.takes_back_cancellation(py)? {
            self.cancellation = None;
        }
        if !self.raised_class.is_none(py) && !group.state.with(py, |state| state.aborting) {
            slf.call_method0(pyo3::intern!(py, "_abort"))?;
        }
        Ok(())
    }

    /// The future is done, or something was raised instead.
    fn has_waited(&mut self, py: Python<'_>, step: PyResult<Step<'_>>) -> PyResult<()> {
        let slf = self.group.bind(py);
        if let Err(error) = step {
            let error = errors::exception(py, &error);
            if !error.is_instance(asyncio::CANCELLED_ERROR.get(py)?)? {
                return Err(PyErr::from_value(error));
            }
            if cfg!(Py_3_15) {
                self.last_cancellation = Some(error.clone().unbind());
            }
            if !slf.get().state.with(py, |state| state.aborting) {
                self.cancellation = Some(error.unbind());
                slf.call_method0(pyo3::intern!(py, "_abort"))?;
            }
        }
        slf.get().write(py.None().bind(py), |state| &mut state.completed);
        Ok(())
    }

    /// No task is left: raises what there is to raise.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        let group = self.group.get();
        let base_error = group.read(py, |state| &state.base_error);
        if !base_error.is_none() {
            return Err(exception::raised(&base_error));
        }
        if cfg!(Py_3_13) && group.state.with(py, |state| state.parent_cancel_requested) {
            if group.takes_back_cancellation(py)? {
                self.cancellation = None;
            } else if self.cancellation.is_none() {
                // Of the requests that are left none is the group's.
                self.cancellation = self.last_cancellation.take();
            }
        }
        if let Some(cancellation) = &self.cancellation
            && (cfg!(Py_3_13) || cancellation.is_truthy(py)?)
            && !group.read(py, |state| &state.errors).is_truthy()?
        {
            return Err(exception::raised(cancellation.bind(py)));
        }
        if !self.raised_class.is_none(py) && !self.is_cancelled(py)? {
            group.add_error(self.raised.bind(py))?;
        }
        if group.read(py, |state| &state.errors).is_truthy()? {
            return Err(self.failure(py)?);
        }
        if cfg!(Py_3_15) {
            // What has ended the block, if anything, was the group's own cancellation.
            return Ok(Step::Returned(true.into_pyobject(py)?.to_owned().into_any()));
        }
        Ok(Step::Returned(py.None().into_bound(py)))
    }

    /// All errors in one.
    fn failure(&self, py: Python<'_>) -> PyResult<PyErr> {
        let group = self.group.get();
        let parent = group.read(py, |state| &state.parent_task);
        // The parent task has another request to cancel, whose exception the errors take the place of: it gets one anew.
        if cfg!(Py_3_13) && parent.call_method0(pyo3::intern!(py, "cancelling"))?.is_truthy()? {
            parent.call_method0(pyo3::intern!(py, "uncancel"))?;
            parent.call_method0(pyo3::intern!(py, "cancel"))?;
        }
        let errors = group.read(py, |state| &state.errors);
        if cfg!(Py_3_15) && self.is_generator_exit(py)? && errors.len()? == 1 {
            return Ok(exception::raised(self.raised.bind(py)));
        }
        let together = py.get_type::<PyBaseExceptionGroup>().call1(("unhandled errors in a TaskGroup", errors));
        group.write(py.None().bind(py), |state| &mut state.errors);
        let error = exception::raised(&together?);
        // As `raise ... from None` does.
        error.set_cause(py, None);
        Ok(error)
    }

    /// Whether the block is in an asynchronous generator that is being closed.
    fn is_generator_exit(&self, py: Python<'_>) -> PyResult<bool> {
        let raised_class = self.raised_class.bind(py);
        Ok(!raised_class.is_none() && raised_class.cast::<PyType>()?.is_subclass_of::<PyGeneratorExit>()?)
    }

    /// Whether a cancellation ends the block. Before Python 3.13 classes derived from `CancelledError` don't count.
    fn is_cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        let cancelled_error = asyncio::CANCELLED_ERROR.get(py)?;
        let raised_class = self.raised_class.bind(py);
        if cfg!(not(Py_3_13)) || raised_class.is_none() {
            return Ok(raised_class.is(cancelled_error));
        }
        raised_class.cast::<PyType>()?.is_subclass(cancelled_error)
    }

    pub(in crate::combinators) fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.awaiting.as_ref().map(|awaiting| awaiting.object(py))
    }

    pub(in crate::combinators) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.group)?;
        visit.call(&self.raised_class)?;
        visit.call(&self.raised)?;
        visit.call(&self.cancellation)?;
        visit.call(&self.last_cancellation)?;
        self.awaiting.as_ref().map_or(Ok(()), |awaiting| awaiting.traverse(visit))
    }
}

impl TaskGroup {
    /// If the group has cancelled the parent task, takes that request back. Returns whether it was the only one: then the
    /// parent isn't being cancelled.
    fn takes_back_cancellation(&self, py: Python<'_>) -> PyResult<bool> {
        if !self.state.with(py, |state| state.parent_cancel_requested) {
            return Ok(false);
        }
        let parent = self.read(py, |state| &state.parent_task);
        parent.call_method0(pyo3::intern!(py, "uncancel"))?.eq(0)
    }

    /// The block has ended: what it held of the parent task and of failures isn't needed any more (3.14 and later).
    fn forget(&self, py: Python<'_>) {
        let forgotten = self.state.with(py, |state| {
            let attributes = [&mut state.parent_task, &mut state.errors, &mut state.base_error];
            attributes.map(|attribute| std::mem::replace(attribute, py.None()))
        });
        drop(forgotten);
    }

    /// The future that the last task settles.
    fn completed_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let completed = self.read(py, |state| &state.completed);
        if !completed.is_none() {
            return Ok(completed);
        }
        let event_loop = self.read(py, |state| &state.event_loop);
        let completed = any_future::create(&event_loop)?;
        self.write(&completed, |state| &mut state.completed);
        Ok(completed)
    }
}

#[pymethods]
impl TaskGroup {
    /// Begins the block, in a task. Raises `RuntimeError` the second time, and where no task runs.
    fn __aenter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, NativeCoroutine>> {
        let py = slf.py();
        NativeCoroutine::make(py, "TaskGroup.__aenter__", Operation::EnterTaskGroup(Entering { group: slf.unbind() }))
    }

    /// Waits for every task of the group, and raises what they have failed with. Cancels them first if the block has
    /// failed.
    fn __aexit__<'py>(
        slf: Bound<'py, Self>,
        et: Bound<'py, PyAny>,
        exc: Bound<'py, PyAny>,
        tb: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, NativeCoroutine>> {
        let leaving = Leaving {
            group: slf.unbind(),
            raised_class: et.unbind(),
            raised: exc.unbind(),
            cancellation: None,
            last_cancellation: None,
            awaiting: None,
        };
        NativeCoroutine::make(tb.py(), "TaskGroup.__aexit__", Operation::LeaveTaskGroup(Box::new(leaving)))
    }
}
