//! `asyncio.Handle`: a callback that was scheduled, with its arguments and its context.
//!
//! To `isinstance` a handle is an `asyncio.Handle`; its real type is free-standing, since that class is written in
//! Python and keeps its data where Rust can't.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::free_list::{self, free_list};
use crate::cpython::traversal::Traverse;
use crate::cpython::{context, ownership};
use crate::errors;
use crate::event_loop::EventLoop;
#[cfg(Py_3_14)]
use crate::thread_safe_handle::ThreadSafeHandle;
use crate::timer_handle::TimerHandle;

/// What `call_soon` and its kin return.
#[pyclass(frozen, subclass, weakref, module = "ioxide")]
pub struct Handle {
    event_loop: Py<EventLoop>,
    context: Py<PyAny>,
    state: AttachedCell<State>,
}

struct State {
    callback: Option<Callback>,
    is_cancelled: bool,
    /// What debug mode remembers: where the handle was made, and what it looked like before it was cancelled.
    debug: Option<Box<DebugState>>,
}

struct Callback {
    function: Py<PyAny>,
    arguments: Py<PyTuple>,
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
        arguments: &Bound<'_, PyTuple>,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = event_loop.py();
        let context = match context {
            Some(context) => context.unbind(),
            None => context::copy_current(py)?,
        };
        let debug = if event_loop.get().is_debug() {
            let source_traceback = asyncio::EXTRACT_STACK.get(py)?.call0()?.unbind();
            Some(Box::new(DebugState { source_traceback, repr: None }))
        } else {
            None
        };
        let callback = Callback { function: callback.clone().unbind(), arguments: arguments.clone().unbind() };
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            context,
            state: AttachedCell::new(State { callback: Some(callback), is_cancelled: false, debug }),
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
        let result = Self::run(&slf);
        match free_list::take_apart(slf) {
            Ok(handle) => handle.let_go(py),
            Err(other) => {
                if let Ok(timer) = other.into_any().cast_into_exact::<TimerHandle>() {
                    TimerHandle::drop_object(timer);
                }
            }
        }
        result
    }

    /// Drops it, where the drop of a `Py` would have to find out first whether the thread is attached.
    pub fn let_go(self, py: Python<'_>) {
        self.event_loop.drop_ref(py);
        self.context.drop_ref(py);
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
        let Some((function, arguments)) = handle.callback_to_run(slf) else { return Ok(()) };
        let result = context::run_in(handle.context.bind(py), || {
            if arguments.is_empty() { function.call0() } else { function.call1(&arguments) }
        });
        match result {
            Ok(_) => Ok(()),
            Err(error) if errors::ends_the_loop(py, &error) => Err(error),
            Err(error) => handle.report(slf, &error, function, arguments),
        }
    }

    /// Shows what it refers to, for the garbage collector.
    ///
    /// # Errors
    /// What `show` returns.
    pub fn show<E>(&self, show: &mut impl FnMut(&Py<PyAny>) -> Result<(), E>) -> Result<(), E> {
        show(self.event_loop.as_any())?;
        show(&self.context)?;
        self.state.traverse(|state| {
            if let Some(callback) = &state.callback {
                show(&callback.function)?;
                show(callback.arguments.as_any())?;
            }
            state.debug.as_ref().map_or(Ok(()), |debug| show(&debug.source_traceback))
        })
    }

    /// The loop that the handle belongs to.
    pub fn event_loop<'py>(&self, py: Python<'py>) -> &Bound<'py, EventLoop> {
        self.event_loop.bind(py)
    }

    fn callback(&self, py: Python<'_>) -> Option<(Py<PyAny>, Py<PyTuple>)> {
        self.state.with(py, |state| {
            let callback = state.callback.as_ref()?;
            Some((callback.function.clone_ref(py), callback.arguments.clone_ref(py)))
        })
    }

    /// The callback, taken out if nobody but the loop has the handle: then nobody sees that it is gone.
    fn callback_to_run<'py>(&self, slf: &Bound<'py, Self>) -> Option<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let callback = if ownership::is_sole_reference(slf) {
            self.state.with(py, |state| state.callback.take()).map(|callback| (callback.function, callback.arguments))
        } else {
            self.callback(py)
        };
        callback.map(|(function, arguments)| (function.into_bound(py), arguments.into_bound(py)))
    }

    fn source_traceback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.debug.as_ref().map(|debug| debug.source_traceback.clone_ref(py)))
    }

    fn report(
        &self,
        slf: &Bound<'_, Self>,
        error: &PyErr,
        function: Bound<'_, PyAny>,
        arguments: Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        let py = slf.py();
        let event_loop = self.event_loop.bind(py);
        let (function, arguments) = (function.unbind(), arguments.unbind());
        let description = describe(event_loop, &function, &arguments)?;
        self.put_back(py, Callback { function, arguments });
        let message = format!("Exception in callback {description}");
        let mut details = vec![("handle", slf.as_any())];
        let source_traceback = self.source_traceback(py);
        if let Some(source_traceback) = &source_traceback {
            details.push(("source_traceback", source_traceback.bind(py)));
        }
        errors::report(event_loop, &message, error, &details)
    }

    /// The exception handler gets the handle, and may look at its callback.
    fn put_back(&self, py: Python<'_>, callback: Callback) {
        let unneeded = self.state.with(py, |state| {
            if state.is_cancelled || state.callback.is_some() {
                return Some(callback);
            }
            state.callback = Some(callback);
            None
        });
        drop(unneeded);
    }

    /// The parts of the handle's repr, after the name of its class and, for a timer, its time.
    fn describe_state(&self, py: Python<'_>) -> PyResult<(Option<&'static str>, Vec<String>)> {
        let mut parts = Vec::new();
        if let Some((function, arguments)) = self.callback(py) {
            parts.push(describe(self.event_loop.bind(py), &function, &arguments)?);
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

fn describe(event_loop: &Bound<'_, EventLoop>, function: &Py<PyAny>, arguments: &Py<PyTuple>) -> PyResult<String> {
    let py = event_loop.py();
    let is_debug = event_loop.get().is_debug();
    asyncio::DESCRIBE_CALLBACK.get(py)?.call1((function, arguments, is_debug))?.extract()
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
    fn get_context(&self, py: Python<'_>) -> Py<PyAny> {
        self.context.clone_ref(py)
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
        self.callback(py).map(|(function, _)| function)
    }

    #[getter]
    fn _args(&self, py: Python<'_>) -> Option<Py<PyTuple>> {
        self.callback(py).map(|(_, arguments)| arguments)
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
    fn _context(&self, py: Python<'_>) -> Py<PyAny> {
        self.context.clone_ref(py)
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
