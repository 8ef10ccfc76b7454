//! An alarm: a timer of a loop, as a future has it.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::clock::{self, Nanoseconds};
use crate::event_loop::Core;
use crate::timers::TimerKey;

/// No time at all: an alarm for then isn't armed.
const NEVER: Nanoseconds = Nanoseconds::MAX;

/// Wakes the task that polls it when its time has come.
///
/// It has a timer from its first poll until its time has come, or it is set to another time, or dropped. The timer wakes
/// whoever polled last.
#[derive(Debug)]
pub(super) struct Alarm {
    core: Rc<Core>,
    at: Cell<Nanoseconds>,
    state: Cell<State>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    NotArmed,
    Armed(TimerKey),
    Rung,
}

impl Alarm {
    /// An alarm of the running loop's, that goes by its clock.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub(super) fn after(duration: Duration) -> Self {
        let core = Core::current();
        // What lies beyond the clock's end is no time.
        let at = core.time().saturating_add(clock::from_duration(duration));
        Self { core, at: Cell::new(at), state: Cell::new(State::NotArmed) }
    }

    /// As [`Alarm::after`].
    pub(super) fn at(instant: Instant) -> Self {
        let core = Core::current();
        let at = core.time_at(instant);
        Self { core, at: Cell::new(at), state: Cell::new(State::NotArmed) }
    }

    /// Sets the alarm to another time, also if it has rung.
    pub(super) fn set_at(&self, instant: Instant) {
        self.set(self.core.time_at(instant));
    }

    /// Sets the alarm to no time.
    pub(super) fn set_never(&self) {
        self.set(NEVER);
    }

    fn set(&self, at: Nanoseconds) {
        self.at.set(at);
        self.disarm();
    }

    /// How long it is until the alarm rings: `None` if it never does.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let at = self.at.get();
        let left = at.saturating_sub(self.core.time());
        (at != NEVER).then(|| Duration::from_nanos(u64::try_from(left).unwrap_or(0)))
    }

    /// Waits until it rings: at least until the loop's next turn, from the first poll.
    ///
    /// # Panics
    /// When it would have to wait while nothing drives its loop.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        match self.state.get() {
            State::NotArmed => self.arm(context.waker().clone()),
            State::Armed(key) => match self.core.is_timer_for(key, context.waker()) {
                None => self.state.set(State::Rung),
                Some(true) => {}
                Some(false) => {
                    let waker = context.waker().clone();
                    self.disarm();
                    self.arm(waker);
                }
            },
            State::Rung => {}
        }
        match self.state.get() {
            State::Rung => Poll::Ready(()),
            State::NotArmed => Poll::Pending,
            State::Armed(_) => {
                assert!(self.core.is_driven(), "a time of another event loop is awaited, which isn't running");
                Poll::Pending
            }
        }
    }

    fn arm(&self, waker: Waker) {
        if self.at.get() != NEVER {
            self.state.set(State::Armed(self.core.insert_timer(self.at.get(), waker)));
        }
    }

    fn disarm(&self) {
        if let State::Armed(key) = self.state.replace(State::NotArmed) {
            self.core.cancel_timer(key);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.disarm();
    }
}
