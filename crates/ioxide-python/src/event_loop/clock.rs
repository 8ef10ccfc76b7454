//! The loop's clock.
//!
//! A program may put another in its place, in a derived class or in one loop, at any time: test clocks do. So the method is
//! called, unless it is known that it is ours.

use std::sync::atomic::Ordering;

use ioxide::clock;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyType};

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
        let class = slf.get_type();
        let is_native = is_clock_native(&class)? && !slf.get().has_own_methods();
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

/// The methods by which a loop gets its clock, as they are before a program can have put others in their place.
static NATIVE_METHODS: PyOnceLock<[(&str, Py<PyAny>); 3]> = PyOnceLock::new();

/// Remembers the methods. To be called as the module is made.
///
/// # Errors
/// What looking at the class raises.
pub fn remember_methods(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<EventLoop>();
    let method = |name| Ok::<_, PyErr>((name, class.getattr(name)?.unbind()));
    let methods = [method("time")?, method("__setattr__")?, method("__getattribute__")?];
    NATIVE_METHODS.get_or_init(py, || methods);
    Ok(())
}

/// Whether a class derived from the native loop has its clock, and leaves it to that to notice another on an object.
///
/// # Errors
/// What looking at the class raises.
pub fn is_clock_native(class: &Bound<'_, PyType>) -> PyResult<bool> {
    for (name, native) in NATIVE_METHODS.get(class.py()).into_iter().flatten() {
        if !class.getattr(*name)?.is(native) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[pymethods]
impl EventLoop {
    /// The loop's clock, in seconds: `time.monotonic()`.
    pub(super) fn time<'py>(&self, py: Python<'py>) -> Bound<'py, PyFloat> {
        PyFloat::new(py, clock::to_seconds(clock::monotonic()))
    }
}
