//! Ending a wait from another thread: an `eventfd(2)` that the reactor watches, and a flag that saves writing to it.
//!
//! The flag says whether the loop sleeps, or is about to. The protocol has two sides:
//!
//! - the loop raises the flag ([`Waker::fall_asleep`]), *then* looks whether anything was sent, and only then waits;
//! - a sender sends, *then* looks at the flag ([`Waker::wake`]), and writes to the descriptor if it is up.
//!
//! Each side has a sequentially consistent fence between its write and its read of what the other writes. So at least
//! one of them sees the other: either the loop finds what was sent, or the sender finds the flag and ends the wait. A
//! sender that finds the flag lowers it, so that of many only the first pays for a system call.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};

/// Ends the wait of a reactor, from any thread. Clones wake the same reactor.
#[derive(Clone, Debug)]
pub struct Waker {
    shared: Arc<Shared>,
}

/// A waker for those who may outlive the reactor: it does nothing once the reactor is gone.
///
/// It lends the reactor's waker under a lock, so that no wake-up that is under way keeps the descriptor open beyond the
/// reactor's end.
#[derive(Clone, Debug)]
pub struct RemoteWaker {
    waker: Arc<Mutex<Option<Waker>>>,
}

#[derive(Debug)]
struct Shared {
    asleep: AtomicBool,
    descriptor: OwnedFd,
}

/// The loop sleeps, or is about to, for as long as this lives.
#[derive(Debug)]
pub struct Asleep<'a>(&'a Waker);

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { shared: Arc::new(Shared { asleep: AtomicBool::new(false), descriptor }) })
    }

    /// Makes sure that the loop looks at what was sent to it before this call. Costs a system call only if it sleeps.
    pub fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::Relaxed) && self.shared.asleep.swap(false, Ordering::Relaxed) {
            // The one failure is a counter that is full, and then the descriptor is readable already.
            let _ = rustix::io::write(&self.shared.descriptor, &1u64.to_ne_bytes());
        }
    }

    /// Announces a wait. What was sent has to be looked for after this call and before the wait.
    #[must_use]
    pub fn fall_asleep(&self) -> Asleep<'_> {
        self.stay_asleep();
        Asleep(self)
    }

    /// As [`Waker::fall_asleep`], until [`Waker::rise`]: for a loop whose waiting somebody else does, whenever it doesn't
    /// run.
    pub(crate) fn stay_asleep(&self) {
        self.shared.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The loop is awake: it looks at what was sent before it sleeps again.
    pub(crate) fn rise(&self) {
        self.shared.asleep.store(false, Ordering::Relaxed);
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.shared.descriptor.as_fd()
    }

    /// Takes back the wake-ups so far, so that the next wait isn't ended by them.
    pub(super) fn reset(&self) {
        // Nothing to read is fine: then there is nothing to take back.
        let _ = rustix::io::read(&self.shared.descriptor, &mut [0u8; 8]);
    }
}

impl RemoteWaker {
    pub(super) fn new(waker: &Waker) -> Self {
        Self { waker: Arc::new(Mutex::new(Some(waker.clone()))) }
    }

    /// As [`Waker::wake`].
    pub fn wake(&self) {
        if let Some(waker) = &*self.lock() {
            waker.wake();
        }
    }

    /// The reactor is gone. Returns when no wake-up is under way.
    pub(super) fn disconnect(&self) {
        *self.lock() = None;
    }

    /// No code that can panic runs under the lock, so a poisoned lock holds a value that is whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.0.rise();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{Events, Reactor};
    use std::sync::mpsc;

    #[test]
    fn a_wake_up_from_another_thread_ends_the_wait() {
        let reactor = Reactor::new().unwrap();
        let waker = reactor.waker().clone();
        let (announce, announced) = mpsc::channel();
        let sender = std::thread::spawn(move || {
            announced.recv().unwrap();
            waker.wake();
        });
        let asleep = reactor.waker().fall_asleep();
        announce.send(()).unwrap();
        reactor.poll(&mut Events::new(), None).unwrap();
        drop(asleep);
        sender.join().unwrap();
    }

    #[test]
    fn a_wake_up_between_announcement_and_wait_is_not_lost() {
        let reactor = Reactor::new().unwrap();
        let asleep = reactor.waker().fall_asleep();
        reactor.waker().wake();
        reactor.poll(&mut Events::new(), None).unwrap();
        drop(asleep);
    }

    #[test]
    fn a_wake_up_while_the_loop_is_awake_leaves_nothing_behind() {
        let reactor = Reactor::new().unwrap();
        reactor.waker().wake();
        let mut events = Events::new();
        reactor.poll(&mut events, Some(0)).unwrap();
        assert!(rustix::io::read(reactor.waker().descriptor(), &mut [0u8; 8]).is_err());
    }

    #[test]
    fn a_remote_waker_does_not_keep_the_descriptor_open() {
        let reactor = Reactor::new().unwrap();
        let remote = reactor.remote_waker();
        let shared = std::sync::Arc::downgrade(&reactor.waker().shared);
        drop(reactor);
        assert!(shared.upgrade().is_none());
        remote.wake();
    }

    #[test]
    fn a_wait_is_ended_once_by_many_wake_ups() {
        let reactor = Reactor::new().unwrap();
        let asleep = reactor.waker().fall_asleep();
        for _ in 0..3 {
            reactor.waker().wake();
        }
        reactor.poll(&mut Events::new(), None).unwrap();
        drop(asleep);
        assert!(rustix::io::read(reactor.waker().descriptor(), &mut [0u8; 8]).is_err());
    }
}

/// Every order of the two sides: run with `RUSTFLAGS="--cfg loom" cargo test -p ioxide --lib loom`.
#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn either_the_loop_sees_what_was_sent_or_the_sender_sees_the_sleeper() {
        loom::model(|| {
            let waker = super::Waker::new().unwrap();
            let sent = Arc::new(AtomicBool::new(false));
            let sender = loom::thread::spawn({
                let (waker, sent) = (waker.clone(), Arc::clone(&sent));
                move || {
                    sent.store(true, Ordering::Relaxed);
                    waker.wake();
                }
            });
            let asleep = waker.fall_asleep();
            let seen = sent.load(Ordering::Relaxed);
            sender.join().unwrap();
            let woken = rustix::io::read(waker.descriptor(), &mut [0u8; 8]).is_ok();
            assert!(seen || woken);
            drop(asleep);
        });
    }

    #[test]
    fn a_loop_that_somebody_else_waits_for_sees_what_was_sent_or_is_readable() {
        loom::model(|| {
            let waker = super::Waker::new().unwrap();
            waker.stay_asleep();
            let sent = Arc::new(AtomicBool::new(false));
            let sender = loom::thread::spawn({
                let (waker, sent) = (waker.clone(), Arc::clone(&sent));
                move || {
                    sent.store(true, Ordering::Relaxed);
                    waker.wake();
                }
            });
            // A turn: it looks as it begins, and again when it has fallen asleep.
            waker.rise();
            let mut seen = sent.load(Ordering::Relaxed);
            waker.stay_asleep();
            seen |= sent.load(Ordering::Relaxed);
            sender.join().unwrap();
            let woken = rustix::io::read(waker.descriptor(), &mut [0u8; 8]).is_ok();
            assert!(seen || woken);
        });
    }
}
