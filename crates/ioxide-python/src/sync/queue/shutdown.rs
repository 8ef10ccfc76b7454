//! To shut a queue down, from Python 3.13 on.

use pyo3::prelude::*;

use super::Queue;
use crate::cpython::{asyncio, exception};

/// The `QueueShutDown` for whoever comes too late.
///
/// # Errors
/// What making it raises.
pub fn refusal(py: Python<'_>) -> PyResult<PyErr> {
    Ok(exception::raised(&asyncio::QUEUE_SHUT_DOWN.get(py)?.call0()?))
}

impl Queue {
    /// Takes all items out, and counts them as done.
    fn drain(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, queue) = (slf.py(), slf.get());
        while !Self::is_empty(slf)? {
            drop(Self::get_item(slf)?);
            queue.state.with(py, |state| {
                if state.unfinished > 0 {
                    state.unfinished -= 1;
                }
            });
        }
        if queue._unfinished_tasks(py) == 0 {
            queue.finished.set(py)?;
        }
        Ok(())
    }
}

#[pymethods]
impl Queue {
    /// Shuts the queue down: nothing can be put in any more, and to take something out raises `QueueShutDown` once nothing
    /// is left. With `immediate` what is in the queue is dropped, and counts as done.
    #[pyo3(signature = (immediate = None), text_signature = "($self, immediate=False)")]
    fn shutdown(slf: &Bound<'_, Self>, immediate: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let (py, queue) = (slf.py(), slf.get());
        queue.state.with(py, |state| state.is_shutdown = true);
        if immediate.map_or(Ok(false), PyAnyMethods::is_truthy)? {
            Self::drain(slf)?;
        }
        queue.getters.wake_all(py)?;
        queue.putters.wake_all(py)
    }

    #[getter]
    fn _is_shutdown(&self, py: Python<'_>) -> bool {
        self.is_shutdown(py)
    }

    #[setter(_is_shutdown)]
    fn set_is_shutdown(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_shutdown = value.is_truthy()?;
        self.state.with(value.py(), |state| state.is_shutdown = is_shutdown);
        Ok(())
    }
}
