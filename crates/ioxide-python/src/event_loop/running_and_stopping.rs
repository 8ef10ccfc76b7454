//! Running and stopping the loop.
//!
//! `run_forever` itself is in Python (`ioxide.Loop`), for what it sets up it sets up once per run; `_run` is the turns.

use std::sync::atomic::Ordering;

use ioxide::Events;
use ioxide::timers::TimerSequence;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::EventLoop;
use super::driver::LoopDriver;
use super::watched::Watched;
use crate::cpython::thread;

impl EventLoop {
    /// Whether the turn that is under way is the last one.
    pub fn is_told_to_stop(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Drops everything that the loop holds. Nothing is borrowed while the objects go.
    pub(super) fn let_go(&self, py: Python<'_>) {
        self.detach_guests(py);
        let ready = self.schedule.with(py, |schedule| schedule.ready.take());
        let timers = self.schedule.with(py, |schedule| schedule.timers.take());
        let watchers = self.watched.with(py, Watched::take);
        let lookups = self.lookups.with(py, std::mem::take);
        drop((ready, timers, watchers, lookups));
        self.shared_context.let_go(py);
    }
}

/// The loop counts as running for as long as this lives.
struct Running<'a, 'py> {
    event_loop: &'a EventLoop,
    py: Python<'py>,
    /// Which timers are armed by now.
    timers_before: TimerSequence,
}

impl<'a, 'py> Running<'a, 'py> {
    fn begin(event_loop: &'a EventLoop, py: Python<'py>) -> PyResult<Self> {
        let ident = thread::ident(py);
        if event_loop.thread.compare_exchange(0, ident, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Err(PyRuntimeError::new_err("This event loop is already running"));
        }
        let timers_before = event_loop.schedule.with(py, |schedule| {
            schedule.poll_next_turn();
            schedule.timers.next_sequence()
        });
        let running = Self { event_loop, py, timers_before };
        event_loop.shared_context.follow_current(py)?;
        Ok(running)
    }
}

impl Drop for Running<'_, '_> {
    fn drop(&mut self) {
        self.event_loop.is_stopping.store(false, Ordering::Relaxed);
        self.event_loop.thread.store(0, Ordering::Relaxed);
        self.event_loop.show_handles_to_collector(self.py, self.timers_before);
        self.event_loop.shared_context.let_go(self.py);
    }
}

#[pymethods]
impl EventLoop {
    /// Takes turns until the loop is told to stop, or something ends it by an exception.
    fn _run(slf: &Bound<'_, Self>) -> PyResult<()> {
        let event_loop = slf.get();
        let driver = LoopDriver::new(slf)?;
        let running = Running::begin(event_loop, slf.py())?;
        event_loop.resume_guests(slf.py())?;
        let mut events = Events::new();
        let result = loop {
            let result = driver.turn(&mut events);
            if result.is_err() || event_loop.is_stopping.load(Ordering::Relaxed) {
                break result;
            }
        };
        drop(running);
        result.and(driver.clear_current_task())
    }

    /// Takes one turn.
    fn _run_once(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().schedule.with(slf.py(), ioxide::Schedule::poll_next_turn);
        slf.get().resume_guests(slf.py())?;
        let driver = LoopDriver::new(slf)?;
        let result = driver.turn(&mut Events::new());
        slf.get().shared_context.let_go(slf.py());
        result.and(driver.clear_current_task())
    }

    /// Tells the loop to stop after the turn that is under way, or after the first one if it doesn't run yet.
    fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the loop is running.
    pub fn is_running(&self) -> bool {
        self.thread.load(Ordering::Relaxed) != 0
    }

    /// Whether the loop is closed.
    fn is_closed(&self) -> bool {
        self.is_loop_closed()
    }

    /// Closes what is native: drops what was scheduled and watched, and closes the reactor's descriptors.
    fn _close(&self, py: Python<'_>) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.let_go(py);
        let pool = self.pool.replace(py, None);
        let reactor = self.reactor.replace(py, None);
        drop((pool, reactor));
    }

    fn _check_closed(&self) -> PyResult<()> {
        self.check_closed()
    }

    /// The thread that runs the loop, by its `threading.get_ident()`.
    #[getter]
    fn _thread_id(&self) -> Option<u64> {
        match self.thread.load(Ordering::Relaxed) {
            0 => None,
            thread => Some(thread),
        }
    }

    #[getter]
    fn _closed(&self) -> bool {
        self.is_loop_closed()
    }

    #[getter]
    fn _stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// In debug mode: raises unless it is the loop's own thread that calls.
    pub(super) fn _check_thread(&self, py: Python<'_>) -> PyResult<()> {
        match self.thread.load(Ordering::Relaxed) {
            owner if owner == 0 || owner == thread::ident(py) => Ok(()),
            _ => Err(PyRuntimeError::new_err(
                "Non-thread-safe operation invoked on an event loop other than the current one",
            )),
        }
    }
}
