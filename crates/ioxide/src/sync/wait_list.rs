//! Those who wait at a lock or its kin: first come, first served.
//!
//! Every primitive of [`sync`](super) has such a list, and none has another way to wait. Whoever waits has a [`Waiter`],
//! and the waiter has a node. A node begins in the line; it leaves the line as it is *ended* by the primitive, with an
//! [`Outcome`], and it leaves the list as its waiter takes the outcome or is dropped:
//!
//! ```text
//! enter ── waiting ──┬── ended ──┬── taken by the waiter's poll
//!                    │           └── given on: the waiter was dropped first
//!                    └── the waiter was dropped: nothing was granted, nothing is lost
//! ```
//!
//! What a node is ended with belongs to that waiter alone: a permit that is granted counts as taken from then on, so that
//! nobody who comes later gets it. A waiter that is dropped between its end and its next poll hands it back through
//! [`Awaited::give_on`], whose part is to give it to the next in line. So nothing is lost whenever a waiter is dropped,
//! and nothing is granted twice: a node is ended once, for only the line is ended, and taken or given on once, for either
//! removes it.
//!
//! Wakers are cloned, woken and dropped while nothing is borrowed, for all three are code that may come back. Whatever it
//! does then, it finds a list in one of the states above.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::waking::WakeAll;

/// An empty list keeps the room of so many nodes, and gives back what is above.
const ROOM_TO_KEEP: usize = 64;

/// What those in a list wait for.
pub(super) trait Awaited {
    /// Those who wait.
    fn wait_list(&self) -> &WaitList;

    /// Gives what was granted to one who has gone to the next in line.
    fn give_on(&self);
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With what was waited for.
    Granted {
        /// How many of the line were ended in the same stroke before this one.
        place: usize,
    },
    /// Without it: it will not come any more.
    Refused,
}

/// The line, and those who were in it and have not run since.
#[derive(Debug, Default)]
pub(super) struct WaitList {
    nodes: RefCell<Nodes>,
}

#[derive(Debug, Default)]
struct Nodes {
    slab: Slab<Node>,
    /// How many are in the line.
    waiting: usize,
    first: Option<usize>,
    last: Option<usize>,
}

#[derive(Debug)]
struct Node {
    state: State,
    previous: Option<usize>,
    next: Option<usize>,
}

#[derive(Debug)]
enum State {
    /// In the line. There is no waker before the first poll.
    Waiting(Option<Waker>),
    /// Out of the line, and not aware of it yet.
    Ended(Outcome),
}

/// One who waits. As a future it is done when its wait is ended.
#[derive(Debug)]
pub(super) struct Waiter<'a, A: Awaited> {
    awaited: &'a A,
    /// `None` once the outcome was taken.
    node: Option<usize>,
}

impl WaitList {
    /// Whether nobody is in the line or was in it and hasn't run since.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.borrow().slab.is_empty()
    }

    /// How many are in the line.
    pub(super) fn waiting(&self) -> usize {
        self.nodes.borrow().waiting
    }

    /// Grants to the first in line what it waits for. `false` says that nobody waits.
    #[must_use]
    pub(super) fn grant_first(&self) -> bool {
        let ended = self.nodes.borrow_mut().end_first(Outcome::Granted { place: 0 });
        let Some(waker) = ended else { return false };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Grants to so many, the first in line, what they wait for.
    pub(super) fn grant(&self, count: usize) {
        let mut waking = WakeAll::default();
        self.end(count, |place| Outcome::Granted { place }, &mut waking);
        waking.finish();
    }

    /// Grants to all in line what they wait for.
    pub(super) fn grant_all(&self) {
        self.grant(usize::MAX);
    }

    /// Ends the wait of all in line for good.
    pub(super) fn refuse_all(&self) {
        let mut waking = WakeAll::default();
        self.refuse_all_with(&mut waking);
        waking.finish();
    }

    /// As [`WaitList::refuse_all`], for one who has others to wake, too.
    pub(super) fn refuse_all_with(&self, waking: &mut WakeAll) {
        self.end(usize::MAX, |_| Outcome::Refused, waking);
    }

    /// All are ended before the first is woken: who enters the line from a wake-up isn't among them.
    fn end(&self, count: usize, outcome: impl Fn(usize) -> Outcome, waking: &mut WakeAll) {
        let mut wakers = Vec::new();
        let mut nodes = self.nodes.borrow_mut();
        for place in 0..count {
            let Some(waker) = nodes.end_first(outcome(place)) else { break };
            wakers.extend(waker);
        }
        drop(nodes);
        for waker in wakers {
            waking.wake(waker);
        }
    }

    fn poll(&self, key: usize, waker: &Waker) -> Poll<Outcome> {
        if let Some(outcome) = self.take_outcome(key) {
            return Poll::Ready(outcome);
        }
        if self.nodes.borrow().is_woken_by(key, waker) {
            return Poll::Pending;
        }
        let fresh = waker.clone();
        let stale = self.nodes.borrow_mut().set_waker(key, fresh);
        drop(stale);
        // The clone or the drop may have run code that ended this very wait, and had no waker to wake.
        self.take_outcome(key).map_or(Poll::Pending, Poll::Ready)
    }

    fn take_outcome(&self, key: usize) -> Option<Outcome> {
        let mut nodes = self.nodes.borrow_mut();
        let State::Ended(outcome) = nodes.slab[key].state else { return None };
        nodes.remove(key);
        Some(outcome)
    }

    /// Removes a node, and returns the outcome that its waiter hasn't taken.
    fn leave(&self, key: usize) -> Option<Outcome> {
        let state = self.nodes.borrow_mut().remove(key);
        match state {
            State::Waiting(_) => None,
            State::Ended(outcome) => Some(outcome),
        }
    }
}

