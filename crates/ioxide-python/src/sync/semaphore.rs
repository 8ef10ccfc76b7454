//! `asyncio.Semaphore` and `asyncio.BoundedSemaphore`: so many tasks at a time.
//!
//! `release` hands a permit to the first in line who doesn't have one yet: the count goes up and down again. Who is
//! cancelled with a permit in its hands gives it back. So the line is served in order, whoever comes meanwhile.

mod acquisition;
mod at_once;

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyTuple, PyType};

use super::acquiring::Acquiring;
use super::count::Count;
use super::line_is_empty;
use super::loop_bound::LoopBound;
use super::operation::SyncOperation;
use super::own_methods::{HasOwnMethods, Method, OwnMethods, describe, describe_waiters, loop_bound_object};
use super::waiters::Waiters;
use crate::combinators::any_future;
use crate::combinators::ended::Ended;
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::cpython::attached_cell::AttachedCell;
pub use acquisition::SemaphoreAcquisition;
pub use at_once::install_shortcuts;

/// A number of permits: `acquire` takes one, and waits if there is none; `release` gives one back.
///
/// `value` is how many there are at first. Raises `ValueError` if that is negative.
#[cfg_attr(Py_3_13, pyclass(frozen, subclass, dict, weakref, module = "ioxide"))]
#[cfg_attr(not(Py_3_13), pyclass(frozen, subclass, weakref, module = "ioxide"))]
pub struct Semaphore {
    value: AttachedCell<Count>,
    /// How many a `BoundedSemaphore` had at first.
    bound: AttachedCell<Option<Count>>,
    waiters: Waiters,
    event_loop: LoopBound,
    own_methods: OwnMethods,
    #[cfg(not(Py_3_13))]
    attributes: AttachedCell<Option<Py<PyDict>>>,
}

/// A semaphore that can't have more permits than at first: `release` raises `ValueError` then.
#[pyclass(frozen, extends = Semaphore, subclass, module = "ioxide")]
pub struct BoundedSemaphore;

impl HasOwnMethods for Semaphore {
    const METHODS: &'static [Method] =
        &[Method::Locked, Method::Acquire, Method::Release, Method::GetLoop, Method::WakeUpNext];

    fn own_methods(&self) -> &OwnMethods {
        &self.own_methods
    }
}

impl Semaphore {
    /// Whether no method is the program's that others call.
    fn is_plain(&self, py: Python<'_>) -> bool {
        self.own_methods.are_none(py)
    }

    fn of_class(cls: &Bound<'_, PyType>, native: &Bound<'_, PyType>) -> PyResult<Self> {
        Ok(Self {
            value: AttachedCell::new(Count::Small(0)),
            bound: AttachedCell::new(None),
            waiters: Waiters::new(),
            event_loop: LoopBound::new(),
            own_methods: OwnMethods::of_class::<Self>(cls, native)?,
            #[cfg(not(Py_3_13))]
            attributes: AttachedCell::new(None),
        })
    }

    fn initialise(&self, py: Python<'_>, value: Count) -> PyResult<()> {
        if value.is_below(py, 0)? {
            return Err(PyValueError::new_err("Semaphore initial value must be >= 0"));
        }
        self.waiters.clear(py);
        drop(self.value.replace(py, value));
        Ok(())
    }

    fn value(&self, py: Python<'_>) -> Count {
        self.value.with(py, |value| value.clone_ref(py))
    }

    fn has_permits(&self, py: Python<'_>) -> PyResult<bool> {
        self.value(py).is_above(py, 0)
    }

    fn add(&self, py: Python<'_>, change: i64) -> PyResult<()> {
        let sum = self.value(py).plus(py, change)?;
        drop(self.value.replace(py, sum));
        Ok(())
    }

    fn is_locked(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if !slf.get().is_plain(slf.py()) {
            return slf.call_method0(pyo3::intern!(slf.py(), "locked"))?.is_truthy();
        }
        slf.get().locked(slf.py())
    }

    fn wake_up_next(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if !slf.get().is_plain(slf.py()) {
            return slf.call_method0(pyo3::intern!(slf.py(), "_wake_up_next"))?.is_truthy();
        }
        slf.get().hand_on(slf.py())
    }

    /// Gives a permit to the first in line who has none. Returns whether there is one.
    fn hand_on(&self, py: Python<'_>) -> PyResult<bool> {
        let mut position = 0;
        while let Some(waiter) = self.waiters.at(py, position)? {
            if !any_future::is_done(&waiter)? {
                self.add(py, -1)?;
                any_future::finish(&waiter, PyBool::new(py, true).to_owned().into_any())?;
                return Ok(true);
            }
            position += 1;
        }
        Ok(false)
    }

    /// As the class's own `release` does.
    fn give_back(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        slf.get().add(py, 1)?;
        Self::wake_up_next(slf).map(drop)
    }

    fn check_bound(&self, py: Python<'_>) -> PyResult<()> {
        let bound = self.bound.with(py, |bound| bound.as_ref().map(|bound| bound.clone_ref(py)));
        if let Some(bound) = bound
            && self.value(py).reaches(py, &bound)?
        {
            return Err(PyValueError::new_err("BoundedSemaphore released too many times"));
        }
        Ok(())
    }
}

