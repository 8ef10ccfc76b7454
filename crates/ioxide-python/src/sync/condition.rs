//! `asyncio.Condition`: tasks that hold a lock wait, without it, until another says that something has changed.
//!
//! The lock may be anything like one. With a lock of ours, and as long as the program has put nothing else in the place of
//! `acquire`, `release` and `locked`, they are reached by fields, else by name: asyncio has them as attributes of the object.

mod at_once;
mod methods_of_lock;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyTuple, PyType};

use super::acquiring::Acquiring;
use super::condition_waits::{ConditionWait, PredicateWait};
use super::count::Count;
use super::lock::{Lock, LockAcquisition};
use super::loop_bound::LoopBound;
use super::operation::SyncOperation;
use super::own_methods::{HasOwnMethods, Method, OwnMethods, describe, describe_waiters, loop_bound_object};
use super::waiters::Waiters;
use crate::combinators::any_future;
use crate::combinators::ended::Ended;
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::cpython::attached_cell::AttachedCell;
pub use at_once::install_shortcuts;
use methods_of_lock::methods_of;

/// What tasks wait at for others to notify them, while they hold `lock`, or a lock of its own.
#[cfg_attr(Py_3_13, pyclass(frozen, subclass, dict, weakref, module = "ioxide"))]
#[cfg_attr(not(Py_3_13), pyclass(frozen, subclass, weakref, module = "ioxide"))]
pub struct Condition {
    state: AttachedCell<State>,
    pub(super) waiters: Waiters,
    pub(super) event_loop: LoopBound,
    own_methods: OwnMethods,
    #[cfg(not(Py_3_13))]
    attributes: AttachedCell<Option<Py<PyDict>>>,
}

#[derive(Default)]
struct State {
    lock: Option<Py<PyAny>>,
    /// The lock again, if it is ours and to be used by its fields.
    native_lock: Option<Py<Lock>>,
    acquire: Option<Py<PyAny>>,
    release: Option<Py<PyAny>>,
    locked: Option<Py<PyAny>>,
}

impl Condition {
    fn of_class(own_methods: OwnMethods) -> Self {
        Self {
            state: AttachedCell::new(State::default()),
            waiters: Waiters::new(),
            event_loop: LoopBound::new(),
            own_methods,
            #[cfg(not(Py_3_13))]
            attributes: AttachedCell::new(None),
        }
    }

    /// Whether no method is the program's that others call.
    pub(super) fn is_plain(&self, py: Python<'_>) -> bool {
        self.own_methods.are_none(py)
    }

    /// A condition with a lock of its own, both of exactly our classes.
    ///
    /// # Errors
    /// Out of memory.
    pub fn with_own_lock(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        let lock = Bound::new(py, Lock::unlocked())?;
        let condition = Bound::new(py, Self::of_class(OwnMethods::none()))?;
        condition.get().take_native_lock(lock);
        Ok(condition)
    }

    fn take_native_lock(&self, lock: Bound<'_, Lock>) {
        let py = lock.py();
        let native_lock = Some(lock.clone().unbind());
        let state = State { lock: Some(lock.into_any().unbind()), native_lock, ..State::default() };
        drop(self.state.replace(py, state));
    }

    /// The lock, if it is to be used by its fields.
    pub(super) fn native_lock<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Lock>> {
        self.state.with(py, |state| state.native_lock.as_ref().map(|lock| lock.bind(py).clone()))
    }

    /// Whether somebody holds the lock.
    pub(super) fn is_locked(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let py = slf.py();
        match slf.get().native_lock(py) {
            Some(lock) => Ok(lock.get().is_locked(py)),
            None => slf.call_method0(pyo3::intern!(py, "locked"))?.is_truthy(),
        }
    }

    /// Lets the lock go.
    pub(super) fn let_go(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        match slf.get().native_lock(py) {
            Some(lock) => Lock::let_go(&lock),
            None => slf.call_method0(pyo3::intern!(py, "release")).map(drop),
        }
    }

    /// Takes the lock.
    pub(super) fn acquiring(slf: &Bound<'_, Self>) -> Acquiring {
        match slf.get().native_lock(slf.py()) {
            Some(lock) => Acquiring::Lock(LockAcquisition::new(lock.unbind())),
            None => Acquiring::Named(slf.clone().into_any().unbind()),
        }
    }

    /// Wakes up to `count` of those who wait, and aren't woken up yet.
    pub(super) fn wake_up(&self, py: Python<'_>, count: &Count) -> PyResult<()> {
        let (mut position, mut woken) = (0, 0);
        while let Some(waiter) = self.waiters.at(py, position)? {
            if Count::Small(woken).reaches(py, count)? {
                break;
            }
            if !any_future::is_done(&waiter)? {
                woken += 1;
                any_future::finish(&waiter, PyBool::new(py, false).to_owned().into_any())?;
            }
            position += 1;
        }
        Ok(())
    }

    /// `notify(count)`.
    pub(super) fn notify_some(slf: &Bound<'_, Self>, count: &Count) -> PyResult<()> {
        let py = slf.py();
        if !Self::is_locked(slf)? {
            return Err(PyRuntimeError::new_err("cannot notify on un-acquired lock"));
        }
        if cfg!(Py_3_13) && !slf.get().is_plain(py) {
            return slf.call_method1(pyo3::intern!(py, "_notify"), (count.to_object(py)?,)).map(drop);
        }
        slf.get().wake_up(py, count)
    }

    /// `notify_all()`.
    pub(super) fn notify_everybody(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let count = Count::Small(i64::try_from(slf.get().waiters.len(py)?).unwrap_or(i64::MAX));
        if !slf.get().is_plain(py) {
            return slf.call_method1(pyo3::intern!(py, "notify"), (count.to_object(py)?,)).map(drop);
        }
        Self::notify_some(slf, &count)
    }
}

