//! What a queue holds its items in: the order in which they come out.
//!
//! A comparison of two items is the program's code, and may come back to the queue that it orders. So the heap is taken
//! out of its cell while it is ordered, and what comes back finds, and fills, an empty one.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Holds a queue's items. It is implemented here, and nowhere else.
pub trait Store: Default + sealed::Sealed {
    /// What is held.
    type Item;

    #[doc(hidden)]
    fn push(&self, item: Self::Item);

    #[doc(hidden)]
    fn pop(&self) -> Option<Self::Item>;

    #[doc(hidden)]
    fn count(&self) -> usize;

    /// Takes everything out. The caller drops it when it holds no borrow.
    #[doc(hidden)]
    #[must_use]
    fn take(&self) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

/// First in, first out.
#[derive(Debug)]
pub struct Fifo<T>(RefCell<VecDeque<T>>);

/// Last in, first out.
#[derive(Debug)]
pub struct Lifo<T>(RefCell<Vec<T>>);

/// The smallest first. Which of two equal items comes first isn't said.
pub struct Priority<T: Ord> {
    heap: Cell<Heap<T>>,
    /// Counted here, for the heap may be out of its cell.
    len: Cell<usize>,
}

type Heap<T> = BinaryHeap<Reverse<T>>;

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> sealed::Sealed for Fifo<T> {}

impl<T> Store for Fifo<T> {
    type Item = T;

    fn push(&self, item: T) {
        self.0.borrow_mut().push_back(item);
    }

    fn pop(&self) -> Option<T> {
        self.0.borrow_mut().pop_front()
    }

    fn count(&self) -> usize {
        self.0.borrow().len()
    }

    fn take(&self) -> Self {
        Self(RefCell::new(self.0.take()))
    }
}

impl<T> Default for Lifo<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> sealed::Sealed for Lifo<T> {}

impl<T> Store for Lifo<T> {
    type Item = T;

    fn push(&self, item: T) {
        self.0.borrow_mut().push(item);
    }

    fn pop(&self) -> Option<T> {
        self.0.borrow_mut().pop()
    }

    fn count(&self) -> usize {
        self.0.borrow().len()
    }

    fn take(&self) -> Self {
        Self(RefCell::new(self.0.take()))
    }
}

impl<T: Ord> Default for Priority<T> {
    fn default() -> Self {
        Self { heap: Cell::default(), len: Cell::default() }
    }
}

impl<T: Ord> std::fmt::Debug for Priority<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Priority").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T: Ord> sealed::Sealed for Priority<T> {}

impl<T: Ord> Store for Priority<T> {
    type Item = T;

    fn push(&self, item: T) {
        self.len.set(self.len.get() + 1);
        Taken::out_of(self).heap.push(Reverse(item));
    }

    fn pop(&self) -> Option<T> {
        let item = Taken::out_of(self).heap.pop()?.0;
        self.len.set(self.len.get() - 1);
        Some(item)
    }

    fn count(&self) -> usize {
        self.len.get()
    }

    fn take(&self) -> Self {
        let heap = self.heap.take();
        let len = heap.len();
        self.len.set(self.len.get() - len);
        Self { heap: Cell::new(heap), len: Cell::new(len) }
    }
}

/// A heap that is out of its cell, and goes back as this is dropped, also when a comparison panics.
struct Taken<'a, T: Ord> {
    heap: Heap<T>,
    store: &'a Priority<T>,
}

impl<'a, T: Ord> Taken<'a, T> {
    fn out_of(store: &'a Priority<T>) -> Self {
        Self { heap: store.heap.take(), store }
    }
}

impl<T: Ord> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        // What comparisons have put meanwhile joins, and joining compares.
        loop {
            let mut meanwhile = self.store.heap.take();
            if meanwhile.is_empty() {
                break;
            }
            self.heap.append(&mut meanwhile);
        }
        self.store.heap.set(std::mem::take(&mut self.heap));
    }
}
