//! The coroutines of a writer: until something may be written, and until the connection is closed.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::StreamWriter;
use crate::combinators::awaiting::Awaiting;
use crate::combinators::operation::{Resumption, Step};
use crate::streams::flow_control::Draining;

/// The coroutine of `drain`.
pub struct Drain {
    writer: Py<StreamWriter>,
    state: DrainState,
}

enum DrainState {
    Created,
    /// For one turn, in which a connection that is closing may be lost.
    Yielded,
    Waiting(Draining),
    /// For a protocol's own `_drain_helper`.
    Awaiting(Awaiting),
}

impl Drain {
    /// One that hasn't begun.
    pub fn new(writer: &Bound<'_, StreamWriter>) -> Self {
        Self { writer: writer.clone().unbind(), state: DrainState::Created }
    }

    /// Runs to where it waits, or to its end.
    ///
    /// # Errors
    /// What the stream has ended with, and what is thrown in.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        let step = match (&mut self.state, resumption) {
            (DrainState::Created, _) => {
                let writer = self.writer.get();
                writer.check_reader(py)?;
                if writer.is_transport_closing(py)? {
                    self.state = DrainState::Yielded;
                    return Ok(Step::Yielded(py.None().into_bound(py)));
                }
                self.wait(py)
            }
            (DrainState::Yielded, Resumption::Next) => self.wait(py),
            (DrainState::Yielded, Resumption::Throw(error)) => Err(error),
            (DrainState::Waiting(draining), resumption) => draining.resume(py, resumption),
            (DrainState::Awaiting(awaiting), resumption) => awaiting.resume(py, resumption),
        };
        match step? {
            Step::Returned(_) => Ok(Step::Returned(py.None().into_bound(py))),
            yielded @ Step::Yielded(_) => Ok(yielded),
        }
    }

    fn wait<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        if let Some(native) = self.writer.get().native_protocol(py) {
            if !native.get().has_to_wait(py)? {
                return Ok(Step::Returned(py.None().into_bound(py)));
            }
            let mut draining = Draining::new(&native);
            let step = draining.resume(py, Resumption::Next);
            self.state = DrainState::Waiting(draining);
            return step;
        }
        let protocol = self.writer.get().protocol(py)?;
        let awaiting = Awaiting::of(&protocol.call_method0(pyo3::intern!(py, "_drain_helper"))?)?;
        let step = awaiting.resume(py, Resumption::Next);
        self.state = DrainState::Awaiting(awaiting);
        step
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &self.state {
            DrainState::Created | DrainState::Yielded => None,
            DrainState::Waiting(draining) => draining.awaits(py),
            DrainState::Awaiting(awaiting) => Some(awaiting.object(py)),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.writer)?;
        match &self.state {
            DrainState::Created | DrainState::Yielded => Ok(()),
            DrainState::Waiting(draining) => draining.traverse(visit),
            DrainState::Awaiting(awaiting) => awaiting.traverse(visit),
        }
    }
}

/// The coroutine of `wait_closed`.
pub struct WaitClosed {
    writer: Py<StreamWriter>,
    awaiting: Option<Awaiting>,
}

impl WaitClosed {
    /// One that hasn't begun.
    pub fn new(writer: &Bound<'_, StreamWriter>) -> Self {
        Self { writer: writer.clone().unbind(), awaiting: None }
    }

    /// Runs to where it waits, or to its end.
    ///
    /// # Errors
    /// What the connection was lost by, and what is thrown in.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        if self.awaiting.is_none() {
            let protocol = self.writer.get().protocol(py)?;
            let waiter = protocol.call_method1(pyo3::intern!(py, "_get_close_waiter"), (&self.writer,))?;
            self.awaiting = Some(Awaiting::of(&waiter)?);
        }
        let Some(awaiting) = &self.awaiting else { return Ok(Step::Returned(py.None().into_bound(py))) };
        match awaiting.resume(py, resumption)? {
            Step::Returned(_) => Ok(Step::Returned(py.None().into_bound(py))),
            yielded @ Step::Yielded(_) => Ok(yielded),
        }
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.awaiting.as_ref().map(|awaiting| awaiting.object(py))
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.writer)?;
        self.awaiting.as_ref().map_or(Ok(()), |awaiting| awaiting.traverse(visit))
    }
}
