//! `asyncio.Event`: tasks wait until something has happened.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyTuple, PyType};

use super::loop_bound::LoopBound;
use super::operation::SyncOperation;
use super::own_methods::{HasOwnMethods, Method, OwnMethods, describe, describe_waiters, loop_bound_object};
use super::waiters::{Waiters, Waiting};
use crate::combinators::any_future;
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::combinators::operation::{Resumption, Step};
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::shortcut::{self, method_shortcut};

/// A flag that tasks wait for. It is false at first.
#[cfg_attr(Py_3_13, pyclass(frozen, subclass, dict, weakref, module = "ioxide"))]
#[cfg_attr(not(Py_3_13), pyclass(frozen, subclass, weakref, module = "ioxide"))]
#[expect(clippy::struct_field_names, reason = "the loop has its name, in all classes of this module")]
pub struct Event {
    is_set: AttachedCell<bool>,
    waiters: Waiters,
    event_loop: LoopBound,
    own_methods: OwnMethods,
    #[cfg(not(Py_3_13))]
    attributes: AttachedCell<Option<Py<PyDict>>>,
}

/// One `wait`.
pub struct EventWait {
    event: Py<Event>,
    waiting: Option<Waiting>,
}

impl EventWait {
    /// Runs to where it waits, or to its end.
    ///
    /// # Errors
    /// What is raised where it waits; `RuntimeError` if the event belongs to another loop.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        let event = self.event.bind(py);
        let (waiting, resumption) = match &self.waiting {
            Some(waiting) => (waiting, resumption),
            None if event.get().is_set.get(py) => return Ok(Self::over(py)),
            None => {
                let event_loop =
                    super::loop_of(event.as_any(), &event.get().event_loop, event.get().own_methods.are_none(py))?;
                let waiting = Waiting::begin(&event_loop, &event.get().waiters)?;
                (&*self.waiting.insert(waiting), Resumption::Next)
            }
        };
        let step = waiting.resume(py, resumption);
        if matches!(step, Ok(Step::Yielded(_))) {
            return step;
        }
        event.get().waiters.remove(waiting.future(py))?;
        step.map(|_| Self::over(py))
    }

    /// Whether there is nothing to wait for.
    pub fn end_at_once(&self, py: Python<'_>) -> bool {
        self.waiting.is_none() && self.event.get().is_set.get(py)
    }

    /// Drops it, where the drop of a `Py` might be put off.
    pub fn release(self, py: Python<'_>) {
        self.event.drop_ref(py);
        drop(self.waiting);
    }

    fn over(py: Python<'_>) -> Step<'_> {
        Step::Returned(PyBool::new(py, true).to_owned().into_any())
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.waiting.as_ref().map(|waiting| waiting.awaits(py))
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event)?;
        self.waiting.as_ref().map_or(Ok(()), |waiting| waiting.traverse(visit))
    }
}

impl HasOwnMethods for Event {
    const METHODS: &'static [Method] = &[Method::GetLoop];

    fn own_methods(&self) -> &OwnMethods {
        &self.own_methods
    }
}

#[pymethods]
impl Event {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "()")]
    fn new(cls: &Bound<'_, PyType>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Ok(Self {
            is_set: AttachedCell::new(false),
            waiters: Waiters::new(),
            event_loop: LoopBound::new(),
            own_methods: OwnMethods::of_class::<Self>(cls, &cls.py().get_type::<Self>())?,
            #[cfg(not(Py_3_13))]
            attributes: AttachedCell::new(None),
        })
    }

    fn __init__(&self, py: Python<'_>) {
        self.is_set.set(py, false);
        self.waiters.clear(py);
    }

    /// Whether the flag is true.
    fn is_set(&self, py: Python<'_>) -> bool {
        self.is_set.get(py)
    }

    /// Makes the flag true: all who wait for that go on.
    fn set(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_set.with(py, |is_set| std::mem::replace(is_set, true)) {
            return Ok(());
        }
        let mut position = 0;
        while let Some(waiter) = self.waiters.at(py, position)? {
            any_future::finish(&waiter, PyBool::new(py, true).to_owned().into_any())?;
            position += 1;
        }
        Ok(())
    }

    /// Makes the flag false: who comes then waits.
    fn clear(&self, py: Python<'_>) {
        self.is_set.set(py, false);
    }

    /// Waits until the flag is true, and returns `True`.
    fn wait(slf: Bound<'_, Self>) -> PyResult<Bound<'_, NativeCoroutine>> {
        let py = slf.py();
        let wait = EventWait { event: slf.unbind(), waiting: None };
        NativeCoroutine::make(py, "Event.wait", SyncOperation::Event(wait).into())
    }

    #[getter]
    fn _value(&self, py: Python<'_>) -> bool {
        self.is_set.get(py)
    }

    #[setter(_value)]
    fn set_value(&self, py: Python<'_>, is_set: bool) {
        self.is_set.set(py, is_set);
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
        let py = slf.py();
        let state = if slf.get().is_set.get(py) { "set" } else { "unset" };
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

loop_bound_object!(Event);

method_shortcut!(Wait: Event, "wait", 0, |slf, _| Event::wait(slf.clone()).ok().map(Bound::into_any));
method_shortcut!(Set: Event, "set", 0, |slf, _| {
    let (py, event) = (slf.py(), slf.get());
    if !event.waiters.is_surely_empty(py) {
        return None;
    }
    event.is_set.set(py, true);
    Some(py.None().into_bound(py))
});
method_shortcut!(Clear: Event, "clear", 0, |slf, _| {
    slf.get().is_set.set(slf.py(), false);
    Some(slf.py().None().into_bound(slf.py()))
});
method_shortcut!(IsSet: Event, "is_set", 0, |slf, _| {
    Some(PyBool::new(slf.py(), slf.get().is_set.get(slf.py())).to_owned().into_any())
});

/// Puts the shortcuts before the methods.
///
/// # Errors
/// What looking at the class raises.
pub fn install_shortcuts(py: Python<'_>) -> PyResult<()> {
    shortcut::install::<Wait>(py)?;
    shortcut::install::<Set>(py)?;
    shortcut::install::<Clear>(py)?;
    shortcut::install::<IsSet>(py)
}
