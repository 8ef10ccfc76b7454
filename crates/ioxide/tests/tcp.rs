//! TCP streams and listeners.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::io;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::{AsyncReadExt, AsyncWriteExt};
use ioxide::net::{TcpListener, TcpStream};
use ioxide::{EventLoop, Task, run, spawn, timeout, yield_now};
use rustix::net::SendFlags;

/// After which a test has hung.
const PATIENCE: Duration = Duration::from_secs(60);

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, address) = listener.accept().await.unwrap();
    assert_eq!(address, client.local_addr().unwrap());
    (client, server)
}

/// Takes one look at a future, without waiting for it.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn what_is_written_arrives_and_then_the_end() {
    run(async {
        let (client, server) = connected().await;
        client.write_all(b"some bytes").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut received = Vec::new();
        assert_eq!(server.read_to_end(&mut received).await.unwrap(), 10);
        assert_eq!(received, b"some bytes");
    })
    .unwrap();
}

#[test]
fn an_end_that_arrives_together_with_the_last_bytes_is_read() {
    run(async {
        let (client, server) = connected().await;
        let reader = spawn(async move {
            let mut buffer = [0; 100];
            let first = server.read(&mut buffer).await.unwrap();
            (first, server.read(&mut buffer).await.unwrap())
        });
        yield_now().await;
        // Both are there when the loop polls.
        client.write_all(b"last").await.unwrap();
        drop(client);
        assert_eq!(reader.await, Ok((4, 0)));
    })
    .unwrap();
}

#[test]
fn an_end_that_arrives_after_the_last_bytes_were_read_is_read() {
    run(async {
        let (client, server) = connected().await;
        let mut buffer = [0; 100];
        client.write_all(b"last").await.unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 4);
        drop(client);
        assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
    })
    .unwrap();
}

#[test]
fn more_than_the_kernel_holds_goes_through_while_both_sides_write() {
    const SIZE: usize = 8 << 20;
    async fn exchange(stream: TcpStream, byte: u8) {
        let stream = Rc::new(stream);
        let writer = Rc::clone(&stream);
        let writing = spawn(async move {
            writer.write_all(&vec![byte; SIZE]).await.unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len(), SIZE);
        assert!(received.iter().all(|&received| received == 3 - byte));
        writing.await.unwrap();
    }
    run(async {
        let (client, server) = connected().await;
        let one = spawn(exchange(client, 1));
        exchange(server, 2).await;
        one.await.unwrap();
    })
    .unwrap();
}

#[test]
fn more_buffers_than_the_kernel_takes_at_once_leave_the_stream_ready() {
    run(async {
        let (client, server) = connected().await;
        let pieces = vec![io::IoSlice::new(b"x"); 1025];
        assert_eq!((&client).write_vectored(&pieces).await.unwrap(), 1024);
        timeout(PATIENCE, client.write_all(b"xyz")).await.unwrap().unwrap();
        let mut room = vec![[0]; 1025];
        let mut rooms: Vec<_> = room.iter_mut().map(|room| io::IoSliceMut::new(room)).collect();
        assert_eq!((&server).read_vectored(&mut rooms).await.unwrap(), 1024);
        assert_eq!(timeout(PATIENCE, server.read(&mut [0; 10])).await.unwrap().unwrap(), 3);
    })
    .unwrap();
}

#[test]
fn bytes_behind_urgent_ones_are_read() {
    run(async {
        let (client, server) = connected().await;
        let reading = spawn(async move {
            let mut received = Vec::new();
            while received.len() < 4 {
                let mut buffer = [0; 10];
                let count = server.read(&mut buffer).await.unwrap();
                received.extend_from_slice(&buffer[..count]);
            }
            received
        });
        yield_now().await;
        for (bytes, flags) in [(b"ab", SendFlags::empty()), (b"c!", SendFlags::OOB), (b"d.", SendFlags::empty())] {
            rustix::net::send(&client, bytes, flags).unwrap();
        }
        assert!(timeout(PATIENCE, reading).await.unwrap().unwrap().starts_with(b"abcd"));
    })
    .unwrap();
}

#[test]
fn a_read_that_is_given_up_takes_nothing() {
    run(async {
        let (client, server) = connected().await;
        let server = Rc::new(server);
        let reader = Rc::clone(&server);
        let reading = spawn(async move {
            let mut buffer = [0; 100];
            reader.read(&mut buffer).await.unwrap()
        });
        yield_now().await;
        client.write_all(b"whole").await.unwrap();
        reading.cancel();
        assert!(reading.await.is_err());
        let mut buffer = [0; 5];
        server.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"whole");
    })
    .unwrap();
}

