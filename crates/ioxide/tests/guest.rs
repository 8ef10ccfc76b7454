//! A loop that another one drives: when it wants its turns, what a turn runs, and what outside wakers do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use ioxide::guest::{Guest, PolledWaker, Wants};
use ioxide::net::UnixStream;
use ioxide::time::sleep_until;
use ioxide::{Events, Interest, Reactor, clock, spawn};

const NOTHING: Wants = Wants { soon: false, at: None };

fn guest() -> Guest {
    Guest::new(clock::monotonic).unwrap()
}

/// The keys that a turn tells its host.
fn turn(guest: &Guest, is_readable: bool) -> Vec<usize> {
    let mut woken = Vec::new();
    guest.turn(is_readable, |key| woken.push(key)).unwrap();
    woken
}

/// Whether a host that polls now finds the guest readable.
fn is_readable(guest: &Guest) -> bool {
    let host = Reactor::new().unwrap();
    host.add(guest.as_fd(), 1, Interest::READABLE).unwrap();
    let mut events = Events::new();
    host.poll(&mut events, Some(0)).unwrap();
    events.iter().next().is_some()
}

fn wake(waker: &Arc<PolledWaker>) {
    Arc::clone(waker).wake();
}

#[test]
fn a_task_spawned_within_the_guest_runs_in_its_next_turn() {
    let guest = guest();
    let ran = Rc::new(Cell::new(false));
    {
        let _entered = guest.enter();
        let ran = Rc::clone(&ran);
        drop(spawn(async move { ran.set(true) }));
    }
    assert_eq!(guest.wants(), Wants { soon: true, at: None });
    assert!(!ran.get());
    turn(&guest, false);
    assert!(ran.get());
    assert_eq!(guest.wants(), NOTHING);
}

#[test]
fn a_time_of_the_standard_librarys_is_met_by_the_hosts_clock() {
    let hour = 3600 * clock::SECOND;
    for ahead in [0, hour, -hour] {
        let guest = Guest::new(move || clock::monotonic() + ahead).unwrap();
        {
            let _entered = guest.enter();
            drop(spawn(sleep_until(Instant::now() + Duration::from_secs(1800))));
        }
        turn(&guest, false);
        let until = guest.wants().at.unwrap() - clock::monotonic() - ahead;
        assert!((until - hour / 2).abs() < hour / 4, "{until}");
    }
}

#[test]
fn what_a_turn_makes_ready_waits_for_the_next() {
    let guest = guest();
    let trace = Rc::new(RefCell::new(Vec::new()));
    {
        let _entered = guest.enter();
        let trace = Rc::clone(&trace);
        drop(spawn(async move {
            trace.borrow_mut().push("outer");
            drop(spawn(async move { trace.borrow_mut().push("inner") }));
        }));
    }
    turn(&guest, false);
    assert_eq!(*trace.borrow(), ["outer"]);
    assert!(guest.wants().soon);
    turn(&guest, false);
    assert_eq!(*trace.borrow(), ["outer", "inner"]);
}

#[test]
fn a_wake_up_from_another_thread_makes_the_guest_readable() {
    let guest = guest();
    let waker = guest.waker(7);
    waker.begin_poll();
    assert!(!waker.end_poll());
    assert!(!is_readable(&guest));
    let sent = Arc::clone(&waker);
    std::thread::spawn(move || wake(&sent)).join().unwrap();
    assert!(is_readable(&guest));
    assert_eq!(turn(&guest, true), [7]);
    assert!(!is_readable(&guest));
}

#[test]
fn a_wake_up_from_another_thread_during_a_turn_is_wanted_soon() {
    let guest = guest();
    let waker = guest.waker(3);
    waker.begin_poll();
    assert!(!waker.end_poll());
    {
        let _entered = guest.enter();
        let waker = Arc::clone(&waker);
        drop(spawn(async move { std::thread::spawn(move || wake(&waker)).join().unwrap() }));
    }
    assert_eq!(turn(&guest, false), []);
    assert!(guest.wants().soon || is_readable(&guest));
    assert_eq!(turn(&guest, is_readable(&guest)), [3]);
}

#[test]
fn many_wake_ups_of_one_wait_are_told_once() {
    let guest = guest();
    let waker = guest.waker(1);
    waker.begin_poll();
    assert!(!waker.end_poll());
    let _entered = guest.enter();
    for _ in 0..3 {
        wake(&waker);
    }
    assert_eq!(turn(&guest, false), [1]);
    // Nobody has polled since.
    wake(&waker);
    assert_eq!(turn(&guest, false), []);
}

