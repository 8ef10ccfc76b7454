//! A loop of Rust futures that another loop drives: a guest on the other's thread.
//!
//! The host has a loop of its own, which does the waiting: Python's, for example. It watches the guest's one descriptor
//! beside its own, and takes a turn of the guest when the descriptor is readable, or when the guest has [`Wants`] that have
//! come true. A turn never waits.
//!
//! What runs outside the guest's turns reaches it by [`Guest::enter`]: a future that the host polls itself spawns tasks,
//! sleeps and uses sockets as if it ran in a turn.
//!
//! Whenever the guest isn't in a turn it counts as asleep, so that who sends to it from another thread makes its
//! descriptor readable, and ends the host's wait.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;

use super::core::{Core, InPlace, Item};
pub use super::polled::PolledWaker;
use crate::clock::{Clock, Nanoseconds};
use crate::reactor::Events;
use crate::turn::is_interruption;

/// A loop that another one drives.
pub struct Guest {
    core: Rc<Core>,
    /// Out while a turn uses it.
    events: Cell<Option<Events>>,
}

/// When a guest wants its next turn, besides when its descriptor is readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Something is ready: in the host's next turn.
    pub soon: bool,
    /// Something is due then, by the guest's clock.
    pub at: Option<Nanoseconds>,
}

/// The guest is its thread's running loop for as long as this lives.
///
/// Its end brings back the loop that ran before. So those that are nested have to end in the opposite order: one that ends
/// while a later one lives takes the thread's loop away from that, whose end then makes the first guest the running loop, of
/// a thread that has left it.
#[derive(Debug)]
pub struct Entered<'a> {
    _guest: &'a Guest,
    _in_place: InPlace,
}

impl Guest {
    /// Makes a guest for the thread that calls. Its timers go by `clock`, the host's.
    ///
    /// # Errors
    /// What `epoll_create1(2)` and `eventfd(2)` give: out of descriptors or of memory.
    ///
    /// # Examples
    /// ```
    /// use ioxide::guest::Guest;
    ///
    /// let guest = Guest::new(ioxide::clock::monotonic)?;
    /// let task = {
    ///     let _entered = guest.enter();
    ///     ioxide::spawn(async { 6 * 7 })
    /// };
    /// assert!(guest.wants().soon);
    /// guest.turn(false, |_| ())?;
    /// assert!(task.is_done());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(clock: impl Fn() -> Nanoseconds + 'static) -> io::Result<Self> {
        let core = Core::with_clock(Clock::new(clock))?;
        core.reactor.waker().stay_asleep();
        Ok(Self { core, events: Cell::new(Some(Events::new())) })
    }

    /// Makes the guest the loop that runs on this thread, in the place of the one that does, if there is one. What it returns
    /// has to be dropped before what an outer `enter` has returned.
    pub fn enter(&self) -> Entered<'_> {
        Entered { _guest: self, _in_place: self.core.enter_in_place() }
    }

    /// Takes a turn, which doesn't wait. `is_readable` says that the guest's descriptor is: otherwise there is nothing to
    /// poll for. A future that the host polls itself and that was woken is told to `woken`, by the key of its waker.
    ///
    /// # Errors
    /// What `epoll_wait(2)` gives; what is ready stays so.
    ///
    /// # Panics
    /// With what a waker panics with. What is ready stays so.
    pub fn turn(&self, is_readable: bool, mut woken: impl FnMut(usize)) -> io::Result<()> {
        let _entered = self.enter();
        let _risen = Risen::new(self);
        if is_readable {
            self.poll()?;
        }
        self.receive();
        let has_timers = !self.core.schedule.borrow().timers.is_empty();
        let time = has_timers.then(|| self.core.time());
        let batch = self.core.schedule.borrow_mut().begin_batch(time);
        for _ in 0..batch {
            let item = self.core.schedule.borrow_mut().ready.pop();
            match item {
                Some(Item::Task(step)) => self.core.step(step),
                Some(Item::Timer(waker)) => waker.wake(),
                Some(Item::Polled(key)) => woken(key),
                // A guest has no future that it runs until it is done.
                Some(Item::Main) => {}
                // A turn within this one, of a host that was run by what ran here, has taken the rest.
                None => break,
            }
        }
        Ok(())
    }

    /// When the guest wants its next turn. To be asked after each turn, and whenever it was entered.
    #[must_use]
    pub fn wants(&self) -> Wants {
        let mut schedule = self.core.schedule.borrow_mut();
        Wants { soon: !schedule.ready.is_empty(), at: schedule.timers.next_deadline() }
    }

    /// Whether there is neither a task nor a socket, so that the descriptor can become readable only for the sake of a future
    /// that the host polls itself.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.core.has_no_tasks() && self.core.sources.is_empty()
    }

    /// Makes a waker for a future that the host polls itself. A wake-up tells the host the `key`, in a turn.
    #[must_use]
    pub fn waker(&self, key: usize) -> Arc<PolledWaker> {
        PolledWaker::new(Arc::clone(self.core.remote()), key)
    }

    /// Whether a waker is one of this guest's.
    #[must_use]
    pub fn has_made(&self, waker: &PolledWaker) -> bool {
        Arc::ptr_eq(self.core.remote(), waker.remote())
    }

    fn poll(&self) -> io::Result<()> {
        let mut events = self.events.take().unwrap_or_default();
        match self.core.reactor.poll(&mut events, Some(0)) {
            Err(error) if !is_interruption(&error) => return Err(error),
            _ => {}
        }
        self.core.sources.dispatch(&events);
        self.events.set(Some(events));
        Ok(())
    }

    fn receive(&self) {
        for item in self.core.remote().mailbox.receive() {
            self.core.push(item);
        }
    }
}

/// The guest's descriptor, readable when there is something to poll for.
impl AsFd for Guest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.core.reactor.as_fd()
    }
}

impl Drop for Guest {
    /// Cancels the tasks that are left.
    fn drop(&mut self) {
        let _entered = self.enter();
        self.core.close();
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Guest").field("core", &self.core).finish_non_exhaustive()
    }
}

/// The guest is awake for as long as this lives: what is sent to it meanwhile is found at the end.
struct Risen<'a>(&'a Guest);

impl<'a> Risen<'a> {
    fn new(guest: &'a Guest) -> Self {
        guest.core.reactor.waker().rise();
        Self(guest)
    }
}

impl Drop for Risen<'_> {
    /// Falls asleep, and only then looks what was sent: either it is found here, or its sender finds the guest asleep.
    fn drop(&mut self) {
        self.0.core.reactor.waker().stay_asleep();
        if !self.0.core.remote().mailbox.is_empty() {
            self.0.receive();
        }
    }
}
