//! The context that a handle's callback runs in.

use pyo3::prelude::*;

use crate::cpython::context;
use crate::cpython::shared_context::SharedContext;
use crate::event_loop::EventLoop;

/// The context of a handle.
pub enum ContextToRunIn {
    /// A copy of this one, which others share, to be made when it is needed.
    CopyOf(Py<PyAny>),
    /// This very one.
    Itself(Py<PyAny>),
}

impl ContextToRunIn {
    /// `given`, or else a copy of the current one.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(py: Python<'_>, given: Option<Bound<'_, PyAny>>, event_loop: &EventLoop) -> PyResult<Self> {
        if let Some(context) = given {
            return Ok(Self::Itself(context.unbind()));
        }
        let shared = event_loop.shared_context();
        if !event_loop.is_running() {
            shared.follow_current(py)?;
        }
        match shared.snapshot_of_current(py) {
            Some(snapshot) => Ok(Self::CopyOf(snapshot)),
            None => context::copy_current(py).map(Self::Itself),
        }
    }

    /// Runs `body` in it.
    ///
    /// # Errors
    /// What `body` raises, and the context in which it did; or else the failure to enter the context.
    pub fn run<R>(
        self,
        py: Python<'_>,
        shared: &SharedContext,
        body: impl FnOnce() -> PyResult<R>,
    ) -> Result<R, (PyErr, Self)> {
        match self {
            Self::Itself(context) => match context::run_in(context.bind(py), body) {
                Ok(value) => {
                    context.drop_ref(py);
                    Ok(value)
                }
                Err(error) => Err((error, Self::Itself(context))),
            },
            Self::CopyOf(snapshot) => {
                let snapshot = snapshot.into_bound(py);
                let copy = match shared.borrow_copy(&snapshot) {
                    Ok(copy) => copy,
                    Err(error) => return Err((error, Self::CopyOf(snapshot.unbind()))),
                };
                match context::run_in(&copy, body) {
                    Ok(value) => {
                        shared.give_back(copy);
                        snapshot.unbind().drop_ref(py);
                        Ok(value)
                    }
                    Err(error) => Err((error, Self::Itself(copy.unbind()))),
                }
            }
        }
    }

    /// A further reference to the same.
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::CopyOf(snapshot) => Self::CopyOf(snapshot.clone_ref(py)),
            Self::Itself(context) => Self::Itself(context.clone_ref(py)),
        }
    }

    /// Drops it, where the drop of a `Py` would have to find out first whether the thread is attached.
    pub fn let_go(self, py: Python<'_>) {
        let (Self::CopyOf(context) | Self::Itself(context)) = self;
        context.drop_ref(py);
    }

    /// What it refers to, for the garbage collector.
    pub fn as_object(&self) -> &Py<PyAny> {
        let (Self::CopyOf(context) | Self::Itself(context)) = self;
        context
    }
}
