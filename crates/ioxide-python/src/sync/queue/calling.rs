//! What a queue asks of itself: by name where the program has replaced it, as asyncio's class does; else directly.

use pyo3::prelude::*;

use super::Queue;
use super::state::Limit;
use crate::sync::own_methods::Method;
use crate::sync::waiters::Waiters;

impl Queue {
    /// Whether the program has replaced something.
    pub(super) fn replaces(&self, py: Python<'_>, name: Method) -> bool {
        self.own_methods.has(py, name)
    }

    pub(super) fn is_shutdown(&self, py: Python<'_>) -> bool {
        #[cfg(Py_3_13)]
        return self.state.with(py, |state| state.is_shutdown);
        #[cfg(not(Py_3_13))]
        {
            let _ = py;
            false
        }
    }

    /// As `self.full()`.
    pub(super) fn is_full(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if slf.get().replaces(slf.py(), Method::Full) {
            return slf.call_method0(Method::Full.name(slf.py()))?.is_truthy();
        }
        Self::has_maxsize_items(slf)
    }

    pub(super) fn has_maxsize_items(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, queue) = (slf.py(), slf.get());
        match queue.state.with(py, |state| state.limit) {
            Limit::Unlimited => return Ok(false),
            Limit::Items(limit) if !queue.replaces(py, Method::Qsize) => return Ok(Self::size(slf)? >= limit),
            Limit::Items(_) | Limit::Unclear => {}
        }
        let maxsize = queue.state.with(py, |state| state.maxsize.bind(py).clone());
        if maxsize.le(0)? {
            return Ok(false);
        }
        slf.call_method0(Method::Qsize.name(py))?.ge(maxsize)
    }

    /// As `self.empty()`.
    pub(super) fn is_empty(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if slf.get().replaces(slf.py(), Method::Empty) {
            return slf.call_method0(Method::Empty.name(slf.py()))?.is_truthy();
        }
        Self::has_no_items(slf)
    }

    pub(super) fn has_no_items(slf: &Bound<'_, Self>) -> PyResult<bool> {
        match Self::native_size(slf) {
            Some(size) => Ok(size == 0),
            None => Ok(!Self::container(slf)?.is_truthy()?),
        }
    }

    /// As `self.get_nowait()`.
    pub(super) fn take<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().replaces(slf.py(), Method::GetNowait) {
            return slf.call_method0(Method::GetNowait.name(slf.py()));
        }
        Self::get_nowait(slf)
    }

    /// As `self.put_nowait(item)`.
    pub(super) fn add<'py>(slf: &Bound<'py, Self>, item: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if slf.get().replaces(py, Method::PutNowait) {
            return slf.call_method1(Method::PutNowait.name(py), (item,));
        }
        Self::put_nowait(slf, item)?;
        Ok(py.None().into_bound(py))
    }

    /// As `self._get_loop()`.
    pub(super) fn bound_loop<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().replaces(slf.py(), Method::GetLoop) {
            return slf.call_method0(Method::GetLoop.name(slf.py()));
        }
        slf.get().event_loop.bind(slf.as_any())
    }

    /// As `self._wakeup_next(…)` for one of the two.
    pub(super) fn wake_next(slf: &Bound<'_, Self>, waiters: &Waiters) -> PyResult<()> {
        let py = slf.py();
        if slf.get().replaces(py, Method::WakeupNext) {
            return slf.call_method1(Method::WakeupNext.name(py), (waiters.share(py)?,)).map(drop);
        }
        waiters.wake_next(py)
    }
}
