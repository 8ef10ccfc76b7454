//! The ready queue: what runs next, in the order in which it became ready.
//!
//! Owned by the thread that runs the loop. The queue doesn't know what it holds: a callback, a task, a Rust future.

use std::collections::VecDeque;

/// A first-in, first-out queue of what is ready to run.
#[derive(Debug)]
pub struct ReadyQueue<T> {
    queue: VecDeque<T>,
}

impl<T> ReadyQueue<T> {
    /// Makes an empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { queue: VecDeque::new() }
    }

    /// Puts `item` behind everything that is ready already.
    pub fn push(&mut self, item: T) {
        self.queue.push_back(item);
    }

    /// Takes out what became ready first.
    pub fn pop(&mut self) -> Option<T> {
        self.queue.pop_front()
    }

    /// How many items are ready.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is ready.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Iterates over the items in the order in which they will run.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.queue.iter()
    }

    /// Takes everything out, in order. The caller drops the items when it holds no borrow of the loop.
    #[must_use]
    pub fn take(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.queue)
    }
}

impl<T> Default for ReadyQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}
