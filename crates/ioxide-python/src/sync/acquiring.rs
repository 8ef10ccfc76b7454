//! Acquiring whatever can be acquired, within another coroutine: a native lock or semaphore by its fields, an object of the
//! program's by its `acquire`.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::lock::LockAcquisition;
use super::semaphore::SemaphoreAcquisition;
use crate::combinators::awaiting::Awaiting;
use crate::combinators::operation::{Resumption, Step};

/// One `await object.acquire()`.
pub enum Acquiring {
    /// Of a native lock.
    Lock(LockAcquisition),
    /// Of a native semaphore.
    Semaphore(SemaphoreAcquisition),
    /// Of any object, whose `acquire` hasn't been called yet.
    Named(Py<PyAny>),
    /// Of any object: what its `acquire` has returned.
    Awaited(Awaiting),
}

impl Acquiring {
    /// Runs to where it waits, or to its end.
    ///
    /// # Errors
    /// What acquiring raises.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        if let Self::Named(object) = self {
            let acquired = object.call_method0(py, pyo3::intern!(py, "acquire"))?;
            *self = Self::Awaited(Awaiting::of(acquired.bind(py))?);
        }
        match self {
            Self::Lock(acquisition) => acquisition.resume(py, resumption),
            Self::Semaphore(acquisition) => acquisition.resume(py, resumption),
            Self::Awaited(awaiting) => awaiting.resume(py, resumption),
            Self::Named(_) => unreachable!("it was called above"),
        }
    }

    /// Takes what there is to take if that can be done by fields of ours alone, or else does nothing.
    pub fn end_at_once(&self, py: Python<'_>) -> bool {
        match self {
            Self::Lock(acquisition) => acquisition.end_at_once(py),
            Self::Semaphore(acquisition) => acquisition.end_at_once(py),
            Self::Named(_) | Self::Awaited(_) => false,
        }
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self {
            Self::Lock(acquisition) => acquisition.awaits(py),
            Self::Semaphore(acquisition) => acquisition.awaits(py),
            Self::Named(_) => None,
            Self::Awaited(awaiting) => Some(awaiting.object(py)),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Lock(acquisition) => acquisition.traverse(visit),
            Self::Semaphore(acquisition) => acquisition.traverse(visit),
            Self::Named(object) => visit.call(object),
            Self::Awaited(awaiting) => awaiting.traverse(visit),
        }
    }
}