#[test]
fn those_who_wait_to_accept_are_served_in_their_order() {
    run(async {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let served = Rc::new(RefCell::new(Vec::new()));
        let acceptors: Vec<Task<()>> = (0..4)
            .map(|number| {
                let (listener, served) = (Rc::clone(&listener), Rc::clone(&served));
                spawn(async move {
                    let _connection = listener.accept().await.unwrap();
                    served.borrow_mut().push(number);
                })
            })
            .collect();
        yield_now().await;
        // The first of them gives up before a connection comes.
        acceptors[0].cancel();
        let mut clients = Vec::new();
        for _ in 1..4 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        for acceptor in acceptors.into_iter().skip(1) {
            acceptor.await.unwrap();
        }
        assert_eq!(*served.borrow(), [1, 2, 3]);
    })
    .unwrap();
}

#[test]
fn who_came_first_stays_first_though_others_came_while_it_was_awake() {
    #[derive(Default)]
    struct Woken(AtomicU32);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            // All are woken by one report, in their order.
            self.0.store(ORDER.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        }
    }
    static ORDER: AtomicU32 = AtomicU32::new(1);
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wakers = [(); 2].map(|()| Arc::new(Woken::default()));
        let [one, other] = wakers.each_ref().map(|woken| Waker::from(Arc::clone(woken)));
        let mut waiting = pin!(listener.accept());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&one)).is_pending());
        let _first = TcpStream::connect(address).await.unwrap();
        while wakers[0].0.load(Ordering::Relaxed) == 0 {
            yield_now().await;
        }
        // Another takes what the first was woken for, and waits again before that one looks.
        assert!(poll_once(listener.accept()).is_ready());
        let mut waiting_too = pin!(listener.accept());
        assert!(waiting_too.as_mut().poll(&mut Context::from_waker(&other)).is_pending());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&one)).is_pending());
        let _second = TcpStream::connect(address).await.unwrap();
        while wakers[1].0.load(Ordering::Relaxed) == 0 {
            yield_now().await;
        }
        assert_eq!(wakers.map(|woken| woken.0.load(Ordering::Relaxed)), [2, 3]);
    })
    .unwrap();
}

#[test]
fn who_waits_no_more_leaves_no_waker_behind() {
    struct Silent;
    impl Wake for Silent {
        fn wake(self: Arc<Self>) {}
    }
    run(async {
        let (_client, server) = connected().await;
        let wakers: Vec<Arc<Silent>> = (0..3).map(|_| Arc::new(Silent)).collect();
        let mut buffers = [[0]; 3];
        let mut reads: Vec<_> = buffers.iter_mut().map(|buffer| Box::pin(server.read(buffer))).collect();
        for (read, waker) in reads.iter_mut().zip(&wakers) {
            let waker = Waker::from(Arc::clone(waker));
            assert!(read.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert!(wakers.iter().all(|waker| Arc::strong_count(waker) == 2));
        for left in (0..3).rev() {
            drop(reads.swap_remove(left / 2));
            assert_eq!(wakers.iter().filter(|waker| Arc::strong_count(waker) == 2).count(), left);
        }
    })
    .unwrap();
}

#[test]
fn a_connection_to_nobody_is_refused() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    })
    .unwrap();
}

#[test]
fn the_addresses_are_tried_in_turn_and_all_failures_are_told() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (open, refused) = (listener.local_addr().unwrap(), closed.local_addr().unwrap());
        drop(closed);
        let stream = TcpStream::connect([refused, open].as_slice()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        let error = TcpStream::connect(vec![refused, refused]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(error.to_string().matches(&refused.to_string()).count(), 2);
    })
    .unwrap();
}

