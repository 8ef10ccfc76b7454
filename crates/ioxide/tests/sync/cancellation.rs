//! Each moment at which a wait can be cancelled, for everything that grants something to one waiter at a time.

use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;

use ioxide::sync::{Condition, Lock, Queue, Semaphore};

use crate::by_hand::{ByHand, by_hand};

/// Something of which there is one.
trait Contended {
    /// Waits for it, says so when it has it, and keeps it until it is dropped.
    fn wait(&self, says: Says) -> Pin<Box<dyn Future<Output = ()>>>;
    /// Whether anybody could have it at once.
    fn is_free(&self) -> bool;
}

type Says = Rc<Cell<bool>>;

struct OneLock(Rc<Lock<()>>);

impl Contended for OneLock {
    fn wait(&self, says: Says) -> Pin<Box<dyn Future<Output = ()>>> {
        let lock = Rc::clone(&self.0);
        Box::pin(async move {
            let _guard = lock.acquire().await;
            says.set(true);
            pending::<()>().await;
        })
    }

    fn is_free(&self) -> bool {
        self.0.try_acquire().is_some()
    }
}

struct OnePermit(Rc<Semaphore>);

impl Contended for OnePermit {
    fn wait(&self, says: Says) -> Pin<Box<dyn Future<Output = ()>>> {
        let semaphore = Rc::clone(&self.0);
        Box::pin(async move {
            let _permit = semaphore.acquire().await;
            says.set(true);
            pending::<()>().await;
        })
    }

    fn is_free(&self) -> bool {
        self.0.try_acquire().is_some()
    }
}

/// The one item of a queue. Who has it puts it back.
struct OneItem(Rc<Queue<()>>);

struct PutsBack<'a>(&'a Queue<()>);

impl Drop for PutsBack<'_> {
    fn drop(&mut self) {
        self.0.put_nowait(()).unwrap();
    }
}

impl Contended for OneItem {
    fn wait(&self, says: Says) -> Pin<Box<dyn Future<Output = ()>>> {
        let queue = Rc::clone(&self.0);
        Box::pin(async move {
            queue.get().await.unwrap();
            let _puts_back = PutsBack(&queue);
            says.set(true);
            pending::<()>().await;
        })
    }

    fn is_free(&self) -> bool {
        self.0.get_nowait().is_ok_and(|()| self.0.put_nowait(()).is_ok())
    }
}

/// The one place of a queue. Who has it takes its item out again.
struct OnePlace(Rc<Queue<()>>);

struct TakesOut<'a>(&'a Queue<()>);

impl Drop for TakesOut<'_> {
    fn drop(&mut self) {
        self.0.get_nowait().unwrap();
    }
}

impl Contended for OnePlace {
    fn wait(&self, says: Says) -> Pin<Box<dyn Future<Output = ()>>> {
        let queue = Rc::clone(&self.0);
        Box::pin(async move {
            queue.put(()).await.unwrap();
            let _takes_out = TakesOut(&queue);
            says.set(true);
            pending::<()>().await;
        })
    }

    fn is_free(&self) -> bool {
        self.0.put_nowait(()).is_ok_and(|()| self.0.get_nowait().is_ok())
    }
}

fn all() -> [Box<dyn Contended>; 4] {
    let (items, places) = (Queue::new(), Queue::bounded(1));
    items.put_nowait(()).unwrap();
    [
        Box::new(OneLock(Rc::new(Lock::new(())))),
        Box::new(OnePermit(Rc::new(Semaphore::new(1)))),
        Box::new(OneItem(Rc::new(items))),
        Box::new(OnePlace(Rc::new(places))),
    ]
}

/// One who waits, and then has it until it is dropped.
struct Waiter {
    future: ByHand<'static, ()>,
    says: Says,
}

impl Waiter {
    fn new(contended: &dyn Contended) -> Self {
        let says = Says::default();
        Self { future: by_hand(contended.wait(Rc::clone(&says))), says }
    }

