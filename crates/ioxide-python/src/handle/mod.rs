//! `asyncio.Handle`: a callback that was scheduled, with its arguments and its context.
//!
//! To `isinstance` a handle is an `asyncio.Handle`; its real type is free-standing, since that class is written in
//! Python and keeps its data where Rust can't.

mod arguments;
mod context_to_run_in;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::context;
use crate::cpython::free_list::{self, free_list};
use crate::cpython::traversal::{self, Traverse};
use crate::errors;
use crate::event_loop::EventLoop;
#[cfg(Py_3_14)]
use crate::thread_safe_handle::ThreadSafeHandle;
use crate::timer_handle::TimerHandle;
pub use arguments::Arguments;
use context_to_run_in::ContextToRunIn;

/// What `call_soon` and its kin return.
#[pyclass(frozen, subclass, weakref, module = "ioxide")]
pub struct Handle {
    event_loop: Py<EventLoop>,
    state: AttachedCell<State>,
}

struct State {
    callback: Option<Callback>,
    context: ContextToRunIn,
    is_cancelled: bool,
    /// What debug mode remembers: where the handle was made, and what it looked like before it was cancelled.
    debug: Option<Box<DebugState>>,
}

struct Callback {
    function: Py<PyAny>,
    arguments: Arguments,
}

struct DebugState {
    source_traceback: Py<PyAny>,
    repr: Option<String>,
}

