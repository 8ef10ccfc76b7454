//! Tasks on a loop: order, results, cancellation, and what is left when a loop ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use ioxide::{Cancelled, EventLoop, run, spawn};

/// Lets the tasks that are ready run once.
async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

struct SetsWhenDropped(Rc<Cell<bool>>);

impl Drop for SetsWhenDropped {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn tasks_run_in_the_order_in_which_they_were_made_and_take_turns() {
    let trace = Rc::new(RefCell::new(Vec::new()));
    run(async {
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let trace = Rc::clone(&trace);
                spawn(async move {
                    for step in 0..2 {
                        trace.borrow_mut().push((step, number));
                        yield_once().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await, Ok(()));
        }
    })
    .unwrap();
    assert_eq!(*trace.borrow(), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
}

#[test]
fn a_cancelled_task_is_dropped_and_its_awaiter_is_told() {
    let dropped = Rc::new(Cell::new(false));
    let guard = SetsWhenDropped(Rc::clone(&dropped));
    let result = run(async {
        let task = spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        yield_once().await;
        task.cancel();
        task.cancel();
        assert!(!task.is_done());
        task.await
    })
    .unwrap();
    assert_eq!(result, Err(Cancelled));
    assert!(dropped.get());
}

#[test]
fn a_task_that_is_done_keeps_its_result_though_it_is_cancelled() {
    let result = run(async {
        let task = spawn(async { 7 });
        yield_once().await;
        task.cancel();
        assert!(task.is_done());
        task.await
    })
    .unwrap();
    assert_eq!(result, Ok(7));
}

#[test]
fn tasks_that_wait_for_each_other_are_cancelled_as_the_loop_ends() {
    let dropped = Rc::new(Cell::new(false));
    let guard = SetsWhenDropped(Rc::clone(&dropped));
    run(async move {
        drop(spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        yield_once().await;
    })
    .unwrap();
    assert!(dropped.get());
}

#[test]
fn what_a_dying_task_spawns_is_cancelled_too() {
    struct SpawnsWhenDropped(Rc<Cell<bool>>);
    impl Drop for SpawnsWhenDropped {
        fn drop(&mut self) {
            let guard = SetsWhenDropped(Rc::clone(&self.0));
            drop(spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            }));
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let spawner = SpawnsWhenDropped(Rc::clone(&dropped));
    run(async move {
        drop(spawn(async move {
            let _spawner = spawner;
            pending::<()>().await;
        }));
        yield_once().await;
    })
    .unwrap();
    assert!(dropped.get());
}

#[test]
fn a_task_goes_on_in_the_next_run_of_its_loop() {
    let event_loop = EventLoop::new().unwrap();
    let mut task = None;
    event_loop.run(async { task = Some(spawn(yield_once())) }).unwrap();
    assert_eq!(event_loop.run(task.unwrap()).unwrap(), Ok(()));
}

#[test]
fn a_loop_within_a_loop_is_refused() {
    let error = run(async { run(async {}).unwrap_err() }).unwrap();
    assert_eq!(error.to_string(), "an event loop is running on this thread already");
}

#[test]
fn a_wake_up_from_another_thread_ends_the_wait() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let arrived = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = std::sync::Arc::clone(&arrived);
    let thread = std::thread::spawn(move || {
        let waker: std::task::Waker = receiver.recv().unwrap();
        flag.store(true, std::sync::atomic::Ordering::SeqCst);
        waker.wake();
    });
    run(async {
        spawn(poll_fn(move |context| {
            if arrived.load(std::sync::atomic::Ordering::SeqCst) {
                return Poll::Ready(());
            }
            sender.send(context.waker().clone()).unwrap_or_default();
            Poll::Pending
        }))
        .await
    })
    .unwrap()
    .unwrap();
    thread.join().unwrap();
}

#[test]
#[should_panic(expected = "of its own")]
fn a_panic_reaches_who_awaits_the_task() {
    run(async { spawn(async { panic!("a panic of its own") }).await.unwrap_or(()) }).unwrap();
}

#[test]
fn a_main_future_that_wakes_itself_as_it_ends_does_not_disturb_the_next_run() {
    let event_loop = EventLoop::new().unwrap();
    let wakes_itself = poll_fn(|context| {
        context.waker().wake_by_ref();
        Poll::Ready(())
    });
    event_loop.run(wakes_itself).unwrap();
    event_loop.run(async {}).unwrap();
}

#[test]
fn a_task_that_has_panicked_can_be_cancelled_and_its_panic_still_comes() {
    let panic = std::panic::catch_unwind(|| {
        run(async {
            let task = spawn(async { panic!("a panic of its own") });
            yield_once().await;
            assert!(task.is_done());
            task.cancel();
            task.await.unwrap_or(());
        })
    });
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"a panic of its own"));
}

#[test]
fn a_cancelled_task_is_done_though_nobody_awaits_it() {
    run(async {
        let task = spawn(pending::<()>());
        yield_once().await;
        task.cancel();
        assert!(!task.is_done());
        yield_once().await;
        assert!(task.is_done());
    })
    .unwrap();
}

#[test]
fn a_cancelled_task_takes_no_step_though_it_was_woken_before() {
    let steps = Rc::new(Cell::new(0));
    let counted = Rc::clone(&steps);
    let result = run(async move {
        let task = spawn(poll_fn(move |context| {
            counted.set(counted.get() + 1);
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        yield_once().await;
        task.cancel();
        task.await
    });
    assert_eq!((result.unwrap(), steps.get()), (Err(Cancelled), 1));
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("in a drop");
    }
}

#[test]
fn a_result_that_nobody_takes_may_panic_as_it_is_dropped() {
    let others = run(async {
        drop(spawn(async { PanicsWhenDropped }));
        let dropped_when_done = spawn(async { PanicsWhenDropped });
        let other = spawn(async { 42 }).await;
        assert!(dropped_when_done.is_done());
        drop(dropped_when_done);
        other
    });
    assert_eq!(others.unwrap(), Ok(42));
}

#[test]
fn a_panic_of_a_future_as_it_is_dropped_ends_with_its_task() {
    let result = run(async {
        let task = spawn(async {
            let _panics = PanicsWhenDropped;
            pending::<()>().await;
        });
        yield_once().await;
        task.cancel();
        task.await
    });
    assert_eq!(result.unwrap(), Err(Cancelled));
}
