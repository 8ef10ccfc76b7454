//! asyncio's `FlowControlMixin`: whoever has written too much waits until the transport says that it may go on.

use pyo3::exceptions::{PyAssertionError, PyAttributeError, PyConnectionResetError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::plain::is_plain;
use crate::combinators::any_future;
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::combinators::operation::{Operation, Resumption, Step};
use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::event_loop::EventLoop;
use crate::sync::waiters::{Waiters, Waiting};

/// The native base of `ioxide.FlowControlMixin`.
#[pyclass(frozen, subclass, name = "NativeFlowControl", module = "ioxide._ioxide")]
pub struct FlowControl {
    waiters: Waiters,
    state: AttachedCell<State>,
}

struct State {
    event_loop: Option<Py<PyAny>>,
    /// Nothing is to be written.
    is_paused: bool,
    is_connection_lost: bool,
    /// Whether no class derived from this one has a `_drain_helper` of its own. Looked up when it is first needed: a class
    /// may be initialised by the standard library's method.
    is_plain: Option<bool>,
}

/// The coroutine of `_drain_helper`.
pub struct Draining {
    flow_control: Py<FlowControl>,
    waiting: Option<Waiting>,
}

impl FlowControl {
    /// An object that isn't initialised.
    pub const fn uninitialised() -> Self {
        let state = State { event_loop: None, is_paused: false, is_connection_lost: false, is_plain: None };
        Self { waiters: Waiters::new(), state: AttachedCell::new(state) }
    }

    /// As `__init__`.
    ///
    /// # Errors
    /// `RuntimeError` if no loop was given and none is current.
    pub fn initialise(slf: &Bound<'_, Self>, event_loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let event_loop = match event_loop {
            Some(event_loop) => event_loop.clone(),
            None => asyncio::GET_EVENT_LOOP.get(py)?.call0()?,
        };
        let before = slf.get().state.with(py, |state| {
            state.is_paused = false;
            state.is_connection_lost = false;
            state.event_loop.replace(event_loop.unbind())
        });
        drop(before);
        Ok(())
    }

    /// The loop.
    ///
    /// # Errors
    /// `AttributeError` if a derived class hasn't initialised the object.
    pub fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let event_loop = self.state.with(py, |state| state.event_loop.as_ref().map(|owner| owner.bind(py).clone()));
        event_loop.ok_or_else(|| PyAttributeError::new_err("object has no attribute '_loop'"))
    }

    /// Whether native code may do what `_drain_helper` does.
    ///
    /// # Errors
    /// What looking up the method raises.
    pub fn is_plain(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let py = slf.py();
        if let Some(known) = slf.get().state.with(py, |state| state.is_plain) {
            return Ok(known);
        }
        let is_plain = is_plain(slf, &asyncio::STREAM_READER_PROTOCOL, &["_drain_helper"])?;
        slf.get().state.with(py, |state| state.is_plain = Some(is_plain));
        Ok(is_plain)
    }

    /// What draining begins with. Returns whether it has to wait.
    ///
    /// # Errors
    /// `ConnectionResetError` if the connection is lost.
    pub fn has_to_wait(&self, py: Python<'_>) -> PyResult<bool> {
        let (is_lost, is_paused) = self.state.with(py, |state| (state.is_connection_lost, state.is_paused));
        if is_lost { Err(PyConnectionResetError::new_err("Connection lost")) } else { Ok(is_paused) }
    }

    /// As `connection_lost`.
    ///
    /// # Errors
    /// What the futures raise.
    pub fn lose_connection(&self, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = exception.py();
        let is_paused = self.state.with(py, |state| {
            state.is_connection_lost = true;
            state.is_paused
        });
        if !is_paused {
            return Ok(());
        }
        self.for_each_waiter(py, |waiter| {
            if exception.is_none() {
                any_future::set_result(waiter, exception.clone())
            } else {
                any_future::set_exception(waiter, exception)
            }
        })
    }

    /// Calls `settle` with each waiter that isn't done.
    fn for_each_waiter(&self, py: Python<'_>, settle: impl Fn(&Bound<'_, PyAny>) -> PyResult<()>) -> PyResult<()> {
        let mut position = 0;
        while let Some(waiter) = self.waiters.at(py, position)? {
            if !any_future::is_done(&waiter)? {
                settle(&waiter)?;
            }
            position += 1;
        }
        Ok(())
    }

    fn log(slf: &Bound<'_, Self>, message: &str) -> PyResult<()> {
        let py = slf.py();
        let event_loop = slf.get().event_loop(py)?;
        let is_debug = match event_loop.cast::<EventLoop>() {
            Ok(native) => native.get().is_debug(),
            Err(_) => event_loop.call_method0(pyo3::intern!(py, "get_debug"))?.is_truthy()?,
        };
        if is_debug {
            asyncio::LOGGER.get(py)?.call_method1("debug", (message, slf))?;
        }
        Ok(())
    }
}

