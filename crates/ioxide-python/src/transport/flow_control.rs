//! Flow control of writing: tells the protocol to pause when the buffer is over its high-water mark, and to resume when
//! it is back at the low one.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyTuple};

use super::SocketTransport;
use crate::errors;

/// asyncio's default high-water mark, in bytes.
const DEFAULT_HIGH: usize = 64 * 1024;

/// The marks, and which side of them the buffer is on.
pub struct FlowControl {
    low: usize,
    high: usize,
    /// The marks as the program has set them, low and high, if they aren't the same as these two.
    pub(super) given: Option<Py<PyTuple>>,
    is_protocol_paused: bool,
}

impl FlowControl {
    pub const fn new() -> Self {
        Self { low: DEFAULT_HIGH / 4, high: DEFAULT_HIGH, given: None, is_protocol_paused: false }
    }

    /// Whether the protocol has to be told to pause, now that the buffer has `size` bytes. Notes that it was.
    fn begins_to_pause(&mut self, size: usize) -> bool {
        let begins = size > self.high && !self.is_protocol_paused;
        self.is_protocol_paused |= begins;
        begins
    }

    /// Whether the protocol has to be told to resume. Notes that it was.
    fn begins_to_resume(&mut self, size: usize) -> bool {
        let begins = size <= self.low && self.is_protocol_paused;
        self.is_protocol_paused &= !begins;
        begins
    }
}

impl SocketTransport {
    pub(super) fn maybe_pause_protocol(slf: &Bound<'_, Self>) -> PyResult<()> {
        let begins = |state: &mut super::State| state.flow_control.begins_to_pause(state.buffer.size());
        if slf.get().state.with(slf.py(), begins) {
            Self::tell_protocol(slf, "pause_writing", "protocol.pause_writing() failed")?;
        }
        Ok(())
    }

    pub(super) fn maybe_resume_protocol(slf: &Bound<'_, Self>) -> PyResult<()> {
        let begins = |state: &mut super::State| state.flow_control.begins_to_resume(state.buffer.size());
        if slf.get().state.with(slf.py(), begins) {
            Self::tell_protocol(slf, "resume_writing", "protocol.resume_writing() failed")?;
        }
        Ok(())
    }

    fn tell_protocol(slf: &Bound<'_, Self>, method: &str, failure: &str) -> PyResult<()> {
        let py = slf.py();
        let Some(protocol) = slf.get().protocol(py) else { return Ok(()) };
        match protocol.call_method0(py, method) {
            Ok(_) => Ok(()),
            Err(error) if errors::ends_the_loop(py, &error) => Err(error),
            Err(error) => Self::report(slf, failure, &error),
        }
    }
}

/// How many whole bytes a mark stands for that isn't negative: no buffer holds more than the greatest number.
fn whole(mark: &Bound<'_, PyAny>) -> PyResult<usize> {
    if mark.ge(usize::MAX)? {
        return Ok(usize::MAX);
    }
    match mark.cast_exact::<PyInt>() {
        Ok(mark) => mark.extract(),
        Err(_) => mark.py().import("math")?.call_method1("floor", (mark,))?.extract(),
    }
}

/// Whether a mark is the integer that it stands for.
fn is_plain(mark: &Bound<'_, PyAny>, whole: usize) -> PyResult<bool> {
    Ok(mark.is_exact_instance_of::<PyInt>() && mark.eq(whole)?)
}

#[pymethods]
impl SocketTransport {
    /// Sets the marks, in bytes. Without `high` it is four times `low`, without `low` it is a quarter of `high`.
    #[pyo3(signature = (high = None, low = None))]
    fn set_write_buffer_limits<'py>(
        slf: &Bound<'py, Self>,
        high: Option<Bound<'py, PyAny>>,
        low: Option<Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let high = match (high, &low) {
            (Some(high), _) => high,
            (None, Some(low)) => low.mul(4)?,
            (None, None) => DEFAULT_HIGH.into_bound_py_any(py)?,
        };
        let low = low.map_or_else(|| high.floor_div(4), Ok)?;
        if !(high.ge(&low)? && low.ge(0)?) {
            let message = format!("high ({}) must be >= low ({}) must be >= 0", high.repr()?, low.repr()?);
            return Err(PyValueError::new_err(message));
        }
        let (whole_low, whole_high) = (whole(&low)?, whole(&high)?);
        let are_plain = is_plain(&low, whole_low)? && is_plain(&high, whole_high)?;
        let given = if are_plain { None } else { Some(PyTuple::new(py, [low, high])?.unbind()) };
        let before = slf.get().state.with(py, |state| {
            state.flow_control.low = whole_low;
            state.flow_control.high = whole_high;
            std::mem::replace(&mut state.flow_control.given, given)
        });
        drop(before);
        Self::maybe_pause_protocol(slf)
    }

    /// The marks, low and high, in bytes.
    fn get_write_buffer_limits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let (given, low, high) = self.state.with(py, |state| {
            let marks = &state.flow_control;
            (marks.given.as_ref().map(|given| given.bind(py).clone()), marks.low, marks.high)
        });
        given.map_or_else(|| PyTuple::new(py, [low, high]), Ok)
    }

    /// Whether the protocol was told to pause.
    #[getter]
    fn _protocol_paused(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.flow_control.is_protocol_paused)
    }

    /// How many bytes wait to be written.
    fn get_write_buffer_size(&self, py: Python<'_>) -> usize {
        self.state.with(py, |state| state.buffer.size())
    }
}
