//! A lock that its owner may take again, as `threading.RLock`, within an object that needs one: it is a number, and costs
//! nothing but its comparison as long as nobody else wants it. Who waits for any of these locks is woken when any is
//! released, and looks again: it happens as good as never.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::thread;

/// The owner of a lock that nobody has: no thread has this number.
const NOBODY: u64 = 0;

/// Who waits looks so often whether a signal has come, which a handler may want to raise something for.
const PATIENCE: Duration = Duration::from_millis(50);

/// How often a lock was released while somebody waited.
static RELEASES: Mutex<u64> = Mutex::new(0);
static RELEASED: Condvar = Condvar::new();
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// A lock, and which thread has it.
pub struct ReentrantLock {
    owner: AttachedCell<u64>,
}

/// The lock is this thread's for as long as this lives.
struct Held<'a, 'py>(&'a ReentrantLock, Python<'py>);

impl ReentrantLock {
    /// A lock that nobody has.
    pub const fn new() -> Self {
        Self { owner: AttachedCell::new(NOBODY) }
    }

    /// Does something with the lock held. Waiting for it lets other threads run.
    ///
    /// # Errors
    /// What `action` raises, or the handler of a signal that comes while it waits.
    pub fn locked<R>(&self, py: Python<'_>, action: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        let this_thread = thread::ident(py);
        if self.owner.get(py) == this_thread {
            return action();
        }
        while !self.take(py, this_thread) {
            wait_for_a_release(py)?;
        }
        let held = Held(self, py);
        let result = action();
        drop(held);
        result
    }

    fn take(&self, py: Python<'_>, thread: u64) -> bool {
        self.owner.with(py, |owner| {
            let is_free = *owner == NOBODY;
            if is_free {
                *owner = thread;
            }
            is_free
        })
    }
}

impl Drop for Held<'_, '_> {
    fn drop(&mut self) {
        self.0.owner.set(self.1, NOBODY);
        if WAITING.load(Ordering::Relaxed) != 0 {
            *releases() += 1;
            RELEASED.notify_all();
        }
    }
}

/// Waits until a lock has been released since this was called, or for a while.
///
/// Whoever releases a lock is attached. So nothing is released between the caller's look at its lock and the look at the
/// count here, for the caller is attached all that time; what is released later is counted, since this thread is known to
/// wait.
fn wait_for_a_release(py: Python<'_>) -> PyResult<()> {
    WAITING.fetch_add(1, Ordering::Relaxed);
    let seen = *releases();
    py.detach(|| drop(RELEASED.wait_timeout_while(releases(), PATIENCE, |count| *count == seen)));
    WAITING.fetch_sub(1, Ordering::Relaxed);
    py.check_signals()
}

/// No code that can panic runs under it, so that a poisoned one is whole.
fn releases() -> std::sync::MutexGuard<'static, u64> {
    RELEASES.lock().unwrap_or_else(PoisonError::into_inner)
}