impl Handle {
    /// Makes a handle that isn't scheduled yet. Without a context it runs in a copy of the current one.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(
        event_loop: &Bound<'_, EventLoop>,
        callback: &Bound<'_, PyAny>,
        arguments: Arguments,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = event_loop.py();
        let context = ContextToRunIn::new(py, context, event_loop.get())?;
        let debug = if event_loop.get().is_debug() {
            let source_traceback = asyncio::EXTRACT_STACK.get(py)?.call0()?.unbind();
            Some(Box::new(DebugState { source_traceback, repr: None }))
        } else {
            None
        };
        let callback = Callback { function: callback.clone().unbind(), arguments };
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            state: AttachedCell::new(State { callback: Some(callback), context, is_cancelled: false, debug }),
        })
    }

    /// Runs the callback in the handle's context, unless it was cancelled. What it raises is reported.
    ///
    /// # Errors
    /// Only what is to end the run of the loop.
    pub fn run(slf: &Bound<'_, Self>) -> PyResult<()> {
        #[cfg(Py_3_14)]
        if let Ok(handle) = slf.cast_exact::<ThreadSafeHandle>() {
            return ThreadSafeHandle::run(handle);
        }
        Self::run_unless_cancelled(slf)
    }

    /// As [`Handle::run`], and drops the handle.
    ///
    /// # Errors
    /// As [`Handle::run`].
    pub fn run_and_drop(slf: Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        match free_list::take_apart(slf) {
            Ok(handle) => handle.run_alone(py, |handle| free_list::make(py, handle)),
            Err(slf) => Self::run_derived_and_drop(slf),
        }
    }

    fn run_derived_and_drop(slf: Bound<'_, Self>) -> PyResult<()> {
        let slf = match slf.into_any().cast_into_exact::<TimerHandle>() {
            Ok(timer) => return TimerHandle::run_and_drop(timer),
            Err(other) => other.into_inner(),
        };
        #[cfg(Py_3_14)]
        let slf = match slf.cast_into_exact::<ThreadSafeHandle>() {
            Ok(handle) => return ThreadSafeHandle::run_and_drop(handle),
            Err(other) => other.into_inner(),
        };
        Self::run_seen(slf.cast()?)
    }

    /// As [`Handle::run`], of a handle that may not be the collector's so far: it is out of the loop's queues now, and
    /// somebody has it.
    ///
    /// # Errors
    /// As [`Handle::run`].
    pub fn run_seen(slf: &Bound<'_, Self>) -> PyResult<()> {
        traversal::show_to_collector(slf);
        Self::run_unless_cancelled(slf)
    }

    /// Runs the callback of a handle that nobody has. Only if the callback fails there has to be one again: `make` makes it.
    ///
    /// # Errors
    /// As [`Handle::run`].
    pub fn run_alone<'py>(
        self,
        py: Python<'py>,
        make: impl FnOnce(Self) -> PyResult<Bound<'py, Self>>,
    ) -> PyResult<()> {
        let Self { event_loop, state } = self;
        let State { callback, context, is_cancelled, debug } = state.into_inner();
        let Some(callback) = callback else {
            context.let_go(py);
            event_loop.drop_ref(py);
            return Ok(());
        };
        let function = callback.function.bind(py);
        let shared = event_loop.get().shared_context();
        match context.run(py, shared, || callback.arguments.pass_to(function)) {
            Ok(_) => {
                callback.let_go(py);
                event_loop.drop_ref(py);
                Ok(())
            }
            Err((error, _)) if errors::ends_the_loop(py, &error) => Err(error),
            Err((error, context)) => {
                let state = State { callback: Some(callback), context, is_cancelled, debug };
                let handle = make(Self { event_loop, state: AttachedCell::new(state) })?;
                Self::report(&handle, &error)
            }
        }
    }

    /// As [`Handle::run`], whatever kind of handle it is.
    ///
    /// # Errors
    /// As [`Handle::run`].
    pub fn run_unless_cancelled(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let handle = slf.get();
        if handle.cancelled(py) {
            return Ok(());
        }
        let Some(callback) = handle.callback(py) else { return Ok(()) };
        let function = callback.function.bind(py);
        let context = handle.context(py)?;
        match context::run_in(&context, || callback.arguments.pass_to(function)) {
            Ok(_) => Ok(()),
            Err(error) if errors::ends_the_loop(py, &error) => Err(error),
            Err(error) => Self::report(slf, &error),
        }
    }

    /// Shows what it refers to, for the garbage collector.
    ///
    /// # Errors
    /// What `show` returns.
    pub fn show<E>(&self, show: &mut impl FnMut(&Py<PyAny>) -> Result<(), E>) -> Result<(), E> {
        show(self.event_loop.as_any())?;
        self.state.traverse(|state| {
            show(state.context.as_object())?;
            if let Some(callback) = &state.callback {
                show(&callback.function)?;
                callback.arguments.show(show)?;
            }
            state.debug.as_ref().map_or(Ok(()), |debug| show(&debug.source_traceback))
        })
    }

    /// The loop that the handle belongs to.
    pub fn event_loop<'py>(&self, py: Python<'py>) -> &Bound<'py, EventLoop> {
        self.event_loop.bind(py)
    }

    fn callback(&self, py: Python<'_>) -> Option<Callback> {
        self.state.with(py, |state| state.callback.as_ref().map(|callback| callback.clone_ref(py)))
    }

    /// The context, which is the handle's own from now on.
    fn context<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let snapshot = match self.state.with(py, |state| state.context.clone_ref(py)) {
            ContextToRunIn::Itself(context) => return Ok(context.into_bound(py)),
            ContextToRunIn::CopyOf(snapshot) => snapshot.into_bound(py),
        };
        let own = context::copy(&snapshot)?;
        // To make it may have run a finalizer that asked for it, too: then that one has come first.
        let (context, unneeded) = self.state.with(py, |state| match &state.context {
            ContextToRunIn::Itself(context) => (context.clone_ref(py), ContextToRunIn::Itself(own)),
            ContextToRunIn::CopyOf(_) => {
                let context = own.clone_ref(py);
                (context, std::mem::replace(&mut state.context, ContextToRunIn::Itself(own)))
            }
        });
        unneeded.let_go(py);
        Ok(context.into_bound(py))
    }

    fn source_traceback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.debug.as_ref().map(|debug| debug.source_traceback.clone_ref(py)))
    }

    fn report(slf: &Bound<'_, Self>, error: &PyErr) -> PyResult<()> {
        let py = slf.py();
        let handle = slf.get();
        let event_loop = handle.event_loop.bind(py);
        let description = handle.callback(py).map(|callback| callback.describe(event_loop)).transpose()?;
        let message = format!("Exception in callback {}", description.unwrap_or_default());
        let mut details = vec![("handle", slf.as_any())];
        let source_traceback = handle.source_traceback(py);
        if let Some(source_traceback) = &source_traceback {
            details.push(("source_traceback", source_traceback.bind(py)));
        }
        errors::report(event_loop, &message, error, &details)
    }

    /// The parts of the handle's repr, after the name of its class and, for a timer, its time.
    fn describe_state(&self, py: Python<'_>) -> PyResult<(Option<&'static str>, Vec<String>)> {
        let mut parts = Vec::new();
        if let Some(callback) = self.callback(py) {
            parts.push(callback.describe(self.event_loop.bind(py))?);
        }
        if let Some(source_traceback) = self.source_traceback(py) {
            let frame = source_traceback.bind(py).get_item(-1)?;
            parts.push(format!("created at {}:{}", frame.get_item(0)?.str()?, frame.get_item(1)?.str()?));
        }
        Ok((self.cancelled(py).then_some("cancelled"), parts))
    }

    fn remembered_repr(&self, py: Python<'_>) -> Option<String> {
        self.state.with(py, |state| state.debug.as_ref().and_then(|debug| debug.repr.clone()))
    }
}

