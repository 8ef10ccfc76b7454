//! The reactor on Linux: `epoll(7)`, through rustix.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::wake_up::{RemoteWaker, Waker};
use super::{Event, Interest};
use crate::clock::{Nanoseconds, SECOND};

/// The token of the reactor's own wake-up descriptor. No descriptor number reaches it.
const WAKE_UP: u64 = u64::MAX;

/// How many descriptors one poll reports at most. The others are reported by the next one; the kernel takes turns.
const EVENTS_PER_POLL: usize = 1024;

/// The longest single wait: a day, as asyncio has it. It keeps every timeout within what the kernel can count.
const MAX_WAIT: Nanoseconds = 24 * 3600 * SECOND;

/// Waits for descriptors to become ready.
#[derive(Debug)]
pub struct Reactor {
    epoll: OwnedFd,
    waker: Waker,
    remote_waker: RemoteWaker,
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.remote_waker.disconnect();
    }
}

/// The reactor's own descriptor. It is readable when a poll would find something, so that another reactor can watch it.
impl AsFd for Reactor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// Where a poll puts what it found.
pub struct Events {
    buffer: Vec<epoll::Event>,
}

// SAFETY: what keeps the type from being `Send` is that an event's data may be a pointer. Here it is always a number,
// the token that `Reactor::add` was given.
unsafe impl Send for Events {}

impl std::fmt::Debug for Events {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl Reactor {
    /// Opens a reactor.
    ///
    /// # Errors
    /// What `epoll_create1(2)` and `eventfd(2)` give: out of descriptors or of memory.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let waker = Waker::new()?;
        epoll::add(&epoll, waker.descriptor(), epoll::EventData::new_u64(WAKE_UP), epoll::EventFlags::IN)?;
        Ok(Self { epoll, remote_waker: RemoteWaker::new(&waker), waker })
    }

    /// The handle by which other threads end a wait.
    #[must_use]
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// As [`Reactor::waker`], for those who may outlive the reactor.
    #[must_use]
    pub fn remote_waker(&self) -> RemoteWaker {
        self.remote_waker.clone()
    }

    /// Begins to watch `source`. Events name it by `token`, which is the caller's to choose, below `u64::MAX`.
    ///
    /// # Errors
    /// What `epoll_ctl(2)` gives, among others `EPERM` for a regular file and `EBADF`. A descriptor that is watched
    /// already isn't an error: its interest and its token are replaced.
    pub fn add(&self, source: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        match epoll::add(&self.epoll, source, data, flags(interest)) {
            Err(Errno::EXIST) => Ok(epoll::modify(&self.epoll, source, data, flags(interest))?),
            result => Ok(result?),
        }
    }

    /// Begins to watch `source` in both directions, and reports each change once: for those who remember what was
    /// reported, and use a descriptor until there is nothing left.
    ///
    /// # Errors
    /// As [`Reactor::add`], and `EEXIST` when the descriptor is watched already.
    pub fn add_edge_triggered(&self, source: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        let flags = flags | epoll::EventFlags::RDHUP | epoll::EventFlags::PRI;
        Ok(epoll::add(&self.epoll, source, epoll::EventData::new_u64(token), flags)?)
    }

    /// Changes what `source` is watched for.
    ///
    /// # Errors
    /// As [`Reactor::add`]. A descriptor that the kernel no longer watches, because it was closed and its number is in
    /// use again, isn't an error: it is added.
    pub fn modify(&self, source: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        match epoll::modify(&self.epoll, source, data, flags(interest)) {
            Err(Errno::NOENT) => Ok(epoll::add(&self.epoll, source, data, flags(interest))?),
            result => Ok(result?),
        }
    }

    /// Ceases to watch `source`. The kernel has forgotten a descriptor that was closed: that isn't an error.
    pub fn remove(&self, source: BorrowedFd<'_>) {
        // What can go wrong is that there is nothing to remove.
        let _ = epoll::delete(&self.epoll, source);
    }

