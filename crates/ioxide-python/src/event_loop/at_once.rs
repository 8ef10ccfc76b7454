//! Scheduling callbacks and timers by the shortest way: outside of debug mode, where the loop's methods are ours.

use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyTuple};

use super::{EventLoop, clock};
use crate::cpython::shortcut::{self, Arguments, method_shortcut};
use crate::timer_handle::TimerHandle;

impl EventLoop {
    /// Whether what every method that schedules looks at first has nothing to say.
    fn schedules_plainly(&self) -> bool {
        !self.is_loop_closed() && !self.is_debug()
    }

    /// The time `delay` seconds from now, if that can be told without running code of the program's.
    fn later<'py>(slf: &Bound<'py, Self>, delay: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let is_plain = delay.is_exact_instance_of::<PyFloat>() || delay.is_exact_instance_of::<PyInt>();
        if !is_plain || !Self::surely_has_native_clock(slf) {
            return None;
        }
        let delay: f64 = delay.extract().ok()?;
        let now = ioxide::clock::to_seconds(ioxide::clock::monotonic());
        Some(PyFloat::new(slf.py(), now + delay).into_any())
    }
}

/// The callback's argument, if there is one at this position, as a tuple.
fn tuple_of<'py>(py: Python<'py>, arguments: Arguments<'_, 'py>, position: usize) -> Option<Bound<'py, PyTuple>> {
    match arguments.get(position) {
        Some(argument) => PyTuple::new(py, [argument]).ok(),
        None => Some(PyTuple::empty(py)),
    }
}

method_shortcut!(CallSoon: EventLoop, "call_soon", 1 | 2, |slf, arguments| {
    if !slf.get().schedules_plainly() {
        return None;
    }
    let callback_arguments = tuple_of(slf.py(), arguments, 1)?;
    EventLoop::push_handle(slf, &*arguments.get(0)?, &callback_arguments, None).ok().map(Bound::into_any)
});

method_shortcut!(CallLater: EventLoop, "call_later", 2 | 3, |slf, arguments| {
    if !slf.get().schedules_plainly() || slf.get().overrides_call_at.get(slf.py()) != Some(&false) {
        return None;
    }
    let when = EventLoop::later(slf, &*arguments.get(0)?)?;
    let callback_arguments = tuple_of(slf.py(), arguments, 2)?;
    TimerHandle::arm(slf, &when, &*arguments.get(1)?, &callback_arguments, None).ok().map(Bound::into_any)
});

/// Puts the shortcuts before the methods.
///
/// # Errors
/// What looking at the class raises.
pub fn install_shortcuts(py: Python<'_>) -> PyResult<()> {
    clock::remember_methods(py)?;
    shortcut::install::<CallSoon>(py)?;
    shortcut::install::<CallLater>(py)
}
