//! hyper on this loop: its `rt` traits. Only with the feature `hyper`.
//!
//! The streams of [`net`](crate::net) implement [`hyper::rt::Read`] and [`hyper::rt::Write`] themselves. [`Io`] lends
//! these to any other stream, such as one of TLS, that has the traits of `futures-io`.
//!
//! # Examples
//! ```
//! use http_body_util::{BodyExt, Empty, Full};
//! use hyper::body::Bytes;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//! use ioxide::net::{TcpListener, TcpStream};
//!
//! type Failure = Box<dyn std::error::Error>;
//!
//! async fn answer(request: Request<hyper::body::Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
//!     Ok(Response::new(Full::from(format!("this is {}", request.uri().path()))))
//! }
//!
//! # fn main() -> Result<(), Failure> {
//! ioxide::run(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     let server = ioxide::spawn(async move {
//!         let (stream, _) = listener.accept().await?;
//!         let mut http = hyper::server::conn::http1::Builder::new();
//!         http.timer(ioxide::hyper::Timer);
//!         http.serve_connection(stream, service_fn(answer)).await?;
//!         Ok::<(), Failure>(())
//!     });
//!
//!     let stream = TcpStream::connect(address).await?;
//!     let (mut requests, connection) = hyper::client::conn::http1::handshake(stream).await?;
//!     drop(ioxide::spawn(connection));
//!     let request = Request::get("/page").header("host", "localhost").body(Empty::<Bytes>::new())?;
//!     let body = requests.send_request(request).await?.collect().await?.to_bytes();
//!     assert_eq!(body, "this is /page");
//!     drop(requests);
//!     server.await?
//! })?
//! # }
//! ```

mod io;
mod timer;

use std::future::Future;

pub use io::Io;
pub use timer::Timer;

use crate::task::spawn;

/// Runs hyper's tasks on the running loop. They needn't be `Send`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + 'static,
    F::Output: 'static,
{
    /// Makes a task of the future.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    fn execute(&self, future: F) {
        drop(spawn(future));
    }
}
