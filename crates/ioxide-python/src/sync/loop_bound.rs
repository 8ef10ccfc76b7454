//! The loop that an object belongs to: that of whoever first had to wait for it.

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::combinators::running_loop_or_none;
use crate::cpython::attached_cell::AttachedCell;

/// The loop, once there is one.
pub struct LoopBound(AttachedCell<Option<Py<PyAny>>>);

impl LoopBound {
    /// Belongs to no loop yet.
    pub const fn new() -> Self {
        Self(AttachedCell::new(None))
    }

    /// The running loop, to which `owner` belongs from now on. As asyncio's `_get_loop`.
    ///
    /// # Errors
    /// `RuntimeError` if `owner` belongs to another loop.
    pub fn bind<'py>(&self, owner: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = owner.py();
        let running = running_loop_or_none(py)?;
        let is_bound_here = self.0.with(py, |event_loop| {
            if event_loop.is_none() && !running.is_none() {
                // asyncio's stays unbound as long as no loop runs.
                *event_loop = Some(running.clone().unbind());
            }
            event_loop.as_ref().is_none_or(|event_loop| event_loop.is(&running))
        });
        if is_bound_here {
            return Ok(running);
        }
        Err(PyRuntimeError::new_err(format!("{} is bound to a different event loop", owner.repr()?)))
    }

    /// The loop, if it is known: asyncio's `_loop`.
    pub fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.with(py, |event_loop| event_loop.as_ref().map(|event_loop| event_loop.bind(py).clone()))
    }

    /// Makes a loop the one that it belongs to, or none.
    pub fn set(&self, py: Python<'_>, event_loop: Option<Bound<'_, PyAny>>) {
        drop(self.0.replace(py, event_loop.map(Bound::unbind)));
    }

    /// Shows the loop to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.traverse(|event_loop| visit.call(event_loop))
    }

    /// Forgets the loop, for the garbage collector.
    pub fn clear(&self, py: Python<'_>) {
        drop(self.0.replace(py, None));
    }
}
