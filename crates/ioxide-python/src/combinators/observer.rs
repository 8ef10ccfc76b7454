//! Whoever is told that a future is done, besides tasks and the program's own functions.
//!
//! An observer is a native object. As a function it would be called by a handle, in a context; since it runs no code of the
//! program's, the ready queue can hold the observer itself. To a future that isn't native it is a callable object.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::gather::GatheringFuture;

/// An object that is told.
pub enum Observer {
    /// `gather` waits for the future among others.
    Gathering(Py<GatheringFuture>),
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
        }
    }

    /// The callable object that Python code sees.
    pub fn as_any(&self) -> &Py<PyAny> {
        match self {
            Self::Gathering(gathering) => gathering.as_any(),
        }
    }

    /// Another reference to the same observer.
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Gathering(gathering) => Self::Gathering(gathering.clone_ref(py)),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.as_any())
    }
}
