//! TCP: connections, and listening for them.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use super::address::{ToAddresses, first_that_works};
use super::connection::{Connection, implement_reading, implement_writing};
use super::socket;
use crate::event_loop::{Direction, Registration};

/// A TCP connection.
///
/// As with asyncio's, what is written is sent at once: `TCP_NODELAY` is set.
///
/// Reading and writing need only a reference: tasks that share the connection in an `Rc` may do both at once.
///
/// # Examples
/// ```
/// use ioxide::net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// ioxide::run(async {
///     let listener = TcpListener::bind(("localhost", 0)).await?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///
///     client.write_all(b"hello").await?;
///     let mut greeting = [0; 5];
///     server.read_exact(&mut greeting).await?;
///     assert_eq!(&greeting, b"hello");
///     Ok(())
/// })?
/// # }
/// ```
#[derive(Debug)]
pub struct TcpStream {
    connection: Connection<std::net::TcpStream>,
}

impl TcpStream {
    /// Connects. The addresses that a name has are tried in turn.
    ///
    /// # Errors
    /// Those of [`resolve`](super::resolve), and what `connect(2)` gives, such as `ConnectionRefused`.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    ///
    /// # Cancel safety
    /// What is given up leaves no connection behind.
    pub async fn connect(addresses: impl ToAddresses) -> io::Result<Self> {
        first_that_works(addresses, async |address| {
            let registration = socket::connect(&address).await?;
            registration.source().set_nodelay(true)?;
            Ok(Self { connection: registration.into() })
        })
        .await
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
    /// What `getpeername(2)` gives, among others `NotConnected` once the connection was reset.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.connection.source().peer_addr()
    }

    /// Whether what is written is sent at once.
    ///
    /// # Errors
    /// What `getsockopt(2)` gives.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.connection.source().nodelay()
    }

    /// Has what is written sent at once, or collected by the kernel while something is under way.
    ///
    /// # Errors
    /// What `setsockopt(2)` gives.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.connection.source().set_nodelay(nodelay)
    }

    /// Ends one direction or both.
    ///
    /// # Errors
    /// What `shutdown(2)` gives, `NotConnected` if the other end has done so before.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.connection.source().shutdown(how)
    }

    /// Reads what is there without taking it, or waits until something is.
    ///
    /// # Errors
    /// What `recv(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up has done nothing.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.connection.registration().io(Direction::Read, |stream| stream.peek(buffer)).await
    }

    fn finish_writing(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

implement_reading!(TcpStream);
implement_writing!(TcpStream);

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// Has the running loop watch a connection, which it sets not to block.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    fn try_from(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { connection: Connection::new(stream)? })
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.source().as_fd()
    }
}

/// A socket that listens for TCP connections.
///
/// # Examples
/// A server that sends back what it is sent:
/// ```
/// use ioxide::net::{TcpListener, TcpStream};
///
/// async fn echo(stream: TcpStream) -> std::io::Result<()> {
///     let mut buffer = vec![0; 16 * 1024];
///     loop {
///         match stream.read(&mut buffer).await? {
///             0 => return Ok(()),
///             count => stream.write_all(&buffer[..count]).await?,
///         }
///     }
/// }
///
/// async fn serve(listener: TcpListener) -> std::io::Result<()> {
///     loop {
///         let (stream, _) = listener.accept().await?;
///         drop(ioxide::spawn(echo(stream)));
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// ioxide::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let server = ioxide::spawn(serve(listener));
///
///     let client = TcpStream::connect(address).await?;
///     client.write_all(b"there and back").await?;
///     let mut answer = [0; 14];
///     client.read_exact(&mut answer).await?;
///     assert_eq!(&answer, b"there and back");
///     server.cancel();
///     Ok(())
/// })?
/// # }
/// ```
#[derive(Debug)]
pub struct TcpListener {
    registration: Registration<std::net::TcpListener>,
}

impl TcpListener {
    /// Listens at the first of the addresses that can be had. Port 0 takes any that is free. The port of a server that
    /// has ended just now can be had: `SO_REUSEADDR` is set.
    ///
    /// # Errors
    /// Those of [`resolve`](super::resolve), and what `bind(2)` gives, such as `AddrInUse`.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    ///
    /// # Cancel safety
    /// What is given up leaves nothing behind.
    pub async fn bind(addresses: impl ToAddresses) -> io::Result<Self> {
        first_that_works(addresses, async |address| {
            Ok(Self { registration: Registration::new(socket::listen(&address)?.into())? })
        })
        .await
    }

    /// Waits for a connection, and takes it.
    ///
    /// # Errors
    /// What `accept(2)` gives. Being out of descriptors is one that passes: a server waits a little and goes on.
    ///
    /// # Cancel safety
    /// What is given up has taken no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, address) = self.registration.io(Direction::Read, socket::accept).await?;
        let stream = std::net::TcpStream::from(socket);
        let address = address.map_or_else(|| stream.peer_addr(), Ok)?;
        stream.set_nodelay(true)?;
        Ok((TcpStream { connection: Connection::new(stream)? }, address))
    }

    /// The address that this listens at.
    ///
    /// # Errors
    /// What `getsockname(2)` gives.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.registration.source().local_addr()
    }
}

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// Has the running loop watch a listening socket, which it sets not to block.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { registration: Registration::new(listener)? })
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registration.source().as_fd()
    }
}
