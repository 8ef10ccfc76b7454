//! The context that a handle's callback runs in.

use pyo3::prelude::*;

use crate::cpython::context;
use crate::cpython::shared_context::Snapshot;

/// The context of a handle.
pub enum ContextToRunIn {
    /// A copy of this one, to be made when it is needed.
    CopyOf(Snapshot),
    /// This very one.
    Itself(Py<PyAny>),
    /// A copy that is being made. Before Python 3.12 that may start a collection, and a finalizer may ask for the context.
    BeingMade,
}

impl ContextToRunIn {
    /// `given`, or else a copy of the current one.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(py: Python<'_>, given: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        match given {
            Some(context) => Ok(Self::Itself(context.unbind())),
            None => Snapshot::of_current(py).map(Self::CopyOf),
        }
    }

    /// The context, for the callback to run in.
    ///
    /// # Errors
    /// Out of memory.
    pub fn into_context(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        match self {
            Self::CopyOf(snapshot) => snapshot.into_context(py),
            Self::Itself(context) => Ok(context.into_bound(py)),
            Self::BeingMade => context::copy_current(py).map(|context| context.into_bound(py)),
        }
    }

    /// Drops it, where the drop of a `Py` would have to find out first whether the thread is attached.
    pub fn let_go(self, py: Python<'_>) {
        match self {
            Self::CopyOf(snapshot) => snapshot.let_go(py),
            Self::Itself(context) => context.drop_ref(py),
            Self::BeingMade => {}
        }
    }

    /// Shows it, for the garbage collector.
    ///
    /// # Errors
    /// What `show` returns.
    pub fn show<E>(&self, show: &mut impl FnMut(&Py<PyAny>) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::CopyOf(snapshot) => show(snapshot.as_object()),
            Self::Itself(context) => show(context),
            Self::BeingMade => Ok(()),
        }
    }
}
