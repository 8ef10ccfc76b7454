//! Task groups: nothing outlives its block.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ioxide::{Cancelled, TaskGroup, run, spawn, timeout, yield_now};

use crate::watch_drop;

#[test]
fn a_group_waits_for_tasks_that_nobody_awaits() {
    let count = Rc::new(Cell::new(0));
    let result = run(TaskGroup::<()>::scope(async |group| {
        for turns in 0..10 {
            let count = Rc::clone(&count);
            drop(group.spawn(async move {
                for _ in 0..turns {
                    yield_now().await;
                }
                count.set(count.get() + 1);
                Ok(())
            }));
        }
        Ok("the body's own")
    }));
    assert_eq!(result.unwrap(), Ok("the body's own"));
    assert_eq!(count.get(), 10);
}

#[test]
fn an_empty_group_is_over_with_its_body() {
    assert_eq!(run(TaskGroup::scope(async |_| Ok::<_, ()>(7))).unwrap(), Ok(7));
    assert_eq!(run(TaskGroup::scope(async |_| Err::<(), _>(7))).unwrap(), Err(7));
}

#[test]
fn the_first_error_drops_the_body_and_the_siblings_and_is_returned_after_that() {
    let ((body_dropped, body), (sibling_dropped, sibling)) = (watch_drop(), watch_drop());
    let result = run(async {
        let result = TaskGroup::scope(async |group| {
            let _body = body;
            drop(group.spawn(async move {
                let _sibling = sibling;
                pending::<Result<(), _>>().await
            }));
            drop(group.spawn(async {
                yield_now().await;
                Err::<(), _>("the first")
            }));
            drop(group.spawn(async {
                yield_now().await;
                Err::<(), _>("the second")
            }));
            pending::<Result<(), _>>().await
        })
        .await;
        assert!(body_dropped.get() && sibling_dropped.get());
        result
    });
    assert_eq!(result.unwrap(), Err("the first"));
}

#[test]
fn an_error_of_the_body_cancels_the_tasks_also_those_that_have_not_begun() {
    let ((begun_dropped, begun), (new_dropped, new)) = (watch_drop(), watch_drop());
    let result = run(TaskGroup::scope(async |group| {
        drop(group.spawn(async move {
            let _begun = begun;
            pending::<Result<(), _>>().await
        }));
        yield_now().await;
        drop(group.spawn(async move {
            let _new = new;
            unreachable!("a cancelled task takes no step")
        }) as ioxide::Task<()>);
        Err::<(), _>("the body's")
    }));
    assert_eq!(result.unwrap(), Err("the body's"));
    assert!(begun_dropped.get() && new_dropped.get());
}

#[test]
fn a_task_that_is_cancelled_by_its_handle_is_no_failure() {
    let result = run(TaskGroup::<()>::scope(async |group| {
        let task = group.spawn(pending::<Result<(), ()>>());
        yield_now().await;
        task.cancel();
        Ok(task.await)
    }));
    assert_eq!(result.unwrap(), Ok(Err(Cancelled)));
}

#[test]
fn tasks_make_tasks_in_their_group() {
    async fn tree(group: TaskGroup<()>, depth: u32, count: Rc<Cell<u32>>) -> Result<(), ()> {
        count.set(count.get() + 1);
        if depth > 0 {
            for _ in 0..2 {
                yield_now().await;
                drop(group.spawn(Box::pin(tree(group.clone(), depth - 1, Rc::clone(&count)))));
            }
        }
        Ok(())
    }
    let count = Rc::new(Cell::new(0));
    run(TaskGroup::scope(async |group| {
        drop(group.spawn(tree(group.clone(), 4, Rc::clone(&count))));
        Ok(())
    }))
    .unwrap()
    .unwrap();
    assert_eq!(count.get(), 31);
}

#[test]
fn a_group_that_is_over_refuses_tasks() {
    let (dropped, guard) = watch_drop();
    let result = run(async {
        let group = TaskGroup::<()>::scope(async |group| Ok(group.clone())).await.unwrap();
        let task = group.spawn(async move {
            let _guard = guard;
            Ok(())
        });
        assert!(task.is_done());
        task.await
    });
    assert_eq!(result.unwrap(), Err(Cancelled));
    assert!(dropped.get());
}

#[test]
fn a_group_that_is_dropped_cancels_its_tasks() {
    let (dropped, guard) = watch_drop();
    run(async {
        let scope = TaskGroup::<()>::scope(async |group| {
            drop(group.spawn(async move {
                let _guard = guard;
                pending::<Result<(), _>>().await
            }));
            pending::<Result<(), _>>().await
        });
        assert!(timeout(Duration::ZERO, scope).await.is_err());
        yield_now().await;
        assert!(dropped.get());
    })
    .unwrap();
}

#[test]
fn a_panic_of_a_task_ends_the_group_and_reaches_who_awaits_it() {
    let (dropped, guard) = watch_drop();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        run(TaskGroup::<()>::scope(async |group| {
            drop(group.spawn(async move {
                let _guard = guard;
                pending::<Result<(), _>>().await
            }));
            drop(group.spawn(async { panic!("a panic on purpose") }) as ioxide::Task<()>);
            pending::<Result<(), _>>().await
        }))
    }))
    .unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"a panic on purpose"));
    assert!(dropped.get());
}

#[test]
fn a_sibling_that_awaits_the_one_that_fails_is_told_that_it_was_cancelled() {
    let seen = Rc::new(Cell::new(None));
    let result = run(TaskGroup::scope(async |group| {
        let failing = group.spawn(async { Err::<(), _>("it failed") });
        let seen = Rc::clone(&seen);
        // Outside the group, so that it isn't cancelled itself.
        drop(spawn(async move { seen.set(Some(failing.await)) }));
        yield_now().await;
        yield_now().await;
        Ok(())
    }));
    assert_eq!(result.unwrap(), Err("it failed"));
    assert_eq!(seen.get(), Some(Err(Cancelled)));
}

#[test]
fn what_waits_around_a_future_has_no_second_copy_of_it() {
    const LARGE: usize = 4096;
    async fn large() -> Result<(), ()> {
        let bytes = [0u8; LARGE];
        yield_now().await;
        std::hint::black_box(bytes);
        Ok(())
    }
    run(async {
        assert!(size_of_val(&TaskGroup::scope(async |_| large().await)) < 2 * LARGE);
        assert!(size_of_val(&timeout(Duration::ZERO, large())) < 2 * LARGE);
        assert!(size_of_val(&ioxide::time::Timeout::scope(Duration::ZERO, async |_| large().await)) < 2 * LARGE);
    })
    .unwrap();
}

#[test]
fn a_body_that_panics_leaves_no_member_behind() {
    let (is_dropped, guard) = watch_drop();
    run(async {
        let mut scope = Box::pin(TaskGroup::<()>::scope(async move |group| {
            drop(group.spawn(async move {
                let _guard = guard;
                pending::<Result<(), ()>>().await
            }));
            yield_now().await;
            panic!("in the body");
        }));
        let panicked = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| scope.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => {
                let _: Result<(), ()> = result;
                Poll::Ready(false)
            }
            Err(_) => Poll::Ready(true),
        });
        assert!(panicked.await);
        assert!(is_dropped.get());
    })
    .unwrap();
}
