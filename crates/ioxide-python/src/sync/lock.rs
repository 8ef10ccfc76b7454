//! `asyncio.Lock`: one task at a time.
//!
//! Who comes while the lock is held, or while others wait, gets in line. `release` doesn't hand the lock over: it wakes the
//! first in line, who takes the lock when it runs. Until then the lock is free, but who comes then sees the line.

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyTuple, PyType};

use super::acquiring::Acquiring;
use super::loop_bound::LoopBound;
use super::operation::SyncOperation;
use super::own_methods::{HasOwnMethods, Method, OwnMethods, describe, describe_waiters, loop_bound_object};
use super::waiters::{Waiters, Waiting};
use super::{is_cancellation, line_is_empty};
use crate::combinators::any_future;
use crate::combinators::ended::Ended;
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::combinators::operation::{Resumption, Step};
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::shortcut::{self, method_shortcut};

/// A lock that one task at a time can hold. It isn't bound to the task: another may release it.
///
/// Those who wait get it in the order in which they came.
#[cfg_attr(Py_3_13, pyclass(frozen, subclass, dict, weakref, module = "ioxide"))]
#[cfg_attr(not(Py_3_13), pyclass(frozen, subclass, weakref, module = "ioxide"))]
pub struct Lock {
    is_locked: AttachedCell<bool>,
    waiters: Waiters,
    event_loop: LoopBound,
    own_methods: OwnMethods,
    #[cfg(not(Py_3_13))]
    attributes: AttachedCell<Option<Py<PyDict>>>,
}

/// One `acquire`.
pub struct LockAcquisition {
    lock: Py<Lock>,
    waiting: Option<Waiting>,
}

impl Lock {
    /// A lock that is free.
    pub const fn unlocked() -> Self {
        Self::of_class(OwnMethods::none())
    }

    const fn of_class(own_methods: OwnMethods) -> Self {
        Self {
            is_locked: AttachedCell::new(false),
            waiters: Waiters::new(),
            event_loop: LoopBound::new(),
            own_methods,
            #[cfg(not(Py_3_13))]
            attributes: AttachedCell::new(None),
        }
    }

    /// Whether somebody has it.
    pub fn is_locked(&self, py: Python<'_>) -> bool {
        self.is_locked.get(py)
    }

    /// Whether no method is the program's that others call.
    pub fn is_plain(&self, py: Python<'_>) -> bool {
        self.own_methods.are_none(py)
    }

    /// Lets it go.
    ///
    /// # Errors
    /// `RuntimeError` if nobody has it, and what a future that isn't ours raises.
    pub fn let_go(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if !slf.get().is_locked(py) {
            return Err(PyRuntimeError::new_err("Lock is not acquired."));
        }
        slf.get().is_locked.set(py, false);
        Self::wake_up_first(slf)
    }

    /// Takes it if it is free, and nobody is in line for it.
    fn take_at_once(&self, py: Python<'_>) -> bool {
        if !self.waiters.is_surely_empty(py) {
            return false;
        }
        self.is_locked.with(py, |is_locked| !std::mem::replace(is_locked, true))
    }

    /// As [`Self::let_go`], if nobody has to be told.
    pub(super) fn let_go_at_once(&self, py: Python<'_>) -> bool {
        if !self.is_plain(py) || !self.waiters.is_surely_empty(py) {
            return false;
        }
        self.is_locked.with(py, std::mem::take)
    }

    fn wake_up_first(slf: &Bound<'_, Self>) -> PyResult<()> {
        if !slf.get().is_plain(slf.py()) {
            return slf.call_method0(pyo3::intern!(slf.py(), "_wake_up_first")).map(drop);
        }
        slf.get()._wake_up_first(slf.py())
    }
}

impl LockAcquisition {
    /// An `acquire` that hasn't begun.
    pub const fn new(lock: Py<Lock>) -> Self {
        Self { lock, waiting: None }
    }

    /// Runs to where it waits, or until the lock is taken.
    ///
    /// # Errors
    /// What is raised where it waits; `RuntimeError` if the lock belongs to another loop.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        let lock = self.lock.bind(py);
        let step = if let Some(waiting) = &self.waiting {
            waiting.resume(py, resumption)
        } else {
            if !lock.get().is_locked(py) && line_is_empty(&lock.get().waiters, py)? {
                lock.get().is_locked.set(py, true);
                return Ok(Step::Returned(PyBool::new(py, true).to_owned().into_any()));
            }
            let event_loop = super::loop_of(lock.as_any(), &lock.get().event_loop, lock.get().is_plain(py))?;
            let waiting = self.waiting.insert(Waiting::begin(&event_loop, &lock.get().waiters)?);
            waiting.resume(py, Resumption::Next)
        };
        match (step, &self.waiting) {
            (Ok(Step::Yielded(future)), _) => Ok(Step::Yielded(future)),
            (step, Some(waiting)) => Self::conclude(lock, waiting, step.map(drop)),
            (step, None) => step,
        }
    }

    /// Takes the lock if there is nothing to wait for, or else does nothing.
    pub fn end_at_once(&self, py: Python<'_>) -> bool {
        self.waiting.is_none() && self.lock.get().take_at_once(py)
    }

    /// Drops it, where the drop of a `Py` might be put off.
    pub fn release(self, py: Python<'_>) {
        self.lock.drop_ref(py);
        drop(self.waiting);
    }

    fn conclude<'py>(lock: &Bound<'py, Lock>, waiting: &Waiting, ended: PyResult<()>) -> PyResult<Step<'py>> {
        let py = lock.py();
        lock.get().waiters.remove(waiting.future(py))?;
        match ended {
            Ok(()) => {
                lock.get().is_locked.set(py, true);
                Ok(Step::Returned(PyBool::new(py, true).to_owned().into_any()))
            }
            Err(error) => {
                // It may have been woken up: then that is for the next one.
                if is_cancellation(py, &error)? && !lock.get().is_locked(py) {
                    Lock::wake_up_first(lock)?;
                }
                Err(error)
            }
        }
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.waiting.as_ref().map(|waiting| waiting.awaits(py))
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lock)?;
        self.waiting.as_ref().map_or(Ok(()), |waiting| waiting.traverse(visit))
    }
}

