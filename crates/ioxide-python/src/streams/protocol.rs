//! asyncio's `StreamReaderProtocol`: from a transport to a [`StreamReader`].
//!
//! It holds the reader by a weak reference: a stream that the program has forgotten is no longer fed. That the connection is
//! made is told to the standard library's class, which then sets the attributes here.

use pyo3::exceptions::PyAttributeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyWeakrefMethods, PyWeakrefReference};

use super::flow_control::FlowControl;
use super::plain::is_plain;
use super::reader::StreamReader;
use crate::combinators::any_future;
use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;

/// The methods that a transport of ours goes past.
const METHODS: [&str; 2] = ["data_received", "_stream_reader"];

/// The native base of `ioxide.StreamReaderProtocol`.
#[pyclass(frozen, subclass, extends = FlowControl, name = "NativeStreamReaderProtocol", module = "ioxide._ioxide")]
pub struct StreamReaderProtocol {
    state: AttachedCell<State>,
}

struct State {
    reader: Option<Py<PyAny>>,
    /// Finished when the connection is lost.
    closed: Option<Py<PyAny>>,
    is_over_tls: bool,
    is_plain: bool,
}

impl StreamReaderProtocol {
    /// The protocol, if its class has replaced nothing that a transport would go past.
    pub fn as_plain<'a, 'py>(protocol: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, Self>> {
        let native = protocol.cast::<Self>().ok()?;
        native.get().state.with(protocol.py(), |state| state.is_plain).then_some(native)
    }

    /// As `data_received`.
    ///
    /// # Errors
    /// What the reader raises.
    pub fn receive(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(reader) = self.reader(data.py())? else { return Ok(()) };
        match reader.cast::<StreamReader>() {
            Ok(native) => StreamReader::feed(native, data),
            Err(_) => reader.call_method1(pyo3::intern!(data.py(), "feed_data"), (data,)).map(drop),
        }
    }

    /// The reader, if there is one and it is alive.
    fn reader<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let reference = self.state.with(py, |state| state.reader.as_ref().map(|reader| reader.bind(py).clone()));
        let Some(reference) = reference else { return Ok(None) };
        match reference.cast_exact::<PyWeakrefReference>() {
            Ok(weak) => Ok(weak.upgrade()),
            // A program has put something else there.
            Err(_) => Ok(Some(reference.call0()?).filter(|reader| !reader.is_none())),
        }
    }

    fn closed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let closed = self.state.with(py, |state| state.closed.as_ref().map(|closed| closed.bind(py).clone()));
        closed.ok_or_else(|| PyAttributeError::new_err("'StreamReaderProtocol' object has no attribute '_closed'"))
    }

    fn feed_eof(reader: &Bound<'_, PyAny>) -> PyResult<()> {
        reader.call_method0(pyo3::intern!(reader.py(), "feed_eof")).map(drop)
    }
}

