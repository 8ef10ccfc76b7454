//! A condition: waiting for a change of what a lock protects.

use super::lock::LockGuard;
use super::wait_list::{Awaited, Unused, WaitList, Waiter};

/// Lets tasks that hold a lock wait until another task has changed what it protects: asyncio's `Condition`, beside its
/// lock instead of around it.
///
/// Several conditions may belong to one lock. All calls take the lock's guard, so none can be made without holding it.
///
/// # Examples
/// ```
/// use ioxide::sync::{Condition, Lock};
/// use std::rc::Rc;
///
/// let found = ioxide::run(async {
///     let items = Rc::new((Lock::new(Vec::new()), Condition::new()));
///     let waiting = ioxide::spawn({
///         let items = Rc::clone(&items);
///         async move {
///             let (lock, not_empty) = &*items;
///             let mut guard = not_empty.wait_for(lock.acquire().await, |items| !items.is_empty()).await;
///             guard.pop()
///         }
///     });
///     ioxide::yield_now().await;
///     let (lock, not_empty) = &*items;
///     let mut guard = lock.acquire().await;
///     guard.push("an item");
///     not_empty.notify(&guard, 1);
///     drop(guard);
///     waiting.await
/// })??;
/// assert_eq!(found, Some("an item"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Condition {
    wait_list: WaitList,
}

impl Condition {
    /// Makes a condition that nobody waits for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Releases the lock, waits to be notified, and takes the lock again.
    ///
    /// What was waited for may have changed again by then, and a wait may end without it: look, or use
    /// [`Condition::wait_for`].
    ///
    /// # Cancel safety
    /// A call that is given up doesn't hold the lock any more. A notification that it had goes to the next who waits.
    ///
    /// # Examples
    /// ```
    /// use ioxide::sync::{Condition, Lock};
    /// use std::rc::Rc;
    ///
    /// ioxide::run(async {
    ///     let shared = Rc::new((Lock::new(0), Condition::new()));
    ///     drop(ioxide::spawn({
    ///         let shared = Rc::clone(&shared);
    ///         async move {
    ///             let mut guard = shared.0.acquire().await;
    ///             *guard = 1;
    ///             shared.1.notify_all(&guard);
    ///         }
    ///     }));
    ///     let (lock, changed) = &*shared;
    ///     let mut guard = lock.acquire().await;
    ///     while *guard == 0 {
    ///         guard = changed.wait(guard).await;
    ///     }
    ///     assert_eq!(*guard, 1);
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn wait<'a, T>(&self, guard: LockGuard<'a, T>) -> LockGuard<'a, T> {
        let lock = LockGuard::lock(&guard);
        let notified = Waiter::enter(self);
        drop(guard);
        notified.await;
        let notification = Unused(self);
        let guard = lock.acquire().await;
        notification.disarm();
        guard
    }

    /// Waits until `predicate` holds. It is asked while the lock is held: at once, and after each notification.
    ///
    /// # Cancel safety
    /// As [`Condition::wait`].
    ///
    /// # Examples
    /// ```
    /// use ioxide::sync::{Condition, Lock};
    ///
    /// ioxide::run(async {
    ///     let (lock, changed) = (Lock::new(3), Condition::new());
    ///     let guard = changed.wait_for(lock.acquire().await, |value| *value > 2).await;
    ///     assert_eq!(*guard, 3);
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn wait_for<'a, T>(
        &self,
        mut guard: LockGuard<'a, T>,
        mut predicate: impl FnMut(&mut T) -> bool,
    ) -> LockGuard<'a, T> {
        while !predicate(&mut guard) {
            guard = self.wait(guard).await;
        }
        guard
    }

    /// Wakes `count` of those who wait, or all if there are fewer, in the order in which they came. They go on when they
    /// get the lock, which the guard shows to be held.
    ///
    /// # Examples
    /// ```
    /// use ioxide::sync::{Condition, Lock};
    ///
    /// let (lock, changed) = (Lock::new(0), Condition::new());
    /// changed.notify(&lock.try_acquire().unwrap(), 1);
    /// ```
    pub fn notify<T>(&self, _guard: &LockGuard<'_, T>, count: usize) {
        self.wait_list.grant(count);
    }

    /// Wakes all who wait.
    ///
    /// # Examples
    /// ```
    /// use ioxide::sync::{Condition, Lock};
    ///
    /// let (lock, changed) = (Lock::new(0), Condition::new());
    /// changed.notify_all(&lock.try_acquire().unwrap());
    /// ```
    pub fn notify_all<T>(&self, _guard: &LockGuard<'_, T>) {
        self.wait_list.grant_all();
    }
}

impl Awaited for Condition {
    fn wait_list(&self) -> &WaitList {
        &self.wait_list
    }

    fn give_on(&self) {
        // With nobody left to notify, there is nobody for whom it could be lost.
        let _ = self.wait_list.grant_first();
    }
}
