//! Panics that nobody is there to be handed. The hook has told of them.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does what may panic, and goes on if it does.
pub(crate) fn contain(action: impl FnOnce()) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(action)) else { return };
    // What a panic carries may panic as it is dropped, too, and what that carries isn't looked at any more.
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(another);
    }
}
