//! `asyncio.StreamReader`: bytes that come in, read by lines, lengths and separators.
//!
//! Whoever feeds it puts the bytes into the [`buffer::Buffer`] and wakes the one reader that waits for them. A reader takes
//! what it needs from the buffer, and waits if that isn't there yet: see [`reading`]. A transport is paused when the buffer
//! has more than twice the limit, and resumed when it is back at the limit.

mod buffer;
mod feeding;
mod limit;
mod private_attributes;
pub mod reading;
mod requests;
mod separators;

use pyo3::exceptions::{PyAssertionError, PyRuntimeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::plain::is_plain;
use crate::combinators::any_future;
use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::event_loop::EventLoop;
use crate::transport::SocketTransport;
use buffer::Buffer;
use limit::Limit;

/// The methods that the native code of others goes past.
const METHODS: [&str; 11] = [
    "read",
    "readexactly",
    "readline",
    "readuntil",
    "exception",
    "set_exception",
    "feed_data",
    "feed_eof",
    "_maybe_resume_transport",
    "_wait_for_data",
    "_wakeup_waiter",
];

/// The native base of `ioxide.StreamReader`.
#[pyclass(frozen, subclass, name = "NativeStreamReader", module = "ioxide._ioxide")]
pub struct StreamReader {
    buffer: Buffer,
    state: AttachedCell<State>,
}

struct State {
    event_loop: Option<Py<PyAny>>,
    transport: Option<Py<PyAny>>,
    /// The future of whoever waits for data.
    waiter: Option<Py<PyAny>>,
    exception: Option<Py<PyAny>>,
    limit: Limit,
    is_at_eof: bool,
    /// The transport was told to pause.
    is_paused: bool,
    /// No class derived from this one has replaced what native code goes past.
    is_plain: bool,
}

impl StreamReader {
    /// Whether native code may go past the methods.
    pub fn is_plain(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_plain)
    }

    /// What `exception()` returns, if no class has replaced that.
    ///
    /// # Errors
    /// What the method raises.
    pub fn known_exception<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        if slf.get().is_plain(py) {
            return Ok(slf.get().exception(py).map(|exception| exception.into_bound(py)));
        }
        let exception = slf.call_method0(pyo3::intern!(py, "exception"))?;
        Ok(Some(exception).filter(|exception| !exception.is_none()))
    }

    fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let event_loop = self.state.with(py, |state| state.event_loop.as_ref().map(|owner| owner.bind(py).clone()));
        event_loop.ok_or_else(|| PyRuntimeError::new_err("StreamReader object is not initialized."))
    }

    fn transport<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |state| state.transport.as_ref().map(|transport| transport.bind(py).clone()))
    }

    fn is_at_eof(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_at_eof)
    }

    /// Takes the waiter out, and lets it go on unless it was cancelled.
    fn wake_up(&self, py: Python<'_>) -> PyResult<()> {
        let waiter = self.state.with(py, |state| state.waiter.take());
        let Some(waiter) = waiter else { return Ok(()) };
        let waiter = waiter.bind(py);
        if any_future::is_cancelled(waiter)? {
            return Ok(());
        }
        any_future::set_result(waiter, py.None().into_bound(py))
    }

    /// Resumes the transport, if it was paused and the buffer is back at the limit.
    fn resume_if_due(&self, py: Python<'_>) -> PyResult<()> {
        let limit = self.state.with(py, |state| state.is_paused.then_some(state.limit.bytes));
        match limit {
            Some(limit) if self.buffer.len(py) <= limit => self.resume(py),
            _ => Ok(()),
        }
    }

    /// Resumes the transport.
    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        self.state.with(py, |state| state.is_paused = false);
        let transport = self.transport(py).unwrap_or_else(|| py.None().into_bound(py));
        match transport.cast_exact::<SocketTransport>() {
            Ok(native) => SocketTransport::resume_reading(native),
            Err(_) => transport.call_method0(pyo3::intern!(py, "resume_reading")).map(drop),
        }
    }
}

#[pymethods]
impl StreamReader {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(py: Python<'_>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        let state = State {
            event_loop: None,
            transport: None,
            waiter: None,
            exception: None,
            limit: Limit::default(py),
            is_at_eof: false,
            is_paused: false,
            is_plain: false,
        };
        Self { buffer: Buffer::new(), state: AttachedCell::new(state) }
    }

    /// `limit` is how long a line may be, in bytes, and half of what is buffered before the transport is paused. Raises
    /// `ValueError` unless it is positive.
    #[pyo3(signature = (limit = None, r#loop = None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        limit: Option<&Bound<'_, PyAny>>,
        r#loop: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let limit = match limit {
            Some(limit) if limit.le(0)? => return Err(PyValueError::new_err("Limit cannot be <= 0")),
            Some(limit) => Limit::of(limit)?,
            None => Limit::default(py),
        };
        let event_loop = match r#loop {
            Some(event_loop) => event_loop.clone(),
            None => asyncio::GET_EVENT_LOOP.get(py)?.call0()?,
        };
        let is_debug = match event_loop.cast::<EventLoop>() {
            Ok(native) => native.get().is_debug(),
            Err(_) => event_loop.call_method0(pyo3::intern!(py, "get_debug"))?.is_truthy()?,
        };
        if is_debug {
            slf.setattr(pyo3::intern!(py, "_source_traceback"), asyncio::EXTRACT_STACK.get(py)?.call0()?)?;
        }
        let is_plain = is_plain(slf, &asyncio::STREAM_READER, &METHODS)?;
        let before = slf.get().state.with(py, |state| {
            state.is_plain = is_plain;
            (state.event_loop.replace(event_loop.unbind()), std::mem::replace(&mut state.limit, limit))
        });
        drop(before);
        Ok(())
    }

    /// The exception that ended the stream, if one did.
    fn exception(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.exception.as_ref().map(|exception| exception.clone_ref(py)))
    }

    /// Tells the reader where the bytes come from: it is paused when they come faster than they are read.
    fn set_transport(&self, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = transport.py();
        if self.transport(py).is_some() {
            return Err(PyAssertionError::new_err("Transport already set"));
        }
        self.set_transport_attribute(py, Some(transport));
        Ok(())
    }

    /// Whether everything was read and nothing more comes.
    fn at_eof(&self, py: Python<'_>) -> bool {
        self.is_at_eof(py) && self.buffer.is_empty(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.buffer.traverse(&visit)?;
        self.state.traverse(|state| {
            visit.call(&state.event_loop)?;
            visit.call(&state.transport)?;
            visit.call(&state.waiter)?;
            visit.call(&state.exception)?;
            visit.call(&state.limit.object)
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        self.buffer.clear(py);
        let cleared = self.state.with(py, |state| {
            (state.event_loop.take(), state.transport.take(), state.waiter.take(), state.exception.take())
        });
        drop(cleared);
    }
}
