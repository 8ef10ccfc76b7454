//! A turn of the loop, with a driver whose items are numbers that it counts.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use ioxide::clock::{self, Nanoseconds, SECOND};
use ioxide::{Driver, Events, Interest, Reactor, Schedule, turn};

use super::{Repetition, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("turn: one item", items::<1>),
    Scenario::new("turn: a thousand items", items::<1000>),
    Scenario::new("turn: one item beside 1000 timers", beside_timers),
    Scenario::new("turn: one item, a quiet descriptor polled", beside_a_quiet_descriptor),
    Scenario::new("turn: one readable descriptor of 100", readable_descriptor),
];

/// Counts what it runs, and what is ready.
struct Counting {
    schedule: RefCell<Schedule<u64>>,
    reactor: Reactor,
    watches: bool,
    total: Cell<u64>,
}

impl Counting {
    fn new(watches: bool) -> Self {
        let reactor = Reactor::new().expect("a descriptor is to be had");
        Self { schedule: RefCell::default(), reactor, watches, total: Cell::new(0) }
    }

    /// Takes a turn that has `count` items to run.
    fn turn(&self, events: &mut Events, count: u64) {
        let before = self.total.get();
        for _ in 0..count {
            self.schedule.borrow_mut().ready.push(1);
        }
        let Ok(()) = turn(self, events);
        assert_eq!(self.total.get(), before + count);
    }
}

impl Driver for Counting {
    type Item = u64;
    type Error = Infallible;

    fn with_schedule<R>(&self, access: impl FnOnce(&mut Schedule<u64>) -> R) -> R {
        access(&mut self.schedule.borrow_mut())
    }

    fn needs_poll(&self) -> bool {
        self.watches
    }

    fn before_poll(&self) -> Result<(), Infallible> {
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn time(&self) -> Result<Nanoseconds, Infallible> {
        Ok(clock::monotonic())
    }

    fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    fn has_mail(&self) -> bool {
        false
    }

    fn receive(&self) -> Result<(), Infallible> {
        Ok(())
    }

    fn poll(&self, events: &mut Events, timeout: Option<Nanoseconds>) -> Result<(), Infallible> {
        self.reactor.poll(events, timeout).expect("no signal comes");
        Ok(())
    }

    fn dispatch(&self, events: &Events) {
        let mut schedule = self.schedule.borrow_mut();
        events.iter().for_each(|event| schedule.ready.push(event.token));
    }

    fn run(&self, item: u64) -> Result<(), Infallible> {
        self.total.set(self.total.get() + item);
        Ok(())
    }
}

fn items<const COUNT: u64>() -> Repetition {
    let event_loop = Counting::new(false);
    let mut events = Events::new();
    Box::new(move || event_loop.turn(&mut events, COUNT))
}

fn beside_timers() -> Repetition {
    let event_loop = Counting::new(false);
    let mut events = Events::new();
    let later = clock::monotonic() + 3600 * SECOND;
    for number in 0..1000 {
        event_loop.schedule.borrow_mut().timers.insert(later + number, 1);
    }
    Box::new(move || event_loop.turn(&mut events, 1))
}

fn beside_a_quiet_descriptor() -> Repetition {
    let event_loop = Counting::new(true);
    let mut events = Events::new();
    let pair = connected();
    event_loop.reactor.add(pair.0.as_fd(), 1, Interest::READABLE).expect("a socket can be watched");
    Box::new(move || {
        // What is watched has to stay open.
        let _ = &pair;
        event_loop.turn(&mut events, 1);
    })
}

/// The descriptor stays readable, for nobody reads: each turn finds it again.
fn readable_descriptor() -> Repetition {
    let event_loop = Counting::new(true);
    let mut events = Events::new();
    let mut pairs: Vec<_> = (0..100).map(|_| connected()).collect();
    for (near, _) in &pairs {
        event_loop.reactor.add(near.as_fd(), 1, Interest::READABLE).expect("a socket can be watched");
    }
    pairs[50].1.write_all(b"x").expect("there is room");
    Box::new(move || {
        let _ = &pairs;
        let before = event_loop.total.get();
        let Ok(()) = turn(&event_loop, &mut events);
        assert_eq!(event_loop.total.get(), before + 1);
    })
}

fn connected() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("descriptors are to be had")
}