    /// Waits until a descriptor is ready, `timeout` has passed (`None`: for as long as it takes), or the [`Waker`]
    /// is used. A timeout that isn't a whole number of milliseconds is rounded up.
    ///
    /// # Errors
    /// `EINTR` when a signal handler ran.
    pub fn poll(&self, events: &mut Events, timeout: Option<Nanoseconds>) -> io::Result<()> {
        events.buffer.clear();
        let timeout = timeout.map(|wait| {
            let wait = wait.clamp(0, MAX_WAIT);
            Timespec { tv_sec: wait / SECOND, tv_nsec: wait % SECOND }
        });
        epoll::wait(&self.epoll, spare_capacity(&mut events.buffer), timeout.as_ref())?;
        if events.buffer.iter().any(|event| event.data.u64() == WAKE_UP) {
            self.waker.reset();
        }
        Ok(())
    }
}

impl Events {
    /// Makes room for the events of one poll.
    #[must_use]
    pub fn new() -> Self {
        Self { buffer: Vec::with_capacity(EVENTS_PER_POLL) }
    }

    /// Forgets what the last poll found.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// What the last poll found.
    pub fn iter(&self) -> impl Iterator<Item = Event> {
        self.buffer.iter().filter(|event| event.data.u64() != WAKE_UP).map(|event| {
            // The struct is packed: its fields are copied, not borrowed.
            let (flags, data) = (event.flags, event.data);
            Event { token: data.u64(), ready: readiness(flags), is_ending: flags.intersects(ENDING) }
        })
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

fn flags(interest: Interest) -> epoll::EventFlags {
    let mut flags = epoll::EventFlags::empty();
    flags.set(epoll::EventFlags::IN, interest.readable);
    flags.set(epoll::EventFlags::OUT, interest.writable);
    flags
}

/// What comes with the end of a connection, or of one direction of it, or with urgent bytes, which end a read.
const ENDING: epoll::EventFlags =
    epoll::EventFlags::RDHUP.union(epoll::EventFlags::HUP).union(epoll::EventFlags::ERR).union(epoll::EventFlags::PRI);

/// Anything but "writable" is a reason to read, anything but "readable" a reason to write: an error or a hang-up has to
/// reach whichever side waits.
fn readiness(flags: epoll::EventFlags) -> Interest {
    Interest {
        readable: !(flags - epoll::EventFlags::OUT).is_empty(),
        writable: !(flags - epoll::EventFlags::IN).is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn poll_now(reactor: &Reactor) -> Vec<Event> {
        let mut events = Events::new();
        reactor.poll(&mut events, Some(0)).unwrap();
        events.iter().collect()
    }

    #[test]
    fn ten_bytes_read_one_at_a_time_are_reported_ten_times() {
        let reactor = Reactor::new().unwrap();
        let (mut near, mut far) = UnixStream::pair().unwrap();
        far.write_all(&[0; 10]).unwrap();
        reactor.add(near.as_fd(), 7, Interest::READABLE).unwrap();
        for _ in 0..10 {
            assert_eq!(poll_now(&reactor), [Event { token: 7, ready: Interest::READABLE, is_ending: false }]);
            near.read_exact(&mut [0]).unwrap();
        }
        assert_eq!(poll_now(&reactor), []);
    }

    #[test]
    fn a_hang_up_reaches_whoever_waits() {
        let reactor = Reactor::new().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        reactor.add(near.as_fd(), 1, Interest::READABLE).unwrap();
        drop(far);
        assert!(poll_now(&reactor)[0].ready.readable);
        reactor.modify(near.as_fd(), 1, Interest::WRITABLE).unwrap();
        assert!(poll_now(&reactor)[0].ready.writable);
    }

    #[test]
    fn a_removed_descriptor_is_not_reported() {
        let reactor = Reactor::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        reactor.add(near.as_fd(), 1, Interest::WRITABLE).unwrap();
        reactor.remove(near.as_fd());
        reactor.remove(near.as_fd());
        assert_eq!(poll_now(&reactor), []);
    }

    #[test]
    fn adding_twice_and_modifying_what_is_not_there_both_work() {
        let reactor = Reactor::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        reactor.modify(near.as_fd(), 1, Interest::WRITABLE).unwrap();
        reactor.add(near.as_fd(), 2, Interest::BOTH).unwrap();
        assert_eq!(poll_now(&reactor), [Event { token: 2, ready: Interest::WRITABLE, is_ending: false }]);
    }

    #[test]
    fn a_regular_file_is_refused() {
        let reactor = Reactor::new().unwrap();
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let error = reactor.add(file.as_fd(), 1, Interest::READABLE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
