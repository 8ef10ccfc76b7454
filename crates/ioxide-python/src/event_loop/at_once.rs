//! Scheduling callbacks and timers by the shortest way: outside of debug mode, where the loop's methods are ours.

use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};

use super::EventLoop;
use super::native_methods::{self, Method};
use crate::cpython::shortcut::{self, Arguments as CallArguments, method_shortcut};
use crate::handle::Arguments;
use crate::timer_handle::{TimerHandle, When};

impl EventLoop {
    /// Whether what every method that schedules looks at first has nothing to say.
    fn schedules_plainly(&self) -> bool {
        !self.is_loop_closed() && !self.is_debug()
    }

    /// The time `delay` seconds from now, if that can be told without running code of the program's.
    fn later(slf: &Bound<'_, Self>, delay: &Bound<'_, PyAny>) -> Option<When> {
        let is_plain = delay.is_exact_instance_of::<PyFloat>() || delay.is_exact_instance_of::<PyInt>();
        if !is_plain || !Self::is_surely_native(slf, Method::Time) {
            return None;
        }
        let delay: f64 = delay.extract().ok()?;
        let now = ioxide::clock::to_seconds(ioxide::clock::monotonic());
        Some(When::Seconds(now + delay))
    }
}

/// The callback's argument, if there is one at this position.
fn argument_at(position: usize, arguments: CallArguments<'_, '_>) -> Arguments {
    arguments.get(position).map_or(Arguments::None, |argument| Arguments::One(argument.to_owned().unbind()))
}

method_shortcut!(CallSoon: EventLoop, "call_soon", 1 | 2, |slf, arguments| {
    if !slf.get().schedules_plainly() {
        return None;
    }
    EventLoop::push_handle(slf, &*arguments.get(0)?, argument_at(1, arguments), None).ok().map(Bound::into_any)
});

method_shortcut!(CallSoonThreadsafe: EventLoop, "call_soon_threadsafe", 1 | 2, |slf, arguments| {
    if !slf.get().schedules_plainly() {
        return None;
    }
    let handle = EventLoop::push_from_any_thread(slf, &*arguments.get(0)?, argument_at(1, arguments), None);
    handle.ok().map(Bound::into_any)
});

method_shortcut!(CallLater: EventLoop, "call_later", 2 | 3, |slf, arguments| {
    if !slf.get().schedules_plainly() || !EventLoop::is_surely_native(slf, Method::CallAt) {
        return None;
    }
    let when = EventLoop::later(slf, &*arguments.get(0)?)?;
    TimerHandle::arm(slf, when, &*arguments.get(1)?, argument_at(2, arguments), None).ok().map(Bound::into_any)
});

/// Puts the shortcuts before the methods, which are then as native code knows them.
///
/// # Errors
/// What looking at the class raises.
pub fn install_shortcuts(py: Python<'_>) -> PyResult<()> {
    shortcut::install::<CallSoon>(py)?;
    shortcut::install::<CallSoonThreadsafe>(py)?;
    shortcut::install::<CallLater>(py)?;
    native_methods::remember(py)
}
