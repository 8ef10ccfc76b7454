//! A parent's ends of a child's pipes.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::net::{Connection, implement_reading, implement_writing};

/// What a child reads from. It reads to the end once this is dropped.
#[derive(Debug)]
pub struct ChildStdin {
    connection: Connection<PipeWriter>,
}

/// What a child writes to.
#[derive(Debug)]
pub struct ChildStdout {
    connection: Connection<PipeReader>,
}

/// What a child writes its complaints to.
#[derive(Debug)]
pub struct ChildStderr {
    connection: Connection<PipeReader>,
}

implement_writing!(ChildStdin);
implement_reading!(ChildStdout);
implement_reading!(ChildStderr);

impl ChildStdin {
    /// A pipe has one direction: it is closed as this is dropped, and not before.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "sockets have something to do here")]
    fn finish_writing(&self) -> io::Result<()> {
        Ok(())
    }
}

macro_rules! implement {
    ($($kind:ident from $standard:ident;)+) => {$(
        impl TryFrom<std::process::$standard> for $kind {
            type Error = io::Error;

            /// Has the running loop watch a pipe, which it sets not to block.
            ///
            /// # Panics
            /// When no loop runs on this thread.
            fn try_from(pipe: std::process::$standard) -> io::Result<Self> {
                rustix::io::ioctl_fionbio(&pipe, true)?;
                Ok(Self { connection: Connection::new(OwnedFd::from(pipe).into())? })
            }
        }

        impl AsFd for $kind {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.connection.source().as_fd()
            }
        }
    )+};
}

implement! {
    ChildStdin from ChildStdin;
    ChildStdout from ChildStdout;
    ChildStderr from ChildStderr;
}
