//! The schedule: what is ready to run and what waits for its time, and whether the next turn should poll.
//!
//! Generic over what it holds; owned by the thread that runs the loop.

use crate::clock::Nanoseconds;
use crate::ready::ReadyQueue;
use crate::timers::Timers;

/// The most items that may run between two polls while there are descriptors to watch. A loop whose callbacks keep
/// scheduling others would otherwise starve its sockets. A turn of asyncio with as many ready callbacks takes as long.
const MAX_ITEMS_BETWEEN_POLLS: usize = 64;

/// The longest time between two polls, while there are descriptors to watch and items to run. It keeps a program whose
/// items are slow, and that yields with `sleep(0)` so that its sockets are served, as responsive as on asyncio.
const MAX_TIME_BETWEEN_POLLS: Nanoseconds = 50_000;

/// A loop's two queues.
#[derive(Debug)]
pub struct Schedule<T> {
    /// What runs next.
    pub ready: ReadyQueue<T>,
    /// What runs at its time.
    pub timers: Timers<T>,
    items_since_poll: usize,
    last_poll: Option<Nanoseconds>,
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
        Self { ready: ReadyQueue::new(), timers: Timers::new(), items_since_poll: 0, last_poll: None }
    }

    /// Makes the next turn poll: what begins to run a loop wants to see its descriptors at once.
    pub fn poll_next_turn(&mut self) {
        self.last_poll = None;
    }

    /// Decides whether the next turn polls. `is_watching` says whether there is a descriptor to poll for, `now` reads
    /// a clock that doesn't go back and is called only if the answer depends on it.
    pub fn next_poll(&mut self, is_watching: bool, now: impl FnOnce() -> Nanoseconds) -> Poll {
        if self.ready.is_empty() {
            return Poll::Wait(self.timers.next_deadline());
        }
        let Some(last_poll) = self.last_poll else { return Poll::Now };
        if !is_watching {
            return Poll::Skip;
        }
        if self.items_since_poll >= MAX_ITEMS_BETWEEN_POLLS || now() - last_poll >= MAX_TIME_BETWEEN_POLLS {
            return Poll::Now;
        }
        Poll::Skip
    }

    /// Notes that a poll has just taken place.
    pub fn polled(&mut self, now: Nanoseconds) {
        self.items_since_poll = 0;
        self.last_poll = Some(now);
    }

    /// Makes everything ready whose time has come, and returns how many items the turn has to run.
    pub fn begin_batch(&mut self, now: Option<Nanoseconds>) -> usize {
        if let Some(now) = now {
            while let Some(item) = self.timers.pop_due(now) {
                self.ready.push(item);
            }
        }
        self.items_since_poll = self.items_since_poll.saturating_add(self.ready.len());
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
        assert_eq!(schedule.next_poll(true, || 0), Poll::Wait(None));
        schedule.timers.insert(9, 0);
        assert_eq!(schedule.next_poll(true, || 0), Poll::Wait(Some(9)));
    }

    #[test]
    fn the_first_turn_polls_also_when_there_is_something_to_run() {
        assert_eq!(busy().next_poll(false, || 0), Poll::Now);
    }

    #[test]
    fn a_busy_loop_polls_again_after_a_time() {
        let mut schedule = busy();
        schedule.polled(100);
        assert_eq!(schedule.next_poll(true, || 100), Poll::Skip);
        assert_eq!(schedule.next_poll(true, || 100 + MAX_TIME_BETWEEN_POLLS), Poll::Now);
    }

    #[test]
    fn a_busy_loop_polls_again_after_many_items() {
        let mut schedule = busy();
        schedule.polled(0);
        for _ in 0..MAX_ITEMS_BETWEEN_POLLS {
            assert_eq!(schedule.next_poll(true, || 0), Poll::Skip);
            schedule.begin_batch(None);
        }
        assert_eq!(schedule.next_poll(true, || 0), Poll::Now);
    }

    #[test]
    fn a_busy_loop_that_watches_nothing_does_not_poll() {
        let mut schedule = busy();
        schedule.polled(0);
        assert_eq!(schedule.next_poll(false, || Nanoseconds::MAX), Poll::Skip);
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
