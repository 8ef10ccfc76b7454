//! What the native coroutines do: one state machine for each of asyncio's coroutine functions.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::sleep::Sleep;
use super::task_group::{Entering, Leaving};

/// The body of a native coroutine.
pub enum Operation {
    /// `sleep`.
    Sleep(Sleep),
    /// `TaskGroup.__aenter__`.
    EnterTaskGroup(Entering),
    /// `TaskGroup.__aexit__`.
    LeaveTaskGroup(Box<Leaving>),
}

/// How an operation is resumed.
pub enum Resumption {
    /// It begins, or goes on where it yielded.
    Next,
    /// The exception is raised where it yielded. Never the first.
    Throw(PyErr),
}

/// Where an operation has come to.
pub enum Step<'py> {
    /// It waits for this: a future for the task, or `None` for a turn.
    Yielded(Bound<'py, PyAny>),
    /// It has ended with this result.
    Returned(Bound<'py, PyAny>),
}

impl Operation {
    /// Runs to the next step.
    ///
    /// # Errors
    /// What the coroutine raises.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        match self {
            Self::Sleep(sleep) => sleep.resume(py, resumption),
            Self::EnterTaskGroup(entering) => entering.resume(py),
            Self::LeaveTaskGroup(leaving) => leaving.resume(py, resumption),
        }
    }

    /// What it waits for. Only increments a count: called within a borrow.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self {
            Self::Sleep(sleep) => sleep.awaits(py),
            Self::EnterTaskGroup(_) => None,
            Self::LeaveTaskGroup(leaving) => leaving.awaits(py),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Sleep(sleep) => sleep.traverse(visit),
            Self::EnterTaskGroup(entering) => entering.traverse(visit),
            Self::LeaveTaskGroup(leaving) => leaving.traverse(visit),
        }
    }
}