/// What `notify` calls from Python 3.13 on.
const NOTIFY: Method = if cfg!(Py_3_13) { Method::NotifySome } else { Method::Notify };

impl HasOwnMethods for Condition {
    const METHODS: &'static [Method] = &[Method::Wait, Method::Notify, NOTIFY, Method::GetLoop];
    const ATTRIBUTES: &'static [Method] = &[Method::Acquire, Method::Release, Method::Locked];

    fn own_methods(&self) -> &OwnMethods {
        &self.own_methods
    }
}

#[pymethods]
impl Condition {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(lock=None)")]
    fn new(cls: &Bound<'_, PyType>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        OwnMethods::of_class::<Self>(cls, &cls.py().get_type::<Self>()).map(Self::of_class)
    }

    #[pyo3(signature = (lock = None))]
    fn __init__(slf: &Bound<'_, Self>, lock: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let lock = match lock {
            Some(lock) => lock,
            None => Bound::new(py, Lock::unlocked())?.into_any(),
        };
        slf.get().waiters.clear(py);
        if slf.get().is_plain(py)
            && let Ok(native) = lock.cast_exact::<Lock>()
            && native.get().is_plain(py)
        {
            slf.get().take_native_lock(native.clone());
            return Ok(());
        }
        let state = State { lock: Some(lock.clone().unbind()), ..State::default() };
        drop(slf.get().state.replace(py, state));
        // By name, for a class derived from this one may have methods of these names: asyncio's attributes hide them.
        let [locked, acquire, release] = methods_of(&lock)?;
        slf.setattr(pyo3::intern!(py, "locked"), locked)?;
        slf.setattr(pyo3::intern!(py, "acquire"), acquire)?;
        slf.setattr(pyo3::intern!(py, "release"), release)
    }

    /// Lets the lock go, waits until notified, takes the lock again, and returns `True`. It may return without a reason,
    /// too. Raises `RuntimeError` if nobody holds the lock.
    fn wait(slf: Bound<'_, Self>) -> PyResult<Bound<'_, NativeCoroutine>> {
        let py = slf.py();
        let wait = Box::new(ConditionWait::new(slf.unbind()));
        NativeCoroutine::make(py, "Condition.wait", SyncOperation::Condition(wait).into())
    }

    /// Waits again and again until `predicate()` is true, and returns what it has returned then.
    fn wait_for<'py>(slf: Bound<'py, Self>, predicate: Bound<'py, PyAny>) -> PyResult<Bound<'py, NativeCoroutine>> {
        let py = slf.py();
        let wait = Box::new(PredicateWait::new(slf.unbind(), predicate.unbind()));
        NativeCoroutine::make(py, "Condition.wait_for", SyncOperation::Predicate(wait).into())
    }

    /// Wakes up to `n` of those who wait. Raises `RuntimeError` if nobody holds the lock.
    #[pyo3(signature = (n = Count::Small(1)), text_signature = "($self, n=1)")]
    #[expect(clippy::needless_pass_by_value, reason = "an argument is made for the call")]
    fn notify(slf: &Bound<'_, Self>, n: Count) -> PyResult<()> {
        Self::notify_some(slf, &n)
    }

    /// Wakes all who wait. Raises `RuntimeError` if nobody holds the lock.
    fn notify_all(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::notify_everybody(slf)
    }

    fn __aenter__(slf: &Bound<'_, Self>) -> PyResult<Py<NativeCoroutine>> {
        let operation = SyncOperation::Enter(Self::acquiring(slf)).into();
        NativeCoroutine::make(slf.py(), "_ContextManagerMixin.__aenter__", operation).map(Bound::unbind)
    }

    /// Lets the lock go: at once, not when what this returns is awaited, for that saves a coroutine.
    fn __aexit__<'py>(
        slf: Bound<'py, Self>,
        exc_type: &Bound<'py, PyAny>,
        exc: &Bound<'py, PyAny>,
        tb: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = (exc_type, exc, tb);
        let Some(lock) = slf.get().native_lock(slf.py()) else { return super::leave_by_name(slf.into_any()) };
        Lock::let_go(&lock)?;
        Ended::shared(slf.py())
    }

    #[getter]
    fn _lock(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.lock.as_ref().map(|lock| lock.clone_ref(py)))
    }

    #[getter]
    fn _waiters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.waiters.share(py)
    }

    #[setter(_waiters)]
    fn set_waiters(&self, py: Python<'_>, waiters: Option<Bound<'_, PyAny>>) {
        self.waiters.set(py, waiters);
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let state = if Self::is_locked(slf)? { "locked" } else { "unlocked" };
        describe(slf, &format!("{state}{}", describe_waiters(slf.get().waiters.len(slf.py())?)))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        #[cfg(not(Py_3_13))]
        self.attributes.traverse(|attributes| visit.call(attributes))?;
        self.state.traverse(|state| {
            visit.call(&state.native_lock)?;
            [&state.lock, &state.acquire, &state.release, &state.locked].into_iter().try_for_each(|it| visit.call(it))
        })?;
        self.waiters.traverse(&visit)?;
        self.event_loop.traverse(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        #[cfg(not(Py_3_13))]
        drop(self.attributes.replace(py, None));
        drop(self.state.replace(py, State::default()));
        self.waiters.clear(py);
        self.event_loop.clear(py);
    }
}

#[cfg(Py_3_13)]
#[pymethods]
impl Condition {
    #[expect(clippy::needless_pass_by_value, reason = "an argument is made for the call")]
    fn _notify(&self, py: Python<'_>, n: Count) -> PyResult<()> {
        self.wake_up(py, &n)
    }
}

loop_bound_object!(Condition);
