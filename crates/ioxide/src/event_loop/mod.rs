//! The event loop that runs Rust futures: asyncio's loop, in Rust's idiom.
//!
//! A loop belongs to one thread; so do its tasks, which needn't be `Send`. [`run`] is all that most programs need: it
//! makes a loop, runs one future on it, and cancels what that future leaves behind. What a future calls ([`spawn`],
//! [`sleep`](crate::sleep), a socket) finds its loop by itself: it is the one that runs on this thread.
//!
//! - `core`: what a loop is made of, and how its parts reach it.
//! - `driver`: what a turn does with it.
//! - `readiness`: which descriptors futures wait for.
//! - [`guest`]: a loop that another one drives, and `polled`, the wakers of what that one polls itself.
//!
//! [`spawn`]: crate::spawn

mod core;
mod driver;
pub mod guest;
mod polled;
mod readiness;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;

#[cfg(feature = "hyper")]
pub(crate) use core::Remote;
pub(crate) use core::{Core, Item, TaskKey};
pub(crate) use readiness::{Direction, Registration};

use crate::reactor::Events;

/// An event loop for Rust futures.
#[derive(Debug)]
pub struct EventLoop {
    core: Rc<Core>,
}

impl EventLoop {
    /// Makes a loop, which does nothing until it runs.
    ///
    /// # Errors
    /// What `epoll_create1(2)` and `eventfd(2)` give: out of descriptors or of memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self { core: Core::new()? })
    }

    /// Runs until `main` is done, and returns its result. Tasks that it leaves behind stay as they are, and go on when
    /// the loop runs again: that is asyncio's `run_until_complete`.
    ///
    /// # Errors
    /// When a loop is running on this thread already, and what `epoll_wait(2)` gives.
    ///
    /// # Panics
    /// With what `main` panics with, and what a waker that isn't the loop's own panics with.
    ///
    /// # Examples
    /// ```
    /// let event_loop = ioxide::EventLoop::new()?;
    /// let task = event_loop.run(async { ioxide::spawn(async { 6 * 7 }) })?;
    /// assert_eq!(event_loop.run(task)?, Ok(42));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn run<F: Future>(&self, main: F) -> io::Result<F::Output> {
        let _entered = self.core.enter()?;
        driver::run(&self.core, pin!(main), &mut Events::new())
    }
}

impl Drop for EventLoop {
    /// Cancels the tasks that are left.
    fn drop(&mut self) {
        self.core.close();
    }
}

/// Makes a loop, runs `main` on it until it is done, cancels the tasks that are left, and returns what `main` returned:
/// asyncio's `run`.
///
/// # Errors
/// Those of [`EventLoop::new`] and [`EventLoop::run`].
///
/// # Panics
/// With what `main` panics with.
///
/// # Examples
/// ```
/// let answer = ioxide::run(async {
///     let task = ioxide::spawn(async { 6 * 7 });
///     task.await
/// })?;
/// assert_eq!(answer, Ok(42));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn run<F: Future>(main: F) -> io::Result<F::Output> {
    EventLoop::new()?.run(main)
}
