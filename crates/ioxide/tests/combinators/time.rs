//! Sleeping and giving up. What is compared is the order of deadlines, or that time has passed; never how much.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use ioxide::time::{TimedOut, Timeout, sleep_until, timeout_at};
use ioxide::{EventLoop, gather, run, sleep, spawn, timeout, yield_now};

use crate::watch_drop;

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines_and_of_their_coming() {
    let order = Rc::new(RefCell::new(Vec::new()));
    run(async {
        let now = Instant::now();
        let sleepers = [3, 1, 2, 1].into_iter().enumerate().map(|(place, milliseconds)| {
            let order = Rc::clone(&order);
            spawn(async move {
                sleep_until(now + milliseconds * MILLISECOND).await;
                order.borrow_mut().push((milliseconds, place));
            })
        });
        gather(sleepers.collect::<Vec<_>>()).await;
    })
    .unwrap();
    assert_eq!(*order.borrow(), [(1, 1), (1, 3), (2, 2), (3, 0)]);
}

#[test]
fn a_sleep_lasts_as_long_as_it_should_and_counts_from_the_call() {
    run(async {
        let begin = Instant::now();
        let sleeper = sleep(5 * MILLISECOND);
        sleep(2 * MILLISECOND).await;
        sleeper.await;
        assert!(begin.elapsed() >= 5 * MILLISECOND);
    })
    .unwrap();
}

#[test]
fn a_sleep_of_no_time_lets_the_others_run_once() {
    let order = Rc::new(RefCell::new(Vec::new()));
    run(async {
        let tasks = ["a", "b"].map(|name| {
            let order = Rc::clone(&order);
            spawn(async move {
                order.borrow_mut().push(name);
                sleep(Duration::ZERO).await;
                order.borrow_mut().push(name);
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
    })
    .unwrap();
    assert_eq!(*order.borrow(), ["a", "b", "a", "b"]);
}

#[test]
fn a_sleep_wakes_whoever_polled_it_last() {
    run(async {
        let mut sleeper = pin!(sleep(MILLISECOND));
        assert!(sleeper.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        sleeper.await;
    })
    .unwrap();
}

#[test]
fn an_endless_sleep_can_be_given_up() {
    let result = run(async { timeout(MILLISECOND, sleep(Duration::MAX)).await }).unwrap();
    assert_eq!(result, Err(TimedOut));
}

#[test]
fn a_future_that_is_done_in_time_gives_its_result_and_one_that_is_not_is_dropped() {
    let (dropped, guard) = watch_drop();
    run(async {
        assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7));
        let endless = async move {
            let _guard = guard;
            pending::<()>().await;
        };
        assert_eq!(timeout_at(Instant::now() + MILLISECOND, endless).await, Err(TimedOut));
        assert!(dropped.get());
    })
    .unwrap();
}

#[test]
fn a_result_that_is_there_wins_over_a_time_that_is_over() {
    let result = run(async {
        let slow = spawn(async { std::thread::sleep(2 * MILLISECOND) });
        timeout(MILLISECOND, slow).await
    });
    assert_eq!(result.unwrap(), Ok(Ok(())));
}

#[test]
fn a_time_out_becomes_an_io_error() {
    async fn within() -> std::io::Result<()> {
        timeout(Duration::ZERO, pending::<()>()).await?;
        Ok(())
    }
    assert_eq!(run(within()).unwrap().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
}

#[test]
fn a_time_out_can_be_moved_to_later_and_to_never() {
    let result = run(Timeout::scope(MILLISECOND, async |timeout| {
        timeout.reschedule(Some(Instant::now() + Duration::from_secs(3600)));
        sleep(2 * MILLISECOND).await;
        assert!(timeout.remaining().is_some());
        timeout.reschedule(None);
        assert_eq!(timeout.remaining(), None);
        sleep(2 * MILLISECOND).await;
    }));
    assert_eq!(result.unwrap(), Ok(()));
}

#[test]
fn a_time_out_can_be_moved_to_earlier() {
    let result = run(Timeout::scope(Duration::MAX, async |timeout| {
        yield_now().await;
        timeout.reschedule(Some(Instant::now()));
        pending::<()>().await;
    }));
    assert_eq!(result.unwrap(), Err(TimedOut));
}

#[test]
fn a_time_that_is_awaited_while_its_loop_does_not_run_is_a_panic() {
    let event_loop = EventLoop::new().unwrap();
    let sleep = event_loop.run(async { Some(sleep(Duration::from_secs(60))) }).unwrap().unwrap();
    catch_unwind(AssertUnwindSafe(|| run(sleep))).unwrap_err();
}
