//! `asyncio.StreamWriter`: writes to a transport, and waits for it.

mod private_attributes;
mod waiting;

use pyo3::exceptions::{PyAssertionError, PyAttributeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::flow_control::FlowControl;
use super::reader::StreamReader;
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::combinators::operation::Operation;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::{asyncio, exception};
use crate::transport::SocketTransport;
pub use waiting::{Drain, WaitClosed};

/// The native base of `ioxide.StreamWriter`.
#[pyclass(frozen, subclass, name = "NativeStreamWriter", module = "ioxide._ioxide")]
pub struct StreamWriter {
    state: AttachedCell<State>,
}

struct State {
    transport: Option<Py<PyAny>>,
    protocol: Option<Protocol>,
    reader: Option<Reader>,
    event_loop: Option<Py<PyAny>>,
}

impl State {
    const EMPTY: Self = Self { transport: None, protocol: None, reader: None, event_loop: None };
}

/// A protocol. Whether it is one of ours is found out once.
enum Protocol {
    Native(Py<FlowControl>),
    /// One that isn't derived from ours, or has a `_drain_helper` of its own.
    Other(Py<PyAny>),
}

/// A reader. Whether it is one of ours is found out once.
enum Reader {
    Native(Py<StreamReader>),
    Other(Py<PyAny>),
}

impl StreamWriter {
    fn transport<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let transport = self.state.with(py, |state| state.transport.as_ref().map(|object| object.bind(py).clone()));
        transport.ok_or_else(|| missing("_transport"))
    }

    fn protocol<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let protocol =
            self.state.with(py, |state| state.protocol.as_ref().map(|known| known.as_any().bind(py).clone()));
        protocol.ok_or_else(|| missing("_protocol"))
    }

    /// The protocol, if native code may do what its `_drain_helper` does.
    fn native_protocol<'py>(&self, py: Python<'py>) -> Option<Bound<'py, FlowControl>> {
        self.state.with(py, |state| match &state.protocol {
            Some(Protocol::Native(protocol)) => Some(protocol.bind(py).clone()),
            _ => None,
        })
    }

    fn reader<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |state| state.reader.as_ref().map(|reader| reader.as_any().bind(py).clone()))
    }

    /// Raises what the stream has ended with.
    fn check_reader(&self, py: Python<'_>) -> PyResult<()> {
        let native = self.state.with(py, |state| match &state.reader {
            Some(Reader::Native(reader)) => Some(reader.bind(py).clone()),
            _ => None,
        });
        let exception = match native {
            Some(native) => StreamReader::known_exception(&native)?,
            None => match self.reader(py) {
                Some(reader) => Some(reader.call_method0(pyo3::intern!(py, "exception"))?),
                None => None,
            },
        };
        match exception {
            Some(exception) if !exception.is_none() => Err(exception::raised(&exception)),
            _ => Ok(()),
        }
    }

    fn is_transport_closing(&self, py: Python<'_>) -> PyResult<bool> {
        let transport = self.transport(py)?;
        match transport.cast_exact::<SocketTransport>() {
            Ok(native) => Ok(native.get().is_closing(py)),
            Err(_) => transport.call_method0(pyo3::intern!(py, "is_closing"))?.is_truthy(),
        }
    }
}

impl Protocol {
    fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        match object.cast::<FlowControl>() {
            Ok(native) if FlowControl::is_plain(native)? => Ok(Self::Native(native.clone().unbind())),
            _ => Ok(Self::Other(object.clone().unbind())),
        }
    }

    fn as_any(&self) -> &Py<PyAny> {
        match self {
            Self::Native(protocol) => protocol.as_any(),
            Self::Other(protocol) => protocol,
        }
    }
}

impl Reader {
    /// `None` for Python's.
    fn of(object: &Bound<'_, PyAny>) -> Option<Self> {
        match object.cast::<StreamReader>() {
            Ok(native) => Some(Self::Native(native.clone().unbind())),
            Err(_) => (!object.is_none()).then(|| Self::Other(object.clone().unbind())),
        }
    }

