//! Which descriptors futures wait for.
//!
//! A descriptor is watched for both directions from its registration to its end, edge-triggered: the kernel reports a
//! change once, and what it reported is remembered here until an operation finds that there is nothing left. So a
//! connection costs two system calls in its life, and none per wait.
//!
//! An operation that would block has found nothing left. So has a read of a stream that gave fewer bytes than it had
//! room for, and a write that took fewer than it was given: see `epoll(7)`. The next one waits for the kernel's word,
//! and an exchange of messages costs a wait, a read and a write. That doesn't hold once an end was reported, for that
//! comes once, too: bytes and an end that arrive together are one report, and the end has to be read.
//!
//! Those who wait are woken all at once, in the order in which they came; who finds nothing left waits again. Who finds
//! something every time lets the other tasks run every so often.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use super::core::Core;
use crate::reactor::{Event, Events};
use crate::waking::WakeAll;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// What is watched, by the token that the reactor reports.
#[derive(Debug, Default)]
pub(super) struct Sources {
    slab: RefCell<Slab<Rc<Readiness>>>,
}

/// What is known of one descriptor.
#[derive(Debug, Default)]
struct Readiness {
    read: Waiters,
    write: Waiters,
}

/// Those who wait for one direction.
#[derive(Debug)]
struct Waiters {
    /// An operation is worth trying.
    is_ready: Cell<bool>,
    /// The kernel has reported an error or a hang-up.
    is_ending: Cell<bool>,
    /// How many operations in a row didn't have to wait.
    in_a_row: Cell<u32>,
    line: RefCell<Line>,
    next_ticket: Cell<Ticket>,
}

/// Those who wait, in their order.
#[derive(Debug, Default)]
struct Line {
    /// Nearly always there is one at most, and it costs no allocation.
    first: Option<(Ticket, Waker)>,
    /// Those who came while others waited.
    others: BTreeMap<Ticket, Waker>,
}

/// How many operations in a row do without a wait at most. A peer that is as fast as this side would otherwise keep its
/// task running, and all others from it. Asyncio reads once a turn; a turn per so many operations costs next to nothing.
const MOST_IN_A_ROW: u32 = 32;

/// By what a place among those who wait is known. They count up.
type Ticket = u64;

/// The ticket of who hasn't waited so far.
const NONE_YET: Ticket = 0;

/// The ticket of whoever waits by a `poll_*` method: as these have it, only the last task to call is woken.
const POLLING: Ticket = 1;

impl Default for Waiters {
    /// The first operation is tried at once.
    fn default() -> Self {
        Self {
            is_ready: Cell::new(true),
            is_ending: Cell::new(false),
            in_a_row: Cell::new(0),
            line: RefCell::default(),
            next_ticket: Cell::new(POLLING + 1),
        }
    }
}

impl Sources {
    /// Whether nothing is watched.
    pub(super) fn is_empty(&self) -> bool {
        self.slab.borrow().is_empty()
    }

    /// Tells those who wait which descriptors are ready.
    ///
    /// # Panics
    /// With what a waker panics with; the others were woken by then.
    pub(super) fn dispatch(&self, events: &Events) {
        let mut waking = WakeAll::default();
        for event in events.iter() {
            self.dispatch_one(event, &mut waking);
        }
        waking.finish();
    }

    fn dispatch_one(&self, event: Event, waking: &mut WakeAll) {
        let Ok(token) = usize::try_from(event.token) else { return };
        // One that was forgotten since the poll has no entry, or lends it to another, who then tries once in vain.
        let Some(readiness) = self.slab.borrow().get(token).cloned() else { return };
        if event.ready.readable {
            readiness.read.report(event.is_ending, waking);
        }
        if event.ready.writable {
            readiness.write.report(event.is_ending, waking);
        }
    }
}

impl Waiters {
    fn report(&self, is_ending: bool, waking: &mut WakeAll) {
        self.is_ready.set(true);
        if is_ending {
            self.is_ending.set(true);
        }
        let mut line = self.line.borrow_mut();
        let first = line.first.take();
        // An empty map isn't worth the code that takes it apart.
        let others = (!line.others.is_empty()).then(|| std::mem::take(&mut line.others));
        drop(line);
        if let Some((_, waker)) = first {
            waking.wake(waker);
        }
        others.into_iter().flat_map(BTreeMap::into_values).for_each(|waker| waking.wake(waker));
    }

    fn poll_ready(&self, ticket: &mut Ticket, context: &Context<'_>) -> Poll<()> {
        if self.is_ready.get() {
            return self.poll_turn(context);
        }
        self.in_a_row.set(0);
        if *ticket == NONE_YET {
            *ticket = self.next_ticket.get();
            self.next_ticket.set(*ticket + 1);
        }
        if !self.line.borrow().has(*ticket, context.waker()) {
            let waker = context.waker().clone();
            let former = self.line.borrow_mut().put(*ticket, waker);
            drop(former);
        }
        Poll::Pending
    }

