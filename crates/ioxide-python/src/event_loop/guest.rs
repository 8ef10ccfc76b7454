//! Guests: loops of Rust futures that other extensions have on a loop of ours.
//!
//! A guest is compiled apart from this crate, and reached by the tables of `ioxide-abi`. The loop watches its one descriptor,
//! as it does a transport's, and gives it a turn when that is readable, or when the guest has asked for one: soon, or at a
//! time. A guest belongs to the thread that attached it. When another one runs the loop, the guest rests: what comes for it
//! meanwhile is lost on that thread, and so it gets a turn when the loop runs on its own thread again.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use ioxide::TimerKey;
use ioxide::clock::{self, Nanoseconds};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::EventLoop;
use super::native_methods::Method;
use super::watched::{Direction, Watcher};
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::loop_api::GuestFunctions;
use crate::cpython::thread;
use crate::item::Item;

/// A guest of a loop.
#[pyclass(frozen, module = "ioxide._ioxide")]
pub struct Guest {
    event_loop: Py<EventLoop>,
    functions: AttachedCell<Option<GuestFunctions>>,
    /// A duplicate, so that its number stays the guest's for as long as it is watched.
    descriptor: OwnedFd,
    thread: u64,
    /// Whether the loop watches the descriptor: not while another thread runs the loop.
    is_watched: AtomicBool,
    /// Whether anything waits for the descriptor.
    is_waiting: AtomicBool,
    is_queued: AtomicBool,
    timer: AttachedCell<Option<(Nanoseconds, TimerKey)>>,
}

