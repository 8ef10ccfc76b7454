//! A semaphore: a number of permits that tasks take and give back.

use super::permits::Permits;

/// Lets so many tasks go on at a time: asyncio's `Semaphore`.
///
/// A permit is given back once, as its guard is dropped. So nothing is there for asyncio's `BoundedSemaphore` to notice,
/// and this is both.
///
/// # Examples
/// ```
/// use ioxide::sync::Semaphore;
/// use std::rc::Rc;
///
/// ioxide::run(async {
///     let two_at_a_time = Rc::new(Semaphore::new(2));
///     let tasks: Vec<_> = (0..10)
///         .map(|_| {
///             let two_at_a_time = Rc::clone(&two_at_a_time);
///             ioxide::spawn(async move {
///                 let _permit = two_at_a_time.acquire().await;
///                 ioxide::yield_now().await;
///             })
///         })
///         .collect();
///     for task in tasks {
///         task.await?;
///     }
///     assert_eq!(two_at_a_time.free(), 2);
///     Ok::<_, ioxide::Cancelled>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Semaphore {
    permits: Permits,
}

/// One permit of a [`Semaphore`]. To drop it gives it back.
#[derive(Debug)]
#[must_use = "the permit is given back as this is dropped"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
}

impl Semaphore {
    /// Makes a semaphore with so many permits.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(ioxide::sync::Semaphore::new(3).free(), 3);
    /// ```
    #[must_use]
    pub fn new(permits: usize) -> Self {
        Self { permits: Permits::new(permits) }
    }

    /// Takes a permit. Waits while there is none, or somebody came before.
    ///
    /// # Cancel safety
    /// A call that is given up loses its place in line, and the permit goes to the next.
    ///
    /// # Examples
    /// ```
    /// # ioxide::run(async {
    /// let semaphore = ioxide::sync::Semaphore::new(1);
    /// let permit = semaphore.acquire().await;
    /// assert!(semaphore.try_acquire().is_none());
    /// drop(permit);
    /// assert!(semaphore.try_acquire().is_some());
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn acquire(&self) -> Permit<'_> {
        if !self.permits.acquire_at_once() {
            let acquired = self.permits.acquire().await;
            debug_assert!(acquired.is_ok(), "a semaphore is never closed");
        }
        Permit { semaphore: self }
    }

    /// Takes a permit if there is one that isn't promised to one who waited.
    ///
    /// # Examples
    /// ```
    /// let semaphore = ioxide::sync::Semaphore::new(0);
    /// assert!(semaphore.try_acquire().is_none());
    /// ```
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.permits.try_acquire().then(|| Permit { semaphore: self })
    }

    /// Adds a permit, one that nobody has taken: asyncio's `release` without an `acquire`.
    ///
    /// # Examples
    /// ```
    /// let semaphore = ioxide::sync::Semaphore::new(0);
    /// semaphore.add_permit();
    /// assert_eq!(semaphore.free(), 1);
    /// ```
    pub fn add_permit(&self) {
        self.permits.release();
    }

    /// How many permits can be taken at once.
    ///
    /// # Examples
    /// ```
    /// let semaphore = ioxide::sync::Semaphore::new(2);
    /// let permit = semaphore.try_acquire();
    /// assert_eq!(semaphore.free(), 1);
    /// ```
    #[must_use]
    pub fn free(&self) -> usize {
        self.permits.free()
    }
}

impl Permit<'_> {
    /// Keeps the permit for ever: the semaphore has one less.
    ///
    /// # Examples
    /// ```
    /// let semaphore = ioxide::sync::Semaphore::new(2);
    /// semaphore.try_acquire().unwrap().forget();
    /// assert_eq!(semaphore.free(), 1);
    /// ```
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.semaphore.permits.release();
    }
}
