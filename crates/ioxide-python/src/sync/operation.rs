//! The bodies of the coroutines of this module.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBool;

use super::acquiring::Acquiring;
use super::barrier::BarrierOperation;
use super::condition_waits::{ConditionWait, PredicateWait};
use super::event::EventWait;
use crate::combinators::operation::{Operation, Resumption, Step};

/// The body of a coroutine of a lock or one of its kin.
pub enum SyncOperation {
    /// `acquire`.
    Acquire(Acquiring),
    /// `__aenter__`: `acquire` without a result.
    Enter(Acquiring),
    /// `__aexit__` of an object whose `release` may be the program's.
    Leave(Py<PyAny>),
    /// `__aexit__` of what isn't left.
    Nothing,
    /// `Event.wait`.
    Event(EventWait),
    /// `Condition.wait`.
    Condition(Box<ConditionWait>),
    /// `Condition.wait_for`.
    Predicate(Box<PredicateWait>),
    /// `Barrier.wait`, `reset` and `abort`.
    Barrier(Box<BarrierOperation>),
}

impl From<SyncOperation> for Operation {
    fn from(operation: SyncOperation) -> Self {
        Self::Sync(operation)
    }
}

impl SyncOperation {
    /// Runs to the next step.
    ///
    /// # Errors
    /// What the coroutine raises.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        match self {
            Self::Acquire(acquiring) => acquiring.resume(py, resumption),
            Self::Enter(acquiring) => match acquiring.resume(py, resumption)? {
                Step::Returned(_) => Ok(Step::Returned(py.None().into_bound(py))),
                yielded @ Step::Yielded(_) => Ok(yielded),
            },
            Self::Leave(object) => {
                object.call_method0(py, pyo3::intern!(py, "release"))?;
                Ok(Step::Returned(py.None().into_bound(py)))
            }
            Self::Nothing => Ok(Step::Returned(py.None().into_bound(py))),
            Self::Event(wait) => wait.resume(py, resumption),
            Self::Condition(wait) => wait.resume(py, resumption),
            Self::Predicate(wait) => wait.resume(py, resumption),
            Self::Barrier(operation) => operation.resume(py, resumption),
        }
    }

    /// Ends with the result if that can be done by fields of ours alone, or else does nothing. Called within a borrow.
    pub fn end_at_once<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let (is_over, result) = match self {
            Self::Acquire(acquiring) => (acquiring.end_at_once(py), true),
            Self::Enter(acquiring) => (acquiring.end_at_once(py), false),
            Self::Event(wait) => (wait.end_at_once(py), true),
            _ => return None,
        };
        match (is_over, result) {
            (false, _) => None,
            (true, true) => Some(PyBool::new(py, true).to_owned().into_any()),
            (true, false) => Some(py.None().into_bound(py)),
        }
    }

    /// Drops what has ended in [`Self::end_at_once`], where the drop of a `Py` might be put off.
    pub fn release(self, py: Python<'_>) {
        match self {
            Self::Acquire(Acquiring::Lock(acquisition)) | Self::Enter(Acquiring::Lock(acquisition)) => {
                acquisition.release(py);
            }
            Self::Acquire(Acquiring::Semaphore(acquisition)) | Self::Enter(Acquiring::Semaphore(acquisition)) => {
                acquisition.release(py);
            }
            Self::Event(wait) => wait.release(py),
            other => drop(other),
        }
    }

    /// What it waits for. Only increments a count: called within a borrow.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self {
            Self::Acquire(acquiring) | Self::Enter(acquiring) => acquiring.awaits(py),
            Self::Leave(_) | Self::Nothing => None,
            Self::Event(wait) => wait.awaits(py),
            Self::Condition(wait) => wait.awaits(py),
            Self::Predicate(wait) => wait.awaits(py),
            Self::Barrier(operation) => operation.awaits(py),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Acquire(acquiring) | Self::Enter(acquiring) => acquiring.traverse(visit),
            Self::Leave(object) => visit.call(object),
            Self::Nothing => Ok(()),
            Self::Event(wait) => wait.traverse(visit),
            Self::Condition(wait) => wait.traverse(visit),
            Self::Predicate(wait) => wait.traverse(visit),
            Self::Barrier(operation) => operation.traverse(visit),
        }
    }
}
