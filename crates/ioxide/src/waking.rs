//! Waking those who wait together, of whom none is to suffer from another's waker that panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

use crate::panics::contain;

/// Wakes one after the other, and keeps what the first of them panics with until all are woken.
#[derive(Default)]
pub(crate) struct WakeAll {
    panic: Option<Box<dyn Any + Send>>,
}

impl WakeAll {
    pub(crate) fn wake(&mut self, waker: Waker) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            match self.panic {
                None => self.panic = Some(panic),
                Some(_) => contain(|| drop(panic)),
            }
        }
    }

    /// All are woken.
    ///
    /// # Panics
    /// With what the first waker panicked with that did.
    pub(crate) fn finish(self) {
        if let Some(panic) = self.panic {
            resume_unwind(panic);
        }
    }
}