impl HasOwnMethods for Lock {
    const METHODS: &'static [Method] = &[Method::Acquire, Method::Release, Method::GetLoop, Method::WakeUpFirst];

    fn own_methods(&self) -> &OwnMethods {
        &self.own_methods
    }
}

#[pymethods]
impl Lock {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "()")]
    fn new(cls: &Bound<'_, PyType>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        OwnMethods::of_class::<Self>(cls, &cls.py().get_type::<Self>()).map(Self::of_class)
    }

    fn __init__(&self, py: Python<'_>) {
        self.is_locked.set(py, false);
        self.waiters.clear(py);
    }

    /// Whether somebody has the lock.
    fn locked(&self, py: Python<'_>) -> bool {
        self.is_locked(py)
    }

    /// Waits until the lock is free, takes it, and returns `True`.
    fn acquire(slf: Bound<'_, Self>) -> PyResult<Bound<'_, NativeCoroutine>> {
        let py = slf.py();
        let acquiring = Acquiring::Lock(LockAcquisition::new(slf.unbind()));
        NativeCoroutine::make(py, "Lock.acquire", SyncOperation::Acquire(acquiring).into())
    }

    /// Lets the lock go, and the first who waits run. Raises `RuntimeError` if nobody has it.
    fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::let_go(slf)
    }

    fn _wake_up_first(&self, py: Python<'_>) -> PyResult<()> {
        match self.waiters.at(py, 0)? {
            Some(first) => any_future::finish(&first, PyBool::new(py, true).to_owned().into_any()),
            None => Ok(()),
        }
    }

    fn __aenter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, NativeCoroutine>> {
        let py = slf.py();
        let acquiring = if slf.get().is_plain(py) {
            Acquiring::Lock(LockAcquisition::new(slf.unbind()))
        } else {
            Acquiring::Named(slf.into_any().unbind())
        };
        NativeCoroutine::make(py, "_ContextManagerMixin.__aenter__", SyncOperation::Enter(acquiring).into())
    }

    /// Lets the lock go: at once, not when what this returns is awaited, for that saves a coroutine.
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
        Self::let_go(&slf)?;
        Ended::shared(slf.py())
    }

    #[getter]
    fn _locked(&self, py: Python<'_>) -> bool {
        self.is_locked(py)
    }

    #[setter(_locked)]
    fn set_locked(&self, py: Python<'_>, is_locked: bool) {
        self.is_locked.set(py, is_locked);
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
        let py = slf.py();
        let state = if slf.get().is_locked(py) { "locked" } else { "unlocked" };
        describe(slf, &format!("{state}{}", describe_waiters(slf.get().waiters.len(py)?)))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        #[cfg(not(Py_3_13))]
        self.attributes.traverse(|attributes| visit.call(attributes))?;
        self.waiters.traverse(&visit)?;
        self.event_loop.traverse(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        #[cfg(not(Py_3_13))]
        drop(self.attributes.replace(py, None));
        self.waiters.clear(py);
        self.event_loop.clear(py);
    }
}

loop_bound_object!(Lock);

method_shortcut!(Acquire: Lock, "acquire", 0, |slf, _| Lock::acquire(slf.clone()).ok().map(Bound::into_any));
method_shortcut!(Release: Lock, "release", 0, |slf, _| {
    let py = slf.py();
    slf.get().let_go_at_once(py).then(|| py.None().into_bound(py))
});
method_shortcut!(Enter: Lock, "__aenter__", 0, |slf, _| Lock::__aenter__(slf.clone()).ok().map(Bound::into_any));
method_shortcut!(Leave: Lock, "__aexit__", 3, |slf, _| {
    if slf.get().let_go_at_once(slf.py()) { Ended::shared(slf.py()).ok() } else { None }
});

/// Puts the shortcuts before the methods.
///
/// # Errors
/// What looking at the class raises.
pub fn install_shortcuts(py: Python<'_>) -> PyResult<()> {
    shortcut::install::<Acquire>(py)?;
    shortcut::install::<Release>(py)?;
    shortcut::install::<Enter>(py)?;
    shortcut::install::<Leave>(py)
}
