//! Timers: what is to run at a given time.
//!
//! The items stand in a slab; a binary heap orders their deadlines. Cancelling takes the item out of the slab at once,
//! which frees it, and leaves a dead entry of 24 bytes in the heap. When dead entries outnumber the living the heap is
//! rebuilt without them, so that a cancellation costs O(1) on average and a million cancelled timers hold no memory.
//!
//! Owned by the thread that runs the loop. The timers don't know what they hold.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use slab::Slab;

use crate::clock::Nanoseconds;

/// Below this many entries the heap isn't rebuilt: the dead ones cost less than the rebuilding.
const MIN_COMPACTION: usize = 64;

/// When one timer came out of the heap for so many that are still in it, and more are to come, the rest is sorted at
/// once: that looks at every entry, but costs a fraction of taking the first out as often.
const SHARE_BEFORE_SORTING: usize = 16;

/// Names one timer. A key that outlives its timer is harmless: it names nothing, also when the slot is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerKey {
    slot: usize,
    sequence: u64,
}

/// A moment between the arming of two timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSequence(u64);

/// Deadlines and what they are for: insert in O(log n), cancel in O(1), take out in order.
#[derive(Debug)]
pub struct Timers<T> {
    items: Slab<Timer<T>>,
    order: BinaryHeap<Deadline>,
    next_sequence: u64,
}

#[derive(Debug)]
struct Timer<T> {
    sequence: u64,
    item: T,
}

#[derive(Debug, PartialEq, Eq)]
struct Deadline {
    at: Nanoseconds,
    key_sequence: u64,
    slot: usize,
}

impl<T> Timers<T> {
    /// Makes an empty set of timers.
    #[must_use]
    pub fn new() -> Self {
        Self { items: Slab::new(), order: BinaryHeap::new(), next_sequence: 0 }
    }

    /// How many timers are waiting. Cancelled ones don't count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether no timer is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Arms a timer for `at`. Timers for the same time come out in the order in which they were armed.
    pub fn insert(&mut self, at: Nanoseconds, item: T) -> TimerKey {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let slot = self.items.insert(Timer { sequence, item });
        self.order.push(Deadline { at, key_sequence: sequence, slot });
        TimerKey { slot, sequence }
    }

