//! What `asyncio.subprocess.SubprocessStreamProtocol` does for every chunk that a process writes.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::flow_control::FlowControl;
use super::reader::StreamReader;

/// The native base of `ioxide.SubprocessStreamProtocol`.
#[pyclass(frozen, subclass, extends = FlowControl, name = "NativeSubprocessStreams", module = "ioxide._ioxide")]
pub struct SubprocessStreams;

#[pymethods]
impl SubprocessStreams {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(FlowControl::uninitialised()).add_subclass(Self)
    }

    /// The process has written `data`: feeds the reader of that descriptor.
    fn pipe_data_received(slf: &Bound<'_, Self>, fd: i64, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let reader = match fd {
            1 => slf.getattr(pyo3::intern!(py, "stdout"))?,
            2 => slf.getattr(pyo3::intern!(py, "stderr"))?,
            _ => return Ok(()),
        };
        match reader.cast::<StreamReader>() {
            Ok(native) => StreamReader::feed(native, data),
            Err(_) if reader.is_none() => Ok(()),
            Err(_) => reader.call_method1(pyo3::intern!(py, "feed_data"), (data,)).map(drop),
        }
    }
}
