//! Queues between tasks: asyncio's `Queue`, `PriorityQueue` and `LifoQueue`.
//!
//! A queue is two kinds of [permits](super::permits), one for each item and one for each free place, around a
//! [store](Store). Who waits in [`get`](QueueOf::get) is granted an item's permit, not an item: the items stay in the
//! store, in order, until somebody with a permit runs. So a `get` that is cancelled after it was woken passes on a permit,
//! and no item ever goes back. The same holds for `put` and places.

mod errors;
mod store;

use std::cell::Cell;
use std::fmt;

pub use errors::{GetNowaitError, PutNowaitError, ShutDown};
pub use store::{Fifo, Lifo, Priority, Store};

use super::event::Event;
use super::permits::{Closed, Permits};
use crate::task::yield_now;
use crate::waking::WakeAll;

/// A queue that gives items in the order in which they were put.
///
/// # Examples
/// ```
/// use ioxide::sync::Queue;
/// use std::rc::Rc;
///
/// let sum = ioxide::run(async {
///     let queue = Rc::new(Queue::bounded(2));
///     drop(ioxide::spawn({
///         let queue = Rc::clone(&queue);
///         async move {
///             for number in 1..=10 {
///                 queue.put(number).await?;
///             }
///             queue.shutdown();
///             Ok::<_, ioxide::sync::ShutDown<i32>>(())
///         }
///     }));
///     let mut sum = 0;
///     while let Ok(number) = queue.get().await {
///         sum += number;
///     }
///     sum
/// })?;
/// assert_eq!(sum, 55);
/// # Ok::<(), std::io::Error>(())
/// ```
pub type Queue<T> = QueueOf<Fifo<T>>;

/// A queue that gives the smallest item first. Put [`Reverse`](std::cmp::Reverse) around items to get the largest.
/// Comparing items mustn't panic: an item or a place would be lost.
///
/// # Examples
/// ```
/// use ioxide::sync::PriorityQueue;
///
/// let queue = PriorityQueue::new();
/// for item in [(2, "code"), (1, "eat"), (3, "sleep")] {
///     queue.put_nowait(item).unwrap();
/// }
/// assert_eq!(queue.get_nowait(), Ok((1, "eat")));
/// ```
pub type PriorityQueue<T> = QueueOf<Priority<T>>;

/// A queue that gives first what was put last.
///
/// # Examples
/// ```
/// use ioxide::sync::LifoQueue;
///
/// let queue = LifoQueue::new();
/// queue.put_nowait("first").unwrap();
/// queue.put_nowait("last").unwrap();
/// assert_eq!(queue.get_nowait(), Ok("last"));
/// ```
pub type LifoQueue<T> = QueueOf<Lifo<T>>;

/// A queue: [`Queue`], [`PriorityQueue`] or [`LifoQueue`], by the store that holds its items.
///
/// Those who wait to put, and those who wait to get, are served in the order in which they came. Share a queue between
/// tasks in an [`Rc`](std::rc::Rc).
pub struct QueueOf<S: Store> {
    store: S,
    /// One for each item in the store that isn't promised to a `get` that was woken.
    items: Permits,
    /// One for each place that isn't taken by an item or promised to a `put` that was woken. `None`: no bound.
    places: Option<Permits>,
    maxsize: usize,
    /// How many items were put that no `task_done` has been called for.
    unfinished: Cell<usize>,
    is_finished: Event,
    is_shut_down: Cell<bool>,
}