impl Guest {
    /// Makes a guest of `event_loop`, which runs on the thread that calls.
    ///
    /// # Errors
    /// What the kernel says of the descriptor.
    pub fn attach<'py>(
        event_loop: &Bound<'py, EventLoop>,
        functions: GuestFunctions,
        descriptor: OwnedFd,
    ) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let guest = Self {
            event_loop: event_loop.clone().unbind(),
            functions: AttachedCell::new(None),
            descriptor,
            thread: thread::ident(py),
            is_watched: AtomicBool::new(false),
            is_waiting: AtomicBool::new(false),
            is_queued: AtomicBool::new(false),
            timer: AttachedCell::new(None),
        };
        let guest = Bound::new(py, guest)?;
        Self::watch(&guest)?;
        // Not before nothing can fail any more: from now on the guest is told of its end.
        guest.get().functions.set(py, Some(functions));
        event_loop.get().guests.with(py, |guests| guests.push(guest.clone().unbind()));
        Ok(guest)
    }

    /// Asks for a turn: in the loop's next turn if `soon`, and at a time by the loop's clock. The last time asked for is the
    /// one that counts.
    pub fn request_turn(slf: &Bound<'_, Self>, soon: bool, at: Option<Nanoseconds>) {
        let py = slf.py();
        let guest = slf.get();
        let event_loop = guest.event_loop.bind(py).get();
        if soon && !guest.is_queued.swap(true, Ordering::Relaxed) {
            event_loop.push(py, Item::Turn(slf.clone().unbind()));
        }
        let armed = guest.timer.get(py).filter(|(_, timer)| event_loop.is_armed(py, *timer));
        if armed.map(|(at, _)| at) != at {
            let timer = at.map(|at| (at, event_loop.arm(py, at, Item::Turn(slf.clone().unbind()))));
            guest.timer.set(py, timer);
            if let Some((_, before)) = armed {
                drop(event_loop.disarm(py, before));
            }
        }
        if let Err(error) = Self::watch(slf) {
            error.write_unraisable(py, Some(slf));
        }
    }

    /// The time by which the guest's timers go.
    ///
    /// # Errors
    /// What a clock of the program's own raises.
    pub fn time(slf: &Bound<'_, Self>) -> PyResult<Nanoseconds> {
        let event_loop = slf.get().event_loop.bind(slf.py());
        if EventLoop::is_native(event_loop, Method::Time)? {
            return Ok(clock::monotonic());
        }
        let seconds: f64 = event_loop.call_method0(pyo3::intern!(slf.py(), "time"))?.extract()?;
        Ok(clock::from_seconds(seconds))
    }

    /// It asked for a turn.
    pub fn turn(slf: &Bound<'_, Self>) {
        slf.get().is_queued.store(false, Ordering::Relaxed);
        Self::run(slf, false);
    }

    /// There is something for it to poll for.
    pub fn poll(slf: &Bound<'_, Self>) {
        Self::run(slf, true);
    }

    fn run(slf: &Bound<'_, Self>, is_readable: bool) {
        let py = slf.py();
        let guest = slf.get();
        if guest.thread != thread::ident(py) {
            return guest.unwatch(py);
        }
        // Copied: what runs may close the loop.
        if let Some(functions) = guest.functions.get(py) {
            functions.turn(py, is_readable);
        }
    }

    /// The loop begins to run. A guest that has rested goes on if this is its thread: what it had asked for may have been lost,
    /// and a turn lets it ask again.
    fn resume(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let guest = slf.get();
        let is_detached = guest.functions.get(py).is_none();
        if is_detached || guest.is_watched.load(Ordering::Relaxed) || guest.thread != thread::ident(py) {
            return Ok(());
        }
        Self::watch(slf)?;
        if !guest.is_queued.swap(true, Ordering::Relaxed) {
            guest.event_loop.bind(py).get().push(py, Item::Turn(slf.clone().unbind()));
        }
        Ok(())
    }

    /// Tells the guest that the loop is closed, or gone.
    pub fn detach(&self, py: Python<'_>) {
        self.unwatch(py);
        if let Some((_, timer)) = self.timer.replace(py, None) {
            drop(self.event_loop.bind(py).get().disarm(py, timer));
        }
        if let Some(functions) = self.functions.replace(py, None) {
            functions.detach(py);
        }
    }

    /// Forgets the guest, whose thread ends, or which isn't needed.
    pub fn release(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let event_loop = slf.get().event_loop.bind(py).get();
        let forgotten: Vec<_> = event_loop.guests.with(py, |guests| guests.extract_if(.., |it| it.is(slf)).collect());
        slf.get().detach(py);
        drop(forgotten);
    }

    /// Says whether anything waits for the descriptor.
    pub fn set_waiting(&self, py: Python<'_>, is_waiting: bool) {
        let was_waiting = self.is_waiting.swap(is_waiting, Ordering::Relaxed);
        if self.is_watched.load(Ordering::Relaxed) && was_waiting != is_waiting {
            self.count_as_idle(py, was_waiting);
        }
    }

    fn watch(slf: &Bound<'_, Self>) -> PyResult<()> {
        let guest = slf.get();
        if guest.is_watched.load(Ordering::Relaxed) {
            return Ok(());
        }
        let watcher = Watcher::Guest(slf.clone().unbind());
        let event_loop = guest.event_loop.bind(slf.py()).get();
        drop(event_loop.watch(slf.py(), guest.descriptor.as_raw_fd(), Direction::Read, watcher)?);
        guest.is_watched.store(true, Ordering::Relaxed);
        if !guest.is_waiting.load(Ordering::Relaxed) {
            guest.count_as_idle(slf.py(), true);
        }
        Ok(())
    }

    fn unwatch(&self, py: Python<'_>) {
        if !self.is_watched.swap(false, Ordering::Relaxed) {
            return;
        }
        if !self.is_waiting.load(Ordering::Relaxed) {
            self.count_as_idle(py, false);
        }
        drop(self.event_loop.bind(py).get().unwatch(py, self.descriptor.as_raw_fd(), Direction::Read));
    }

    fn count_as_idle(&self, py: Python<'_>, is_idle: bool) {
        let idle_guests = &self.event_loop.bind(py).get().idle_guests;
        if is_idle {
            idle_guests.fetch_add(1, Ordering::Relaxed);
        } else {
            idle_guests.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl EventLoop {
    /// Has the guests of this thread go on that have rested while another thread ran the loop.
    ///
    /// # Errors
    /// What the kernel says of their descriptors.
    pub(super) fn resume_guests(&self, py: Python<'_>) -> PyResult<()> {
        let guests: Vec<_> = self.guests.with(py, |guests| guests.iter().map(|guest| guest.bind(py).clone()).collect());
        guests.iter().try_for_each(Guest::resume)
    }

    /// Tells every guest that the loop is closed.
    pub(super) fn detach_guests(&self, py: Python<'_>) {
        for guest in self.guests.with(py, std::mem::take) {
            guest.get().detach(py);
        }
    }
}

#[pymethods]
impl Guest {
    fn __repr__(slf: &Bound<'_, Self>) -> String {
        format!("<Rust futures of another extension at {:p}>", slf.as_ptr())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)
    }
}
