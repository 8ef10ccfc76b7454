//! The schedule: what is ready to run and what waits for its time, and whether the next turn should poll.
//!
//! Generic over what it holds; owned by the thread that runs the loop.

use crate::clock::Nanoseconds;
use crate::ready::ReadyQueue;
use crate::timers::Timers;

/// A loop's two queues.
#[derive(Debug)]
pub struct Schedule<T> {
    /// What runs next.
    pub ready: ReadyQueue<T>,
    /// What runs at its time.
    pub timers: Timers<T>,
    has_polled: bool,
}

/// What the next turn does about the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Nothing: there is enough to run.
    Skip,
    /// Looks what is ready, without waiting.
    Now,
    /// Waits until the deadline, or for as long as it takes.
    Wait(Option<Nanoseconds>),
}

impl<T> Schedule<T> {
    /// Makes an empty schedule.
    #[must_use]
    pub fn new() -> Self {
        Self { ready: ReadyQueue::new(), timers: Timers::new(), has_polled: false }
    }

    /// Makes the next turn poll: what begins to run a loop wants to see its descriptors at once.
    pub fn poll_next_turn(&mut self) {
        self.has_polled = false;
    }

    /// Decides whether the next turn polls. A turn that has something to run needn't, unless `needs_poll`: there is a
    /// descriptor to look at, or another thread to let in. It polls then like every turn of asyncio, for programs count
    /// on a descriptor's being served within so many turns.
    pub fn next_poll(&mut self, needs_poll: bool) -> Poll {
        if self.ready.is_empty() {
            Poll::Wait(self.timers.next_deadline())
        } else if needs_poll || !self.has_polled {
            Poll::Now
        } else {
            Poll::Skip
        }
    }

    /// Notes that a poll has just taken place.
    pub fn polled(&mut self) {
        self.has_polled = true;
    }

    /// Makes everything ready whose time has come, and returns how many items the turn has to run.
    pub fn begin_batch(&mut self, now: Option<Nanoseconds>) -> usize {
        if let Some(now) = now {
            while let Some(item) = self.timers.pop_due(now) {
                self.ready.push(item);
            }
        }
        self.ready.len()
    }
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Schedule<u8> {
        let mut schedule = Schedule::new();
        schedule.ready.push(0);
        schedule
    }

    #[test]
    fn an_idle_loop_waits_for_its_next_timer_or_for_ever() {
        let mut schedule: Schedule<u8> = Schedule::new();
        assert_eq!(schedule.next_poll(true), Poll::Wait(None));
        schedule.timers.insert(9, 0);
        assert_eq!(schedule.next_poll(true), Poll::Wait(Some(9)));
    }

    #[test]
    fn the_first_turn_polls_also_when_there_is_something_to_run() {
        assert_eq!(busy().next_poll(false), Poll::Now);
    }

    #[test]
    fn a_busy_loop_polls_every_turn_if_there_is_a_reason() {
        let mut schedule = busy();
        schedule.polled();
        assert_eq!(schedule.next_poll(true), Poll::Now);
    }

    #[test]
    fn a_busy_loop_without_a_reason_does_not_poll() {
        let mut schedule = busy();
        schedule.polled();
        assert_eq!(schedule.next_poll(false), Poll::Skip);
        schedule.poll_next_turn();
        assert_eq!(schedule.next_poll(false), Poll::Now);
    }

    #[test]
    fn due_timers_join_the_batch_behind_what_was_ready() {
        let mut schedule = busy();
        schedule.timers.insert(2, 2);
        schedule.timers.insert(1, 1);
        schedule.timers.insert(3, 3);
        assert_eq!(schedule.begin_batch(Some(2)), 3);
        assert_eq!(schedule.ready.iter().copied().collect::<Vec<_>>(), [0, 1, 2]);
    }
}
