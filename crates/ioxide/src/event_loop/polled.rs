//! The waker of a future that a guest's host polls by itself.
//!
//! Such a future isn't a task: something of the host's has it, a coroutine of another language for example, and polls it
//! when that is resumed. What a wake-up has to do is to tell the host, on the loop's thread and in a turn of the guest, so
//! that it resumes the owner.
//!
//! States, all in one atomic number:
//!
//! - *polled*: it is being polled, or hasn't been yet. A wake-up makes it *woken*, and queues nothing: who polls sees it.
//! - *waiting*: a wake-up makes it *queued*, and puts its key into the guest's queue.
//! - *woken*, *queued*: further wake-ups do nothing.
//! - *abandoned*: nobody polls it any more. Wake-ups do nothing.
//!
//! Only who polls leaves *woken* and *queued*: by beginning a poll. So there is at most one key in the queue for each wait,
//! and a wake-up between two polls is never lost.

use std::sync::Arc;
use std::task::Wake;

#[cfg(not(loom))]
use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU8, Ordering};

use super::core::{Item, Remote};

const POLLED: u8 = 0;
const WAITING: u8 = 1;
const WOKEN: u8 = 2;
const QUEUED: u8 = 3;
const ABANDONED: u8 = 4;

/// Wakes a future that the host of a [`Guest`](super::guest::Guest) polls. Any thread may wake it.
#[derive(Debug)]
pub struct PolledWaker {
    remote: Arc<Remote>,
    key: usize,
    state: State,
}

impl PolledWaker {
    pub(super) fn new(remote: Arc<Remote>, key: usize) -> Arc<Self> {
        Arc::new(Self { remote, key, state: State::new() })
    }

    pub(super) fn remote(&self) -> &Arc<Remote> {
        &self.remote
    }

    /// The key that it was made with.
    #[must_use]
    pub fn key(&self) -> usize {
        self.key
    }

    /// To be called before each poll.
    pub fn begin_poll(&self) {
        self.state.begin_poll();
    }

    /// To be called after a poll that was pending. Whether the future was woken meanwhile: then it wants to be polled again,
    /// and nothing is queued for it.
    #[must_use]
    pub fn end_poll(&self) -> bool {
        self.state.end_poll()
    }

    /// Whether a key in the queue is this wait's. One that a former owner of the key left there isn't.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.state.is(QUEUED)
    }

    /// Tells the host, from any thread, that nobody polls the future any more: by its key, in a turn.
    pub fn abandon(&self) {
        self.state.abandon();
        self.remote.schedule(Item::Polled(self.key));
    }

    /// Whether [`PolledWaker::abandon`] was called.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.state.is(ABANDONED)
    }
}

impl Wake for PolledWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.wake() {
            self.remote.schedule(Item::Polled(self.key));
        }
    }
}

#[derive(Debug)]
struct State(AtomicU8);

impl State {
    fn new() -> Self {
        Self(AtomicU8::new(POLLED))
    }

    fn begin_poll(&self) {
        // What was written before the wake-ups that this poll swallows is seen by it.
        self.0.swap(POLLED, Ordering::AcqRel);
    }

    fn end_poll(&self) -> bool {
        self.0.compare_exchange(POLLED, WAITING, Ordering::AcqRel, Ordering::Acquire).is_err()
    }

    fn abandon(&self) {
        self.0.swap(ABANDONED, Ordering::AcqRel);
    }

    fn is(&self, state: u8) -> bool {
        self.0.load(Ordering::Acquire) == state
    }

    /// Whether the key has to be queued.
    #[must_use]
    fn wake(&self) -> bool {
        // Written also where it stays the same: who begins the next poll has to see what was written before this wake-up,
        // and sees it by reading this write, or a later one.
        let woken = |state| {
            Some(match state {
                POLLED => WOKEN,
                WAITING => QUEUED,
                stays => stays,
            })
        };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, woken) == Ok(WAITING)
    }
}

/// Every order of a poll and two wake-ups: run with `RUSTFLAGS="--cfg loom" cargo test -p ioxide --lib loom`.
#[cfg(all(test, loom))]
mod loom_tests {
    use super::{QUEUED, State, WOKEN};
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_poll_sees_what_was_sent_or_another_is_asked_for() {
        let mut model = loom::model::Builder::new();
        // With three threads all orders would take for ever. Who loses a wake-up does so within a switch or two.
        model.preemption_bound = Some(3);
        model.check(|| {
            let shared = Arc::new((State::new(), [AtomicBool::new(false), AtomicBool::new(false)]));
            let senders = [0, 1].map(|number| {
                let shared = Arc::clone(&shared);
                loom::thread::spawn(move || {
                    let (state, sent) = &*shared;
                    sent[number].store(true, Ordering::Relaxed);
                    state.wake()
                })
            });
            let (state, sent) = &*shared;
            state.begin_poll();
            let seen = sent.each_ref().map(|sent| sent.load(Ordering::Relaxed));
            let is_woken = state.end_poll();
            let queued = senders.map(|sender| sender.join().unwrap());
            let is_wanted = state.is(WOKEN) || state.is(QUEUED);
            assert!(is_wanted || seen == [true, true]);
            // It is asked for in one way, and once.
            let asked = u8::from(is_woken) + queued.map(u8::from).iter().sum::<u8>();
            assert_eq!(asked, u8::from(is_wanted));
        });
    }
}
