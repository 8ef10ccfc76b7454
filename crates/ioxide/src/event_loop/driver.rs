//! What a turn does for a loop that runs Rust futures.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::core::{Core, Item, Remote};
use crate::clock::Nanoseconds;
use crate::reactor::{Events, Reactor};
use crate::schedule::Schedule;
use crate::turn::{Driver, is_interruption, turn};

/// Runs the loop until `main` is done.
pub(super) fn run<F: Future>(core: &Core, main: Pin<&mut F>, events: &mut Events) -> io::Result<F::Output> {
    let main_waker = Arc::new(MainWaker { remote: Arc::clone(core.remote()), is_scheduled: AtomicBool::new(true) });
    let waker = Waker::from(Arc::clone(&main_waker));
    core.push(Item::Main);
    core.schedule.borrow_mut().poll_next_turn();
    let driver = Running { core, main: RefCell::new(main), main_waker, waker, output: Cell::new(None) };
    loop {
        turn(&driver, events)?;
        if let Some(output) = driver.output.take() {
            return Ok(output);
        }
    }
}

/// A loop, and the future that it runs until that is done.
struct Running<'a, F: Future> {
    core: &'a Core,
    main: RefCell<Pin<&'a mut F>>,
    main_waker: Arc<MainWaker>,
    waker: Waker,
    output: Cell<Option<F::Output>>,
}

impl<F: Future> Running<'_, F> {
    fn poll_main(&self) {
        // Woken once more before it was seen to be done, or by what an earlier run has left in the queue.
        if let Some(output) = self.output.take() {
            self.output.set(Some(output));
            return;
        }
        // Lowered before the poll: a wake-up from within it counts.
        self.main_waker.is_scheduled.store(false, Ordering::Release);
        let poll = self.main.borrow_mut().as_mut().poll(&mut Context::from_waker(&self.waker));
        if let Poll::Ready(output) = poll {
            // Never polled again: as long as the flag is up no wake-up queues it.
            self.main_waker.is_scheduled.store(true, Ordering::Release);
            self.output.set(Some(output));
        }
    }
}

/// Queues the main future, once for however many wake-ups.
struct MainWaker {
    remote: Arc<Remote>,
    is_scheduled: AtomicBool,
}

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_scheduled.swap(true, Ordering::AcqRel) {
            self.remote.schedule(Item::Main);
        }
    }
}

impl<F: Future> Driver for Running<'_, F> {
    type Item = Item;
    type Error = io::Error;

    fn with_schedule<R>(&self, access: impl FnOnce(&mut Schedule<Item>) -> R) -> R {
        access(&mut self.core.schedule.borrow_mut())
    }

    fn needs_poll(&self) -> bool {
        false
    }

    fn before_poll(&self) -> io::Result<()> {
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn time(&self) -> io::Result<Nanoseconds> {
        Ok(self.core.time())
    }

    fn reactor(&self) -> &Reactor {
        &self.core.reactor
    }

    fn has_mail(&self) -> bool {
        !self.core.remote().mailbox.is_empty()
    }

    fn receive(&self) -> io::Result<()> {
        for item in self.core.remote().mailbox.receive() {
            self.core.push(item);
        }
        Ok(())
    }

    fn poll(&self, events: &mut Events, timeout: Option<Nanoseconds>) -> io::Result<()> {
        match self.core.reactor.poll(events, timeout) {
            Err(error) if is_interruption(&error) => Ok(()),
            result => result,
        }
    }

    fn dispatch(&self, events: &Events) {
        self.core.sources.dispatch(events);
    }

    fn run(&self, item: Item) -> io::Result<()> {
        match item {
            Item::Task(step) => self.core.step(step),
            Item::Main => self.poll_main(),
            Item::Timer(waker) => waker.wake(),
            // Only a guest makes such.
            Item::Polled(_) => {}
        }
        Ok(())
    }
}
