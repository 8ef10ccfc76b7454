//! The table of who waits for which descriptor.
//!
//! At most one reader and one writer per descriptor, as asyncio has it. The table only keeps them: what has to be told to
//! the reactor it says as a [`Change`]. Taking something out hands it to the caller, who drops it when nothing is borrowed.

use std::os::fd::RawFd;

use ioxide::Interest;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::guest::Guest;
use crate::handle::Handle;
use crate::item::Item;
use crate::listener::Listener;
use crate::socket_operation::SocketOperation;
use crate::transport::SocketTransport;

/// Which way a watcher waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// For something to read.
    Read,
    /// For room to write.
    Write,
}

/// Tells the transports of a loop apart. It isn't given twice, unlike the number of a descriptor.
pub type TransportId = std::num::NonZeroU64;

/// Who is told that a descriptor is ready.
pub enum Watcher {
    /// A callback of `add_reader` or `add_writer`.
    Handle(Py<Handle>),
    /// A transport.
    Transport(Py<SocketTransport>),
    /// A server's listening socket.
    Listener(Py<Listener>),
    /// A `sock_*` operation.
    Operation(Py<SocketOperation>),
    /// A guest of the loop.
    Guest(Py<Guest>),
}

/// The watchers of every descriptor.
pub struct Watched {
    /// Indexed by descriptor: the kernel hands out the lowest number that is free, so the table stays dense.
    entries: Vec<Entry>,
    /// How many descriptors have a watcher.
    count: usize,
}

#[derive(Default)]
pub(super) struct Entry {
    pub(super) reader: Option<Watcher>,
    pub(super) writer: Option<Watcher>,
    /// The object that was given instead of a number. It finds the entry when it has been closed and no longer knows
    /// its number.
    pub(super) object: Option<Py<PyAny>>,
    /// The transport that the descriptor belongs to, if it is one of ours and isn't closing.
    pub(super) transport: Option<TransportId>,
}

/// What has to be told to the reactor after a change.
pub(super) enum Change {
    Add(Interest),
    Modify(Interest),
    Remove,
    Nothing,
}

impl Watcher {
    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Handle(handle) => Self::Handle(handle.clone_ref(py)),
            Self::Transport(transport) => Self::Transport(transport.clone_ref(py)),
            Self::Listener(listener) => Self::Listener(listener.clone_ref(py)),
            Self::Operation(operation) => Self::Operation(operation.clone_ref(py)),
            Self::Guest(guest) => Self::Guest(guest.clone_ref(py)),
        }
    }

    pub(super) fn as_ptr(&self) -> *mut pyo3::ffi::PyObject {
        match self {
            Self::Handle(handle) => handle.as_ptr(),
            Self::Transport(transport) => transport.as_ptr(),
            Self::Listener(listener) => listener.as_ptr(),
            Self::Operation(operation) => operation.as_ptr(),
            Self::Guest(guest) => guest.as_ptr(),
        }
    }

    pub(super) fn into_item(self, direction: Direction) -> Item {
        match (self, direction) {
            (Self::Handle(handle), _) => Item::Handle(handle),
            (Self::Transport(transport), Direction::Read) => Item::Read(transport),
            (Self::Transport(transport), Direction::Write) => Item::Write(transport),
            (Self::Listener(listener), _) => Item::Accept(listener),
            (Self::Operation(operation), _) => Item::Resume(operation),
            (Self::Guest(guest), _) => Item::Poll(guest),
        }
    }

    pub(super) fn is_cancelled(&self, py: Python<'_>) -> bool {
        matches!(self, Self::Handle(handle) if handle.get().cancelled(py))
    }

    /// Sees to it that a watcher that was queued and is no longer wanted doesn't run.
    pub fn cancel(self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Handle(handle) => Handle::cancel(handle.bind(py)),
            // These look at their own state when they run.
            Self::Transport(_) | Self::Listener(_) | Self::Operation(_) | Self::Guest(_) => Ok(()),
        }
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Handle(handle) => visit.call(handle),
            Self::Transport(transport) => visit.call(transport),
            Self::Listener(listener) => visit.call(listener),
            Self::Operation(operation) => visit.call(operation),
            Self::Guest(guest) => visit.call(guest),
        }
    }
}