    /// Disarms a timer and returns what it held, or `None` if it has come out or was cancelled before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        if !self.is_waiting(key.slot, key.sequence) {
            return None;
        }
        let item = self.items.remove(key.slot).item;
        self.compact();
        Some(item)
    }

    /// Whether the timer is still waiting.
    #[must_use]
    pub fn contains(&self, key: TimerKey) -> bool {
        self.is_waiting(key.slot, key.sequence)
    }

    /// What the timer holds, if it is still waiting.
    #[must_use]
    pub fn get(&self, key: TimerKey) -> Option<&T> {
        let timer = self.items.get(key.slot).filter(|timer| timer.sequence == key.sequence)?;
        Some(&timer.item)
    }

    /// The earliest deadline.
    pub fn next_deadline(&mut self) -> Option<Nanoseconds> {
        self.drop_dead_head();
        self.order.peek().map(|deadline| deadline.at)
    }

    /// Takes out the earliest timer if its deadline is `now` or earlier.
    pub fn pop_due(&mut self, now: Nanoseconds) -> Option<T> {
        if self.next_deadline()? > now {
            return None;
        }
        let deadline = self.order.pop()?;
        Some(self.items.remove(deadline.slot).item)
    }

    /// Takes out every timer whose deadline is `now` or earlier, the earliest first.
    pub fn take_due(&mut self, now: Nanoseconds, mut take: impl FnMut(T)) {
        let mut taken = 0;
        while let Some(item) = self.pop_due(now) {
            take(item);
            taken += 1;
            let is_worth_it = self.order.len() > MIN_COMPACTION && taken * SHARE_BEFORE_SORTING > self.order.len();
            if is_worth_it && self.next_deadline().is_some_and(|deadline| deadline <= now) {
                return self.take_all_due(now, take);
            }
        }
    }

    fn take_all_due(&mut self, now: Nanoseconds, mut take: impl FnMut(T)) {
        let entries = std::mem::take(&mut self.order).into_vec();
        let (mut due, later): (Vec<_>, Vec<_>) = entries.into_iter().partition(|deadline| deadline.at <= now);
        self.order = later.into();
        due.sort_unstable_by(|one, other| other.cmp(one));
        for deadline in due {
            if self.is_waiting(deadline.slot, deadline.key_sequence) {
                take(self.items.remove(deadline.slot).item);
            }
        }
    }

    /// Iterates over what waits, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|(_, timer)| &timer.item)
    }

    /// Where the timers begin that are yet to be armed: see [`Timers::iter_since`].
    #[must_use]
    pub fn next_sequence(&self) -> TimerSequence {
        TimerSequence(self.next_sequence)
    }

    /// Iterates over what waits of the timers that were armed from `since` on, in no particular order. It takes no time if
    /// there were none, and otherwise looks at all.
    pub fn iter_since(&self, since: TimerSequence) -> impl Iterator<Item = &T> {
        let were_armed = self.next_sequence != since.0;
        let timers = were_armed.then(|| self.items.iter()).into_iter().flatten();
        timers.filter(move |(_, timer)| timer.sequence >= since.0).map(|(_, timer)| &timer.item)
    }

    /// Takes everything out. The caller drops the items when it holds no borrow of the loop.
    #[must_use]
    pub fn take(&mut self) -> Vec<T> {
        self.order = BinaryHeap::new();
        std::mem::take(&mut self.items).into_iter().map(|(_, timer)| timer.item).collect()
    }

    /// The sequence number tells a timer from a later one that was given the same slot.
    fn is_waiting(&self, slot: usize, sequence: u64) -> bool {
        self.items.get(slot).is_some_and(|timer| timer.sequence == sequence)
    }

    fn drop_dead_head(&mut self) {
        while let Some(deadline) = self.order.peek() {
            if self.is_waiting(deadline.slot, deadline.key_sequence) {
                return;
            }
            self.order.pop();
        }
    }

    fn compact(&mut self) {
        if self.items.is_empty() {
            self.order.clear();
        } else if self.order.len() < MIN_COMPACTION || self.order.len() < 2 * self.items.len() {
            return;
        }
        let items = &self.items;
        self.order
            .retain(|deadline| items.get(deadline.slot).is_some_and(|timer| timer.sequence == deadline.key_sequence));
        self.give_back_memory();
    }

    /// After a peak of timers the room that they took goes back to the allocator, but not all of it, or a program that
    /// arms and cancels the same few timers would allocate for each of them. The slab's room goes down to the highest
    /// slot that is in use.
    fn give_back_memory(&mut self) {
        let enough = 2 * self.items.len() + MIN_COMPACTION;
        self.order.shrink_to(enough);
        if self.items.capacity() > 2 * enough {
            self.items.shrink_to_fit();
        }
    }
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Reversed, for the standard library's heap gives the greatest first.
impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.key_sequence).cmp(&(self.at, self.key_sequence))
    }
}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pop_all(timers: &mut Timers<u32>, now: Nanoseconds) -> Vec<u32> {
        let mut taken = Vec::new();
        timers.take_due(now, |item| taken.push(item));
        taken
    }

    #[test]
    fn timers_come_out_in_order_of_their_deadlines() {
        let mut timers = Timers::new();
        for at in [5, 1, 3] {
            timers.insert(at, u32::try_from(at).unwrap());
        }
        assert_eq!(timers.next_deadline(), Some(1));
        assert_eq!(pop_all(&mut timers, 3), [1, 3]);
        assert_eq!(pop_all(&mut timers, 5), [5]);
    }

    #[test]
    fn timers_for_one_time_come_out_first_in_first_out() {
        let mut timers = Timers::new();
        for item in 0..100 {
            timers.insert(7, item);
        }
        assert_eq!(pop_all(&mut timers, 7), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn many_that_are_due_at_once_come_out_in_order_without_the_cancelled_and_the_later_ones() {
        let mut timers = Timers::new();
        // In no order: 7919 and 1000 have no common divisor.
        let keys: Vec<_> = (0..1000).map(|number| number * 7919 % 1000).map(|at| (at, timers.insert(at, at))).collect();
        for (at, key) in keys {
            if at % 3 == 0 {
                timers.cancel(key);
            }
        }
        let mut taken = Vec::new();
        timers.take_due(699, |at| taken.push(at));
        assert_eq!(taken, (0..700).filter(|at| at % 3 != 0).collect::<Vec<_>>());
        timers.take_due(9999, |at| taken.push(at));
        assert_eq!(taken, (0..1000).filter(|at| at % 3 != 0).collect::<Vec<_>>());
        assert!(timers.is_empty());
    }

    #[test]
    fn a_timer_is_cancelled_once_and_gives_its_item_back() {
        let mut timers = Timers::new();
        let key = timers.insert(1, "item");
        assert_eq!(timers.cancel(key), Some("item"));
        assert_eq!(timers.cancel(key), None);
        assert_eq!(timers.pop_due(9), None);
    }

    #[test]
    fn a_key_does_not_cancel_a_later_timer_in_the_same_slot() {
        let mut timers = Timers::new();
        let stale = timers.insert(1, "first");
        timers.cancel(stale);
        timers.insert(1, "second");
        assert_eq!(timers.cancel(stale), None);
        assert_eq!(timers.pop_due(1), Some("second"));
    }

    #[test]
    fn timers_that_were_armed_since_a_moment_are_found() {
        let mut timers = Timers::new();
        timers.insert(9, 0);
        let moment = timers.next_sequence();
        assert_eq!(timers.iter_since(moment).count(), 0);
        let cancelled = timers.insert(5, 1);
        timers.insert(7, 2);
        timers.insert(1, 3);
        timers.cancel(cancelled);
        assert_eq!(timers.pop_due(1), Some(3));
        assert_eq!(timers.iter_since(moment).copied().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_million_cancelled_timers_hold_no_memory() {
        let mut timers = Timers::new();
        let keys: Vec<_> = (0..1_000_000).map(|at| timers.insert(at, at)).collect();
        for key in keys {
            timers.cancel(key);
        }
        assert!(timers.is_empty());
        assert!(timers.order.capacity() <= 4 * MIN_COMPACTION, "{}", timers.order.capacity());
        assert!(timers.items.capacity() <= 4 * MIN_COMPACTION, "{}", timers.items.capacity());
    }

    #[test]
    fn arming_and_cancelling_beside_a_long_timer_does_not_grow() {
        let mut timers = Timers::new();
        timers.insert(Nanoseconds::MAX, 0);
        for at in 0..100_000 {
            let key = timers.insert(at, 1);
            timers.cancel(key);
        }
        assert!(timers.order.len() <= MIN_COMPACTION);
        assert_eq!(timers.len(), 1);
    }

    proptest! {
        /// Against the obvious model: a list, sorted by deadline and then by age.
        #[test]
        fn any_program_of_timers_behaves_as_a_sorted_list(
            steps in proptest::collection::vec((0u8..3, 0i64..50, 0usize..40), 0..400)
        ) {
            let mut timers = Timers::new();
            let mut model: Vec<(Nanoseconds, u32)> = Vec::new();
            let mut keys = Vec::new();
            for (number, (step, time, choice)) in (0u32..).zip(steps) {
                match step {
                    0 => {
                        keys.push((timers.insert(time, number), number));
                        model.push((time, number));
                    }
                    1 if !keys.is_empty() => {
                        let (key, item) = keys[choice % keys.len()];
                        let position = model.iter().position(|entry| entry.1 == item);
                        prop_assert_eq!(timers.cancel(key), position.map(|at| model.remove(at).1));
                    }
                    _ => {
                        let mut due: Vec<_> = model.iter().copied().filter(|entry| entry.0 <= time).collect();
                        due.sort_unstable();
                        model.retain(|entry| entry.0 > time);
                        let expected: Vec<_> = due.into_iter().map(|entry| entry.1).collect();
                        prop_assert_eq!(pop_all(&mut timers, time), expected);
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
            }
        }
    }
}
