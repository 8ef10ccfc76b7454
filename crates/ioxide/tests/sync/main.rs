//! What tasks meet at.

#![expect(clippy::unwrap_used, reason = "a test's helpers are tests, too")]

mod by_hand;
mod cancellation;
mod others;
mod queue;
