//! UDP.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use super::address::{ToAddresses, first_that_works};
use crate::event_loop::{Direction, Registration};

/// A UDP socket.
///
/// What a socket can do beside sending and receiving (broadcasts, multicast groups) is set on `std`'s, from which this
/// can be made.
///
/// # Examples
/// ```
/// use ioxide::net::UdpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// ioxide::run(async {
///     let left = UdpSocket::bind("127.0.0.1:0").await?;
///     let right = UdpSocket::bind("127.0.0.1:0").await?;
///     left.send_to(b"a datagram", right.local_addr()?).await?;
///
///     let mut buffer = [0; 100];
///     let (count, sender) = right.recv_from(&mut buffer).await?;
///     assert_eq!(&buffer[..count], b"a datagram");
///     assert_eq!(sender, left.local_addr()?);
///     Ok(())
/// })?
/// # }
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    registration: Registration<std::net::UdpSocket>,
}

impl UdpSocket {
    /// Makes a socket at the first of the addresses that can be had. Port 0 takes any that is free.
    ///
    /// # Errors
    /// Those of [`resolve`](super::resolve), and what `bind(2)` gives.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    ///
    /// # Cancel safety
    /// What is given up leaves nothing behind.
    pub async fn bind(addresses: impl ToAddresses) -> io::Result<Self> {
        first_that_works(addresses, async |address| std::net::UdpSocket::bind(address)?.try_into()).await
    }

    /// From now on only sends to this address, and receives from it.
    ///
    /// # Errors
    /// Those of [`resolve`](super::resolve), and what `connect(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up has changed nothing.
    pub async fn connect(&self, addresses: impl ToAddresses) -> io::Result<()> {
        first_that_works(addresses, async |address| self.registration.source().connect(address)).await
    }

    /// Sends a datagram to the address that the socket is connected to.
    ///
    /// # Errors
    /// What `send(2)` gives, among others `ConnectionRefused` for a datagram that was sent before.
    ///
    /// # Cancel safety
    /// What is given up has sent nothing.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.registration.io(Direction::Write, |socket| socket.send(datagram)).await
    }

    /// Sends a datagram to `address`, which is no name: that would be resolved for each.
    ///
    /// # Errors
    /// What `sendto(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up has sent nothing.
    pub async fn send_to(&self, datagram: &[u8], address: SocketAddr) -> io::Result<usize> {
        self.registration.io(Direction::Write, |socket| socket.send_to(datagram, address)).await
    }

    /// Receives a datagram from the address that the socket is connected to. What the buffer has no room for is lost.
    ///
    /// # Errors
    /// What `recv(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up has received nothing.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.registration.io(Direction::Read, |socket| socket.recv(buffer)).await
    }

    /// Receives a datagram, and tells whose it is. What the buffer has no room for is lost.
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

    /// The address that the socket is connected to.
    ///
    /// # Errors
    /// What `getpeername(2)` gives, `NotConnected` if it isn't.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.registration.source().peer_addr()
    }
}

impl TryFrom<std::net::UdpSocket> for UdpSocket {
    type Error = io::Error;

    /// Has the running loop watch a socket, which it sets not to block.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    fn try_from(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { registration: Registration::new(socket)? })
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registration.source().as_fd()
    }
}
