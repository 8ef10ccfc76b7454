//! An event: something that has happened or hasn't, and those who wait until it has.

use std::cell::Cell;

use super::wait_list::{Awaited, WaitList, Waiter};

/// Tells any number of tasks that something has happened: asyncio's `Event`.
///
/// # Examples
/// ```
/// use ioxide::sync::Event;
/// use std::rc::Rc;
///
/// ioxide::run(async {
///     let started = Rc::new(Event::new());
///     let waiting = ioxide::spawn({
///         let started = Rc::clone(&started);
///         async move { started.wait().await }
///     });
///     started.set();
///     waiting.await
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Event {
    is_set: Cell<bool>,
    wait_list: WaitList,
}

impl Event {
    /// Makes an event that isn't set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the event is set.
    ///
    /// # Examples
    /// ```
    /// let event = ioxide::sync::Event::new();
    /// assert!(!event.is_set());
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.is_set.get()
    }

    /// Sets the event, and wakes all who wait, in the order in which they came.
    ///
    /// # Examples
    /// ```
    /// let event = ioxide::sync::Event::new();
    /// event.set();
    /// ioxide::run(event.wait())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set(&self) {
        self.is_set.set(true);
        self.wait_list.grant_all();
    }

    /// Takes the event back: who waits from now on waits until it is set again. Who was woken stays so.
    ///
    /// # Examples
    /// ```
    /// let event = ioxide::sync::Event::new();
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// ```
    pub fn clear(&self) {
        self.is_set.set(false);
    }

    /// Waits until the event is set. Returns at once if it is.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    ///
    /// # Examples
    /// ```
    /// use ioxide::sync::Event;
    /// use std::rc::Rc;
    ///
    /// ioxide::run(async {
    ///     let event = Rc::new(Event::new());
    ///     drop(ioxide::spawn({
    ///         let event = Rc::clone(&event);
    ///         async move { event.set() }
    ///     }));
    ///     event.wait().await;
    ///     assert!(event.is_set());
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn wait(&self) {
        if !self.is_set.get() {
            Waiter::enter(self).await;
        }
    }
}

impl Awaited for Event {
    fn wait_list(&self) -> &WaitList {
        &self.wait_list
    }

    /// An event is everybody's: there is nothing to give on.
    fn give_on(&self) {}
}