    fn as_any(&self) -> &Py<PyAny> {
        match self {
            Self::Native(reader) => reader.as_any(),
            Self::Other(reader) => reader,
        }
    }
}

fn missing(attribute: &str) -> PyErr {
    PyAttributeError::new_err(format!("'StreamWriter' object has no attribute '{attribute}'"))
}

#[pymethods]
impl StreamWriter {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { state: AttachedCell::new(State::EMPTY) }
    }

    fn __init__(
        slf: &Bound<'_, Self>,
        transport: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        reader: &Bound<'_, PyAny>,
        r#loop: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        if !reader.is_none() && !reader.is_instance(asyncio::STOCK_STREAM_READER.get(py)?)? {
            return Err(PyAssertionError::new_err(()));
        }
        let state = State {
            transport: Some(transport.clone().unbind()),
            protocol: Some(Protocol::of(protocol)?),
            reader: Reader::of(reader),
            event_loop: Some(r#loop.clone().unbind()),
        };
        drop(slf.get().state.replace(py, state));
        Ok(())
    }

    /// Writes `data` without waiting. What can't be sent now is buffered: `drain` waits for that.
    fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let transport = self.transport(data.py())?;
        match transport.cast_exact::<SocketTransport>() {
            Ok(native) => SocketTransport::write(native, data),
            Err(_) => transport.call_method1(pyo3::intern!(data.py(), "write"), (data,)).map(drop),
        }
    }

    /// Writes each of `data`.
    fn writelines(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let transport = self.transport(data.py())?;
        match transport.cast_exact::<SocketTransport>() {
            Ok(native) => SocketTransport::writelines(native, data),
            Err(_) => transport.call_method1(pyo3::intern!(data.py(), "writelines"), (data,)).map(drop),
        }
    }

    /// Closes the writing end once everything is written.
    fn write_eof<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.transport(py)?.call_method0(pyo3::intern!(py, "write_eof"))
    }

    /// Whether the writing end can be closed alone.
    fn can_write_eof<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.transport(py)?.call_method0(pyo3::intern!(py, "can_write_eof"))
    }

    /// Closes the connection once everything is written: `wait_closed` waits for that.
    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.transport(py)?.call_method0(pyo3::intern!(py, "close"))
    }

    /// Whether the connection is closing or closed.
    fn is_closing<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.transport(py)?.call_method0(pyo3::intern!(py, "is_closing"))
    }

    /// What is known of the connection.
    #[pyo3(signature = (name, default = None))]
    fn get_extra_info<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        self.transport(py)?.call_method1(pyo3::intern!(py, "get_extra_info"), (name, default))
    }

    /// Waits until the connection is closed. Raises what it was lost by.
    fn wait_closed<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, NativeCoroutine>> {
        let waiting = WaitClosed::new(slf);
        NativeCoroutine::make(slf.py(), "StreamWriter.wait_closed", Operation::WaitClosed(waiting))
    }

    /// Waits, if the transport has too much to write, until it has written most of that. Raises what the stream has ended
    /// with.
    fn drain<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, NativeCoroutine>> {
        let drain = Drain::new(slf);
        NativeCoroutine::make(slf.py(), "StreamWriter.drain", Operation::DrainWriter(drain))
    }

    /// The transport.
    #[getter(transport)]
    fn public_transport<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.transport(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.traverse(|state| {
            visit.call(&state.transport)?;
            visit.call(&state.event_loop)?;
            state.protocol.as_ref().map_or(Ok(()), |protocol| visit.call(protocol.as_any()))?;
            state.reader.as_ref().map_or(Ok(()), |reader| visit.call(reader.as_any()))
        })
    }

    /// Breaks cycles. What the standard library's finalizer needs is looked at before.
    fn __clear__(&self, py: Python<'_>) {
        drop(self.state.replace(py, State::EMPTY));
    }
}
