//! Datagrams, and the sockets of one machine.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::time::Duration;

use ioxide::net::{TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use ioxide::{run, spawn, timeout, yield_now};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

#[test]
fn datagrams_arrive_whole_and_in_order_over_the_loopback() {
    run(async {
        let left = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let right = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        left.connect(right.local_addr().unwrap()).await.unwrap();
        assert_eq!(left.peer_addr().unwrap(), right.local_addr().unwrap());
        for number in 0..10 {
            left.send(&[number; 3]).await.unwrap();
        }
        let mut buffer = [0; 2];
        for number in 0..10 {
            let (count, sender) = right.recv_from(&mut buffer).await.unwrap();
            assert_eq!((count, buffer, sender), (2, [number; 2], left.local_addr().unwrap()));
        }
        right.send_to(b"back", left.local_addr().unwrap()).await.unwrap();
        assert_eq!(left.recv(&mut [0; 10]).await.unwrap(), 4);
    })
    .unwrap();
}

#[test]
fn a_datagram_to_nobody_is_told_to_who_receives_and_then_forgotten() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = nobody.local_addr().unwrap();
        socket.connect(address).await.unwrap();
        drop(nobody);
        socket.send(b"anybody?").await.unwrap();
        let error = socket.recv(&mut [0; 10]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        // The error doesn't leave the socket looking ready for ever.
        let somebody = UdpSocket::bind(address).await.unwrap();
        let local = socket.local_addr().unwrap();
        let answer = spawn(async move { somebody.send_to(b"yes", local).await });
        assert_eq!(socket.recv(&mut [0; 10]).await.unwrap(), 3);
        answer.await.unwrap().unwrap();
    })
    .unwrap();
}

#[test]
fn a_path_is_listened_at_and_connected_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    run(async {
        assert_eq!(UnixStream::connect(&path).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).unwrap();
        let server = spawn(async move {
            let (stream, peer) = listener.accept().await.unwrap();
            assert!(peer.is_unnamed());
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
            received
        });
        let client = UnixStream::connect(&path).await.unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(path.as_path()));
        client.write_all(b"by path").await.unwrap();
        drop(client);
        assert_eq!(server.await.unwrap(), b"by path");
    })
    .unwrap();
}

#[test]
fn who_sends_datagrams_on_one_machine_waits_for_room() {
    const COUNT: usize = 1000;
    run(async {
        let (left, right) = UnixDatagram::pair().unwrap();
        let sender = spawn(async move {
            for _ in 0..COUNT {
                left.send(&[7; 1000]).await.unwrap();
            }
        });
        let mut buffer = [0; 2000];
        for _ in 0..COUNT {
            assert_eq!(right.recv(&mut buffer).await.unwrap(), 1000);
        }
        sender.await.unwrap();
    })
    .unwrap();
}

#[test]
fn a_socket_that_outlives_its_loop_is_closed_without_harm() {
    let (left, right) = run(async { UnixStream::pair().unwrap() }).unwrap();
    drop(left);
    run(async move { drop(right) }).unwrap();
}

#[test]
#[should_panic(expected = "a running event loop")]
fn a_socket_needs_a_loop() {
    let stream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(stream.local_addr().unwrap()).unwrap();
    drop(TcpStream::try_from(stream));
}

#[test]
fn bytes_behind_those_that_came_with_a_descriptor_are_read() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let reading = spawn(async move {
            let mut buffer = [0; 10];
            [near.read(&mut buffer).await.unwrap(), near.read(&mut buffer).await.unwrap()]
        });
        yield_now().await;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut descriptors = SendAncillaryBuffer::new(&mut space);
        let input = io::stdin();
        let sent = [input.as_fd()];
        assert!(descriptors.push(SendAncillaryMessage::ScmRights(&sent)));
        sendmsg(&far, &[io::IoSlice::new(b"A")], &mut descriptors, SendFlags::empty()).unwrap();
        far.write_all(b"B").await.unwrap();
        assert_eq!(timeout(Duration::from_secs(60), reading).await.unwrap().unwrap(), [1, 1]);
    })
    .unwrap();
}
