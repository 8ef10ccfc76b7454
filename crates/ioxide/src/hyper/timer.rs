//! The loop's timers, as hyper wants them.
//!
//! hyper's sleeps have to be `Send`, and may be dropped anywhere. So a sleep holds no part of a loop but the one that
//! threads may share, and finds the loop by its thread. One that is dropped elsewhere leaves its timer behind, which
//! then wakes for nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::clock::{self, Nanoseconds};
use crate::event_loop::{Core, Remote};
use crate::timers::TimerKey;

/// hyper's timer, by the timers of the running loop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Sleep { until: now().saturating_add(clock::from_duration(duration)), timer: None })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}

/// The time by the running loop's clock, which may be a host's.
fn now() -> Nanoseconds {
    Core::try_current().map_or_else(clock::monotonic, |core| core.time())
}

struct Sleep {
    until: Nanoseconds,
    timer: Option<(Arc<Remote>, TimerKey)>,
}

impl Sleep {
    fn cancel(&mut self) {
        if let Some((remote, key)) = self.timer.take()
            && let Some(core) = Core::try_current()
            && Arc::ptr_eq(core.remote(), &remote)
        {
            core.cancel_timer(key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.cancel();
        let core = Core::current();
        if core.time() >= this.until {
            return Poll::Ready(());
        }
        let key = core.insert_timer(this.until, context.waker().clone());
        this.timer = Some((Arc::clone(core.remote()), key));
        Poll::Pending
    }
}

impl hyper::rt::Sleep for Sleep {}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}
