//! Locks, semaphores, events, conditions and barriers, beyond what they have in common.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};

use ioxide::sync::{Barrier, BrokenBarrier, Condition, Event, Lock, Queue, Semaphore};
use ioxide::{run, spawn, yield_now};

use crate::by_hand::{ByHand, by_hand};

#[test]
fn the_lock_is_not_free_between_a_release_and_the_run_of_the_next() {
    let lock = Lock::new(0);
    let guard = lock.try_acquire().unwrap();
    let next = by_hand(lock.acquire()).assert_pending();
    drop(guard);
    assert!(lock.is_locked());
    assert!(lock.try_acquire().is_none());
    *next.assert_ready() += 1;
    assert_eq!(lock.into_inner(), 1);
}

#[test]
fn tasks_that_take_the_lock_again_and_again_take_turns() {
    let order = run(async {
        let order = Rc::new(Lock::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|task| {
                let order = Rc::clone(&order);
                spawn(async move {
                    for _ in 0..3 {
                        let mut order = order.acquire().await;
                        order.push(task);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        order.acquire().await.clone()
    })
    .unwrap();
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_permit_that_is_forgotten_is_gone_and_one_that_is_added_wakes() {
    let semaphore = Semaphore::new(1);
    semaphore.try_acquire().unwrap().forget();
    let waiting = by_hand(semaphore.acquire()).assert_pending();
    semaphore.add_permit();
    assert!(waiting.is_woken());
    drop(waiting.assert_ready());
    assert_eq!(semaphore.free(), 1);
}

#[test]
fn an_event_lets_go_all_who_waited_also_if_it_is_cleared_at_once() {
    let event = Event::new();
    let (first, second, dropped) =
        (by_hand(event.wait()).assert_pending(), by_hand(event.wait()).assert_pending(), by_hand(event.wait()));
    event.set();
    event.clear();
    drop(dropped);
    let late = by_hand(event.wait()).assert_pending();
    first.assert_ready();
    second.assert_ready();
    late.assert_pending();
}

#[test]
fn a_notification_reaches_as_many_as_it_is_for_in_their_order() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let wait = || by_hand(async { condition.wait(lock.acquire().await).await }).assert_pending();
    let waiting = [wait(), wait(), wait(), wait()];
    condition.notify(&lock.try_acquire().unwrap(), 2);
    assert_eq!(waiting.each_ref().map(ByHand::is_woken), [true, true, false, false]);
    condition.notify_all(&lock.try_acquire().unwrap());
    for waiter in waiting {
        drop(waiter.assert_ready());
    }
}

#[test]
fn a_notification_before_the_wait_is_not_remembered() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    condition.notify(&lock.try_acquire().unwrap(), 1);
    by_hand(async { condition.wait(lock.acquire().await).await }).assert_pending();
}

#[test]
fn a_barrier_lets_go_all_when_the_last_comes_and_can_be_used_again_at_once() {
    let barrier = Barrier::new(2);
    let first = by_hand(barrier.wait()).assert_pending();
    assert_eq!(by_hand(barrier.wait()).assert_ready(), Ok(1));
    // The first round's waiter hasn't run.
    let next_round = by_hand(barrier.wait()).assert_pending();
    assert_eq!(first.assert_ready(), Ok(0));
    assert_eq!(by_hand(barrier.wait()).assert_ready(), Ok(1));
    assert_eq!(next_round.assert_ready(), Ok(0));
}

#[test]
fn who_leaves_a_barrier_has_to_be_replaced_and_all_places_differ() {
    let barrier = Barrier::new(3);
    let (leaves, stays) = (by_hand(barrier.wait()).assert_pending(), by_hand(barrier.wait()).assert_pending());
    drop(leaves);
    let comes = by_hand(barrier.wait()).assert_pending();
    assert_eq!(barrier.waiting(), 2);
    let last = by_hand(barrier.wait()).assert_ready();
    assert_eq!([stays.assert_ready(), comes.assert_ready(), last], [Ok(0), Ok(1), Ok(2)]);
}

#[test]
fn a_barrier_that_is_reset_or_broken_sends_away_who_waits() {
    let barrier = Barrier::new(2);
    let waiting = by_hand(barrier.wait()).assert_pending();
    barrier.reset();
    assert_eq!(waiting.assert_ready(), Err(BrokenBarrier));
    let waiting = by_hand(barrier.wait()).assert_pending();
    barrier.abort();
    assert!(barrier.is_broken());
    assert_eq!(waiting.assert_ready(), Err(BrokenBarrier));
    assert_eq!(by_hand(barrier.wait()).assert_ready(), Err(BrokenBarrier));
    barrier.reset();
    by_hand(barrier.wait()).assert_pending();
}

#[test]
fn who_gives_up_waiting_for_an_event_leaves_no_waker_and_keeps_nobody_waiting() {
    let event = Event::new();
    let never_polled = by_hand(event.wait());
    let [in_line, woken, stays] = [(); 3].map(|()| by_hand(event.wait()).assert_pending());
    drop(never_polled);
    drop(in_line);
    event.set();
    assert!(woken.is_woken() && woken.is_forgotten());
    drop(woken);
    assert!(stays.is_woken() && stays.is_forgotten());
    stays.assert_ready();
}

#[test]
fn who_gives_up_at_a_barrier_after_it_was_let_go_takes_nobody_with_it() {
    let barrier = Barrier::new(3);
    let [gives_up, stays] = [(); 2].map(|()| by_hand(barrier.wait()).assert_pending());
    assert_eq!(by_hand(barrier.wait()).assert_ready(), Ok(2));
    drop(gives_up);
    assert_eq!(stays.assert_ready(), Ok(1));
    assert_eq!(barrier.waiting(), 0);
}

#[test]
fn all_who_are_notified_go_on_though_one_of_them_is_dropped_while_it_waits_for_the_lock() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let wait = || by_hand(async { condition.wait(lock.acquire().await).await }).assert_pending();
    let [mut first, mut second, third] = [(); 3].map(|()| wait());
    let guard = lock.try_acquire().unwrap();
    condition.notify_all(&guard);
    assert!(first.poll().is_pending() && second.poll().is_pending());
    drop(guard);
    // The lock was granted to the first: it goes to the second.
    drop(first);
    assert!(second.is_woken());
    drop(second.assert_ready());
    drop(third.assert_ready());
    assert!(!lock.is_locked());
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a panic on purpose");
    }
}

/// Has a future wait with a waker that panics.
fn wait_with_panics<T>(future: &mut ByHand<'_, T>) {
    assert!(future.poll_with(&Waker::from(Arc::new(Panics))).is_pending());
}

#[test]
fn all_who_wait_for_an_event_are_woken_though_the_first_waker_panics() {
    let event = Event::new();
    let mut first = by_hand(event.wait());
    wait_with_panics(&mut first);
    let second = by_hand(event.wait()).assert_pending();
    catch_unwind(AssertUnwindSafe(|| event.set())).unwrap_err();
    assert!(second.is_woken());
    first.assert_ready();
    second.assert_ready();
}

#[test]
fn all_who_are_notified_are_woken_though_the_first_waker_panics() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut first = by_hand(condition.wait(lock.try_acquire().unwrap()));
    wait_with_panics(&mut first);
    let second = by_hand(condition.wait(lock.try_acquire().unwrap())).assert_pending();
    let guard = lock.try_acquire().unwrap();
    catch_unwind(AssertUnwindSafe(|| condition.notify(&guard, 2))).unwrap_err();
    assert!(second.is_woken());
}

#[test]
fn a_queue_that_is_shut_down_tells_both_sides_though_a_waker_panics() {
    let queue = Queue::bounded(1);
    let mut getting = by_hand(queue.get());
    wait_with_panics(&mut getting);
    catch_unwind(AssertUnwindSafe(|| queue.shutdown())).unwrap_err();
    getting.assert_ready().unwrap_err();
    by_hand(queue.put(1)).assert_ready().unwrap_err();
}
