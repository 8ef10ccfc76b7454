//! What a queue has besides items and those who wait: its limit, and how much is to be done.

use pyo3::prelude::*;
use pyo3::types::PyInt;

/// What a queue has besides items and those who wait.
pub(super) struct State {
    pub(super) maxsize: Py<PyAny>,
    pub(super) limit: Limit,
    /// How many items were put that no `task_done` was called for.
    pub(super) unfinished: i64,
    #[cfg(Py_3_13)]
    pub(super) is_shutdown: bool,
}

/// An argument that may be missing. `None` is one that is there, and no number.
#[derive(Default)]
pub(super) struct Maxsize<'py>(pub(super) Option<Bound<'py, PyAny>>);

impl<'py> FromPyObject<'_, 'py> for Maxsize<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(Some(object.to_owned())))
    }
}

/// What a `maxsize` says.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    Unlimited,
    Items(usize),
    /// It is no number of items: Python compares it.
    Unclear,
}

impl Limit {
    pub(super) fn of(maxsize: &Bound<'_, PyAny>) -> Self {
        // Others may have comparisons of their own.
        let number = maxsize.cast_exact::<PyInt>().ok().and_then(|number| number.extract::<i64>().ok());
        match number.map(usize::try_from) {
            Some(Ok(0) | Err(_)) => Self::Unlimited,
            Some(Ok(number)) => Self::Items(number),
            None => Self::Unclear,
        }
    }
}

impl State {
    pub(super) fn new(maxsize: &Bound<'_, PyAny>) -> Self {
        Self {
            maxsize: maxsize.clone().unbind(),
            limit: Limit::of(maxsize),
            unfinished: 0,
            #[cfg(Py_3_13)]
            is_shutdown: false,
        }
    }

    pub(super) fn cleared(py: Python<'_>) -> Self {
        Self::new(PyInt::new(py, 0).as_any())
    }
}
