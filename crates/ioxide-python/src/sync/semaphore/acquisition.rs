//! One `acquire` of a semaphore. Python 3.13 has changed who is woken up when it ends.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBool;

use super::Semaphore;
use crate::combinators::any_future;
use crate::combinators::operation::{Resumption, Step};
use crate::sync::waiters::Waiting;
use crate::sync::{is_cancellation, loop_of};

/// One `acquire`.
pub struct SemaphoreAcquisition {
    semaphore: Py<Semaphore>,
    waiting: Option<Waiting>,
}

impl SemaphoreAcquisition {
    /// An `acquire` that hasn't begun.
    pub const fn new(semaphore: Py<Semaphore>) -> Self {
        Self { semaphore, waiting: None }
    }

    /// Runs to where it waits, or until there is a permit.
    ///
    /// # Errors
    /// What is raised where it waits; `RuntimeError` if the semaphore belongs to another loop.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        let slf = self.semaphore.bind(py);
        let (waiting, resumption) = match &self.waiting {
            Some(waiting) => (waiting, resumption),
            None if !Semaphore::is_locked(slf)? => {
                slf.get().add(py, -1)?;
                return Ok(acquired(py));
            }
            None => {
                let event_loop = loop_of(slf.as_any(), &slf.get().event_loop, slf.get().is_plain(py))?;
                let waiting = Waiting::begin(&event_loop, &slf.get().waiters)?;
                (&*self.waiting.insert(waiting), Resumption::Next)
            }
        };
        match waiting.resume(py, resumption) {
            Ok(Step::Yielded(future)) => Ok(Step::Yielded(future)),
            step => {
                let future = waiting.future(py);
                slf.get().waiters.remove(future)?;
                conclude(slf, future, step.map(drop)).map(|()| acquired(py))
            }
        }
    }

    /// Takes a permit if there is nothing to wait for, or else does nothing.
    pub fn end_at_once(&self, py: Python<'_>) -> bool {
        self.waiting.is_none() && self.semaphore.get().take_at_once(py)
    }

    /// Drops it, where the drop of a `Py` might be put off.
    pub fn release(self, py: Python<'_>) {
        self.semaphore.drop_ref(py);
        drop(self.waiting);
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.waiting.as_ref().map(|waiting| waiting.awaits(py))
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.semaphore)?;
        self.waiting.as_ref().map_or(Ok(()), |waiting| waiting.traverse(visit))
    }
}

fn acquired(py: Python<'_>) -> Step<'_> {
    Step::Returned(PyBool::new(py, true).to_owned().into_any())
}

/// The wait is over. A permit that its future stands for is given back if it was cancelled nevertheless.
#[cfg(Py_3_13)]
fn conclude(slf: &Bound<'_, Semaphore>, future: &Bound<'_, PyAny>, ended: PyResult<()>) -> PyResult<()> {
    let py = slf.py();
    if let Err(error) = &ended
        && is_cancellation(py, error)?
        && any_future::is_done(future)?
        && !any_future::is_cancelled(future)?
    {
        slf.get().add(py, 1)?;
    }
    // Some may have got in line behind it for permits that there were.
    while slf.get().has_permits(py)? {
        if !Semaphore::wake_up_next(slf)? {
            break;
        }
    }
    ended
}

/// The wait is over. A permit that its future stands for is given back if it was cancelled nevertheless.
#[cfg(not(Py_3_13))]
fn conclude(slf: &Bound<'_, Semaphore>, future: &Bound<'_, PyAny>, ended: PyResult<()>) -> PyResult<()> {
    let py = slf.py();
    if let Err(error) = ended {
        if is_cancellation(py, &error)? && !any_future::is_cancelled(future)? {
            slf.get().add(py, 1)?;
            Semaphore::wake_up_next(slf)?;
        }
        return Err(error);
    }
    if slf.get().has_permits(py)? {
        Semaphore::wake_up_next(slf)?;
    }
    Ok(())
}