impl Callback {
    fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { function: self.function.clone_ref(py), arguments: self.arguments.clone_ref(py) }
    }

    fn let_go(self, py: Python<'_>) {
        self.function.drop_ref(py);
        self.arguments.let_go(py);
    }

    fn describe(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<String> {
        let py = event_loop.py();
        let is_debug = event_loop.get().is_debug();
        asyncio::DESCRIBE_CALLBACK.get(py)?.call1((&self.function, self.arguments.to_tuple(py)?, is_debug))?.extract()
    }
}

free_list!(Handle);

impl Traverse for Handle {
    fn each<E>(slf: &Bound<'_, Self>, show: &mut impl FnMut(&Py<PyAny>) -> Result<(), E>) -> Result<(), E> {
        slf.get().show(show)
    }
}

#[pymethods]
impl Handle {
    /// Makes sure that the callback doesn't run, and lets go of it and of its arguments.
    pub fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let handle = slf.get();
        if handle.cancelled(py) {
            return Ok(());
        }
        traversal::show_to_collector(slf);
        // As in asyncio the flag goes up first and the repr is taken then: it says "cancelled" and still names the
        // callback, for the warning about a slow callback that cancelled itself.
        handle.state.with(py, |state| state.is_cancelled = true);
        let repr = if handle.event_loop.bind(py).get().is_debug() { Some(slf.repr()?.extract()?) } else { None };
        let callback = handle.state.with(py, |state| {
            if let (Some(debug), Some(repr)) = (&mut state.debug, repr) {
                debug.repr = Some(repr);
            }
            state.callback.take()
        });
        drop(callback);
        Ok(())
    }

    /// Whether the handle was cancelled.
    pub fn cancelled(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_cancelled)
    }

    /// The context that the callback runs in.
    fn get_context<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.context(py)
    }

    /// Runs the callback now, as the loop would.
    fn _run(slf: &Bound<'_, Self>) -> PyResult<()> {
        // From Python 3.14 on the reference that the caller has needn't be counted.
        let held = slf.clone();
        Self::run(&held)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let handle = slf.get();
        if let Some(repr) = handle.remembered_repr(py) {
            return Ok(repr);
        }
        let mut words = vec![slf.get_type().name()?.to_string()];
        let (cancelled, parts) = handle.describe_state(py)?;
        words.extend(cancelled.map(str::to_owned));
        if let Ok(timer) = slf.cast::<TimerHandle>() {
            words.push(format!("when={}", timer.get().when_object(py).repr()?));
        }
        words.extend(parts);
        Ok(format!("<{}>", words.join(" ")))
    }

    /// To `isinstance`, a handle of asyncio's.
    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::HANDLE.get(py).cloned()
    }

    #[getter]
    fn _callback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.callback(py).map(|callback| callback.function)
    }

    #[getter]
    fn _args<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.callback(py).map(|callback| callback.arguments.to_tuple(py)).transpose()
    }

    #[getter]
    fn _cancelled(&self, py: Python<'_>) -> bool {
        self.cancelled(py)
    }

    #[getter]
    fn _loop(&self, py: Python<'_>) -> Py<EventLoop> {
        self.event_loop.clone_ref(py)
    }

    #[getter]
    fn _context<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.context(py)
    }

    #[getter]
    fn _source_traceback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.source_traceback(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.show(&mut |referred| visit.call(referred))
    }

    fn __clear__(&self, py: Python<'_>) {
        let callback = self.state.with(py, |state| state.callback.take());
        drop(callback);
    }
}