    /// Has the task step back behind those that are ready, if it has had its turn.
    fn poll_turn(&self, context: &Context<'_>) -> Poll<()> {
        let in_a_row = self.in_a_row.get();
        if in_a_row < MOST_IN_A_ROW {
            self.in_a_row.set(in_a_row + 1);
            return Poll::Ready(());
        }
        self.in_a_row.set(0);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Line {
    fn has(&self, ticket: Ticket, waker: &Waker) -> bool {
        match &self.first {
            Some((first, known)) if *first == ticket => known.will_wake(waker),
            None if self.others.is_empty() => false,
            _ => self.others.get(&ticket).is_some_and(|known| known.will_wake(waker)),
        }
    }

    /// Has `waker` wait with `ticket`, in the place of the one that it returns, if any.
    fn put(&mut self, ticket: Ticket, waker: Waker) -> Option<Waker> {
        match &mut self.first {
            Some((first, known)) if *first == ticket => Some(std::mem::replace(known, waker)),
            // Somebody came while the line was empty, and this one was there before.
            Some((first, _)) if *first > ticket => {
                let former = self.others.remove(&ticket);
                if let Some((later, its)) = self.first.replace((ticket, waker)) {
                    self.others.insert(later, its);
                }
                former
            }
            None if self.others.is_empty() => {
                self.first = Some((ticket, waker));
                None
            }
            _ => self.others.insert(ticket, waker),
        }
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Waker> {
        match self.first.take() {
            Some((first, waker)) if first == ticket => Some(waker),
            first => {
                self.first = first;
                if self.others.is_empty() { None } else { self.others.remove(&ticket) }
            }
        }
    }
}

/// A place among those who wait, once it is needed; given up as this is dropped.
struct Place<'a> {
    waiters: &'a Waiters,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.ticket != NONE_YET {
            let left = self.waiters.line.borrow_mut().remove(self.ticket);
            drop(left);
        }
    }
}

/// A descriptor that a loop watches. `T` owns it, and closes it as it is dropped, after the loop has forgotten it.
#[derive(Debug)]
pub(crate) struct Registration<T: AsFd> {
    core: Rc<Core>,
    token: usize,
    readiness: Rc<Readiness>,
    source: T,
}

impl<T: AsFd> Registration<T> {
    /// Has the running loop watch `source`, which must not block.
    ///
    /// # Errors
    /// What `epoll_ctl(2)` gives: out of memory, or a kind of file that can't be waited for.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub(crate) fn new(source: T) -> io::Result<Self> {
        let core = Core::current();
        let readiness = Rc::<Readiness>::default();
        let token = core.sources.slab.borrow_mut().insert(Rc::clone(&readiness));
        match core.reactor.add_edge_triggered(source.as_fd(), token as u64) {
            Ok(()) => Ok(Self { core, token, readiness, source }),
            Err(error) => {
                core.sources.slab.borrow_mut().remove(token);
                Err(error)
            }
        }
    }

    /// What is watched.
    pub(crate) fn source(&self) -> &T {
        &self.source
    }

    /// An operation would have blocked: the next one waits for the kernel's word.
    pub(crate) fn would_block(&self, direction: Direction) {
        let waiters = self.waiters(direction);
        waiters.is_ready.set(false);
        waiters.is_ending.set(false);
    }

    /// An operation on a stream did less than it could have: there is nothing left but an end, if one was reported.
    pub(crate) fn did_less(&self, direction: Direction) {
        let waiters = self.waiters(direction);
        waiters.is_ready.set(waiters.is_ending.get());
    }

    /// Tries `operation` as often as the descriptor is reported ready, until it doesn't say that it would block.
    ///
    /// # Errors
    /// Those of `operation`, and one if it would have to wait for a report while nothing drives the loop that reports.
    ///
    /// # Cancel safety
    /// What was done is reported: who gives this up has done nothing.
    pub(crate) async fn io<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let mut place = Place { waiters: self.waiters(direction), ticket: NONE_YET };
        poll_fn(|context| self.poll_with(&mut place.ticket, direction, context, &mut operation)).await
    }

    /// As [`Registration::io`], for the methods of traits that poll. Of several tasks that wait for the same direction
    /// by this the last one is woken.
    pub(crate) fn poll_io<R>(
        &self,
        direction: Direction,
        context: &Context<'_>,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(&mut { POLLING }, direction, context, operation)
    }

    fn poll_with<R>(
        &self,
        ticket: &mut Ticket,
        direction: Direction,
        context: &Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        while self.waiters(direction).poll_ready(ticket, context).is_ready() {
            match operation(&self.source) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.would_block(direction),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
        // Who merely lets others run first is woken already.
        if !self.waiters(direction).is_ready.get() && !self.core.is_driven() {
            return Poll::Ready(Err(io::Error::other("it belongs to another event loop, which isn't running")));
        }
        Poll::Pending
    }

    fn waiters(&self, direction: Direction) -> &Waiters {
        match direction {
            Direction::Read => &self.readiness.read,
            Direction::Write => &self.readiness.write,
        }
    }
}

impl<T: AsFd> Drop for Registration<T> {
    fn drop(&mut self) {
        self.core.reactor.remove(self.source.as_fd());
        let forgotten = self.core.sources.slab.borrow_mut().try_remove(self.token);
        drop(forgotten);
    }
}