impl Entry {
    pub(super) fn interest(&self) -> Interest {
        Interest { readable: self.reader.is_some(), writable: self.writer.is_some() }
    }

    fn side(&mut self, direction: Direction) -> &mut Option<Watcher> {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }

    pub(super) fn side_ref(&self, direction: Direction) -> Option<&Watcher> {
        match direction {
            Direction::Read => self.reader.as_ref(),
            Direction::Write => self.writer.as_ref(),
        }
    }
}

impl Watched {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), count: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.entries.iter().try_for_each(|entry| {
            entry.reader.iter().chain(&entry.writer).try_for_each(|watcher| watcher.traverse(visit))?;
            visit.call(&entry.object)
        })
    }

    /// Takes everything out, for the caller to drop.
    pub(super) fn take(&mut self) -> impl Sized + use<> {
        self.count = 0;
        std::mem::take(&mut self.entries)
    }

    pub(super) fn get(&self, fd: RawFd) -> Option<&Entry> {
        self.entries.get(usize::try_from(fd).ok()?)
    }

    /// The entry of a descriptor that the kernel knows: its number is below the limit on open files.
    pub(super) fn entry(&mut self, fd: RawFd) -> &mut Entry {
        let index = usize::try_from(fd).expect("descriptor::borrow has refused negative numbers");
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, Entry::default);
        }
        &mut self.entries[index]
    }

    fn existing_entry(&mut self, fd: RawFd) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(fd).ok()?)
    }

    pub(super) fn claim(&mut self, fd: RawFd, transport: TransportId) {
        self.entry(fd).transport = Some(transport);
    }

    pub(super) fn disclaim(&mut self, fd: RawFd, transport: TransportId) {
        if let Some(entry) = self.existing_entry(fd).filter(|entry| entry.transport == Some(transport)) {
            entry.transport = None;
        }
    }

    /// What the reactor has to be told before a watcher is put in.
    pub(super) fn change_for(&self, fd: RawFd, direction: Direction) -> Change {
        let before = self.get(fd).map_or(Interest::NONE, Entry::interest);
        let after = match direction {
            Direction::Read => Interest { readable: true, ..before },
            Direction::Write => Interest { writable: true, ..before },
        };
        if before.is_none() { Change::Add(after) } else { Change::Modify(after) }
    }

    /// Puts a watcher in and returns the one that it replaces.
    pub(super) fn insert(&mut self, fd: RawFd, direction: Direction, watcher: Watcher) -> Option<Watcher> {
        let entry = self.entry(fd);
        let was_unwatched = entry.interest().is_none();
        let replaced = entry.side(direction).replace(watcher);
        self.count += usize::from(was_unwatched);
        replaced
    }

    /// Takes a watcher out, with what else there is to drop and what the reactor has to be told.
    pub(super) fn remove(&mut self, fd: RawFd, direction: Direction) -> (Option<Watcher>, Option<Py<PyAny>>, Change) {
        let Some(entry) = self.existing_entry(fd) else { return (None, None, Change::Nothing) };
        let Some(watcher) = entry.side(direction).take() else { return (None, None, Change::Nothing) };
        let left = entry.interest();
        if left.is_none() {
            let object = entry.object.take();
            self.count -= 1;
            return (Some(watcher), object, Change::Remove);
        }
        (Some(watcher), None, Change::Modify(left))
    }

    pub(super) fn find(&self, object: &Bound<'_, PyAny>) -> Option<RawFd> {
        let is_it = |entry: &Entry| entry.object.as_ref().is_some_and(|known| known.is(object));
        self.entries.iter().position(is_it).and_then(|index| RawFd::try_from(index).ok())
    }
}