#[test]
fn a_wake_up_during_the_poll_is_seen_by_who_polls_and_queues_nothing() {
    let guest = guest();
    let waker = guest.waker(1);
    waker.begin_poll();
    wake(&waker);
    assert!(waker.end_poll());
    assert_eq!(guest.wants(), NOTHING);
    assert_eq!(turn(&guest, true), []);
    // One between two polls is seen, too.
    wake(&waker);
    waker.begin_poll();
    assert!(!waker.end_poll());
    assert_eq!(turn(&guest, true), []);
}

#[test]
fn an_abandoned_future_is_told_once_and_its_wake_ups_are_not() {
    let guest = guest();
    let waker = guest.waker(5);
    waker.begin_poll();
    assert!(!waker.end_poll());
    let sent = Arc::clone(&waker);
    std::thread::spawn(move || sent.abandon()).join().unwrap();
    wake(&waker);
    assert!(waker.is_abandoned());
    assert_eq!(turn(&guest, true), [5]);
}

#[test]
fn a_wake_up_after_the_guests_end_does_nothing() {
    let guest = guest();
    let waker = guest.waker(1);
    waker.begin_poll();
    assert!(!waker.end_poll());
    drop(guest);
    wake(&waker);
}

#[test]
fn tasks_are_cancelled_as_the_guest_ends() {
    struct SetsWhenDropped(Rc<Cell<bool>>);
    impl Drop for SetsWhenDropped {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let guard = SetsWhenDropped(Rc::clone(&dropped));
    let guest = guest();
    {
        let _entered = guest.enter();
        drop(spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
    }
    turn(&guest, false);
    drop(guest);
    assert!(dropped.get());
}

#[test]
fn a_guest_entered_within_a_running_loop_takes_its_place_and_gives_it_back() {
    let order = Rc::new(RefCell::new(Vec::new()));
    ioxide::run(async {
        let guest = guest();
        {
            let _entered = guest.enter();
            let order = Rc::clone(&order);
            drop(spawn(async move { order.borrow_mut().push("guest") }));
        }
        let own = Rc::clone(&order);
        let task = spawn(async move { own.borrow_mut().push("loop") });
        task.await.unwrap();
        assert_eq!(*order.borrow(), ["loop"]);
        turn(&guest, false);
    })
    .unwrap();
    assert_eq!(*order.borrow(), ["loop", "guest"]);
}

#[test]
fn a_future_that_the_host_polls_awaits_a_task_of_the_guest() {
    let guest = guest();
    let waker = guest.waker(0);
    let mut future = {
        let _entered = guest.enter();
        Box::pin(spawn(async { 42 }))
    };
    let mut poll = || {
        let _entered = guest.enter();
        waker.begin_poll();
        future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&waker))))
    };
    assert!(poll().is_pending());
    assert!(!waker.end_poll());
    assert_eq!(turn(&guest, false), []);
    assert_eq!(turn(&guest, false), [0]);
    assert_eq!(poll(), Poll::Ready(Ok(42)));
}

#[test]
fn a_panic_in_a_turn_leaves_the_rest_ready() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a panic of its own");
        }
    }
    let guest = guest();
    let ran = Rc::new(Cell::new(false));
    {
        let _entered = guest.enter();
        drop(spawn(poll_fn(|_| -> Poll<()> {
            // Within a task's step a panic stays in the task.
            Waker::from(Arc::new(Panics)).wake();
            Poll::Pending
        })));
        let ran = Rc::clone(&ran);
        drop(spawn(async move { ran.set(true) }));
    }
    turn(&guest, false);
    assert!(ran.get());
}

#[test]
fn a_socket_of_another_guest_is_an_error_where_it_would_have_to_be_waited_for() {
    let (owner, other) = (guest(), guest());
    let (near, _far) = {
        let _entered = owner.enter();
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        (UnixStream::try_from(near).unwrap(), far)
    };
    let near = Rc::new(near);
    let read = |guest: &Guest| {
        let _entered = guest.enter();
        let near = Rc::clone(&near);
        ioxide::spawn(async move { near.read(&mut [0]).await })
    };
    let (elsewhere, at_home) = (read(&other), read(&owner));
    turn(&other, false);
    turn(&owner, false);
    assert!(elsewhere.is_done());
    assert!(!at_home.is_done());
}
