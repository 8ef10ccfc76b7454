//! Waiting for more than one thing, for a time, and for what was begun.

mod blocking;
mod group;
mod several;
mod time;

use std::cell::Cell;
use std::rc::Rc;

/// Tells that it was dropped.
pub struct SetsWhenDropped(pub Rc<Cell<bool>>);

impl Drop for SetsWhenDropped {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// A flag, and what sets it as it is dropped.
#[must_use]
pub fn watch_drop() -> (Rc<Cell<bool>>, SetsWhenDropped) {
    let flag = Rc::new(Cell::new(false));
    (Rc::clone(&flag), SetsWhenDropped(flag))
}