impl Draining {
    /// One that hasn't begun.
    pub fn new(flow_control: &Bound<'_, FlowControl>) -> Self {
        Self { flow_control: flow_control.clone().unbind(), waiting: None }
    }

    /// Runs to where it waits, or to its end.
    ///
    /// # Errors
    /// `ConnectionResetError` if the connection is lost, what it was lost by, and what is thrown in.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        let flow_control = self.flow_control.get();
        let step = match &self.waiting {
            Some(waiting) => waiting.resume(py, resumption),
            None if flow_control.has_to_wait(py)? => {
                let waiting = Waiting::begin(&flow_control.event_loop(py)?, &flow_control.waiters)?;
                self.waiting.insert(waiting).resume(py, resumption)
            }
            None => return Ok(Step::Returned(py.None().into_bound(py))),
        };
        if let (Some(waiting), false) = (&self.waiting, matches!(step, Ok(Step::Yielded(_)))) {
            flow_control.waiters.remove(waiting.future(py))?;
        }
        match step? {
            Step::Returned(_) => Ok(Step::Returned(py.None().into_bound(py))),
            yielded @ Step::Yielded(_) => Ok(yielded),
        }
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.waiting.as_ref().map(|waiting| waiting.awaits(py))
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.flow_control)?;
        self.waiting.as_ref().map_or(Ok(()), |waiting| waiting.traverse(visit))
    }
}

#[pymethods]
impl FlowControl {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::uninitialised()
    }

    #[pyo3(signature = (r#loop = None))]
    fn __init__(slf: &Bound<'_, Self>, r#loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        Self::initialise(slf, r#loop)
    }

    /// The transport has more to write than it likes.
    fn pause_writing(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().state.with(slf.py(), |state| std::mem::replace(&mut state.is_paused, true)) {
            return Err(PyAssertionError::new_err(()));
        }
        Self::log(slf, "%r pauses writing")
    }

    /// The transport has written most of it: whoever drains goes on.
    fn resume_writing(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if !slf.get().state.with(py, |state| std::mem::replace(&mut state.is_paused, false)) {
            return Err(PyAssertionError::new_err(()));
        }
        Self::log(slf, "%r resumes writing")?;
        slf.get().for_each_waiter(py, any_future::release)
    }

    /// The connection is lost: whoever drains goes on, or gets the exception.
    fn connection_lost(&self, exc: &Bound<'_, PyAny>) -> PyResult<()> {
        self.lose_connection(exc)
    }

    /// Waits until something may be written.
    fn _drain_helper<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, NativeCoroutine>> {
        NativeCoroutine::make(slf.py(), "FlowControlMixin._drain_helper", Operation::Drain(Draining::new(slf)))
    }

    #[getter]
    fn _loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.event_loop(py)
    }

    #[setter(_loop)]
    fn set_event_loop(&self, value: &Bound<'_, PyAny>) {
        let event_loop = value.clone().unbind();
        drop(self.state.with(value.py(), |state| state.event_loop.replace(event_loop)));
    }

    #[getter]
    fn _paused(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_paused)
    }

    #[setter(_paused)]
    fn set_paused(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_paused = value.is_truthy()?;
        self.state.with(value.py(), |state| state.is_paused = is_paused);
        Ok(())
    }

    #[getter]
    fn _connection_lost(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_connection_lost)
    }

    #[setter(_connection_lost)]
    fn set_connection_lost(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_lost = value.is_truthy()?;
        self.state.with(value.py(), |state| state.is_connection_lost = is_lost);
        Ok(())
    }

    /// Those who drain.
    #[getter]
    fn _drain_waiters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.waiters.share(py)
    }

    #[setter(_drain_waiters)]
    fn set_drain_waiters(&self, py: Python<'_>, value: Bound<'_, PyAny>) {
        self.waiters.set(py, Some(value));
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.waiters.traverse(&visit)?;
        self.state.traverse(|state| visit.call(&state.event_loop))
    }

    fn __clear__(&self, py: Python<'_>) {
        self.waiters.clear(py);
        drop(self.state.with(py, |state| state.event_loop.take()));
    }
}
