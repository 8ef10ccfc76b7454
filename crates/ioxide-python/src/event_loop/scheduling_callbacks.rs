//! Scheduling callbacks and delayed callbacks.

use ioxide::TimerKey;
use ioxide::clock::{self, Nanoseconds};
use ioxide::timers::TimerSequence;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::EventLoop;
use super::native_methods::Method;
use crate::cpython::free_list;
use crate::handle::{Arguments, Handle};
use crate::item::Item;
#[cfg(Py_3_14)]
use crate::thread_safe_handle::ThreadSafeHandle;
use crate::timer_handle::{TimerHandle, When};

impl EventLoop {
    /// Whether the garbage collector has to see a handle as soon as it is scheduled. To be asked when the handle is about to
    /// be, for what was done before may have let another thread end the run.
    ///
    /// While a loop runs it can't be garbage, and neither can what its handles refer to as long as they are scheduled. So
    /// what is scheduled meanwhile isn't the collector's before it leaves the queues alive, or the loop stops.
    pub fn shows_handles_at_once(&self) -> bool {
        !self.is_running() || self.is_debug()
    }

    /// Has the garbage collector see the handles that are ready, and those of the timers that were armed from `since` on.
    pub(super) fn show_handles_to_collector(&self, py: Python<'_>, since: TimerSequence) {
        self.schedule.with(py, |schedule| {
            schedule.ready.iter().chain(schedule.timers.iter_since(since)).for_each(|item| item.show_to_collector(py));
        });
    }

    /// Arms a timer.
    pub fn arm(&self, py: Python<'_>, deadline: Nanoseconds, item: Item) -> TimerKey {
        self.schedule.with(py, |schedule| schedule.timers.insert(deadline, item))
    }

    /// Disarms a timer, and returns what it held for the caller to drop.
    pub fn disarm(&self, py: Python<'_>, key: TimerKey) -> Option<Item> {
        self.schedule.with(py, |schedule| schedule.timers.cancel(key))
    }

    /// Whether a timer still waits.
    pub fn is_armed(&self, py: Python<'_>, key: TimerKey) -> bool {
        self.schedule.with(py, |schedule| schedule.timers.contains(key))
    }

    /// Arms a timer that has no handle, `delay` seconds from now. `None` where somebody could miss the handle: in debug mode,
    /// or where a subclass schedules in its own way.
    ///
    /// # Errors
    /// What the program's clock raises; `TypeError` for a delay that isn't a number.
    pub fn arm_without_handle(
        slf: &Bound<'_, Self>,
        delay: &Bound<'_, PyAny>,
        item: impl FnOnce() -> Item,
    ) -> PyResult<Option<TimerKey>> {
        let is_plain = Self::takes_items(slf)?
            && Self::is_native(slf, Method::CallAt)?
            && Self::is_native(slf, Method::CallLater)?;
        if !is_plain {
            return Ok(None);
        }
        let when = Self::now(slf)?.add(delay)?;
        let deadline = clock::from_seconds(when.extract()?);
        Ok(Some(slf.get().arm(slf.py(), deadline, item())))
    }

    /// As [`EventLoop::arm_without_handle`], for the time `when` by the loop's clock.
    ///
    /// # Errors
    /// `TypeError` for a time that isn't a number.
    pub fn arm_at_without_handle(
        slf: &Bound<'_, Self>,
        when: &Bound<'_, PyAny>,
        item: impl FnOnce() -> Item,
    ) -> PyResult<Option<TimerKey>> {
        if !Self::takes_items(slf)? || !Self::is_native(slf, Method::CallAt)? {
            return Ok(None);
        }
        let deadline = clock::from_seconds(when.extract()?);
        Ok(Some(slf.get().arm(slf.py(), deadline, item())))
    }

    /// What every method that schedules looks at first.
    fn check_callback(slf: &Bound<'_, Self>, callback: &Bound<'_, PyAny>, method: &str) -> PyResult<()> {
        let event_loop = slf.get();
        event_loop.check_closed()?;
        if event_loop.is_debug() {
            if method != "call_soon_threadsafe" {
                event_loop._check_thread(slf.py())?;
            }
            slf.call_method1("_check_callback", (callback, method))?;
        }
        Ok(())
    }

