//! What whoever feeds a reader calls: data, the end, an exception.

use pyo3::exceptions::{PyAssertionError, PyNotImplementedError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::StreamReader;
use crate::combinators::any_future;
use crate::cpython::asyncio;
use crate::cpython::buffer::Contiguous;
use crate::transport::SocketTransport;

impl StreamReader {
    /// As `feed_data`, whatever class it is of.
    ///
    /// # Errors
    /// What that raises.
    pub fn feed(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        if slf.get().is_plain(slf.py()) {
            return slf.get().feed_data_natively(data);
        }
        slf.call_method1(pyo3::intern!(slf.py(), "feed_data"), (data,)).map(drop)
    }

    fn feed_data_natively(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = data.py();
        if self.is_at_eof(py) {
            return Err(PyAssertionError::new_err("feed_data after feed_eof"));
        }
        if !self.put(data)? {
            return Ok(());
        }
        self.wake_up(py)?;
        self.pause_if_due(py)
    }

    /// Puts data into the buffer. Returns whether there was any.
    fn put(&self, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = data.py();
        if let Ok(bytes) = data.cast_exact::<PyBytes>() {
            if bytes.as_bytes().is_empty() {
                return Ok(false);
            }
            self.buffer.push(bytes)?;
            return Ok(true);
        }
        if !data.is_truthy()? {
            return Ok(false);
        }
        match Contiguous::of(data) {
            Ok(data) => self.buffer.extend(py, data.as_slice(py))?,
            // Anything that gives numbers: the array knows what to do with it.
            Err(_) => drop(self.buffer.share(py).call_method1(pyo3::intern!(py, "extend"), (data,))?),
        }
        Ok(true)
    }

    fn pause_if_due(&self, py: Python<'_>) -> PyResult<()> {
        let limit = self.state.with(py, |state| {
            let can_pause = !state.is_paused && state.transport.is_some();
            can_pause.then_some(state.limit.twice)
        });
        match limit {
            Some(limit) if self.buffer.len(py) > limit => self.pause(py),
            _ => Ok(()),
        }
    }

    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        let Some(transport) = self.transport(py) else { return Ok(()) };
        let paused = match transport.cast_exact::<SocketTransport>() {
            Ok(native) => SocketTransport::pause_reading(native),
            Err(_) => transport.call_method0(pyo3::intern!(py, "pause_reading")).map(drop),
        };
        match paused {
            // It can't be paused: everything has to be buffered, and it isn't tried again.
            Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {
                self.set_transport_attribute(py, None);
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => {
                self.state.with(py, |state| state.is_paused = true);
                Ok(())
            }
        }
    }

    fn stock<'py>(slf: &Bound<'py, Self>, method: &str, argument: &Bound<'py, PyAny>) -> PyResult<()> {
        asyncio::STOCK_STREAM_READER.get(slf.py())?.call_method1(method, (slf, argument)).map(drop)
    }
}

#[pymethods]
impl StreamReader {
    /// Puts `data` behind what was received, and lets whoever waits for it go on.
    fn feed_data(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        if slf.get().is_plain(slf.py()) {
            return slf.get().feed_data_natively(data);
        }
        Self::stock(slf, "feed_data", data)
    }

    /// Nothing more comes.
    pub fn feed_eof(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        slf.get().state.with(py, |state| state.is_at_eof = true);
        if slf.get().is_plain(py) {
            return slf.get().wake_up(py);
        }
        slf.call_method0(pyo3::intern!(py, "_wakeup_waiter")).map(drop)
    }

    /// The stream has ended with an exception: whoever waits gets it, and whoever reads from now on.
    fn set_exception(&self, exc: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = exc.py();
        let exception = (!exc.is_none()).then(|| exc.clone().unbind());
        let (before, waiter) =
            self.state.with(py, |state| (std::mem::replace(&mut state.exception, exception), state.waiter.take()));
        drop(before);
        let Some(waiter) = waiter else { return Ok(()) };
        if any_future::is_cancelled(waiter.bind(py))? {
            return Ok(());
        }
        any_future::set_exception(waiter.bind(py), exc)
    }

    fn _wakeup_waiter(&self, py: Python<'_>) -> PyResult<()> {
        self.wake_up(py)
    }

    fn _maybe_resume_transport(&self, py: Python<'_>) -> PyResult<()> {
        self.resume_if_due(py)
    }
}
