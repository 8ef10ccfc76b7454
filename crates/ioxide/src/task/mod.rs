//! Tasks: futures that a loop runs beside each other.
//!
//! A task's cell is `async-task`'s: one allocation that holds the future, its result, and the state that wakers
//! share. A waker may be used on any thread; the future is polled and dropped on the loop's.

mod blocking;
mod contained;
mod group;
mod spawning;
mod yielding;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use self::contained::Contained;
use crate::event_loop::{Core, TaskKey};

pub use blocking::{Blocking, spawn_blocking};
pub use group::TaskGroup;
pub use spawning::{Builder, spawn};
pub use yielding::{YieldNow, yield_now};

/// A task was cancelled before it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the task was cancelled")
    }
}

impl std::error::Error for Cancelled {}

/// A task, as those who wait for it see it. To drop it leaves the task running.
///
/// As a future it is done when the task is, with the task's result.
///
/// # Panics
/// With what the task panicked with, as it is awaited.
///
/// # Cancel safety
/// An await that is given up can be taken up again.
#[must_use = "the task runs also without this; drop this if its result isn't wanted"]
pub struct Task<T> {
    name: Option<Box<str>>,
    /// By whom it is cancelled. A task that was refused needs nobody.
    cancelling: Option<(Rc<Core>, TaskKey)>,
    state: State<T>,
}

/// The future of a task may end itself as cancelled, by `None`: the inner one. The outer one is the cell's.
type Cell<T> = async_task::FallibleTask<Contained<Option<T>>, TaskKey>;

enum State<T> {
    Running(Cell<T>),
    /// Known to be done. `None` says that it was cancelled.
    Done(Option<T>),
    /// Known to have panicked.
    Panicked(Box<dyn Any + Send>),
    /// Its result was handed out.
    Taken,
}

impl<T> Task<T> {
    /// Cancels the task: its future is dropped at the task's next step, which is soon, instead of being polled. Who awaits
    /// the task gets [`Cancelled`], unless it is done already.
    pub fn cancel(&self) {
        if let (Some((core, key)), false) = (&self.cancelling, self.is_done()) {
            core.cancel_task(*key);
        }
    }

    /// The name that the task was made with.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether the task is done: it has a result, or was cancelled, or has panicked.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Running(cell) => cell.is_finished(),
            State::Done(_) | State::Panicked(_) | State::Taken => true,
        }
    }

    /// Waits until the task is done, and leaves its result where it is.
    pub(crate) fn poll_done(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let State::Done(_) | State::Panicked(_) | State::Taken = self.state {
            return Poll::Ready(());
        }
        self.state = match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *self).poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => State::Done(result.ok()),
            Err(panic) => State::Panicked(panic),
        };
        Poll::Ready(())
    }

    /// Whether the task is known to be done and to have a result that `predicate` holds for.
    pub(crate) fn is_done_with(&mut self, predicate: impl FnOnce(&T) -> bool) -> bool {
        match &self.state {
            State::Done(Some(result)) => predicate(result),
            _ => false,
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Cancelled>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let state = &mut self.get_mut().state;
        let result = match state {
            State::Running(cell) => ready!(Pin::new(cell).poll(context)).and_then(Contained::into_inner),
            State::Done(result) => result.take(),
            State::Panicked(_) | State::Taken => None,
        };
        match std::mem::replace(state, State::Taken) {
            State::Panicked(panic) => resume_unwind(panic),
            State::Taken => panic!("a task was awaited again after its end"),
            State::Running(_) | State::Done(_) => Poll::Ready(result.ok_or(Cancelled)),
        }
    }
}

impl<T> Unpin for Task<T> {}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let State::Running(cell) = std::mem::replace(&mut self.state, State::Taken) {
            cell.detach();
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Task")
            .field("name", &self.name)
            .field("is_done", &self.is_done())
            .finish_non_exhaustive()
    }
}
