//! Waiting for more than one thing.

mod as_completed;
mod gather;
mod shield;
mod wait;

pub use as_completed::{AsCompleted, as_completed};
pub use gather::{gather, try_gather};
pub use shield::shield;
pub use wait::{Wait, wait};