impl<S: Store> QueueOf<S> {
    /// Makes a queue that holds any number of items.
    ///
    /// # Examples
    /// ```
    /// let queue = ioxide::sync::Queue::new();
    /// queue.put_nowait(1).unwrap();
    /// assert_eq!(queue.len(), 1);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(0)
    }

    /// Makes a queue that holds `maxsize` items at most. Zero, as in asyncio, is no bound.
    ///
    /// # Examples
    /// ```
    /// let queue = ioxide::sync::Queue::bounded(1);
    /// queue.put_nowait(1).unwrap();
    /// assert!(queue.is_full());
    /// ```
    #[must_use]
    pub fn bounded(maxsize: usize) -> Self {
        let is_finished = Event::new();
        is_finished.set();
        Self {
            store: S::default(),
            items: Permits::new(0),
            places: (maxsize > 0).then(|| Permits::new(maxsize)),
            maxsize,
            unfinished: Cell::new(0),
            is_finished,
            is_shut_down: Cell::new(false),
        }
    }

    /// Puts an item. Waits while the queue is full.
    ///
    /// # Errors
    /// When the queue is shut down, before the call or while it waits.
    ///
    /// # Cancel safety
    /// A call that is given up has not put the item, which is dropped with it.
    ///
    /// # Examples
    /// ```
    /// # ioxide::run(async {
    /// let queue = ioxide::sync::Queue::bounded(1);
    /// queue.put("an item").await?;
    /// assert_eq!(queue.get_nowait(), Ok("an item"));
    /// # Ok::<(), ioxide::sync::ShutDown<&str>>(())
    /// # })?.unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn put(&self, item: S::Item) -> Result<(), ShutDown<S::Item>> {
        if let Some(places) = &self.places
            && !places.acquire_at_once()
            && places.acquire().await == Err(Closed)
        {
            return Err(ShutDown(item));
        }
        if self.is_shut_down.get() {
            return Err(ShutDown(item));
        }
        self.insert(item);
        Ok(())
    }

    /// Puts an item if there is a place for it now.
    ///
    /// # Errors
    /// When there isn't, or when the queue is shut down.
    ///
    /// # Examples
    /// ```
    /// use ioxide::sync::{PutNowaitError, Queue};
    ///
    /// let queue = Queue::bounded(1);
    /// assert_eq!(queue.put_nowait('a'), Ok(()));
    /// assert_eq!(queue.put_nowait('b'), Err(PutNowaitError::Full('b')));
    /// ```
    pub fn put_nowait(&self, item: S::Item) -> Result<(), PutNowaitError<S::Item>> {
        if self.is_shut_down.get() {
            return Err(PutNowaitError::ShutDown(item));
        }
        if self.places.as_ref().is_some_and(|places| !places.try_acquire()) {
            return Err(PutNowaitError::Full(item));
        }
        self.insert(item);
        Ok(())
    }

    /// Takes out the next item. Waits while there is none.
    ///
    /// # Errors
    /// When the queue is shut down and nothing is left in it.
    ///
    /// # Cancel safety
    /// A call that is given up takes nothing: the item stays, or goes to the next who waits.
    ///
    /// # Examples
    /// ```
    /// # ioxide::run(async {
    /// let queue = ioxide::sync::Queue::new();
    /// queue.put(1).await.unwrap();
    /// queue.shutdown();
    /// assert_eq!(queue.get().await, Ok(1));
    /// assert!(queue.get().await.is_err());
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn get(&self) -> Result<S::Item, ShutDown> {
        loop {
            // Who is sent away by a shutdown takes what somebody else has given up since.
            if !self.items.acquire_at_once() && self.items.acquire().await == Err(Closed) && !self.items.try_acquire() {
                return Err(ShutDown(()));
            }
            match self.take() {
                Ok(item) => return Ok(item),
                Err(GetNowaitError::ShutDown) => return Err(ShutDown(())),
                Err(GetNowaitError::Empty) => yield_now().await,
            }
        }
    }

    /// Takes out the next item if there is one now.
    ///
    /// # Errors
    /// When there is none.
    ///
    /// # Examples
    /// ```
    /// use ioxide::sync::{GetNowaitError, Queue};
    ///
    /// let queue = Queue::new();
    /// queue.put_nowait(1).unwrap();
    /// assert_eq!(queue.get_nowait(), Ok(1));
    /// assert_eq!(queue.get_nowait(), Err(GetNowaitError::Empty));
    /// ```
    pub fn get_nowait(&self) -> Result<S::Item, GetNowaitError> {
        if self.items.try_acquire() {
            self.take()
        } else if self.is_shut_down.get() {
            Err(GetNowaitError::ShutDown)
        } else {
            Err(GetNowaitError::Empty)
        }
    }

    /// Says that the work on an item that was taken out is done. [`QueueOf::join`] waits for as many calls as items were
    /// put.
    ///
    /// # Panics
    /// When it is called more often than items were put.
    ///
    /// # Examples
    /// ```
    /// # ioxide::run(async {
    /// let queue = ioxide::sync::Queue::new();
    /// queue.put_nowait("some work").unwrap();
    /// queue.get().await.unwrap();
    /// queue.task_done();
    /// queue.join().await;
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn task_done(&self) {
        let unfinished = self.unfinished.get();
        assert!(unfinished > 0, "task_done() was called more often than items were put");
        self.set_unfinished(unfinished - 1);
    }

    /// Waits until the work on all items is done, of those that are put meanwhile, too.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    ///
    /// # Examples
    /// ```
    /// use ioxide::sync::Queue;
    /// use std::rc::Rc;
    ///
    /// ioxide::run(async {
    ///     let queue = Rc::new(Queue::new());
    ///     (0..3).for_each(|number| queue.put_nowait(number).unwrap());
    ///     drop(ioxide::spawn({
    ///         let queue = Rc::clone(&queue);
    ///         async move {
    ///             while let Ok(_number) = queue.get().await {
    ///                 queue.task_done();
    ///             }
    ///         }
    ///     }));
    ///     queue.join().await;
    ///     assert!(queue.is_empty());
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn join(&self) {
        self.is_finished.wait().await;
    }

    /// Shuts the queue down: nothing can be put any more, and who waits to put is told so. What is in it can be taken
    /// out; who waits for more is told that there is none.
    ///
    /// # Examples
    /// ```
    /// use ioxide::sync::{PutNowaitError, Queue};
    ///
    /// let queue = Queue::new();
    /// queue.shutdown();
    /// assert_eq!(queue.put_nowait(1), Err(PutNowaitError::ShutDown(1)));
    /// ```
    pub fn shutdown(&self) {
        self.is_shut_down.set(true);
        let mut waking = WakeAll::default();
        self.items.close(&mut waking);
        if let Some(places) = &self.places {
            places.close(&mut waking);
        }
        waking.finish();
    }

    /// Shuts the queue down and drops what is in it, work that nobody has to do any more.
    ///
    /// # Examples
    /// ```
    /// let queue = ioxide::sync::Queue::new();
    /// queue.put_nowait("some work").unwrap();
    /// queue.shutdown_now();
    /// assert!(queue.is_empty());
    /// ioxide::run(queue.join())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_now(&self) {
        self.is_shut_down.set(true);
        let dropped = self.store.take();
        self.items.forget_free();
        self.set_unfinished(self.unfinished.get().saturating_sub(dropped.count()));
        self.shutdown();
    }

    /// How many items are in the queue, also those that somebody was woken for.
    ///
    /// # Examples
    /// ```
    /// let queue = ioxide::sync::Queue::new();
    /// queue.put_nowait(1).unwrap();
    /// assert_eq!(queue.len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.count()
    }

    /// Whether no item is in the queue.
    ///
    /// # Examples
    /// ```
    /// assert!(ioxide::sync::Queue::<i32>::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the queue has as many items as it can hold.
    ///
    /// # Examples
    /// ```
    /// let queue = ioxide::sync::Queue::bounded(2);
    /// queue.put_nowait(1).unwrap();
    /// assert!(!queue.is_full());
    /// queue.put_nowait(2).unwrap();
    /// assert!(queue.is_full());
    /// ```
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.maxsize > 0 && self.len() >= self.maxsize
    }

    /// How many items the queue can hold. Zero is any number.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(ioxide::sync::Queue::<i32>::bounded(8).maxsize(), 8);
    /// ```
    #[must_use]
    pub fn maxsize(&self) -> usize {
        self.maxsize
    }

    /// Puts an item whose place is acquired.
    fn insert(&self, item: S::Item) {
        self.store.push(item);
        self.set_unfinished(self.unfinished.get() + 1);
        self.items.release();
    }

    /// Takes out an item whose permit is acquired.
    ///
    /// With a permit there is an item, with two exceptions: it was dropped by `shutdown_now`, or this is called by a
    /// comparison of items, while the store is in the hands of whoever compares them.
    fn take(&self) -> Result<S::Item, GetNowaitError> {
        let Some(item) = self.store.pop() else {
            if self.is_shut_down.get() {
                return Err(GetNowaitError::ShutDown);
            }
            self.items.release();
            return Err(GetNowaitError::Empty);
        };
        if let Some(places) = &self.places {
            places.release();
        }
        Ok(item)
    }

    fn set_unfinished(&self, unfinished: usize) {
        self.unfinished.set(unfinished);
        if unfinished == 0 {
            self.is_finished.set();
        } else {
            self.is_finished.clear();
        }
    }
}

impl<S: Store> Default for QueueOf<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Store> fmt::Debug for QueueOf<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Queue")
            .field("len", &self.len())
            .field("maxsize", &self.maxsize)
            .field("unfinished", &self.unfinished.get())
            .field("is_shut_down", &self.is_shut_down.get())
            .finish_non_exhaustive()
    }
}
