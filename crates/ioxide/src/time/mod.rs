//! Time: waiting for it, and giving up when it is over.
//!
//! Everything goes by the monotonic clock of the running loop, and has at most one timer in it.

mod alarm;
mod sleep;
mod timeout;

pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{TimedOut, Timeout, WithTimeout, timeout, timeout_at};