#[test]
fn a_name_is_resolved_and_what_is_none_is_told() {
    run(async {
        let listener = TcpListener::bind(("localhost", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect(format!("localhost:{port}")).await.unwrap();
        let error = TcpStream::connect("no port").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = TcpStream::connect(("no such name", 1)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("no such name: "));
    })
    .unwrap();
}

#[test]
fn a_reset_is_an_error_to_who_reads() {
    run(async {
        let (client, server) = connected().await;
        server.write_all(b"unread").await.unwrap();
        client.peek(&mut [0]).await.unwrap();
        // Who closes with unread bytes resets.
        drop(client);
        let error = server.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    })
    .unwrap();
}

#[test]
fn a_stream_goes_on_working_after_its_first_look_found_nothing() {
    run(async {
        let (client, server) = connected().await;
        for _ in 0..3 {
            assert!(poll_once(server.read(&mut [0; 8])).is_pending());
            client.write_all(b"12345678").await.unwrap();
            // Exactly as much as there is room for: the stream has to find out that it is empty.
            let mut buffer = [0; 8];
            assert_eq!(server.read(&mut buffer).await.unwrap(), 8);
        }
    })
    .unwrap();
}

#[test]
fn who_never_has_to_wait_lets_others_run_nevertheless() {
    run(async {
        let (client, server) = connected().await;
        client.write_all(&[0; 1000]).await.unwrap();
        server.peek(&mut [0]).await.unwrap();
        let has_run = Rc::new(Cell::new(false));
        let runs = Rc::clone(&has_run);
        let _other = spawn(async move { runs.set(true) });
        // Each read is filled, so that none of them has to wait.
        for _ in 0..1000 {
            server.read_exact(&mut [0]).await.unwrap();
        }
        assert!(has_run.get());
    })
    .unwrap();
}

#[test]
fn a_connection_of_the_standard_librarys_can_be_taken_over() {
    run(async {
        let listener = TcpListener::try_from(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let client = TcpStream::try_from(client).unwrap();
        let (server, _) = listener.accept().await.unwrap();
        assert!(server.nodelay().unwrap());
        server.write_all(b"x").await.unwrap();
        assert_eq!(client.peek(&mut [0; 2]).await.unwrap(), 1);
        assert_eq!(client.read(&mut [0; 2]).await.unwrap(), 1);
    })
    .unwrap();
}

#[test]
fn a_stream_that_is_awaited_while_its_loop_does_not_run_is_an_error() {
    let event_loop = EventLoop::new().unwrap();
    let (client, server) = event_loop.run(connected()).unwrap();
    let error = run(async { timeout(PATIENCE, server.read(&mut [0])).await.unwrap().unwrap_err() }).unwrap();
    assert!(error.to_string().contains("another event loop"), "{error}");
    // In its own loop it goes on.
    let read = event_loop.run(async {
        client.write_all(b"x").await.unwrap();
        server.read(&mut [0]).await.unwrap()
    });
    assert_eq!(read.unwrap(), 1);
}

#[test]
fn what_is_there_is_read_while_its_loop_does_not_run_however_often() {
    let event_loop = EventLoop::new().unwrap();
    let (client, server) = event_loop.run(connected()).unwrap();
    event_loop.run(client.write_all(&[b'x'; 100])).unwrap().unwrap();
    run(async {
        for _ in 0..100 {
            assert_eq!(server.read(&mut [0]).await.unwrap(), 1);
        }
    })
    .unwrap();
}

#[test]
fn a_waker_that_panics_takes_no_event_from_the_others() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a panic on purpose");
        }
    }
    let event_loop = EventLoop::new().unwrap();
    let ((near, far), (other_near, other_far)) =
        event_loop.run(async { (connected().await, connected().await) }).unwrap();
    let mut buffer = [0];
    let mut read = pin!(far.read(&mut buffer));
    let reader = event_loop.run(async {
        let panics = Waker::from(Arc::new(Panics));
        assert!(read.as_mut().poll(&mut Context::from_waker(&panics)).is_pending());
        let reader = spawn(async move { other_far.read(&mut [0]).await.unwrap() });
        yield_now().await;
        // Both are there when the loop polls.
        near.write_all(b"x").await.unwrap();
        other_near.write_all(b"x").await.unwrap();
        Some(reader)
    });
    catch_unwind(AssertUnwindSafe(|| event_loop.run(pending::<()>()))).unwrap_err();
    assert_eq!(event_loop.run(async { timeout(PATIENCE, reader.unwrap().unwrap()).await }).unwrap(), Ok(Ok(1)));
}
