//! A barrier: tasks wait for each other, and go on together.

use std::cell::Cell;
use std::error::Error;
use std::fmt;

use super::wait_list::{Awaited, Outcome, WaitList, Waiter};

/// Lets so many tasks wait for each other: asyncio's `Barrier`. It can be used again at once, also before all who were
/// let go have run.
///
/// # Examples
/// ```
/// use ioxide::sync::Barrier;
/// use std::rc::Rc;
///
/// let places = ioxide::run(async {
///     let barrier = Rc::new(Barrier::new(3));
///     let tasks = (0..3).map(|_| {
///         let barrier = Rc::clone(&barrier);
///         ioxide::spawn(async move { barrier.wait().await })
///     });
///     let mut places = Vec::new();
///     for task in tasks.collect::<Vec<_>>() {
///         places.push(task.await??);
///     }
///     Ok::<_, Box<dyn std::error::Error>>(places)
/// })?;
/// assert_eq!(places.unwrap(), [0, 1, 2]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Barrier {
    parties: usize,
    is_broken: Cell<bool>,
    wait_list: WaitList,
}

/// The barrier was reset while the task waited, or is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBarrier;

impl fmt::Display for BrokenBarrier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the barrier is broken, or was reset")
    }
}

impl Error for BrokenBarrier {}

impl Barrier {
    /// Makes a barrier for so many tasks. One for no task is one for a single task, which never waits.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(ioxide::sync::Barrier::new(2).parties(), 2);
    /// ```
    #[must_use]
    pub fn new(parties: usize) -> Self {
        Self { parties: parties.max(1), is_broken: Cell::new(false), wait_list: WaitList::default() }
    }

    /// Waits until as many wait as the barrier is for. Returns a number that is different for each of them, from zero:
    /// their places in the line.
    ///
    /// # Errors
    /// When the barrier is broken, or is reset while this waits.
    ///
    /// # Cancel safety
    /// A call that is given up leaves the line, and another has to come in its place. Once all have come it is counted,
    /// whether it is given up or not.
    ///
    /// # Examples
    /// ```
    /// let place = ioxide::run(async { ioxide::sync::Barrier::new(1).wait().await })?;
    /// assert_eq!(place, Ok(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn wait(&self) -> Result<usize, BrokenBarrier> {
        if self.is_broken.get() {
            return Err(BrokenBarrier);
        }
        let before = self.waiting();
        if before + 1 >= self.parties {
            self.wait_list.grant_all();
            return Ok(before);
        }
        match Waiter::enter(self).await {
            Outcome::Granted { place } => Ok(place),
            Outcome::Refused => Err(BrokenBarrier),
        }
    }

    /// Sends away all who wait, and makes a broken barrier whole.
    ///
    /// # Examples
    /// ```
    /// let barrier = ioxide::sync::Barrier::new(2);
    /// barrier.abort();
    /// barrier.reset();
    /// assert!(!barrier.is_broken());
    /// ```
    pub fn reset(&self) {
        self.is_broken.set(false);
        self.wait_list.refuse_all();
    }

    /// Breaks the barrier: all who wait, and all who come, are sent away until it is reset.
    ///
    /// # Examples
    /// ```
    /// use ioxide::sync::{Barrier, BrokenBarrier};
    ///
    /// let barrier = Barrier::new(2);
    /// barrier.abort();
    /// assert_eq!(ioxide::run(barrier.wait())?, Err(BrokenBarrier));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn abort(&self) {
        self.is_broken.set(true);
        self.wait_list.refuse_all();
    }

    /// How many tasks the barrier is for.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(ioxide::sync::Barrier::new(2).parties(), 2);
    /// ```
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many tasks wait.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(ioxide::sync::Barrier::new(2).waiting(), 0);
    /// ```
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.wait_list.waiting()
    }

    /// Whether the barrier is broken.
    ///
    /// # Examples
    /// ```
    /// let barrier = ioxide::sync::Barrier::new(2);
    /// barrier.abort();
    /// assert!(barrier.is_broken());
    /// ```
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.is_broken.get()
    }
}

impl Awaited for Barrier {
    fn wait_list(&self) -> &WaitList {
        &self.wait_list
    }

    /// All who waited were let go at the same time: there is nobody to give anything on to.
    fn give_on(&self) {}
}
