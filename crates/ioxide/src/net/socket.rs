//! Making sockets that don't block.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::event_loop::{Direction, Registration};

/// How many connections wait to be accepted at most; the kernel has a limit of its own, 4096 nowadays.
const BACKLOG: i32 = 1024;

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

fn stream_socket(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    Ok(rustix::net::socket_with(family, SocketType::STREAM, FLAGS, None)?)
}

/// A socket that listens at `address`. It may take the port of one that was closed just now.
pub(super) fn listen(address: &SocketAddr) -> io::Result<OwnedFd> {
    let socket = stream_socket(address)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Takes a connection that waits at a listening socket, if one does.
pub(super) fn accept(listener: &impl AsFd) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
    loop {
        match rustix::net::acceptfrom_with(listener, FLAGS) {
            // One that was given up while it waited isn't the listener's error.
            Err(Errno::CONNABORTED) => {}
            Err(error) => return Err(error.into()),
            Ok((socket, address)) => {
                return Ok((socket, address.and_then(|address| SocketAddr::try_from(address).ok())));
            }
        }
    }
}

/// Connects to `address`, and waits until that is done.
pub(super) async fn connect(address: &SocketAddr) -> io::Result<Registration<std::net::TcpStream>> {
    let socket = stream_socket(address)?;
    let is_under_way = match rustix::net::connect(&socket, address) {
        Ok(()) => false,
        // A `connect(2)` that a signal interrupts goes on.
        Err(Errno::INPROGRESS | Errno::INTR) => true,
        Err(error) => return Err(error.into()),
    };
    // Watched only now: the kernel would report a socket that isn't connecting as hung up.
    let registration = Registration::new(socket.into())?;
    if is_under_way {
        registration.would_block(Direction::Write);
        registration.io(Direction::Write, has_connected).await?;
    }
    Ok(registration)
}

/// What has become of a `connect(2)` that was under way.
fn has_connected(socket: &std::net::TcpStream) -> io::Result<()> {
    sockopt::socket_error(socket)??;
    match rustix::net::getpeername(socket) {
        Err(Errno::NOTCONN) => Err(io::ErrorKind::WouldBlock.into()),
        result => Ok(result.map(drop)?),
    }
}
