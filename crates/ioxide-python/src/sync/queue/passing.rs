//! The coroutines `put` and `get`: to wait for room, or for an item.
//!
//! Whoever waits may be cancelled in the same turn in which it was released. Then it passes that on to the next in line, or
//! else an item would lie there, and nobody come for it.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::Queue;
use crate::combinators::any_future;
use crate::combinators::operation::{Resumption, Step};
use crate::sync::waiters::{Waiters, Waiting};

/// The coroutine of one `put`.
pub struct Putting {
    pub(super) passing: Passing,
    pub(super) item: Py<PyAny>,
}

/// The coroutine of one `get`.
pub struct Getting {
    pub(super) passing: Passing,
}

/// What both have in common.
pub(super) struct Passing {
    pub(super) queue: Py<Queue>,
    side: Side,
    pub(super) waiting: Option<Waiting>,
}

#[derive(Clone, Copy)]
enum Side {
    Putter,
    Getter,
}

impl Side {
    fn line(self, queue: &Queue) -> &Waiters {
        match self {
            Self::Putter => &queue.putters,
            Self::Getter => &queue.getters,
        }
    }

    /// Whether one has to wait.
    fn is_blocked(self, queue: &Bound<'_, Queue>) -> PyResult<bool> {
        match self {
            Self::Putter => Queue::is_full(queue),
            Self::Getter => Queue::is_empty(queue),
        }
    }

    /// Raises what there is to raise instead of waiting.
    #[cfg(Py_3_13)]
    fn check_not_shut_down(self, queue: &Bound<'_, Queue>) -> PyResult<()> {
        let py = queue.py();
        let is_refused = queue.get().is_shutdown(py)
            && match self {
                Self::Putter => true,
                Self::Getter => Queue::is_empty(queue)?,
            };
        if is_refused { Err(super::shutdown::refusal(py)?) } else { Ok(()) }
    }
}

impl Passing {
    fn new(queue: Bound<'_, Queue>, side: Side) -> Self {
        Self { queue: queue.unbind(), side, waiting: None }
    }

    /// Goes on. Returns what the task has to wait for, `None` if nothing is in the way any more.
    fn pass<'py>(&mut self, py: Python<'py>, mut resumption: Resumption) -> PyResult<Option<Step<'py>>> {
        loop {
            let waiting = match self.waiting.take() {
                Some(waiting) => waiting,
                None if self.side.is_blocked(self.queue.bind(py))? => self.begin(py)?,
                None => return Ok(None),
            };
            match waiting.resume(py, resumption) {
                Ok(yielded @ Step::Yielded(_)) => {
                    self.waiting = Some(waiting);
                    return Ok(Some(yielded));
                }
                Ok(Step::Returned(_)) => resumption = Resumption::Next,
                Err(error) => {
                    self.give_up(waiting.future(py))?;
                    return Err(error);
                }
            }
        }
    }

    /// Joins the line.
    fn begin(&self, py: Python<'_>) -> PyResult<Waiting> {
        let queue = self.queue.bind(py);
        #[cfg(Py_3_13)]
        self.side.check_not_shut_down(queue)?;
        Waiting::begin(&Queue::bound_loop(queue)?, self.side.line(queue.get()))
    }

    /// Leaves the line because of an exception.
    fn give_up(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let queue = self.queue.bind(future.py());
        let line = self.side.line(queue.get());
        any_future::cancel(future, None)?;
        line.remove(future)?;
        if !self.side.is_blocked(queue)? && !any_future::is_cancelled(future)? {
            Queue::wake_next(queue, line)?;
        }
        Ok(())
    }

    fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.waiting.as_ref().map(|waiting| waiting.awaits(py))
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.queue)?;
        self.waiting.as_ref().map_or(Ok(()), |waiting| waiting.traverse(visit))
    }
}

impl Putting {
    pub(super) fn new(queue: Bound<'_, Queue>, item: Bound<'_, PyAny>) -> Self {
        Self { passing: Passing::new(queue, Side::Putter), item: item.unbind() }
    }

    /// Runs to the next step.
    ///
    /// # Errors
    /// What `put` raises.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        if let Some(yielded) = self.passing.pass(py, resumption)? {
            return Ok(yielded);
        }
        Queue::add(self.passing.queue.bind(py), self.item.bind(py).clone()).map(Step::Returned)
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.passing.awaits(py)
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.item)?;
        self.passing.traverse(visit)
    }
}

impl Getting {
    pub(super) fn new(queue: Bound<'_, Queue>) -> Self {
        Self { passing: Passing::new(queue, Side::Getter) }
    }

    /// Runs to the next step.
    ///
    /// # Errors
    /// What `get` raises.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        if let Some(yielded) = self.passing.pass(py, resumption)? {
            return Ok(yielded);
        }
        Queue::take(self.passing.queue.bind(py)).map(Step::Returned)
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.passing.awaits(py)
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.passing.traverse(visit)
    }
}
