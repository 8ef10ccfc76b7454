//! The reactor: which descriptors are ready, and how another thread ends the wait for them.
//!
//! Level-triggered, as asyncio is: a descriptor is reported again at every poll for as long as it is ready, so that a
//! callback that reads one byte of ten is called ten times. (An edge-triggered poller reports once and leaves the rest
//! to the caller, which `add_reader` doesn't allow.)
//!
//! The reactor keeps no table of what it watches. Its owner knows what each descriptor is for, and tells the reactor
//! when that changes.
//!
//! `Reactor::poll` is called by one thread at a time, the loop's. Everything else may be called from any thread.

mod epoll;
mod wake_up;

pub use epoll::{Events, Reactor};
pub use wake_up::{Asleep, RemoteWaker, Waker};

/// What to wait for on a descriptor, and what it turned out to be ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// There is something to read, or the other side has closed, or an error is pending.
    pub readable: bool,
    /// There is room to write, or the other side has closed, or an error is pending.
    pub writable: bool,
}

impl Interest {
    /// Waits for nothing.
    pub const NONE: Self = Self { readable: false, writable: false };
    /// Waits until there is something to read.
    pub const READABLE: Self = Self { readable: true, writable: false };
    /// Waits until there is room to write.
    pub const WRITABLE: Self = Self { readable: false, writable: true };
    /// Waits for either.
    pub const BOTH: Self = Self { readable: true, writable: true };

    /// Whether this waits for nothing.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// A descriptor that is ready, named by the token that it was added with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The token given to [`Reactor::add`].
    pub token: u64,
    /// What it is ready for. An error or a hang-up counts as both, so that whoever waits learns of it.
    pub ready: Interest,
    /// There is an error or a hang-up among it, if only of the other side's writing, or urgent bytes: whoever reads has
    /// more to learn than the bytes that are there, or reads them in more than one go.
    pub is_ending: bool,
}