    /// `call_later` goes through the program's `call_at`, if there is one.
    fn call_at_of_program<'py>(
        slf: &Bound<'py, Self>,
        when: Bound<'py, PyAny>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let arguments = [when, callback.clone()].into_iter().chain(args.iter());
        let keywords = PyDict::new(slf.py());
        keywords.set_item("context", context)?;
        slf.getattr("call_at")?.call(PyTuple::new(slf.py(), arguments.collect::<Vec<_>>())?, Some(&keywords))
    }

    pub(super) fn push_handle<'py>(
        slf: &Bound<'py, Self>,
        callback: &Bound<'py, PyAny>,
        arguments: Arguments,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Handle>> {
        let py = slf.py();
        let handle = Handle::new(slf, callback, arguments, context)?;
        let handle = free_list::make_seen(py, handle, slf.get().shows_handles_at_once())?;
        slf.get().push(py, Item::Handle(handle.clone().unbind()));
        Ok(handle)
    }

    /// As [`EventLoop::push_handle`], and wakes a loop that waits.
    pub(super) fn push_from_any_thread<'py>(
        slf: &Bound<'py, Self>,
        callback: &Bound<'py, PyAny>,
        arguments: Arguments,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Handle>> {
        #[cfg(not(Py_3_14))]
        let handle = Self::push_handle(slf, callback, arguments, context)?;
        #[cfg(Py_3_14)]
        let handle = {
            let handle = ThreadSafeHandle::make(slf, callback, arguments, context)?.into_super();
            slf.get().push(slf.py(), Item::Handle(handle.clone().unbind()));
            handle
        };
        slf.get()._write_to_self(slf.py());
        Ok(handle)
    }
}

#[pymethods]
impl EventLoop {
    /// Arranges for `callback(*args)` to be called in the next turn, in `context` or else in a copy of the current one.
    #[pyo3(signature = (callback, *args, context = None))]
    pub fn call_soon<'py>(
        slf: &Bound<'py, Self>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Handle>> {
        Self::check_callback(slf, callback, "call_soon")?;
        Self::push_handle(slf, callback, Arguments::of_tuple(args), context)
    }

    /// Like `call_soon`, from any thread: a loop that waits is woken.
    #[pyo3(signature = (callback, *args, context = None))]
    fn call_soon_threadsafe<'py>(
        slf: &Bound<'py, Self>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Handle>> {
        Self::check_callback(slf, callback, "call_soon_threadsafe")?;
        Self::push_from_any_thread(slf, callback, Arguments::of_tuple(args), context)
    }

    /// Arranges for `callback(*args)` to be called `delay` seconds from now.
    #[pyo3(signature = (delay, callback, *args, context = None))]
    fn call_later<'py>(
        slf: &Bound<'py, Self>,
        delay: &Bound<'py, PyAny>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if delay.is_none() {
            return Err(PyTypeError::new_err("delay must not be None"));
        }
        let when = Self::now(slf)?.add(delay)?;
        if !Self::is_native(slf, Method::CallAt)? {
            return Self::call_at_of_program(slf, when, callback, args, context);
        }
        Self::check_callback(slf, callback, "call_at")?;
        TimerHandle::arm(slf, When::of(&when), callback, Arguments::of_tuple(args), context).map(Bound::into_any)
    }

    /// Arranges for `callback(*args)` to be called at the time `when`, by the loop's clock, in seconds.
    #[pyo3(signature = (when, callback, *args, context = None))]
    fn call_at<'py>(
        slf: &Bound<'py, Self>,
        when: &Bound<'py, PyAny>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, TimerHandle>> {
        if when.is_none() {
            return Err(PyTypeError::new_err("when cannot be None"));
        }
        Self::check_callback(slf, callback, "call_at")?;
        TimerHandle::arm(slf, When::of(when), callback, Arguments::of_tuple(args), context)
    }

    /// Ends the wait of a loop that waits.
    fn _write_to_self(&self, py: Python<'_>) {
        // It wakes a thread that doesn't run before this one lets it.
        self.reactor.with(py, |reactor| {
            if let Some(reactor) = reactor {
                reactor.waker().wake();
            }
        });
    }
}
