//! A lock's methods as attributes of a condition. They are made when somebody asks for them, unless the lock is the program's,
//! or the program has put something else in the place of one: then all are kept, and everything goes by name.

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;

use super::{Condition, State};

impl Condition {
    /// What the program finds under the name of one of the lock's methods.
    fn method<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        kept: impl FnOnce(&State) -> &Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (kept, native) = self.state.with(py, |state| {
            let kept = kept(state).as_ref().map(|method| method.bind(py).clone());
            (kept, state.native_lock.as_ref().map(|lock| lock.bind(py).clone()))
        });
        match (kept, native) {
            (Some(kept), _) => Ok(kept),
            (None, Some(lock)) => lock.getattr(name),
            (None, None) => Err(PyAttributeError::new_err(format!("'Condition' object has no attribute '{name}'"))),
        }
    }

    /// The program puts something in the place of one of the lock's methods: from now on all go by name.
    fn replace_method(
        slf: &Bound<'_, Self>,
        method: Bound<'_, PyAny>,
        place: impl FnOnce(&mut State) -> &mut Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let native = slf.get().state.with(py, |state| state.native_lock.take());
        if let Some(native) = native {
            let native = native.bind(py);
            let [locked, acquire, release] = methods_of(native)?.map(|method| Some(method.unbind()));
            let before = slf.get().state.with(py, |state| {
                let before = (state.locked.take(), state.acquire.take(), state.release.take());
                (state.locked, state.acquire, state.release) = (locked, acquire, release);
                before
            });
            drop(before);
        }
        let method = method.unbind();
        let before = slf.get().state.with(py, |state| place(state).replace(method));
        drop(before);
        Ok(())
    }
}

/// `locked`, `acquire` and `release` of a lock.
///
/// # Errors
/// `AttributeError` if it has none.
pub fn methods_of<'py>(lock: &Bound<'py, PyAny>) -> PyResult<[Bound<'py, PyAny>; 3]> {
    let py = lock.py();
    Ok([
        lock.getattr(pyo3::intern!(py, "locked"))?,
        lock.getattr(pyo3::intern!(py, "acquire"))?,
        lock.getattr(pyo3::intern!(py, "release"))?,
    ])
}

#[pymethods]
impl Condition {
    /// The lock's `acquire`.
    #[getter]
    fn acquire<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.method(py, "acquire", |state| &state.acquire)
    }

    #[setter]
    fn set_acquire(slf: &Bound<'_, Self>, method: Bound<'_, PyAny>) -> PyResult<()> {
        Self::replace_method(slf, method, |state| &mut state.acquire)
    }

    /// The lock's `release`.
    #[getter]
    fn release<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.method(py, "release", |state| &state.release)
    }

    #[setter]
    fn set_release(slf: &Bound<'_, Self>, method: Bound<'_, PyAny>) -> PyResult<()> {
        Self::replace_method(slf, method, |state| &mut state.release)
    }

    /// The lock's `locked`.
    #[getter]
    fn locked<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.method(py, "locked", |state| &state.locked)
    }

    #[setter]
    fn set_locked(slf: &Bound<'_, Self>, method: Bound<'_, PyAny>) -> PyResult<()> {
        Self::replace_method(slf, method, |state| &mut state.locked)
    }
}
