//! A lock around a value, held across awaits.

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::ops::{Deref, DerefMut};

use super::permits::Permits;

/// Lends a value to one task at a time: asyncio's `Lock`, with what it protects inside.
///
/// Who waits first gets the lock first. A `RefCell` does where no await comes between.
///
/// # Examples
/// ```
/// use ioxide::sync::Lock;
/// use std::rc::Rc;
///
/// let total = ioxide::run(async {
///     let total = Rc::new(Lock::new(0));
///     let tasks: Vec<_> = (0..10)
///         .map(|number| {
///             let total = Rc::clone(&total);
///             ioxide::spawn(async move {
///                 let mut total = total.acquire().await;
///                 let before = *total;
///                 ioxide::yield_now().await;
///                 *total = before + number;
///             })
///         })
///         .collect();
///     for task in tasks {
///         task.await?;
///     }
///     Ok::<_, ioxide::Cancelled>(*total.acquire().await)
/// })??;
/// assert_eq!(total, 45);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Lock<T> {
    permit: Permits,
    value: RefCell<T>,
}

/// A lock that is held. To drop it releases the lock.
#[must_use = "the lock is released as this is dropped"]
pub struct LockGuard<'a, T> {
    // In this order: who gets the lock as it is released must find the value free.
    value: RefMut<'a, T>,
    held: Held<'a, T>,
}

struct Held<'a, T>(&'a Lock<T>);

impl<T> Lock<T> {
    /// Makes a lock that nobody holds.
    ///
    /// # Examples
    /// ```
    /// let lock = ioxide::sync::Lock::new("a value");
    /// assert!(!lock.is_locked());
    /// ```
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { permit: Permits::new(1), value: RefCell::new(value) }
    }

    /// Takes the lock. Waits while somebody else holds it, or came before.
    ///
    /// A task that takes it twice waits for ever.
    ///
    /// # Cancel safety
    /// A call that is given up loses its place in line, and the lock goes to the next.
    ///
    /// # Examples
    /// ```
    /// # ioxide::run(async {
    /// let lock = ioxide::sync::Lock::new(1);
    /// *lock.acquire().await += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn acquire(&self) -> LockGuard<'_, T> {
        if !self.permit.acquire_at_once() {
            let acquired = self.permit.acquire().await;
            debug_assert!(acquired.is_ok(), "a lock is never closed");
        }
        self.guard()
    }

    /// Takes the lock if nobody holds it or waits for it.
    ///
    /// # Examples
    /// ```
    /// let lock = ioxide::sync::Lock::new(1);
    /// let guard = lock.try_acquire();
    /// assert!(guard.is_some());
    /// assert!(lock.try_acquire().is_none());
    /// ```
    pub fn try_acquire(&self) -> Option<LockGuard<'_, T>> {
        self.permit.try_acquire().then(|| self.guard())
    }

    /// Whether the lock is held, or promised to one who waited for it.
    ///
    /// # Examples
    /// ```
    /// let lock = ioxide::sync::Lock::new(());
    /// let guard = lock.try_acquire();
    /// assert!(lock.is_locked());
    /// drop(guard);
    /// assert!(!lock.is_locked());
    /// ```
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.permit.free() == 0
    }

    /// The value, without locking: nobody else can hold what is borrowed exclusively.
    ///
    /// # Examples
    /// ```
    /// let mut lock = ioxide::sync::Lock::new(1);
    /// *lock.get_mut() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    #[must_use]
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Takes the value out.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(ioxide::sync::Lock::new(1).into_inner(), 1);
    /// ```
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// The permit is acquired, so nobody else has borrowed the value.
    fn guard(&self) -> LockGuard<'_, T> {
        LockGuard { value: self.value.borrow_mut(), held: Held(self) }
    }
}

impl<'a, T> LockGuard<'a, T> {
    /// The lock that is held.
    pub(super) fn lock(guard: &Self) -> &'a Lock<T> {
        guard.held.0
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.0.permit.release();
    }
}

impl<T> Deref for LockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for LockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lock").field("is_locked", &self.is_locked()).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for LockGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}
