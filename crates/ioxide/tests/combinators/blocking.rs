//! Jobs on other threads.

use std::sync::mpsc;
use std::time::Duration;

use ioxide::{gather, run, spawn_blocking, timeout};

#[test]
fn the_loop_runs_while_a_job_blocks() {
    let (sender, receiver) = mpsc::channel();
    let result = run(async {
        let job = spawn_blocking(move || receiver.recv());
        ioxide::yield_now().await;
        sender.send(7).unwrap();
        job.await
    });
    assert_eq!(result.unwrap().unwrap(), Ok(7));
}

#[test]
fn many_jobs_all_give_their_results() {
    let results = run(async { gather((0..200).map(|number| spawn_blocking(move || number))).await }).unwrap();
    assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
}

#[test]
#[should_panic(expected = "a panic on a thread")]
fn a_panic_of_a_job_reaches_who_awaits_it() {
    run(async { spawn_blocking(|| panic!("a panic on a thread")).await.unwrap_or(()) }).unwrap();
}

#[test]
fn a_job_that_nobody_waits_for_runs_to_its_end() {
    let (go, may_go) = mpsc::channel::<()>();
    let (done, is_done) = mpsc::channel();
    run(async {
        let job = spawn_blocking(move || {
            may_go.recv().unwrap();
            done.send(()).unwrap();
        });
        assert!(timeout(Duration::ZERO, job).await.is_err());
    })
    .unwrap();
    go.send(()).unwrap();
    is_done.recv().unwrap();
}

#[test]
fn a_result_that_nobody_takes_may_panic_as_it_is_dropped() {
    struct PanicsWhenDropped(mpsc::Sender<()>);
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            panic!("in a drop");
        }
    }
    let (send, receive) = mpsc::channel();
    let answer = run(async {
        drop(spawn_blocking(move || PanicsWhenDropped(send)));
        spawn_blocking(move || receive.iter().count()).await
    });
    assert_eq!(answer.unwrap().unwrap(), 1);
}
