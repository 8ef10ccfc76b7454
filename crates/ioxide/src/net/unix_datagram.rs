//! Datagrams between processes of one machine.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;

use crate::event_loop::{Direction, Registration};

/// A Unix domain socket for datagrams. None is lost on the way: who sends waits for room.
///
/// # Examples
/// ```
/// # fn main() -> std::io::Result<()> {
/// ioxide::run(async {
///     let (left, right) = ioxide::net::UnixDatagram::pair()?;
///     left.send(b"a datagram").await?;
///     let mut buffer = [0; 100];
///     let count = right.recv(&mut buffer).await?;
///     assert_eq!(&buffer[..count], b"a datagram");
///     Ok(())
/// })?
/// # }
/// ```
#[derive(Debug)]
pub struct UnixDatagram {
    registration: Registration<std::os::unix::net::UnixDatagram>,
}

impl UnixDatagram {
    /// Makes a socket at `path`, where nothing may be yet.
    ///
    /// # Errors
    /// What `bind(2)` gives.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        std::os::unix::net::UnixDatagram::bind(path)?.try_into()
    }

    /// Makes a socket without an address, which nobody can answer.
    ///
    /// # Errors
    /// What `socket(2)` gives.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub fn unbound() -> io::Result<Self> {
        std::os::unix::net::UnixDatagram::unbound()?.try_into()
    }

    /// Makes two sockets that are connected to each other.
    ///
    /// # Errors
    /// What `socketpair(2)` gives.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (left, right) = std::os::unix::net::UnixDatagram::pair()?;
        Ok((left.try_into()?, right.try_into()?))
    }

    /// From now on sends to the socket at `path`, and receives from it only.
    ///
    /// # Errors
    /// What `connect(2)` gives.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.registration.source().connect(path)
    }

    /// Sends a datagram to the socket that this one is connected to, once there is room.
    ///
    /// # Errors
    /// What `send(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up has sent nothing.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.registration.io(Direction::Write, |socket| socket.send(datagram)).await
    }

    /// Receives a datagram. What the buffer has no room for is lost.
    ///
    /// # Errors
    /// What `recv(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up has received nothing.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.registration.io(Direction::Read, |socket| socket.recv(buffer)).await
    }

    /// Receives a datagram, and tells whose it is.
    ///
    /// # Errors
    /// What `recvfrom(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up has received nothing.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.registration.io(Direction::Read, |socket| socket.recv_from(buffer)).await
    }

    /// The socket's address.
    ///
    /// # Errors
    /// What `getsockname(2)` gives.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.registration.source().local_addr()
    }
}

impl TryFrom<std::os::unix::net::UnixDatagram> for UnixDatagram {
    type Error = io::Error;

    /// Has the running loop watch a socket, which it sets not to block.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    fn try_from(socket: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { registration: Registration::new(socket)? })
    }
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registration.source().as_fd()
    }
}