    fn is_woken(&self) -> bool {
        self.future.is_woken()
    }

    /// Polls, and tells whether it has it.
    fn has(&mut self) -> bool {
        self.future = std::mem::replace(&mut self.future, by_hand(pending())).assert_pending();
        self.says.get()
    }
}

/// Who has it, and so many who wait.
fn line<const COUNT: usize>(contended: &dyn Contended) -> (Waiter, [Waiter; COUNT]) {
    let mut has = Waiter::new(contended);
    assert!(has.has());
    let waiting = std::array::from_fn(|_| {
        let mut waiter = Waiter::new(contended);
        assert!(!waiter.has());
        waiter
    });
    (has, waiting)
}

#[test]
fn who_waits_is_served_in_order_and_each_gives_it_to_the_next() {
    for contended in all() {
        let (mut has, waiting) = line::<3>(&*contended);
        for mut next in waiting {
            assert!(!next.is_woken());
            drop(has);
            assert!(next.is_woken() && !contended.is_free());
            assert!(next.has() && !contended.is_free());
            has = next;
        }
        drop(has);
        assert!(contended.is_free());
    }
}

#[test]
fn a_wait_that_is_dropped_before_its_first_poll_has_no_part() {
    for contended in all() {
        let (has, [mut waiting]) = line(&*contended);
        drop(Waiter::new(&*contended));
        drop(has);
        drop(Waiter::new(&*contended));
        assert!(waiting.has());
        drop(waiting);
        assert!(contended.is_free());
    }
}

#[test]
fn a_wait_that_is_dropped_in_line_is_passed_over() {
    for place in 0..3 {
        for contended in all() {
            let (mut has, waiting) = line::<3>(&*contended);
            let mut waiting = Vec::from(waiting);
            drop(waiting.remove(place));
            for mut next in waiting {
                drop(has);
                assert!(next.is_woken() && next.has());
                has = next;
            }
            drop(has);
            assert!(contended.is_free());
        }
    }
}

#[test]
fn what_was_granted_to_a_wait_that_is_dropped_before_it_ran_goes_to_the_next() {
    for contended in all() {
        let (has, [first, mut second]) = line(&*contended);
        drop(has);
        assert!(first.is_woken() && !second.is_woken());
        drop(first);
        assert!(second.is_woken() && !contended.is_free());
        assert!(second.has());
        drop(second);
        assert!(contended.is_free());
    }
}

#[test]
fn what_was_granted_to_one_after_the_other_who_are_dropped_is_free_again() {
    for contended in all() {
        let (has, waiting) = line::<3>(&*contended);
        drop(has);
        drop(waiting);
        assert!(contended.is_free());
    }
}

#[test]
fn only_the_last_waker_is_kept_and_none_of_one_that_has_gone_or_ended() {
    for contended in all() {
        let (has, [mut first, mut second]) = line(&*contended);
        assert!(second.future.poll_with(Waker::noop()).is_pending());
        assert!(second.future.is_forgotten());
        drop(second);
        drop(has);
        assert!(first.is_woken() && first.has() && first.future.is_forgotten());
    }
}

#[test]
fn a_notification_passes_on_from_one_that_is_dropped_at_any_moment_of_its_wait() {
    // Before it ran, and while it waits for the lock.
    for steps_before_drop in 0..2 {
        let (lock, condition) = (Lock::new(()), Condition::new());
        let wait = || by_hand(async { condition.wait(lock.acquire().await).await }).assert_pending();
        let (mut first, second) = (wait(), wait());
        let guard = lock.try_acquire().unwrap();
        condition.notify(&guard, 1);
        assert!(first.is_woken() && !second.is_woken());
        for _ in 0..steps_before_drop {
            assert!(first.poll().is_pending());
        }
        drop(first);
        assert!(second.is_woken());
        drop(guard);
        drop(second.assert_ready());
        assert!(!lock.is_locked());
    }
}
