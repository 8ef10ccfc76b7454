//! Unix domain sockets: connections, and listening for them.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::connection::{Connection, implement_reading, implement_writing};
use super::socket;
use crate::event_loop::{Direction, Registration};

/// A connection between processes of one machine.
///
/// # Examples
/// ```
/// # fn main() -> std::io::Result<()> {
/// ioxide::run(async {
///     let (left, right) = ioxide::net::UnixStream::pair()?;
///     left.write_all(b"hello").await?;
///     drop(left);
///     let mut greeting = Vec::new();
///     right.read_to_end(&mut greeting).await?;
///     assert_eq!(greeting, b"hello");
///     Ok(())
/// })?
/// # }
/// ```
#[derive(Debug)]
pub struct UnixStream {
    connection: Connection<std::os::unix::net::UnixStream>,
}

impl UnixStream {
    /// Connects to the socket at `path`. That is done at once, or can't be done.
    ///
    /// # Errors
    /// What `connect(2)` gives, among others `WouldBlock` when too many wait to be accepted there: the kernel has no way
    /// to wait for that to change.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    #[expect(clippy::unused_async, reason = "a name is connected to as an address is")]
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path.as_ref())?)?;
        Ok(Self { connection: Connection::new(socket.into())? })
    }

    /// Makes two ends of a connection.
    ///
    /// # Errors
    /// What `socketpair(2)` gives.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (left, right) = std::os::unix::net::UnixStream::pair()?;
        Ok((left.try_into()?, right.try_into()?))
    }

    /// The address at this end.
    ///
    /// # Errors
    /// What `getsockname(2)` gives.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.connection.source().local_addr()
    }

    /// The address at the other end.
    ///
    /// # Errors
    /// What `getpeername(2)` gives.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.connection.source().peer_addr()
    }

    /// Ends one direction or both.
    ///
    /// # Errors
    /// What `shutdown(2)` gives.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.connection.source().shutdown(how)
    }

    fn finish_writing(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

implement_reading!(UnixStream);
implement_writing!(UnixStream);

impl TryFrom<std::os::unix::net::UnixStream> for UnixStream {
    type Error = io::Error;

    /// Has the running loop watch a connection, which it sets not to block.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    fn try_from(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { connection: Connection::new(stream)? })
    }
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.source().as_fd()
    }
}

/// A socket that listens for connections at a path.
///
/// # Examples
/// ```
/// use ioxide::net::{UnixListener, UnixStream};
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("socket");
/// ioxide::run(async {
///     let listener = UnixListener::bind(&path)?;
///     let client = UnixStream::connect(&path).await?;
///     let (server, _) = listener.accept().await?;
///     server.write_all(b"welcome").await?;
///     let mut greeting = [0; 7];
///     client.read_exact(&mut greeting).await?;
///     assert_eq!(&greeting, b"welcome");
///     Ok(())
/// })?
/// # }
/// ```
#[derive(Debug)]
pub struct UnixListener {
    registration: Registration<std::os::unix::net::UnixListener>,
}

impl UnixListener {
    /// Listens at `path`, where nothing may be yet. What is made there stays when the listener is dropped.
    ///
    /// # Errors
    /// What `bind(2)` gives, among others `AddrInUse`.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        std::os::unix::net::UnixListener::bind(path)?.try_into()
    }

    /// Waits for a connection, and takes it.
    ///
    /// # Errors
    /// What `accept(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up has taken no connection.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (socket, _) = self.registration.io(Direction::Read, socket::accept).await?;
        let stream = std::os::unix::net::UnixStream::from(socket);
        let address = stream.peer_addr()?;
        Ok((UnixStream { connection: Connection::new(stream)? }, address))
    }

    /// The address that this listens at.
    ///
    /// # Errors
    /// What `getsockname(2)` gives.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.registration.source().local_addr()
    }
}

impl TryFrom<std::os::unix::net::UnixListener> for UnixListener {
    type Error = io::Error;

    /// Has the running loop watch a listening socket, which it sets not to block.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    fn try_from(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { registration: Registration::new(listener)? })
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registration.source().as_fd()
    }
}
