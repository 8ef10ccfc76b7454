//! The mailbox: what other threads send to the loop, without a lock of the loop's own in their way.
//!
//! Any thread sends; the thread that runs the loop receives, once a turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::reactor::{Reactor, RemoteWaker};

/// A queue that any thread may send to. Clones send to the same loop.
#[derive(Debug)]
pub struct Mailbox<T> {
    queue: Arc<Queue<T>>,
    waker: RemoteWaker,
}

#[derive(Debug)]
struct Queue<T> {
    sent: Mutex<Vec<T>>,
    /// Saves the loop the lock in a turn without mail. Written under the lock. A sender raises it before it
    /// looks whether the loop sleeps, and the loop looks at it after it has announced its sleep: the fences between the
    /// two, and the argument, are in `reactor/wake_up.rs`.
    has_mail: AtomicBool,
}

impl<T> Mailbox<T> {
    /// Makes an empty mailbox whose senders end the wait of `reactor`. They may go on sending when the reactor is gone;
    /// nobody receives it then.
    #[must_use]
    pub fn new(reactor: &Reactor) -> Self {
        let queue = Queue { sent: Mutex::default(), has_mail: AtomicBool::new(false) };
        Self { queue: Arc::new(queue), waker: reactor.remote_waker() }
    }

    /// Sends `item` to the loop and wakes it if it sleeps.
    pub fn send(&self, item: T) {
        let mut sent = self.lock();
        sent.push(item);
        self.queue.has_mail.store(true, Ordering::Release);
        drop(sent);
        self.waker.wake();
    }

    /// Whether nothing was sent since the last [`Mailbox::receive`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.queue.has_mail.load(Ordering::Acquire)
    }

    /// Takes out what was sent, in order.
    #[must_use]
    pub fn receive(&self) -> Vec<T> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut sent = self.lock();
        self.queue.has_mail.store(false, Ordering::Release);
        std::mem::take(&mut *sent)
    }

    /// No code that can panic runs under the lock, so a poisoned lock holds a queue that is whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<T>> {
        self.queue.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue), waker: self.waker.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::Events;

    #[test]
    fn what_threads_send_arrives_in_order_and_ends_the_wait() {
        let reactor = Reactor::new().unwrap();
        let mailbox = Mailbox::new(&reactor);
        let sender = mailbox.clone();
        let asleep = reactor.waker().fall_asleep();
        let thread = std::thread::spawn(move || (0..3).for_each(|number| sender.send(number)));
        reactor.poll(&mut Events::new(), None).unwrap();
        drop(asleep);
        thread.join().unwrap();
        assert_eq!(mailbox.receive(), [0, 1, 2]);
        assert!(mailbox.is_empty());
    }
}
