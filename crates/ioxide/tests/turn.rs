//! The turn, driven without Python: a loop whose items are closures.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use ioxide::clock::{self, Nanoseconds, SECOND};
use ioxide::{Driver, Events, Interest, Mailbox, Reactor, Schedule, turn};

type Callback = Box<dyn FnOnce(&Rc<Loop>) -> Result<(), &'static str>>;

type Watcher = Rc<dyn Fn(&Rc<Loop>)>;

/// A loop for tests: what becomes readable calls its watcher, time is the kernel's or stands where a test put it.
struct Loop {
    schedule: RefCell<Schedule<Callback>>,
    reactor: Reactor,
    watchers: RefCell<HashMap<u64, Watcher>>,
    mailbox: Mailbox<u32>,
    stopping: Cell<bool>,
    frozen_time: Cell<Option<Nanoseconds>>,
    note_when_asked_for_the_time: Cell<Option<&'static str>>,
    note_before_poll: Cell<Option<&'static str>>,
    trace: RefCell<Vec<String>>,
}

struct Handle(Rc<Loop>);

impl Loop {
    fn new() -> Rc<Self> {
        let reactor = Reactor::new().unwrap();
        let mailbox = Mailbox::new(&reactor);
        Rc::new(Self {
            schedule: RefCell::default(),
            reactor,
            watchers: RefCell::default(),
            mailbox,
            stopping: Cell::new(false),
            frozen_time: Cell::new(None),
            note_when_asked_for_the_time: Cell::default(),
            note_before_poll: Cell::default(),
            trace: RefCell::default(),
        })
    }

    fn call_soon(&self, callback: impl FnOnce(&Rc<Loop>) -> Result<(), &'static str> + 'static) {
        self.schedule.borrow_mut().ready.push(Box::new(callback));
    }

    fn note_soon(&self, text: &'static str) {
        self.call_soon(move |event_loop| {
            event_loop.note(text);
            Ok(())
        });
    }

    fn note_at(&self, at: Nanoseconds, text: &'static str) {
        let callback: Callback = Box::new(move |event_loop| {
            event_loop.note(text);
            Ok(())
        });
        self.schedule.borrow_mut().timers.insert(at, callback);
    }

    fn watch(&self, stream: &UnixStream, token: u64, watcher: impl Fn(&Rc<Loop>) + 'static) {
        self.watchers.borrow_mut().insert(token, Rc::new(watcher));
        self.reactor.add(stream.as_fd(), token, Interest::READABLE).unwrap();
    }

    fn note(&self, text: impl Into<String>) {
        self.trace.borrow_mut().push(text.into());
    }

    fn take_trace(&self) -> Vec<String> {
        self.trace.take()
    }
}

impl Driver for Handle {
    type Item = Callback;
    type Error = &'static str;

    fn with_schedule<R>(&self, access: impl FnOnce(&mut Schedule<Callback>) -> R) -> R {
        access(&mut self.0.schedule.borrow_mut())
    }

    fn needs_poll(&self) -> bool {
        !self.0.watchers.borrow().is_empty()
    }

    fn before_poll(&self) -> Result<(), Self::Error> {
        if let Some(text) = self.0.note_before_poll.take() {
            self.0.note_soon(text);
        }
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        self.0.stopping.get()
    }

    fn time(&self) -> Result<Nanoseconds, Self::Error> {
        if let Some(text) = self.0.note_when_asked_for_the_time.take() {
            self.0.note_soon(text);
        }
        Ok(self.0.frozen_time.get().unwrap_or_else(clock::monotonic))
    }

    fn reactor(&self) -> &Reactor {
        &self.0.reactor
    }

    fn has_mail(&self) -> bool {
        !self.0.mailbox.is_empty()
    }

    fn receive(&self) -> Result<(), Self::Error> {
        for number in self.0.mailbox.receive() {
            self.0.note(format!("mail {number}"));
        }
        Ok(())
    }

    fn poll(&self, events: &mut Events, timeout: Option<Nanoseconds>) -> Result<(), Self::Error> {
        match self.0.reactor.poll(events, timeout) {
            Err(error) if !is_interrupted(&error) => Err("the poll failed"),
            _ => Ok(()),
        }
    }

    fn dispatch(&self, events: &Events) {
        for event in events.iter() {
            let watcher = self.0.watchers.borrow().get(&event.token).cloned();
            if let Some(watcher) = watcher {
                self.0.call_soon(move |event_loop| {
                    watcher(event_loop);
                    Ok(())
                });
            }
        }
    }

    fn run(&self, item: Callback) -> Result<(), Self::Error> {
        item(&self.0)
    }
}

fn is_interrupted(error: &io::Error) -> bool {
    ioxide::turn::is_interruption(error)
}

fn take_turn(event_loop: &Rc<Loop>) -> Result<(), &'static str> {
    turn(&Handle(Rc::clone(event_loop)), &mut Events::new())
}

#[test]
fn a_turn_runs_what_was_ready_then_descriptors_then_timers() {
    let event_loop = Loop::new();
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b".").unwrap();
    event_loop.watch(&near, 1, |event_loop| event_loop.note("readable"));
    event_loop.note_at(0, "timer");
    event_loop.note_soon("ready");
    take_turn(&event_loop).unwrap();
    assert_eq!(event_loop.take_trace(), ["ready", "readable", "timer"]);
}