#[pymethods]
impl Semaphore {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(value=1)")]
    fn new(cls: &Bound<'_, PyType>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::of_class(cls, &cls.py().get_type::<Self>())
    }

    #[pyo3(signature = (value = Count::Small(1)))]
    fn __init__(&self, py: Python<'_>, value: Count) -> PyResult<()> {
        self.initialise(py, value)
    }

    /// Whether who comes now has to wait.
    fn locked(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.value(py).equals(py, 0)? || !line_is_empty(&self.waiters, py)?)
    }

    /// Waits until there is a permit and nobody else is in line for it, takes it, and returns `True`.
    fn acquire(slf: Bound<'_, Self>) -> PyResult<Bound<'_, NativeCoroutine>> {
        let py = slf.py();
        let acquiring = Acquiring::Semaphore(SemaphoreAcquisition::new(slf.unbind()));
        NativeCoroutine::make(py, "Semaphore.acquire", SyncOperation::Acquire(acquiring).into())
    }

    /// Gives a permit back, or to the first who waits for one.
    fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::give_back(slf)
    }

    fn _wake_up_next(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        let woken = self.hand_on(py)?;
        Ok(cfg!(Py_3_13).then_some(woken))
    }

    fn __aenter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, NativeCoroutine>> {
        let py = slf.py();
        let acquiring = if slf.get().is_plain(py) {
            Acquiring::Semaphore(SemaphoreAcquisition::new(slf.unbind()))
        } else {
            Acquiring::Named(slf.into_any().unbind())
        };
        NativeCoroutine::make(py, "_ContextManagerMixin.__aenter__", SyncOperation::Enter(acquiring).into())
    }

    /// Gives a permit back: at once, not when what this returns is awaited, for that saves a coroutine.
    fn __aexit__<'py>(
        slf: Bound<'py, Self>,
        exc_type: &Bound<'py, PyAny>,
        exc: &Bound<'py, PyAny>,
        tb: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = (exc_type, exc, tb);
        if !slf.get().is_plain(slf.py()) {
            return super::leave_by_name(slf.into_any());
        }
        slf.get().check_bound(slf.py())?;
        Self::give_back(&slf)?;
        Ended::shared(slf.py())
    }

    #[getter]
    fn _value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.value(py).to_object(py)
    }

    #[setter(_value)]
    fn set_value(&self, py: Python<'_>, value: Count) {
        drop(self.value.replace(py, value));
    }

    /// `None` as long as nobody has waited.
    #[getter]
    fn _waiters<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.waiters.share_if_used(py)
    }

    #[setter(_waiters)]
    fn set_waiters(&self, py: Python<'_>, waiters: Option<Bound<'_, PyAny>>) {
        self.waiters.set(py, waiters);
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (py, semaphore) = (slf.py(), slf.get());
        let state = if Self::is_locked(slf)? {
            "locked".to_owned()
        } else {
            format!("unlocked, value:{}", semaphore.value(py).to_object(py)?)
        };
        describe(slf, &format!("{state}{}", describe_waiters(semaphore.waiters.len(py)?)))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        #[cfg(not(Py_3_13))]
        self.attributes.traverse(|attributes| visit.call(attributes))?;
        self.value.traverse(|value| value.traverse(&visit))?;
        self.bound.traverse(|bound| bound.as_ref().map_or(Ok(()), |bound| bound.traverse(&visit)))?;
        self.waiters.traverse(&visit)?;
        self.event_loop.traverse(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        #[cfg(not(Py_3_13))]
        drop(self.attributes.replace(py, None));
        drop(self.value.replace(py, Count::Small(0)));
        drop(self.bound.replace(py, None));
        self.waiters.clear(py);
        self.event_loop.clear(py);
    }
}

loop_bound_object!(Semaphore);

#[pymethods]
impl BoundedSemaphore {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(value=1)")]
    fn new(
        cls: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let semaphore = Semaphore::of_class(cls, &cls.py().get_type::<Self>())?;
        Ok(PyClassInitializer::from(semaphore).add_subclass(Self))
    }

    #[pyo3(signature = (value = Count::Small(1)))]
    fn __init__(slf: &Bound<'_, Self>, value: Count) -> PyResult<()> {
        let (py, semaphore) = (slf.py(), slf.as_super().get());
        drop(semaphore.bound.replace(py, Some(value.clone_ref(py))));
        semaphore.initialise(py, value)
    }

    /// Gives a permit back, or to the first who waits for one. Raises `ValueError` if there would be more than at first.
    fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.as_super().get().check_bound(slf.py())?;
        Semaphore::give_back(slf.as_super())
    }

    #[getter]
    fn _bound_value<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let bound = slf.as_super().get().bound.with(py, |bound| bound.as_ref().map(|bound| bound.clone_ref(py)));
        bound.map(|bound| bound.to_object(py)).transpose()
    }

    #[setter(_bound_value)]
    fn set_bound_value(slf: &Bound<'_, Self>, value: Count) {
        drop(slf.as_super().get().bound.replace(slf.py(), Some(value)));
    }
}
