//! What the native coroutines do: one state machine for each of asyncio's coroutine functions.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::completion_queue::NextCompleted;
use super::sleep::Sleep;
use super::task_group::{Entering, Leaving};
use super::timeout::Block;
use super::wait::Wait;
#[cfg(Py_3_12)]
use super::wait_for::WaitFor;
use crate::cpython::coroutine::Sent;
use crate::streams::flow_control::Draining;
use crate::streams::reader::reading::Reading;
use crate::streams::writer::{Drain, WaitClosed};
use crate::sync::operation::SyncOperation;
use crate::sync::queue::{Getting, Joining, Putting};

/// The body of a native coroutine.
pub enum Operation {
    /// `sleep`.
    Sleep(Sleep),
    /// `wait`.
    Wait(Box<Wait>),
    /// `wait_for`.
    #[cfg(Py_3_12)]
    WaitFor(WaitFor),
    /// What awaits the next one of `as_completed`.
    NextCompleted(NextCompleted),
    /// `TaskGroup.__aenter__`.
    EnterTaskGroup(Entering),
    /// `TaskGroup.__aexit__`.
    LeaveTaskGroup(Box<Leaving>),
    /// `Timeout.__aenter__` and `Timeout.__aexit__`.
    Timeout(Block),
    /// Of a lock or one of its kin.
    Sync(SyncOperation),
    /// `Queue.put`.
    PutItem(Putting),
    /// `Queue.get`.
    GetItem(Getting),
    /// `Queue.join`.
    JoinQueue(Joining),
    /// What reads from a `StreamReader`.
    Read(Reading),
    /// `StreamWriter.drain`.
    DrainWriter(Drain),
    /// `FlowControlMixin._drain_helper`.
    Drain(Draining),
    /// `StreamWriter.wait_closed`.
    WaitClosed(WaitClosed),
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
            Self::Wait(wait) => wait.resume(py, resumption),
            #[cfg(Py_3_12)]
            Self::WaitFor(waiting) => waiting.resume(py, resumption),
            Self::NextCompleted(next) => next.resume(py, resumption),
            Self::EnterTaskGroup(entering) => entering.resume(py),
            Self::LeaveTaskGroup(leaving) => leaving.resume(py, resumption),
            Self::Timeout(block) => block.resume(py),
            Self::Sync(operation) => operation.resume(py, resumption),
            Self::PutItem(putting) => putting.resume(py, resumption),
            Self::GetItem(getting) => getting.resume(py, resumption),
            Self::JoinQueue(joining) => joining.resume(py, resumption),
            Self::Read(reading) => reading.resume(py, resumption),
            Self::DrainWriter(drain) => drain.resume(py, resumption),
            Self::Drain(draining) => draining.resume(py, resumption),
            Self::WaitClosed(waiting) => waiting.resume(py, resumption),
        }
    }

    /// Takes a step if that can be done by fields of ours alone, or else does nothing. Called within a borrow.
    #[inline]
    pub fn step_at_once<'py>(&mut self, py: Python<'py>) -> Option<Sent<'py>> {
        match self {
            Self::Sleep(sleep) => sleep.step_at_once(py),
            Self::Sync(operation) => operation.end_at_once(py).map(Sent::Returned),
            Self::PutItem(putting) => putting.end_at_once(py).map(Sent::Returned),
            Self::GetItem(getting) => getting.end_at_once(py).map(Sent::Returned),
            _ => None,
        }
    }

    /// Drops what has ended in [`Self::step_at_once`], where the drop of a `Py` might be put off.
    #[inline]
    pub fn release(self, py: Python<'_>) {
        match self {
            Self::Sleep(sleep) => sleep.release(py),
            Self::Sync(operation) => operation.release(py),
            Self::PutItem(putting) => putting.release(py),
            Self::GetItem(getting) => getting.release(py),
            other => drop(other),
        }
    }

    /// What it waits for. Only increments a count: called within a borrow.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self {
            Self::Sleep(sleep) => sleep.awaits(py),
            Self::Wait(wait) => wait.awaits(py),
            #[cfg(Py_3_12)]
            Self::WaitFor(waiting) => waiting.awaits(py),
            Self::NextCompleted(next) => next.awaits(py),
            Self::EnterTaskGroup(_) | Self::Timeout(_) => None,
            Self::LeaveTaskGroup(leaving) => leaving.awaits(py),
            Self::Sync(operation) => operation.awaits(py),
            Self::PutItem(putting) => putting.awaits(py),
            Self::GetItem(getting) => getting.awaits(py),
            Self::JoinQueue(joining) => joining.awaits(py),
            Self::Read(reading) => reading.awaits(py),
            Self::DrainWriter(drain) => drain.awaits(py),
            Self::Drain(draining) => draining.awaits(py),
            Self::WaitClosed(waiting) => waiting.awaits(py),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Sleep(sleep) => sleep.traverse(visit),
            Self::Wait(wait) => wait.traverse(visit),
            #[cfg(Py_3_12)]
            Self::WaitFor(waiting) => waiting.traverse(visit),
            Self::NextCompleted(next) => next.traverse(visit),
            Self::EnterTaskGroup(entering) => entering.traverse(visit),
            Self::LeaveTaskGroup(leaving) => leaving.traverse(visit),
            Self::Timeout(block) => block.traverse(visit),
            Self::Sync(operation) => operation.traverse(visit),
            Self::PutItem(putting) => putting.traverse(visit),
            Self::GetItem(getting) => getting.traverse(visit),
            Self::JoinQueue(joining) => joining.traverse(visit),
            Self::Read(reading) => reading.traverse(visit),
            Self::DrainWriter(drain) => drain.traverse(visit),
            Self::Drain(draining) => draining.traverse(visit),
            Self::WaitClosed(waiting) => waiting.traverse(visit),
        }
    }
}
