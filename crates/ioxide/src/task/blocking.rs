//! Running what blocks, on a thread of the loop's pool.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::contained::Contained;
use crate::event_loop::Core;

/// Runs `job` on a thread beside the loop's: asyncio's `to_thread`. It is for what blocks and has no asynchronous form.
///
/// The job begins at once, or when a thread of the pool is free, and it runs to its end also if nobody awaits it.
///
/// # Errors
/// What `pthread_create(3)` gives when there is no thread for the job.
///
/// # Panics
/// When no loop runs on this thread; and with what the job panics with, as it is awaited.
///
/// # Cancel safety
/// The job goes on when its result isn't waited for any more. An await that is given up can be taken up again.
///
/// # Examples
/// ```
/// let sum: u64 = ioxide::run(async { ioxide::spawn_blocking(|| (1..=100).sum()).await })??;
/// assert_eq!(sum, 5050);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn spawn_blocking<F, T>(job: F) -> Blocking<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // A future that is done at its first poll: it is never woken, and so never scheduled again.
    let job = Contained::new(job);
    let run = async move { Contained::new(job.into_inner()()) };
    let (step, result) = async_task::Builder::new().propagate_panic(true).spawn(|()| run, drop);
    let started = Core::current().blocking_pool().spawn(move || {
        step.run();
    });
    let state = match started {
        Ok(()) => State::Running(result.fallible()),
        Err(error) => State::Refused(error),
    };
    Blocking { state }
}

/// What [`spawn_blocking`] returns: the job's result, when it is there.
#[derive(Debug)]
#[must_use = "the job runs also without this; drop this if its result isn't wanted"]
pub struct Blocking<T> {
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Running(async_task::FallibleTask<Contained<T>>),
    Refused(io::Error),
    Taken,
}

impl<T> Future for Blocking<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let State::Running(result) = &mut self.state {
            let result = std::task::ready!(Pin::new(result).poll(context));
            self.state = State::Taken;
            let result = result.map(Contained::into_inner);
            return Poll::Ready(result.ok_or_else(|| io::Error::other("the job was dropped before it ran")));
        }
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Refused(error) => Poll::Ready(Err(error)),
            State::Running(_) | State::Taken => panic!("a job's result was awaited again after its end"),
        }
    }
}

impl<T> Unpin for Blocking<T> {}

impl<T> Drop for Blocking<T> {
    fn drop(&mut self) {
        if let State::Running(result) = std::mem::replace(&mut self.state, State::Taken) {
            result.detach();
        }
    }
}
