//! Signals that tasks wait for.

use std::io;
use std::rc::Rc;

use ioxide::signal::{Listener, Signal};
use ioxide::{run, spawn, yield_now};
use signal_hook::low_level::raise;

#[test]
fn each_listener_of_a_signal_hears_it() {
    run(async {
        let listeners: Vec<_> = (0..2).map(|_| Listener::new(Signal::USER_1).unwrap()).collect();
        raise(Signal::USER_1.as_raw()).unwrap();
        for listener in &listeners {
            listener.recv().await.unwrap();
        }
        // One that begins later doesn't hear of what came before.
        let listener = Rc::new(Listener::new(Signal::USER_1).unwrap());
        let hearing = Rc::clone(&listener);
        let task = spawn(async move { hearing.recv().await });
        raise(Signal::USER_1.as_raw()).unwrap();
        task.await.unwrap().unwrap();
    })
    .unwrap();
}

#[test]
fn signals_that_come_while_nobody_waits_count_as_one_and_are_not_lost() {
    run(async {
        let listener = Rc::new(Listener::new(Signal::USER_2).unwrap());
        for _ in 0..10_000 {
            raise(Signal::USER_2.as_raw()).unwrap();
        }
        listener.recv().await.unwrap();
        let hearing = Rc::clone(&listener);
        let given_up = spawn(async move { hearing.recv().await });
        yield_now().await;
        assert!(!given_up.is_done());
        // It comes to one who gives up before its task runs.
        raise(Signal::USER_2.as_raw()).unwrap();
        given_up.cancel();
        given_up.await.unwrap_err();
        listener.recv().await.unwrap();
    })
    .unwrap();
}

#[test]
fn what_cannot_be_listened_for_is_refused() {
    run(async {
        for number in [9, 19, 11, 1000] {
            let error = Listener::new(Signal::from_raw(number)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{number}");
        }
    })
    .unwrap();
}
