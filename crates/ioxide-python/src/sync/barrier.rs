//! `asyncio.Barrier`: so many tasks wait for each other.
//!
//! It is *filling*; with the last party it is *draining*, until all have left, and fills again. `reset` lets those who wait
//! fail, and until they have left it is *resetting*; `abort` makes it *broken* until it is reset. Its lock and the tasks
//! that wait are those of a condition.

mod operation;

use pyo3::exceptions::{PyAttributeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::condition::Condition;
use super::count::Count;
use super::loop_bound::LoopBound;
use super::operation::SyncOperation;
use super::own_methods::{HasOwnMethods, Method, OwnMethods, describe, loop_bound_object};
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use operation::Action;
pub use operation::BarrierOperation;

/// Where `parties` tasks wait for each other. Raises `ValueError` if that is less than one.
#[cfg_attr(Py_3_13, pyclass(frozen, subclass, dict, weakref, module = "ioxide"))]
#[cfg_attr(not(Py_3_13), pyclass(frozen, subclass, weakref, module = "ioxide"))]
pub struct Barrier {
    state: AttachedCell<State>,
    event_loop: LoopBound,
    own_methods: OwnMethods,
    #[cfg(not(Py_3_13))]
    attributes: AttachedCell<Option<Py<PyDict>>>,
}

struct State {
    phase: Phase,
    parties: Count,
    /// How many are in it.
    count: i64,
    condition: Option<Py<Condition>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Filling,
    Draining,
    Resetting,
    Broken,
}

impl Phase {
    const fn value(self) -> &'static str {
        match self {
            Self::Filling => "filling",
            Self::Draining => "draining",
            Self::Resetting => "resetting",
            Self::Broken => "broken",
        }
    }
}

impl Barrier {
    fn phase(&self, py: Python<'_>) -> Phase {
        self.state.with(py, |state| state.phase)
    }

    fn enter_phase(&self, py: Python<'_>, phase: Phase) {
        self.state.with(py, |state| state.phase = phase);
    }

    fn condition<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Condition>> {
        let condition = self.state.with(py, |state| state.condition.as_ref().map(|it| it.bind(py).clone()));
        condition.ok_or_else(|| PyAttributeError::new_err("'Barrier' object has no attribute '_cond'"))
    }

    fn coroutine(slf: &Bound<'_, Self>, name: &'static str, action: Action) -> PyResult<Py<NativeCoroutine>> {
        let operation = Box::new(BarrierOperation::new(slf.clone().unbind(), action));
        NativeCoroutine::make(slf.py(), name, SyncOperation::Barrier(operation).into()).map(Bound::unbind)
    }
}

impl HasOwnMethods for Barrier {
    const METHODS: &'static [Method] = &[Method::Wait];

    fn own_methods(&self) -> &OwnMethods {
        &self.own_methods
    }
}

#[pymethods]
impl Barrier {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(parties)")]
    fn new(cls: &Bound<'_, PyType>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let state = State { phase: Phase::Filling, parties: Count::Small(0), count: 0, condition: None };
        Ok(Self {
            state: AttachedCell::new(state),
            event_loop: LoopBound::new(),
            own_methods: OwnMethods::of_class::<Self>(cls, &cls.py().get_type::<Self>())?,
            #[cfg(not(Py_3_13))]
            attributes: AttachedCell::new(None),
        })
    }

    fn __init__(&self, py: Python<'_>, parties: Count) -> PyResult<()> {
        if parties.is_below(py, 1)? {
            let message = if cfg!(Py_3_14) { "parties must be >= 1" } else { "parties must be > 0" };
            return Err(PyValueError::new_err(message));
        }
        let condition = Some(Condition::with_own_lock(py)?.unbind());
        let state = State { phase: Phase::Filling, parties, count: 0, condition };
        drop(self.state.replace(py, state));
        Ok(())
    }

    /// Waits until all parties have come. Returns a number of its own for each, from 0 on. Raises `BrokenBarrierError` if
    /// the barrier is reset or aborted meanwhile.
    fn wait(slf: &Bound<'_, Self>) -> PyResult<Py<NativeCoroutine>> {
        Self::coroutine(slf, "Barrier.wait", Action::Wait)
    }

    /// Empties the barrier: who waits gets a `BrokenBarrierError`.
    fn reset(slf: &Bound<'_, Self>) -> PyResult<Py<NativeCoroutine>> {
        Self::coroutine(slf, "Barrier.reset", Action::Reset)
    }

    /// Breaks the barrier: who waits, and who comes until it is reset, gets a `BrokenBarrierError`.
    fn abort(slf: &Bound<'_, Self>) -> PyResult<Py<NativeCoroutine>> {
        Self::coroutine(slf, "Barrier.abort", Action::Abort)
    }

    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if slf.get().own_methods.are_none(py) {
            let coroutine = Self::coroutine(slf, "Barrier.__aenter__", Action::Wait)?;
            return Ok(coroutine.into_bound(py).into_any());
        }
        slf.call_method0(pyo3::intern!(py, "wait"))
    }

    /// Does nothing.
    #[pyo3(signature = (*args))]
    fn __aexit__<'py>(&self, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, NativeCoroutine>> {
        NativeCoroutine::make(args.py(), "Barrier.__aexit__", SyncOperation::Nothing.into())
    }

    /// How many have to come.
    #[getter]
    fn parties<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self._parties(py)
    }

    /// How many wait.
    #[getter]
    fn n_waiting(&self, py: Python<'_>) -> i64 {
        self.state.with(py, |state| if state.phase == Phase::Filling { state.count } else { 0 })
    }

    /// Whether the barrier is broken.
    #[getter]
    fn broken(&self, py: Python<'_>) -> bool {
        self.phase(py) == Phase::Broken
    }

    #[getter]
    fn _parties<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.state.with(py, |state| state.parties.clone_ref(py)).to_object(py)
    }

    #[getter]
    fn _count(&self, py: Python<'_>) -> i64 {
        self.state.with(py, |state| state.count)
    }

    #[getter]
    fn _state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::BARRIER_STATE.get(py)?.call1((self.phase(py).value(),))
    }

    #[getter]
    fn _cond<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Condition>> {
        self.condition(py)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (py, barrier) = (slf.py(), slf.get());
        let mut extra = barrier.phase(py).value().to_owned();
        if !barrier.broken(py) {
            extra = format!("{extra}, waiters:{}/{}", barrier.n_waiting(py), barrier.parties(py)?);
        }
        describe(slf, &extra)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        #[cfg(not(Py_3_13))]
        self.attributes.traverse(|attributes| visit.call(attributes))?;
        self.state.traverse(|state| {
            state.parties.traverse(&visit)?;
            visit.call(&state.condition)
        })?;
        self.event_loop.traverse(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        #[cfg(not(Py_3_13))]
        drop(self.attributes.replace(py, None));
        drop(self.state.with(py, |state| state.condition.take()));
        self.event_loop.clear(py);
    }
}

loop_bound_object!(Barrier);
