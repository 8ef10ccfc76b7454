//! What a turn does, for Python: the [`Driver`] of the core crate's turn.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ioxide::clock::{self, Nanoseconds, SECOND};
use ioxide::{Driver, Events, Reactor, Schedule};
use pyo3::prelude::*;

use super::EventLoop;
use super::native_methods::Method;
use super::running_here::RunningHere;
use crate::cpython::current_task;
use crate::cpython::thread::Company;
use crate::errors;
use crate::handle::Handle;
use crate::item::Item;

/// The longest single wait on the thread that handles signals. A signal that comes after Python was last asked for
/// signals and before the wait begins doesn't interrupt the wait; releasing the GIL to another thread, which happens in
/// between, can take long. It is found by the turn after the wait: late, but not only when something else happens. (A
/// descriptor that signals write to would end the wait at once. But there is one per process, and it is the program's.)
const LONGEST_WAIT_FOR_SIGNALS: Nanoseconds = SECOND;

/// Takes a loop's turns on the thread that is attached.
pub struct LoopDriver<'a, 'py> {
    event_loop: &'a Bound<'py, EventLoop>,
    reactor: Arc<Reactor>,
    company: Company,
    _running_here: RunningHere,
    /// A task that has taken its step is still the current one. Of tasks that follow each other, in one turn or in
    /// several, each takes the place of the one before; before anything else runs the place is emptied, also before a
    /// task goes that has a failure to report. To empty it after each step would cost as much as all the rest of knowing
    /// the current task.
    has_current_task: Cell<bool>,
}

impl<'a, 'py> LoopDriver<'a, 'py> {
    /// Prepares to take turns.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed.
    pub fn new(event_loop: &'a Bound<'py, EventLoop>) -> PyResult<Self> {
        let py = event_loop.py();
        let reactor = event_loop.get().reactor(py)?;
        Ok(Self {
            event_loop,
            reactor,
            company: Company::of_this_thread(py),
            _running_here: RunningHere::begin(event_loop),
            has_current_task: Cell::new(false),
        })
    }

    /// Takes one turn.
    ///
    /// # Errors
    /// What ends the run of the loop.
    pub fn turn(&self, events: &mut Events) -> PyResult<()> {
        ioxide::turn(self, events)
    }

    /// No task is the current one any more. To be called after the last turn, also if that failed.
    ///
    /// # Errors
    /// What hashing the loop raises.
    pub fn clear_current_task(&self) -> PyResult<()> {
        if self.has_current_task.replace(false) { current_task::clear(self.event_loop.as_any()) } else { Ok(()) }
    }

    /// Runs `item`. What it fails with is reported, unless it ends the loop: one connection mustn't end all of them. A
    /// handle has reported for itself, and what comes out of it did so on purpose.
    fn run_and_report(&self, item: Item) -> PyResult<()> {
        let py = self.event_loop.py();
        if item.is_task() {
            self.has_current_task.set(true);
        } else if let Err(error) = self.clear_current_task() {
            item.show_to_collector(py);
            return Err(error);
        }
        if let Item::Handle(handle) = item {
            return Handle::run_and_drop(handle.into_bound(py));
        }
        let result = item.run(py);
        if item.is_failed_task(py) {
            self.clear_current_task()?;
        }
        let object = item.into_object(py);
        match result {
            Err(error) if !errors::ends_the_loop(py, &error) => {
                self.clear_current_task()?;
                let description = object.repr().map_or_else(|_| "<repr() failed>".to_owned(), |repr| repr.to_string());
                let message = format!("Exception in callback {description}");
                errors::report(self.event_loop, &message, &error, &[])
            }
            result => result,
        }
    }

    /// In debug mode: runs `item` and warns if that took long.
    fn run_and_measure(&self, item: Item) -> PyResult<()> {
        let event_loop = self.event_loop;
        let py = event_loop.py();
        let object = item.object(py);
        if let Item::Handle(handle) = &item {
            event_loop.setattr("_current_handle", handle)?;
        }
        let began = self.time()?;
        let result = self.run_and_report(item);
        event_loop.setattr("_current_handle", py.None())?;
        result?;
        let duration = clock::to_seconds(self.time()?.saturating_sub(began));
        if duration >= event_loop.getattr("slow_callback_duration")?.extract()? {
            EventLoop::warn_of_slow_callback(&object, duration)?;
        }
        Ok(())
    }
}

impl Driver for LoopDriver<'_, '_> {
    type Item = Item;
    type Error = PyErr;

    fn with_schedule<R>(&self, access: impl FnOnce(&mut Schedule<Item>) -> R) -> R {
        self.event_loop.get().schedule.with(self.event_loop.py(), access)
    }

    fn needs_poll(&self) -> bool {
        let py = self.event_loop.py();
        let event_loop = self.event_loop.get();
        let idle_guests = event_loop.idle_guests.load(Ordering::Relaxed);
        event_loop.watched.with(py, |watched| watched.len() > idle_guests) || !self.company.is_alone(py)
    }

    fn before_poll(&self) -> PyResult<()> {
        self.clear_current_task()?;
        // What runs outside of any callback, a handler of signals for example, may have set a variable.
        self.event_loop.get().shared_context().follow_current(self.event_loop.py())?;
        // A signal that came while no Python code ran has its handler run here.
        self.event_loop.py().check_signals()
    }

    fn is_stopping(&self) -> bool {
        self.event_loop.get().is_stopping.load(Ordering::Relaxed)
    }

    fn time(&self) -> PyResult<Nanoseconds> {
        if EventLoop::is_native(self.event_loop, Method::Time)? {
            return Ok(clock::monotonic());
        }
        self.clear_current_task()?;
        let seconds: f64 = self.event_loop.call_method0("time")?.extract()?;
        Ok(clock::from_seconds(seconds))
    }

    fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    fn has_mail(&self) -> bool {
        !self.event_loop.get().mailbox.is_empty()
    }

    fn receive(&self) -> PyResult<()> {
        EventLoop::receive_lookups(self.event_loop)
    }

    fn poll(&self, events: &mut Events, timeout: Option<Nanoseconds>) -> PyResult<()> {
        let py = self.event_loop.py();
        let result = if timeout == Some(0) && self.company.is_alone(py) {
            // It doesn't wait, and there is nobody to let in.
            self.reactor.poll(events, timeout)
        } else {
            let reactor = &*self.reactor;
            let timeout = if self.company.is_oldest() {
                Some(timeout.map_or(LONGEST_WAIT_FOR_SIGNALS, |timeout| timeout.min(LONGEST_WAIT_FOR_SIGNALS)))
            } else {
                timeout
            };
            py.detach(|| reactor.poll(events, timeout))
        };
        match result {
            Err(error) if ioxide::turn::is_interruption(&error) => py.check_signals(),
            Err(error) => Err(errors::from_io_error(py, &error)),
            Ok(()) => Ok(()),
        }
    }

    fn dispatch(&self, events: &Events) {
        for event in events.iter() {
            self.event_loop.get().dispatch(self.event_loop.py(), event);
        }
    }

    fn run(&self, item: Item) -> PyResult<()> {
        if self.event_loop.get().is_debug() { self.run_and_measure(item) } else { self.run_and_report(item) }
    }
}
