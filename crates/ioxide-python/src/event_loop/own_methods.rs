//! Methods that a program puts into one loop, in the place of the class's: a clock for tests, a `call_soon` that counts.
//!
//! What is native calls nothing but itself as long as there are none. So they are noticed as they are set: a loop's
//! `__dict__` needn't be looked at, nor be made, and while there is none the interpreter finds the loop's methods
//! without a look-up.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::EventLoop;
use crate::cpython::attributes;

/// The methods that native code would otherwise go past.
const METHODS: [&str; 6] = ["call_at", "call_later", "call_soon", "create_future", "create_task", "time"];

impl EventLoop {
    /// Whether the program has put a method of its own into the instance.
    pub(super) fn has_own_methods(&self) -> bool {
        self.has_own_methods.load(Ordering::Relaxed)
    }
}

#[pymethods]
impl EventLoop {
    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        attributes::set(slf.as_any(), name, Some(value))?;
        if METHODS.contains(&name.to_str()?) {
            slf.get().has_own_methods.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        attributes::set(slf.as_any(), name, None)
    }
}
