//! What streams of bytes have in common, be they sockets or pipes: reading and writing as much as there is.
//!
//! The public types have a [`Connection`] each; the macros give them its methods and the traits.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::task::{Context, Poll};

use crate::event_loop::{Direction, Registration};

/// How many buffers the kernel reads into, or writes, at once: `IOV_MAX` of `readv(2)`. Of more the first are taken.
const BUFFERS_AT_ONCE: usize = 1024;

/// What a connection reads from and writes to.
pub(crate) trait Stream: AsFd {
    /// Whether a read that gave less than there was room for has emptied the stream, so that the next one needn't try.
    const SHORT_READ_EMPTIES: bool = true;
}

// Bytes before urgent ones are read apart. But that there are such is reported, as an end is.
impl Stream for std::net::TcpStream {}

impl Stream for std::os::unix::net::UnixStream {
    // Bytes that came with descriptors are read apart from those behind.
    const SHORT_READ_EMPTIES: bool = false;
}

impl Stream for io::PipeReader {}

impl Stream for io::PipeWriter {}

/// A stream of bytes that a loop watches.
#[derive(Debug)]
pub(crate) struct Connection<S: Stream> {
    registration: Registration<S>,
}

impl<S: Stream> Connection<S> {
    /// Takes a stream that doesn't block.
    pub(crate) fn new(source: S) -> io::Result<Self> {
        Ok(Registration::new(source)?.into())
    }

    pub(crate) fn source(&self) -> &S {
        self.registration.source()
    }

    pub(crate) fn registration(&self) -> &Registration<S> {
        &self.registration
    }

    /// A read that gave less than there was room for has emptied most streams.
    fn note_read(&self, result: &io::Result<usize>, room: usize) {
        if S::SHORT_READ_EMPTIES && result.as_ref().is_ok_and(|&count| count < room) {
            self.registration.did_less(Direction::Read);
        }
    }

    /// A write that took less than it was given has filled it.
    fn note_write(&self, result: &io::Result<usize>, size: usize) {
        if result.as_ref().is_ok_and(|&count| count < size) {
            self.registration.did_less(Direction::Write);
        }
    }
}

impl<S: Stream> From<Registration<S>> for Connection<S> {
    fn from(registration: Registration<S>) -> Self {
        Self { registration }
    }
}

impl<S: Stream> Connection<S>
where
    for<'a> &'a S: Read,
{
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.registration.io(Direction::Read, |mut source| source.read(buffer)).await;
        self.note_read(&result, buffer.len());
        result
    }

    pub(crate) async fn read_exact(&self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read(buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => buffer = &mut buffer[count..],
            }
        }
        Ok(())
    }

    pub(crate) async fn read_to_end(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        const AT_A_TIME: usize = 32 * 1024;
        let length = buffer.len();
        let mut room = vec![0; AT_A_TIME];
        loop {
            match self.read(&mut room).await? {
                0 => return Ok(buffer.len() - length),
                count => buffer.extend_from_slice(&room[..count]),
            }
        }
    }

    pub(crate) fn poll_read(&self, context: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let poll = self.registration.poll_io(Direction::Read, context, |mut source| source.read(buffer));
        if let Poll::Ready(result) = &poll {
            self.note_read(result, buffer.len());
        }
        poll
    }

    pub(crate) fn poll_read_vectored(
        &self,
        context: &Context<'_>,
        buffers: &mut [io::IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let room = buffers.iter().take(BUFFERS_AT_ONCE).map(|buffer| buffer.len()).sum();
        let poll = self.registration.poll_io(Direction::Read, context, |mut source| source.read_vectored(buffers));
        if let Poll::Ready(result) = &poll {
            self.note_read(result, room);
        }
        poll
    }
}

impl<S: Stream> Connection<S>
where
    for<'a> &'a S: Write,
{
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.registration.io(Direction::Write, |mut source| source.write(bytes)).await;
        self.note_write(&result, bytes.len());
        result
    }

    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => bytes = &bytes[count..],
            }
        }
        Ok(())
    }

    pub(crate) fn poll_write(&self, context: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = self.registration.poll_io(Direction::Write, context, |mut source| source.write(bytes));
        if let Poll::Ready(result) = &poll {
            self.note_write(result, bytes.len());
        }
        poll
    }

    pub(crate) fn poll_write_vectored(
        &self,
        context: &Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let size = buffers.iter().take(BUFFERS_AT_ONCE).map(|buffer| buffer.len()).sum();
        let poll = self.registration.poll_io(Direction::Write, context, |mut source| source.write_vectored(buffers));
        if let Poll::Ready(result) = &poll {
            self.note_write(result, size);
        }
        poll
    }
}

/// Gives a type with a field `connection` what reads.
macro_rules! implement_reading {
    ($kind:ident) => {
        impl $kind {
            /// Reads what is there, or waits until something is. Zero bytes are the end, unless there is no room.
            ///
            /// # Errors
            /// What `recv(2)` or `read(2)` gives.
            ///
            /// # Cancel safety
            /// What is given up has read nothing.
            pub async fn read(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.connection.read(buffer).await
            }

            /// Reads until the buffer is full.
            ///
            /// # Errors
            /// As for `read`, and `UnexpectedEof` when the end comes before.
            ///
            /// # Cancel safety
            /// What is given up may have read a part, which is lost.
            pub async fn read_exact(&self, buffer: &mut [u8]) -> std::io::Result<()> {
                self.connection.read_exact(buffer).await
            }

            /// Reads to the end, appends it to `buffer`, and returns how many bytes it was.
            ///
            /// # Errors
            /// As for `read`. What was read before the error is in the buffer.
            ///
            /// # Cancel safety
            /// What was read by then is in the buffer.
            pub async fn read_to_end(&self, buffer: &mut Vec<u8>) -> std::io::Result<usize> {
                self.connection.read_to_end(buffer).await
            }
        }

        $crate::net::implement_reading!(trait $kind);
        $crate::net::implement_reading!(trait &$kind);
    };
    (trait $($kind:tt)+) => {
        impl futures_io::AsyncRead for $($kind)+ {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.connection.poll_read(context, buffer)
            }

            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.connection.poll_read_vectored(context, buffers)
            }
        }
    };
}

/// Gives a type with a field `connection` what writes; its method `finish_writing` closes the direction.
macro_rules! implement_writing {
    ($kind:ident) => {
        impl $kind {
            /// Writes as much as there is room for, or waits until there is some.
            ///
            /// # Errors
            /// What `send(2)` or `write(2)` gives.
            ///
            /// # Cancel safety
            /// What is given up has written nothing.
            pub async fn write(&self, bytes: &[u8]) -> std::io::Result<usize> {
                self.connection.write(bytes).await
            }

            /// Writes all of it.
            ///
            /// # Errors
            /// As for `write`.
            ///
            /// # Cancel safety
            /// What is given up may have written a part.
            pub async fn write_all(&self, bytes: &[u8]) -> std::io::Result<()> {
                self.connection.write_all(bytes).await
            }
        }

        $crate::net::implement_writing!(trait $kind);
        $crate::net::implement_writing!(trait &$kind);
    };
    (trait $($kind:tt)+) => {
        impl futures_io::AsyncWrite for $($kind)+ {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.connection.poll_write(context, bytes)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.connection.poll_write_vectored(context, buffers)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                // The kernel has it.
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                _context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(self.finish_writing())
            }
        }
    };
}

pub(crate) use {implement_reading, implement_writing};