#[test]
fn what_a_turn_schedules_belongs_to_the_next() {
    let event_loop = Loop::new();
    event_loop.call_soon(|event_loop| {
        event_loop.note("first");
        event_loop.note_soon("third");
        Ok(())
    });
    event_loop.note_soon("second");
    take_turn(&event_loop).unwrap();
    assert_eq!(event_loop.take_trace(), ["first", "second"]);
    take_turn(&event_loop).unwrap();
    assert_eq!(event_loop.take_trace(), ["third"]);
}

#[test]
fn ten_bytes_read_one_a_turn_are_ten_calls() {
    let event_loop = Loop::new();
    let (mut near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"0123456789").unwrap();
    let reader = near.try_clone().unwrap();
    near.set_nonblocking(true).unwrap();
    event_loop.watch(&near, 1, move |event_loop| {
        let mut byte = [0];
        (&reader).read_exact(&mut byte).unwrap();
        event_loop.note(char::from(byte[0]));
    });
    for _ in 0..10 {
        take_turn(&event_loop).unwrap();
    }
    assert_eq!(event_loop.take_trace().concat(), "0123456789");
    assert_eq!(near.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn an_item_that_ends_the_run_leaves_the_rest_queued() {
    let event_loop = Loop::new();
    event_loop.call_soon(|_| Err("enough"));
    event_loop.note_soon("later");
    assert_eq!(take_turn(&event_loop), Err("enough"));
    assert!(event_loop.take_trace().is_empty());
    take_turn(&event_loop).unwrap();
    assert_eq!(event_loop.take_trace(), ["later"]);
}

#[test]
fn a_loop_emptied_from_within_runs_nothing_more() {
    let event_loop = Loop::new();
    event_loop.call_soon(|event_loop| {
        drop(event_loop.schedule.borrow_mut().ready.take());
        Ok(())
    });
    event_loop.note_soon("never");
    take_turn(&event_loop).unwrap();
    assert!(event_loop.take_trace().is_empty());
}

#[test]
fn timers_go_by_the_drivers_clock() {
    let event_loop = Loop::new();
    event_loop.frozen_time.set(Some(0));
    event_loop.note_at(3600 * SECOND, "in an hour");
    event_loop.note_soon("now");
    take_turn(&event_loop).unwrap();
    event_loop.frozen_time.set(Some(3600 * SECOND));
    take_turn(&event_loop).unwrap();
    assert_eq!(event_loop.take_trace(), ["now", "in an hour"]);
}

#[test]
fn a_loop_that_stops_does_not_wait() {
    let event_loop = Loop::new();
    event_loop.stopping.set(true);
    take_turn(&event_loop).unwrap();
}

#[test]
fn mail_from_another_thread_ends_the_wait() {
    let event_loop = Loop::new();
    let mailbox = event_loop.mailbox.clone();
    let sender = std::thread::spawn(move || mailbox.send(7));
    while event_loop.trace.borrow().is_empty() {
        take_turn(&event_loop).unwrap();
    }
    sender.join().unwrap();
    assert_eq!(event_loop.take_trace(), ["mail 7"]);
}

#[test]
fn what_a_clock_schedules_before_the_wait_ends_it() {
    let event_loop = Loop::new();
    event_loop.frozen_time.set(Some(0));
    event_loop.note_at(3600 * SECOND, "in an hour");
    event_loop.note_when_asked_for_the_time.set(Some("at once"));
    take_turn(&event_loop).unwrap();
    assert_eq!(event_loop.take_trace(), ["at once"]);
}

#[test]
fn what_a_signal_schedules_is_not_slept_over() {
    let event_loop = Loop::new();
    event_loop.note_before_poll.set(Some("handled"));
    take_turn(&event_loop).unwrap();
    assert_eq!(event_loop.take_trace(), ["handled"]);
}

#[test]
fn a_busy_loop_that_watches_nothing_still_sees_signals() {
    let event_loop = Loop::new();
    take_turn_that_keeps_busy(&event_loop);
    event_loop.note_before_poll.set(Some("handled"));
    for _ in 0..100 {
        take_turn_that_keeps_busy(&event_loop);
    }
    assert_eq!(event_loop.take_trace(), ["handled"]);
}

#[test]
fn a_busy_loop_still_serves_its_descriptors() {
    let event_loop = Loop::new();
    let (near, mut far) = UnixStream::pair().unwrap();
    event_loop.watch(&near, 1, |event_loop| event_loop.note("readable"));
    take_turn_that_keeps_busy(&event_loop);
    far.write_all(b".").unwrap();
    for _ in 0..100 {
        take_turn_that_keeps_busy(&event_loop);
    }
    assert!(event_loop.take_trace().contains(&"readable".to_owned()));
}

/// Takes a turn after which something is ready again.
fn take_turn_that_keeps_busy(event_loop: &Rc<Loop>) {
    event_loop.call_soon(|event_loop| {
        event_loop.call_soon(|_| Ok(()));
        Ok(())
    });
    take_turn(event_loop).unwrap();
}
