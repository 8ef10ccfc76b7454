//! The bodies of the coroutines that `async with timeout(…)` awaits as the block begins and as it ends. Neither waits.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::Timeout;
use super::error::timeout_error;
use crate::combinators::operation::Step;
use crate::cpython::exception;

/// Either end of a timeout's block.
pub struct Block {
    /// Whose it is.
    pub timeout: Py<Timeout>,
    /// What has ended it. `None` as it begins.
    pub raised: Option<Box<Raised>>,
}

/// An exception.
pub struct Raised {
    /// Its class.
    pub class: Py<PyAny>,
    /// The exception itself.
    pub exception: Option<Py<PyAny>>,
}

impl Block {
    pub(in crate::combinators) fn resume<'py>(&self, py: Python<'py>) -> PyResult<Step<'py>> {
        let timeout = self.timeout.bind(py);
        let Some(raised) = &self.raised else {
            Timeout::enter(timeout)?;
            return Ok(Step::Returned(timeout.clone().into_any()));
        };
        let exception = raised.exception.as_ref().map(|exception| exception.bind(py));
        if Timeout::exit(timeout, Some(raised.class.bind(py)), exception)? {
            return Err(exception::raised(&timeout_error(py, exception.cloned())));
        }
        Ok(Step::Returned(py.None().into_bound(py)))
    }

    pub(in crate::combinators) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.timeout)?;
        let Some(raised) = &self.raised else { return Ok(()) };
        visit.call(&raised.class)?;
        visit.call(&raised.exception)
    }
}
