//! Who awaits a future, for call graphs (3.14 and later).
//!
//! asyncio notes it in the future, at each await and for each child of a `gather`. Here nothing is noted: whoever awaits a
//! future is among its callbacks, as a task that goes on or as an observer that knows its task, and is looked for when
//! somebody asks. Only what the program says by asyncio's two functions is kept, in a set.

use pyo3::prelude::*;
use pyo3::types::{PyFrozenSet, PySet};

use super::Future;
use super::callbacks::Callback;
use crate::cpython::asyncio;

/// Notes that `fut` is awaited by `waiter`, for call graphs. What is no future of asyncio's or ioxide's is left alone.
#[pyfunction]
#[pyo3(signature = (fut, waiter, /))]
pub fn future_add_to_awaited_by(fut: &Bound<'_, PyAny>, waiter: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = fut.py();
    let Ok(native) = fut.cast::<Future>() else {
        return asyncio::FUTURE_ADD_TO_AWAITED_BY.get(py)?.call1((fut, waiter)).map(drop);
    };
    if !waiter.is_instance(asyncio::FUTURE.get(py)?)? {
        return Ok(());
    }
    let new = PySet::empty(py)?.unbind();
    let (known, unused) = native.get().state.with(py, |state| match &mut state.rare().awaited_by {
        Some(known) => (known.bind(py).clone(), Some(new)),
        none @ None => (none.insert(new).bind(py).clone(), None),
    });
    drop(unused);
    known.add(waiter)
}

/// Takes back `future_add_to_awaited_by`.
#[pyfunction]
#[pyo3(signature = (fut, waiter, /))]
pub fn future_discard_from_awaited_by(fut: &Bound<'_, PyAny>, waiter: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = fut.py();
    let Ok(native) = fut.cast::<Future>() else {
        return asyncio::FUTURE_DISCARD_FROM_AWAITED_BY.get(py)?.call1((fut, waiter)).map(drop);
    };
    native.get().noted_waiters(py).map_or(Ok(()), |known| known.discard(waiter).map(drop))
}

impl Future {
    fn noted_waiters<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PySet>> {
        self.state.with(py, |state| {
            let rare = state.rare.as_ref()?;
            rare.awaited_by.as_ref().map(|known| known.bind(py).clone())
        })
    }
}

impl Callback {
    /// Adds whoever awaits the future through this callback.
    fn add_waiters(&self, future: &Bound<'_, PyAny>, waiters: &Bound<'_, PySet>) -> PyResult<()> {
        let py = future.py();
        match self {
            Self::Wakeup(task) => waiters.add(task),
            Self::Observer(observer) => observer.awaiting_task(future).map_or(Ok(()), |task| waiters.add(task)),
            Self::Function(function, _) => {
                let tasks = asyncio::TASKS_BEHIND.get(py)?.call1((function,))?;
                tasks.try_iter()?.try_for_each(|task| waiters.add(task?))
            }
        }
    }
}

#[pymethods]
impl Future {
    /// The futures and tasks that await this one, `None` if there are none.
    #[getter]
    fn _asyncio_awaited_by<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyFrozenSet>>> {
        let py = slf.py();
        let waiters = PySet::empty(py)?;
        let noted = slf.get().noted_waiters(py);
        if let Some(noted) = &noted {
            for waiter in noted.iter().collect::<Vec<_>>() {
                waiters.add(waiter)?;
            }
        }
        for callback in slf.get().state.with(py, |state| state.callbacks.clone_refs(py)) {
            callback.add_waiters(slf.as_any(), &waiters)?;
        }
        if waiters.is_empty() && noted.is_none() {
            return Ok(None);
        }
        PyFrozenSet::new(py, waiters.iter()).map(Some)
    }
}
