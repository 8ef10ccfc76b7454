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
    /// So many turns may go by without a poll.
    turns_until_poll: u32,
}

/// How many turns in a row skip the poll at most. A signal that comes while nothing but native code runs is seen at the
/// next poll; a poll every so many turns costs next to nothing.
const MOST_TURNS_WITHOUT_POLL: u32 = 64;

/// What the next turn does about the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Looks what is ready, without waiting.
    Now,
    /// Waits until the deadline, or for as long as it takes.
    Wait(Option<Nanoseconds>),
}

/// Whether the next turn does without a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It does: there is something to run.
    Yes,
    /// It does if the time of the first timer has come.
    IfDue,
    /// It polls.
    No,
}

impl<T> Schedule<T> {
    /// Makes an empty schedule.
    #[must_use]
    pub fn new() -> Self {
        Self { ready: ReadyQueue::new(), timers: Timers::new(), turns_until_poll: 0 }
    }

    /// Makes the next turn poll: what begins to run a loop wants to see its descriptors at once.
    pub fn poll_next_turn(&mut self) {
        self.turns_until_poll = 0;
    }

    /// Decides whether the next turn does without a poll. A turn that has something to run can, unless `needs_poll`: there
    /// is a descriptor to look at, or another thread to let in. It polls then like every turn of asyncio, for programs
    /// count on a descriptor's being served within so many turns.
    pub fn skips_poll(&mut self, needs_poll: bool) -> Skip {
        if needs_poll || self.turns_until_poll == 0 {
            return Skip::No;
        }
        if self.ready.is_empty() {
            return if self.timers.is_empty() { Skip::No } else { Skip::IfDue };
        }
        self.turns_until_poll -= 1;
        Skip::Yes
    }

    /// As [`Schedule::skips_poll`], when that was [`Skip::IfDue`] and it is `now`.
    pub fn skips_poll_at(&mut self, now: Nanoseconds) -> bool {
        let is_due = self.timers.next_deadline().is_some_and(|deadline| deadline <= now);
        if is_due {
            self.turns_until_poll = self.turns_until_poll.saturating_sub(1);
        }
        is_due
    }

    /// Tells what the poll of the next turn is.
    pub fn next_poll(&mut self) -> Poll {
        if self.ready.is_empty() { Poll::Wait(self.timers.next_deadline()) } else { Poll::Now }
    }

    /// Notes that a poll has just taken place.
    pub fn polled(&mut self) {
        self.turns_until_poll = MOST_TURNS_WITHOUT_POLL;
    }

    /// Makes everything ready whose time has come, and returns how many items the turn has to run.
    pub fn begin_batch(&mut self, now: Option<Nanoseconds>) -> usize {
        if let Some(now) = now {
            self.timers.take_due(now, |item| self.ready.push(item));
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
        assert_eq!(schedule.skips_poll(false), Skip::No);
        assert_eq!(schedule.next_poll(), Poll::Wait(None));
        schedule.timers.insert(9, 0);
        assert_eq!(schedule.next_poll(), Poll::Wait(Some(9)));
    }

    #[test]
    fn the_first_turn_polls_also_when_there_is_something_to_run() {
        let mut schedule = busy();
        assert_eq!(schedule.skips_poll(false), Skip::No);
        assert_eq!(schedule.next_poll(), Poll::Now);
    }

    #[test]
    fn a_busy_loop_polls_every_turn_if_there_is_a_reason() {
        let mut schedule = busy();
        schedule.polled();
        assert_eq!(schedule.skips_poll(true), Skip::No);
        assert_eq!(schedule.next_poll(), Poll::Now);
    }

    #[test]
    fn a_busy_loop_without_a_reason_polls_once_in_a_while() {
        let mut schedule = busy();
        for _ in 0..2 {
            schedule.polled();
            let skipped = (0..1000).take_while(|_| schedule.skips_poll(false) == Skip::Yes).count();
            assert_eq!(skipped, MOST_TURNS_WITHOUT_POLL as usize);
        }
        schedule.polled();
        schedule.poll_next_turn();
        assert_eq!(schedule.skips_poll(false), Skip::No);
    }

    #[test]
    fn a_loop_with_a_timer_that_is_due_polls_once_in_a_while() {
        let mut schedule: Schedule<u8> = Schedule::new();
        schedule.timers.insert(5, 0);
        assert_eq!(schedule.skips_poll(false), Skip::No);
        schedule.polled();
        assert_eq!(schedule.skips_poll(true), Skip::No);
        assert_eq!(schedule.skips_poll(false), Skip::IfDue);
        assert!(!schedule.skips_poll_at(4));
        let skipped = (0..1000).take_while(|_| schedule.skips_poll(false) == Skip::IfDue && schedule.skips_poll_at(5));
        assert_eq!(skipped.count(), MOST_TURNS_WITHOUT_POLL as usize);
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
