//! What another thread does to a loop: sending, and waking it.

use std::sync::mpsc;
use std::thread;

use ioxide::{Events, Mailbox, Reactor};

use super::{Repetition, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("wake-up: send to a loop that is awake", send_to_the_awake),
    Scenario::new("wake-up: send to a loop that sleeps", send_to_the_sleeping),
    Scenario::inexact("wake-up: there and back between two threads", there_and_back),
];

fn send_to_the_awake() -> Repetition {
    let (reactor, mailbox) = reactor_and_mailbox();
    Box::new(move || {
        // Without its reactor a mailbox has nobody to wake.
        let _ = &reactor;
        mailbox.send(1);
        assert_eq!(mailbox.receive(), [1]);
    })
}

/// On one thread, so that each repetition is the same: the loop announces its sleep, is sent to, and doesn't sleep.
fn send_to_the_sleeping() -> Repetition {
    let (reactor, mailbox) = reactor_and_mailbox();
    let mut events = Events::new();
    Box::new(move || {
        let asleep = reactor.waker().fall_asleep();
        mailbox.send(1);
        reactor.poll(&mut events, None).expect("no signal comes");
        drop(asleep);
        assert_eq!(mailbox.receive(), [1]);
    })
}

fn there_and_back() -> Repetition {
    let (reactor, mailbox) = reactor_and_mailbox();
    let sender = mailbox.clone();
    let mut events = Events::new();
    let (ask, asked) = mpsc::channel();
    // Ends with the repetition, which owns the other end of the channel.
    thread::spawn(move || asked.into_iter().for_each(|number| sender.send(number)));
    Box::new(move || {
        ask.send(1).expect("the thread runs for as long as this does");
        loop {
            // Announced each time: a wake-up that comes late, for what was received already, ends the announcement.
            let asleep = reactor.waker().fall_asleep();
            if !mailbox.is_empty() {
                break;
            }
            reactor.poll(&mut events, None).expect("no signal comes");
            drop(asleep);
        }
        assert_eq!(mailbox.receive(), [1]);
    })
}

fn reactor_and_mailbox() -> (Reactor, Mailbox<u64>) {
    let reactor = Reactor::new().expect("a descriptor is to be had");
    let mailbox = Mailbox::new(&reactor);
    (reactor, mailbox)
}
