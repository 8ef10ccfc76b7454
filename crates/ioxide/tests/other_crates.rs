//! Crates that know nothing of this one, running on it: hyper, rustls, async-tungstenite, the adapters of futures-util.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_tungstenite::tungstenite::Message;
use async_tungstenite::{accept_async, client_async};
use futures_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use futures_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring};
use futures_rustls::{TlsAcceptor, TlsConnector};
use futures_util::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::Timer;
use hyper::service::service_fn;
use hyper::{Request, Response};
use ioxide::hyper::Io;
use ioxide::net::{TcpListener, TcpStream, UnixStream};
use ioxide::{run, spawn};

#[test]
fn lines_are_read_and_halves_are_split() {
    run(async {
        let (left, right) = UnixStream::pair().unwrap();
        let echo = spawn(async move {
            let (reader, mut writer) = AsyncReadExt::split(right);
            futures_util::io::copy(reader, &mut writer).await.unwrap();
            writer.close().await.unwrap();
        });
        left.write_all(b"one\ntwo\n").await.unwrap();
        left.shutdown(std::net::Shutdown::Write).unwrap();
        let mut lines = BufReader::new(&left).lines();
        let mut received = Vec::new();
        while let Some(line) = futures_util::StreamExt::next(&mut lines).await {
            received.push(line.unwrap());
        }
        assert_eq!(received, ["one", "two"]);
        echo.await.unwrap();
    })
    .unwrap();
}

/// Serves one connection, and counts the requests on it.
async fn serve<S>(stream: S, requests: Rc<Cell<usize>>)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let answer = service_fn(move |request: Request<Incoming>| {
        let requests = Rc::clone(&requests);
        async move {
            requests.set(requests.get() + 1);
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    let served = http.timer(ioxide::hyper::Timer).serve_connection(stream, answer).await;
    // TLS says good-bye, which a client that has hung up doesn't hear.
    assert!(served.is_ok() || served.is_err_and(|error| error.is_shutdown()));
}

/// Sends requests on one connection, and checks that they come back.
async fn ask<S>(stream: S, sizes: &[usize])
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let (mut requests, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    let connection = spawn(connection);
    for &size in sizes {
        let body = Bytes::from(vec![b'x'; size]);
        let request = Request::post("/").header("host", "localhost").body(Full::new(body.clone())).unwrap();
        requests.ready().await.unwrap();
        let response = requests.send_request(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
    }
    drop(requests);
    connection.await.unwrap().unwrap();
}

const SIZES: [usize; 4] = [0, 10, 100_000, 3_000_000];

#[test]
fn hyper_serves_and_asks_over_tcp() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Rc::new(Cell::new(0));
        let counted = Rc::clone(&count);
        let server = spawn(async move { serve(listener.accept().await.unwrap().0, counted).await });
        ask(TcpStream::connect(address).await.unwrap(), &SIZES).await;
        server.await.unwrap();
        assert_eq!(count.get(), SIZES.len());
    })
    .unwrap();
}

#[test]
fn hyper_serves_and_asks_over_tls() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = certified.cert.der().clone();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let server_config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client_config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    run(async {
        let (left, right) = UnixStream::pair().unwrap();
        let server = spawn(async move {
            let stream = TlsAcceptor::from(Arc::new(server_config)).accept(left).await.unwrap();
            serve(Io::new(stream), Rc::default()).await;
        });
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(client_config)).connect(name, right).await.unwrap();
        ask(Io::new(stream), &SIZES).await;
        server.await.unwrap();
    })
    .unwrap();
}

#[test]
fn web_sockets_carry_messages_of_any_size_and_close() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = spawn(async move {
            let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
            let mut count = 0;
            while let Some(Ok(message)) = futures_util::StreamExt::next(&mut socket).await {
                if message.is_binary() {
                    socket.send(message).await.unwrap();
                    count += 1;
                }
            }
            count
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut socket, _) = client_async("ws://localhost/", stream).await.unwrap();
        for size in SIZES {
            let message = Message::binary(vec![b'x'; size]);
            socket.send(message.clone()).await.unwrap();
            let answer = futures_util::StreamExt::next(&mut socket).await.unwrap().unwrap();
            assert_eq!(answer, message);
        }
        socket.close(None).await.unwrap();
        while let Some(Ok(message)) = futures_util::StreamExt::next(&mut socket).await {
            assert!(message.is_close());
        }
        assert_eq!(echo.await.unwrap(), SIZES.len());
    })
    .unwrap();
}

#[test]
fn hypers_sleeps_wake_in_time_and_can_be_set_anew_and_dropped() {
    const LONG: Duration = Duration::from_secs(3600);
    run(async {
        let timer = ioxide::hyper::Timer;
        let begun = Instant::now();
        timer.sleep(Duration::ZERO).await;
        let mut sleep = timer.sleep(LONG);
        assert!(futures_util::poll!(&mut sleep).is_pending());
        timer.reset(&mut sleep, begun + Duration::from_millis(1));
        sleep.await;
        assert!(begun.elapsed() < LONG);
        let mut left = timer.sleep(LONG);
        assert!(futures_util::poll!(&mut left).is_pending());
        // A sleep is `Send`, and may be dropped where there is no loop.
        std::thread::spawn(move || drop(left)).join().unwrap();
    })
    .unwrap();
}