impl Nodes {
    fn enter(&mut self) -> usize {
        let node = Node { state: State::Waiting(None), previous: self.last, next: None };
        let key = self.slab.insert(node);
        match self.last {
            Some(last) => self.slab[last].next = Some(key),
            None => self.first = Some(key),
        }
        self.last = Some(key);
        self.waiting += 1;
        key
    }

    /// Ends the first of the line. `None` says that there is none; a first one that was never polled has no waker.
    #[expect(clippy::option_option, reason = "whether there was one, and whether it has to be woken")]
    fn end_first(&mut self, outcome: Outcome) -> Option<Option<Waker>> {
        let key = self.first?;
        self.unlink(key);
        match std::mem::replace(&mut self.slab[key].state, State::Ended(outcome)) {
            State::Waiting(waker) => Some(waker),
            State::Ended(_) => None,
        }
    }

    fn remove(&mut self, key: usize) -> State {
        if let State::Waiting(_) = self.slab[key].state {
            self.unlink(key);
        }
        let state = self.slab.remove(key).state;
        if self.slab.is_empty() && self.slab.capacity() > ROOM_TO_KEEP {
            self.slab.shrink_to_fit();
        }
        state
    }

    /// Takes a node out of the line.
    fn unlink(&mut self, key: usize) {
        self.waiting -= 1;
        let node = &mut self.slab[key];
        let (previous, next) = (node.previous.take(), node.next.take());
        match previous {
            Some(previous) => self.slab[previous].next = next,
            None => self.first = next,
        }
        match next {
            Some(next) => self.slab[next].previous = previous,
            None => self.last = previous,
        }
    }

    fn is_woken_by(&self, key: usize, waker: &Waker) -> bool {
        matches!(&self.slab[key].state, State::Waiting(Some(known)) if known.will_wake(waker))
    }

    /// Returns the waker that isn't needed: the old one, or the new one if the wait has ended.
    fn set_waker(&mut self, key: usize, waker: Waker) -> Option<Waker> {
        match &mut self.slab[key].state {
            State::Waiting(known) => known.replace(waker),
            State::Ended(_) => Some(waker),
        }
    }
}

/// What was granted to one who has to wait once more before it can use it. It is given on unless it is disarmed.
#[derive(Debug)]
pub(super) struct Unused<'a, A: Awaited>(pub(super) &'a A);

impl<A: Awaited> Unused<'_, A> {
    pub(super) fn disarm(self) {
        std::mem::forget(self);
    }
}

impl<A: Awaited> Drop for Unused<'_, A> {
    fn drop(&mut self) {
        self.0.give_on();
    }
}

impl<'a, A: Awaited> Waiter<'a, A> {
    /// Joins the end of the line.
    pub(super) fn enter(awaited: &'a A) -> Self {
        let key = awaited.wait_list().nodes.borrow_mut().enter();
        Self { awaited, node: Some(key) }
    }
}

impl<A: Awaited> Future for Waiter<'_, A> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let key = self.node.expect("a waiter is awaited once, by the primitive that made it");
        let poll = self.awaited.wait_list().poll(key, context.waker());
        if poll.is_ready() {
            self.node = None;
        }
        poll
    }
}

impl<A: Awaited> Drop for Waiter<'_, A> {
    fn drop(&mut self) {
        if let Some(key) = self.node.take()
            && let Some(Outcome::Granted { .. }) = self.awaited.wait_list().leave(key)
        {
            self.awaited.give_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Anything(WaitList);

    impl Awaited for Anything {
        fn wait_list(&self) -> &WaitList {
            &self.0
        }

        fn give_on(&self) {}
    }

    #[test]
    fn the_room_of_many_is_given_back_when_all_have_gone() {
        let anything = Anything::default();
        let mut waiters: Vec<_> = (0..1000).map(|_| Waiter::enter(&anything)).collect();
        assert_eq!(anything.0.waiting(), 1000);
        // Some from within the line, the others as they are ended.
        waiters.retain(|waiter| waiter.node.is_some_and(|key| key % 3 != 0));
        anything.0.grant_all();
        assert_eq!(anything.0.waiting(), 0);
        assert!(!anything.0.is_empty());
        drop(waiters);
        assert!(anything.0.is_empty());
        assert!(anything.0.nodes.borrow().slab.capacity() <= ROOM_TO_KEEP);
    }

    #[test]
    fn all_of_the_line_are_numbered_from_its_front() {
        let anything = Anything::default();
        let waiters: Vec<_> = (0..3).map(|_| Waiter::enter(&anything)).collect();
        anything.0.grant_all();
        let places = waiters.into_iter().map(|mut waiter| {
            let mut context = Context::from_waker(Waker::noop());
            Pin::new(&mut waiter).poll(&mut context)
        });
        let numbered = [0, 1, 2].map(|place| Poll::Ready(Outcome::Granted { place }));
        assert_eq!(places.collect::<Vec<_>>(), numbered);
    }
}
