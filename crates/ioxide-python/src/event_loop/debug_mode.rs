//! Debug mode.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;

use super::EventLoop;
use crate::cpython::asyncio;

impl EventLoop {
    /// Logs that what ran took `duration` seconds.
    pub(super) fn warn_of_slow_callback(ran: &Bound<'_, PyAny>, duration: f64) -> PyResult<()> {
        let py = ran.py();
        let description = asyncio::DESCRIBE_HANDLE.get(py)?.call1((ran,))?;
        let logger = asyncio::LOGGER.get(py)?;
        logger.call_method1("warning", ("Executing %s took %.3f seconds", description, duration)).map(drop)
    }
}

#[pymethods]
impl EventLoop {
    /// Whether the loop is in debug mode.
    fn get_debug(&self) -> bool {
        self.is_debug()
    }

    /// Switches debug mode on or off.
    fn set_debug(slf: &Bound<'_, Self>, enabled: &Bound<'_, PyAny>) -> PyResult<()> {
        let event_loop = slf.get();
        let enabled = enabled.is_truthy()?;
        event_loop.is_debug.store(enabled, Ordering::Relaxed);
        if event_loop.is_running() {
            let origin_tracking = slf.getattr("_set_coroutine_origin_tracking")?;
            slf.call_method1("call_soon_threadsafe", (origin_tracking, enabled))?;
        }
        Ok(())
    }

    #[getter]
    fn _debug(&self) -> bool {
        self.is_debug()
    }
}
