//! Flow control of writing: tells the protocol to pause when the buffer is over its high-water mark, and to resume when
//! it is back at the low one.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::SocketTransport;
use crate::errors;

/// asyncio's default high-water mark, in bytes.
const DEFAULT_HIGH: usize = 64 * 1024;

/// The marks, and which side of them the buffer is on.
pub struct FlowControl {
    low: usize,
    high: usize,
    is_protocol_paused: bool,
}

impl FlowControl {
    pub const fn new() -> Self {
        Self { low: DEFAULT_HIGH / 4, high: DEFAULT_HIGH, is_protocol_paused: false }
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

#[pymethods]
impl SocketTransport {
    /// Sets the marks, in bytes. Without `high` it is four times `low`, without `low` it is a quarter of `high`.
    #[pyo3(signature = (high = None, low = None))]
    fn set_write_buffer_limits(slf: &Bound<'_, Self>, high: Option<i64>, low: Option<i64>) -> PyResult<()> {
        let high = high.or(low.map(|low| low.saturating_mul(4))).unwrap_or(64 * 1024);
        let low = low.unwrap_or_else(|| high.div_euclid(4));
        let limits = usize::try_from(low).ok().zip(usize::try_from(high).ok()).filter(|(low, high)| low <= high);
        let Some((low, high)) = limits else {
            let message = format!("high ({high}) must be >= low ({low}) must be >= 0");
            return Err(PyValueError::new_err(message));
        };
        slf.get().state.with(slf.py(), |state| {
            state.flow_control.low = low;
            state.flow_control.high = high;
        });
        Self::maybe_pause_protocol(slf)
    }

    /// The marks, low and high, in bytes.
    fn get_write_buffer_limits(&self, py: Python<'_>) -> (usize, usize) {
        self.state.with(py, |state| (state.flow_control.low, state.flow_control.high))
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
