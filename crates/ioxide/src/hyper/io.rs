//! Streams, as hyper reads and writes them.
//!
//! hyper lends room that isn't initialised, which only `unsafe` code could have filled in place. So bytes are read into
//! room of the thread's own, and copied: at a request's size that costs next to nothing beside the system call.

use std::cell::RefCell;
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::net::{TcpStream, UnixStream};

const ROOM: usize = 64 * 1024;

thread_local! {
    static ROOM_TO_READ: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends hyper's traits to a stream that has those of `futures-io`.
///
/// # Examples
/// ```
/// use hyper::client::conn::http1;
/// use ioxide::hyper::Io;
/// # use http_body_util::Empty;
/// # use hyper::body::Bytes;
///
/// /// Speaks HTTP over any stream: TLS, a Unix domain socket, one of a test's.
/// async fn speak<S>(stream: S) -> hyper::Result<http1::SendRequest<Empty<Bytes>>>
/// where
///     S: futures_io::AsyncRead + futures_io::AsyncWrite + Unpin + 'static,
/// {
///     let (requests, connection) = http1::handshake(Io::new(stream)).await?;
///     drop(ioxide::spawn(connection));
///     Ok(requests)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Io<S>(S);

impl<S> Io<S> {
    /// Wraps a stream.
    pub fn new(stream: S) -> Self {
        Self(stream)
    }

    /// The stream.
    pub fn get_ref(&self) -> &S {
        &self.0
    }

    /// Gives the stream back.
    pub fn into_inner(self) -> S {
        self.0
    }
}

impl<S: AsyncRead + Unpin> Read for Io<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, room: ReadBufCursor<'_>) -> Poll<Result<()>> {
        read(Pin::new(&mut self.get_mut().0), context, room)
    }
}

impl<S: AsyncWrite + Unpin> Write for Io<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_close(context)
    }
}

macro_rules! implement {
    ($($kind:ty),+) => {$(
        impl Read for $kind {
            fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, room: ReadBufCursor<'_>) -> Poll<Result<()>> {
                read(self, context, room)
            }
        }

        impl Write for $kind {
            fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
                AsyncWrite::poll_write(self, context, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<Result<usize>> {
                AsyncWrite::poll_write_vectored(self, context, buffers)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
                AsyncWrite::poll_flush(self, context)
            }

            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
                AsyncWrite::poll_close(self, context)
            }
        }
    )+};
}

implement!(TcpStream, UnixStream);

fn read(stream: Pin<&mut impl AsyncRead>, context: &mut Context<'_>, mut room: ReadBufCursor<'_>) -> Poll<Result<()>> {
    // Taken out, not borrowed: a stream of somebody else's may read from another within.
    let mut buffer = ROOM_TO_READ.take();
    if buffer.is_empty() {
        buffer.resize(ROOM, 0);
    }
    let size = room.remaining().min(ROOM);
    let poll = stream.poll_read(context, &mut buffer[..size]);
    if let Poll::Ready(Ok(count)) = poll {
        room.put_slice(&buffer[..count]);
    }
    ROOM_TO_READ.set(buffer);
    ready!(poll)?;
    Poll::Ready(Ok(()))
}
