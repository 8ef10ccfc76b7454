//! Whoever is told that a future is done, besides tasks and the program's own functions.
//!
//! An observer is a native object. As a function it would be called by a handle, in a context; since it runs no code of the
//! program's, the ready queue can hold the observer itself. To a future that isn't native it is a callable object.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::as_completed::AsCompletedIterator;
use super::gather::GatheringFuture;
use super::shield::Shielding;
use super::task_group::TaskGroup;
use super::wait::Waiting;

/// An object that is told.
pub enum Observer {
    /// `gather` waits for the future among others.
    Gathering(Py<GatheringFuture>),
    /// `wait` waits for the future among others.
    Waiting(Py<Waiting>),
    /// `as_completed` hands out the future when it is done.
    AsCompleted(Py<AsCompletedIterator>),
    /// The future is one of the two of a `shield`.
    Shielding(Py<Shielding>),
    /// The future is a task of a group.
    TaskGroup(Py<TaskGroup>),
}

impl Observer {
    /// The future is done.
    ///
    /// # Errors
    /// What is to be reported, and what is to end the run of the loop.
    pub fn notify(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = future.py();
        match self {
            Self::Gathering(gathering) => GatheringFuture::child_is_done(gathering.bind(py), future),
            Self::Waiting(waiting) => waiting.get().is_told(future),
            Self::AsCompleted(iterator) => iterator.get().future_is_done(future),
            Self::Shielding(shielding) => Shielding::future_is_done(shielding.bind(py), future),
            Self::TaskGroup(group) => TaskGroup::task_is_done(group.bind(py), future),
        }
    }

    /// The object that is told.
    pub fn as_any(&self) -> &Py<PyAny> {
        match self {
            Self::Gathering(gathering) => gathering.as_any(),
            Self::Waiting(waiting) => waiting.as_any(),
            Self::AsCompleted(iterator) => iterator.as_any(),
            Self::Shielding(shielding) => shielding.as_any(),
            Self::TaskGroup(group) => group.as_any(),
        }
    }

    /// The task that waits for `future` by means of this observer, for call graphs.
    pub fn awaiting_task<'py>(&self, future: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let py = future.py();
        match self {
            Self::Gathering(gathering) => gathering.get().awaiting_task(py),
            Self::Waiting(waiting) => waiting.get().awaiting_task(py),
            Self::AsCompleted(iterator) => iterator.get().awaiting_task(py),
            Self::Shielding(shielding) => shielding.get().awaiting_task(future),
            Self::TaskGroup(group) => group.get().awaiting_task(py),
        }
    }

    /// What Python code sees, and calls with the future.
    ///
    /// # Errors
    /// What looking up a method raises.
    pub fn callable<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Gathering(_) | Self::Waiting(_) | Self::Shielding(_) => Ok(self.as_any().bind(py).clone()),
            Self::AsCompleted(iterator) => iterator.bind(py).getattr(pyo3::intern!(py, "_handle_completion")),
            Self::TaskGroup(group) => group.bind(py).getattr(pyo3::intern!(py, "_on_task_done")),
        }
    }

    /// Another reference to the same observer.
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Gathering(gathering) => Self::Gathering(gathering.clone_ref(py)),
            Self::Waiting(waiting) => Self::Waiting(waiting.clone_ref(py)),
            Self::AsCompleted(iterator) => Self::AsCompleted(iterator.clone_ref(py)),
            Self::Shielding(shielding) => Self::Shielding(shielding.clone_ref(py)),
            Self::TaskGroup(group) => Self::TaskGroup(group.clone_ref(py)),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.as_any())
    }
}
