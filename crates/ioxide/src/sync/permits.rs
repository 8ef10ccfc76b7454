//! Permits: what a lock has one of, a semaphore some, and a queue one for each item and one for each free place.
//!
//! A permit is free, or somebody's: of one who holds it, or of one in the wait list to whom it was granted. While
//! anybody is in the line no permit is free, for [`Permits::release`] serves the line first. So to take a free permit at
//! once, as [`Permits::try_acquire`] does, never takes it from one who waits.

use std::cell::Cell;

use super::wait_list::{Awaited, Outcome, Unused, WaitList, Waiter};
use crate::task::yield_now;
use crate::waking::WakeAll;

/// A number of permits, and those who wait for one.
#[derive(Debug)]
pub(super) struct Permits {
    free: Cell<usize>,
    is_closed: Cell<bool>,
    wait_list: WaitList,
}

/// There is no free permit, and nobody is to wait for one any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

impl Permits {
    pub(super) fn new(free: usize) -> Self {
        Self { free: Cell::new(free), is_closed: Cell::new(false), wait_list: WaitList::default() }
    }

    /// How many permits are nobody's.
    pub(super) fn free(&self) -> usize {
        self.free.get()
    }

    /// Takes a free permit, if there is one.
    #[must_use]
    pub(super) fn try_acquire(&self) -> bool {
        let free = self.free.get();
        self.free.set(free.saturating_sub(1));
        free > 0
    }

    /// Takes a free permit, if there is one and nobody is in line, not even one who was granted a permit and hasn't run
    /// yet. That is how it mostly is: who asks this first doesn't even make what [`Permits::acquire`] waits with.
    #[must_use]
    pub(super) fn acquire_at_once(&self) -> bool {
        self.wait_list.is_empty() && self.try_acquire()
    }

    /// Takes a permit as soon as there is one. Who was granted one and hasn't run yet goes first.
    ///
    /// # Cancel safety
    /// One who gives up loses its place in line, and the permit goes to the next if it was granted already.
    pub(super) async fn acquire(&self) -> Result<(), Closed> {
        if self.acquire_at_once() {
            return Ok(());
        }
        if self.try_acquire() {
            let unused = Unused(self);
            yield_now().await;
            unused.disarm();
            return Ok(());
        }
        if self.is_closed.get() {
            return Err(Closed);
        }
        match Waiter::enter(self).await {
            Outcome::Granted { .. } => Ok(()),
            Outcome::Refused => Err(Closed),
        }
    }

    /// Gives a permit, to the first in line if anybody waits.
    pub(super) fn release(&self) {
        if !self.wait_list.grant_first() {
            self.free.set(self.free.get().saturating_add(1));
        }
    }

    /// Sends away all who wait, and all who would have to wait from now on.
    pub(super) fn close(&self, waking: &mut WakeAll) {
        self.is_closed.set(true);
        self.wait_list.refuse_all_with(waking);
    }

    /// Takes all free permits away.
    pub(super) fn forget_free(&self) {
        self.free.set(0);
    }
}

impl Awaited for Permits {
    fn wait_list(&self) -> &WaitList {
        &self.wait_list
    }

    fn give_on(&self) {
        self.release();
    }
}
