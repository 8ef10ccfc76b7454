//! The loop's clock.
//!
//! A program may put another in its place, in a derived class or in one loop, at any time: test clocks do. So the method is
//! called, unless it is known that it is ours.

use std::sync::atomic::Ordering;

use ioxide::clock;
use pyo3::prelude::*;
use pyo3::types::PyFloat;

use super::EventLoop;
use crate::cpython::class_version::ClassVersion;

impl EventLoop {
    /// What the loop's clock says, in seconds.
    ///
    /// # Errors
    /// What the program's clock raises.
    pub fn now<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if Self::has_native_clock(slf)? {
            return Ok(slf.get().time(py).into_any());
        }
        slf.call_method0(pyo3::intern!(py, "time"))
    }

    fn has_native_clock(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if Self::surely_has_native_clock(slf) {
            return Ok(true);
        }
        let own = slf.py().get_type::<Self>().getattr("time")?;
        let class = slf.get_type();
        let is_native = class.getattr("time")?.is(&own) && !slf.get().has_own_methods();
        let version = ClassVersion::of(&class).filter(|_| is_native).unwrap_or(ClassVersion::NONE);
        slf.get().class_with_native_clock.store(version.into(), Ordering::Relaxed);
        Ok(is_native)
    }

    /// Whether it is known without asking anybody that the clock is ours.
    pub(super) fn surely_has_native_clock(slf: &Bound<'_, Self>) -> bool {
        let known = ClassVersion::from(slf.get().class_with_native_clock.load(Ordering::Relaxed));
        !slf.get().has_own_methods() && ClassVersion::of(&slf.get_type()) == Some(known)
    }
}

#[pymethods]
impl EventLoop {
    /// The loop's clock, in seconds: `time.monotonic()`.
    pub(super) fn time<'py>(&self, py: Python<'py>) -> Bound<'py, PyFloat> {
        PyFloat::new(py, clock::to_seconds(clock::monotonic()))
    }
}