#[pymethods]
impl StreamReaderProtocol {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        let state = State { reader: None, closed: None, is_over_tls: false, is_plain: false };
        PyClassInitializer::from(FlowControl::uninitialised()).add_subclass(Self { state: AttachedCell::new(state) })
    }

    /// `stream_reader` gets what comes, and `client_connected_cb`, if there is one, is called with it and a writer when the
    /// connection is made.
    #[pyo3(signature = (stream_reader, client_connected_cb = None, r#loop = None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        stream_reader: &Bound<'_, PyAny>,
        client_connected_cb: Option<&Bound<'_, PyAny>>,
        r#loop: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        FlowControl::initialise(slf.as_super(), r#loop)?;
        let mut reader = None;
        if !stream_reader.is_none() {
            reader = Some(PyWeakrefReference::new(stream_reader)?.into_any().unbind());
            let source_traceback = stream_reader.getattr(pyo3::intern!(py, "_source_traceback"))?;
            if !source_traceback.is_none() {
                slf.setattr(pyo3::intern!(py, "_source_traceback"), source_traceback)?;
            }
        }
        if client_connected_cb.is_some() {
            // Nobody else holds the reader until the connection is made.
            slf.setattr(pyo3::intern!(py, "_strong_reader"), stream_reader)?;
        }
        let none = py.None();
        slf.setattr(pyo3::intern!(py, "_reject_connection"), false)?;
        if cfg!(not(Py_3_13)) {
            slf.setattr(pyo3::intern!(py, "_stream_writer"), &none)?;
        }
        slf.setattr(pyo3::intern!(py, "_task"), &none)?;
        slf.setattr(pyo3::intern!(py, "_transport"), &none)?;
        slf.setattr(pyo3::intern!(py, "_client_connected_cb"), client_connected_cb)?;
        let closed = any_future::create(&slf.as_super().get().event_loop(py)?)?;
        let is_plain = is_plain(slf, &asyncio::STREAM_READER_PROTOCOL, &METHODS)?;
        let before = slf.get().state.with(py, |state| {
            state.is_over_tls = false;
            state.is_plain = is_plain;
            (std::mem::replace(&mut state.reader, reader), state.closed.replace(closed.unbind()))
        });
        drop(before);
        Ok(())
    }

    /// Feeds the reader.
    fn data_received(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        self.receive(data)
    }

    /// Tells the reader that nothing more comes. The connection stays open for writing, unless it is by TLS.
    fn eof_received(&self, py: Python<'_>) -> PyResult<bool> {
        if let Some(reader) = self.reader(py)? {
            Self::feed_eof(&reader)?;
        }
        Ok(!self.state.with(py, |state| state.is_over_tls))
    }

    /// The connection is lost: whoever reads, drains or waits for the end goes on, or gets the exception.
    fn connection_lost(slf: &Bound<'_, Self>, exc: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let protocol = slf.get();
        if let Some(reader) = protocol.reader(py)? {
            if exc.is_none() {
                Self::feed_eof(&reader)?;
            } else {
                reader.call_method1(pyo3::intern!(py, "set_exception"), (exc,))?;
            }
        }
        let closed = protocol.closed(py)?;
        if !any_future::is_done(&closed)? {
            if exc.is_none() {
                any_future::set_result(&closed, exc.clone())?;
            } else {
                any_future::set_exception(&closed, exc)?;
            }
        }
        slf.as_super().get().lose_connection(exc)?;
        drop(protocol.state.with(py, |state| state.reader.take()));
        let none = py.None();
        if cfg!(not(Py_3_15)) {
            slf.setattr(pyo3::intern!(py, "_stream_writer"), &none)?;
        }
        slf.setattr(pyo3::intern!(py, "_task"), &none)?;
        slf.setattr(pyo3::intern!(py, "_transport"), none)
    }

    /// The reader, `None` if there is none any more.
    #[getter]
    fn _stream_reader<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.reader(py)
    }

    #[getter]
    fn _stream_reader_wr(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.reader.as_ref().map(|reader| reader.clone_ref(py)))
    }

    #[setter(_stream_reader_wr)]
    fn set_reader(&self, value: &Bound<'_, PyAny>) {
        let reader = (!value.is_none()).then(|| value.clone().unbind());
        drop(self.state.with(value.py(), |state| std::mem::replace(&mut state.reader, reader)));
    }

    #[getter]
    fn _closed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.closed(py)
    }

    #[setter(_closed)]
    fn set_closed(&self, value: &Bound<'_, PyAny>) {
        let closed = value.clone().unbind();
        drop(self.state.with(value.py(), |state| state.closed.replace(closed)));
    }

    #[getter]
    fn _over_ssl(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_over_tls)
    }

    #[setter(_over_ssl)]
    fn set_over_tls(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_over_tls = value.is_truthy()?;
        self.state.with(value.py(), |state| state.is_over_tls = is_over_tls);
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.traverse(|state| {
            visit.call(&state.reader)?;
            visit.call(&state.closed)
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.state.with(py, |state| (state.reader.take(), state.closed.take())));
    }
}
