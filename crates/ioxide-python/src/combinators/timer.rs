//! A timer that a native coroutine arms, and cancels when it doesn't need it any more.

use ioxide::TimerKey;
use pyo3::call::PyCallArgs;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::event_loop::EventLoop;
use crate::item::Item;

/// Something that happens later, unless it is cancelled.
pub enum Timer {
    /// A native loop's: it has no handle.
    Native(Py<EventLoop>, TimerKey),
    /// What `call_later` has returned.
    Handle(Py<PyAny>),
}

impl Timer {
    /// Has a native loop run `item` in `delay` seconds. `None` where somebody could miss the handle, see
    /// [`EventLoop::arm_without_handle`], or the loop isn't native.
    ///
    /// # Errors
    /// What adding `delay` to the loop's time raises.
    pub fn without_handle(
        event_loop: &Bound<'_, PyAny>,
        delay: &Bound<'_, PyAny>,
        item: impl FnOnce() -> Item,
    ) -> PyResult<Option<Self>> {
        let Ok(event_loop) = event_loop.cast::<EventLoop>() else { return Ok(None) };
        let key = EventLoop::arm_without_handle(event_loop, delay, item)?;
        Ok(key.map(|key| Self::Native(event_loop.clone().unbind(), key)))
    }

    /// Has any loop call a function: `arguments` are those of `call_later`.
    ///
    /// # Errors
    /// What that raises.
    pub fn with_handle<'py>(event_loop: &Bound<'py, PyAny>, arguments: impl PyCallArgs<'py>) -> PyResult<Self> {
        let call_later = event_loop.getattr(pyo3::intern!(event_loop.py(), "call_later"))?;
        Ok(Self::Handle(call_later.call1(arguments)?.unbind()))
    }

    /// What was to happen doesn't.
    ///
    /// # Errors
    /// What cancelling a handle that isn't ours raises.
    pub fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Native(event_loop, key) => {
                drop(event_loop.get().disarm(py, *key));
                Ok(())
            }
            Self::Handle(handle) => handle.call_method0(py, pyo3::intern!(py, "cancel")).map(drop),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Native(event_loop, _) => visit.call(event_loop),
            Self::Handle(handle) => visit.call(handle),
        }
    }
}
