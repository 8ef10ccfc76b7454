//! `gather`, `wait`, `as_completed`, `shield`.

use std::future::{pending, ready};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use ioxide::sync::Event;
use ioxide::{Cancelled, as_completed, gather, run, shield, spawn, timeout, try_gather, wait, yield_now};

use crate::watch_drop;

async fn after_turns(turns: usize) -> usize {
    for _ in 0..turns {
        yield_now().await;
    }
    turns
}

#[test]
fn gather_keeps_the_order_and_runs_all_at_the_same_time() {
    for count in [0, 3, 100] {
        let results = run(async {
            let event = Event::new();
            let waiting = gather((0..count).map(async |number| {
                event.wait().await;
                number
            }));
            let (results, ()) = futures_util::future::join(waiting, async { event.set() }).await;
            results
        })
        .unwrap();
        assert_eq!(results, (0..count).collect::<Vec<_>>());
    }
}

#[test]
fn try_gather_ends_with_the_first_error_and_drops_the_others() {
    let (dropped, guard) = watch_drop();
    let mut guard = Some(guard);
    let result = run(try_gather([0, 1].map(|number| {
        let guard = guard.take();
        async move {
            if number == 0 {
                let _guard = guard;
                pending::<()>().await;
            }
            yield_now().await;
            Err::<(), _>(number)
        }
    })));
    assert_eq!(result.unwrap(), Err(1));
    assert!(dropped.get());
}

#[test]
fn wait_returns_all_that_are_done_by_then_in_their_order() {
    run(async {
        let tasks = [5, 1, 9, 1].map(|turns| spawn(after_turns(turns)));
        let (done, pending) = wait(tasks).first_completed().await;
        let mut results = Vec::new();
        for task in done {
            assert!(task.is_done());
            results.push(task.await.unwrap());
        }
        assert_eq!(results, [1, 1]);
        let (done, pending) = wait(pending).all_completed().await;
        assert_eq!((done.len(), pending.len()), (2, 0));
        let (done, _) = wait(done).await;
        for (task, turns) in done.into_iter().zip([5, 9]) {
            assert_eq!(task.await, Ok(turns));
        }
    })
    .unwrap();
}

#[test]
fn wait_for_nothing_is_over_at_once() {
    let (done, pending) = run(async { wait::<()>([]).first_completed().await }).unwrap();
    assert_eq!((done.len(), pending.len()), (0, 0));
}

#[test]
fn errors_panics_and_cancellations_are_exceptions_to_wait_for() {
    run(async {
        let cancelled = spawn(pending::<Result<(), i32>>());
        cancelled.cancel();
        let failing = [spawn(ready(Err(1))), spawn(async { panic!("a panic on purpose") }), cancelled];
        for failed in failing {
            let tasks = [spawn(ready(Ok(()))), failed, spawn(pending())];
            // The first may be cut short by a wake-up from the last wait.
            after_turns(2).await;
            let (done, pending) = wait(tasks).first_exception().await;
            assert_eq!((done.len(), pending.len()), (2, 1));
        }
        let (done, pending) = wait([spawn(ready(Ok::<_, i32>(1))), spawn(ready(Ok(2)))]).first_exception().await;
        assert_eq!((done.len(), pending.len()), (2, 0));
    })
    .unwrap();
}

#[test]
#[should_panic(expected = "a panic that was waited for")]
fn a_panic_that_was_waited_for_reaches_who_awaits_the_task() {
    run(async {
        let (mut done, _) = wait([spawn(async { panic!("a panic that was waited for") })]).await;
        done.remove(0).await.unwrap_or(());
    })
    .unwrap();
}

#[test]
fn a_wait_that_times_out_gives_the_tasks_back() {
    run(async {
        let event = Rc::new(Event::new());
        let task = spawn({
            let event = Rc::clone(&event);
            async move { event.wait().await }
        });
        let (done, mut pending) = wait([task]).timeout(Duration::from_millis(1)).first_completed().await;
        assert_eq!((done.len(), pending.len()), (0, 1));
        event.set();
        assert_eq!(pending.remove(0).await, Ok(()));
    })
    .unwrap();
}

#[test]
fn as_completed_gives_results_as_they_come() {
    run(async {
        let mut results = as_completed([3, 1, 2].map(after_turns));
        assert_eq!(results.len(), 3);
        for turns in 1..=3 {
            assert_eq!(results.next().await, Some(turns));
        }
        assert_eq!(results.next().await, None);
    })
    .unwrap();
}

#[test]
fn as_completed_loses_nothing_when_a_read_is_given_up() {
    run(async {
        let event = Event::new();
        let mut results = as_completed([event.wait()]);
        assert!(timeout(Duration::ZERO, results.next()).await.is_err());
        event.set();
        assert_eq!(results.next().await, Some(()));
    })
    .unwrap();
}

#[test]
fn what_is_shielded_goes_on_when_nobody_waits_any_more() {
    let (dropped, guard) = watch_drop();
    run(async {
        let (go, gone) = (Rc::new(Event::new()), Rc::new(Event::new()));
        let shielded = shield({
            let (go, gone) = (Rc::clone(&go), Rc::clone(&gone));
            async move {
                let _guard = guard;
                go.wait().await;
                gone.set();
            }
        });
        assert!(timeout(Duration::ZERO, shielded).await.is_err());
        assert!(!dropped.get());
        go.set();
        gone.wait().await;
    })
    .unwrap();
    assert!(dropped.get());
}

#[test]
fn an_await_of_a_task_can_be_given_up_and_taken_up_again() {
    run(async {
        let mut task = pin!(spawn(after_turns(3)));
        assert!(timeout(Duration::ZERO, task.as_mut()).await.is_err());
        assert_eq!(task.as_mut().await, Ok(3));
    })
    .unwrap();
}

#[test]
fn a_task_that_outlives_its_loop_was_cancelled_by_it() {
    let mut left_behind = None;
    run(async { left_behind = Some(spawn(pending::<()>())) }).unwrap();
    assert_eq!(run(left_behind.unwrap()).unwrap(), Err(Cancelled));
}
