//! Where a server is, and the sockets that lead to it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use rustix::fd::OwnedFd;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname, listen,
    socket_with, sockopt,
};

/// How many connections may wait to be accepted; the kernel has its own limit besides.
const BACKLOG: i32 = 4096;

/// Room for the datagrams that come while the other side has the processor.
const DATAGRAM_BUFFER: usize = 4 << 20;

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// TLS on TCP.
    Tls,
    /// UDP.
    Udp,
    /// A Unix socket of type stream.
    Unix,
}

impl FromStr for Protocol {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "tcp" => Self::Tcp,
            "tls" => Self::Tls,
            "udp" => Self::Udp,
            "unix" => Self::Unix,
            _ => bail!("unknown protocol: {name}"),
        })
    }
}

/// A protocol, and the address or path of a server that speaks it.
#[derive(Clone, Debug)]
pub struct Address {
    protocol: Protocol,
    place: SocketAddrAny,
}

impl Address {
    /// Reads `127.0.0.1:8080`, or for a Unix socket its path.
    ///
    /// # Errors
    /// If `text` is neither.
    pub fn parse(protocol: Protocol, text: &str) -> Result<Self> {
        let place = if protocol == Protocol::Unix {
            SocketAddrUnix::new(text).with_context(|| format!("not the path of a socket: {text}"))?.into()
        } else {
            text.parse::<SocketAddr>().with_context(|| format!("not an address with a port: {text}"))?.into()
        };
        Ok(Self { protocol, place })
    }

    /// How the server is spoken to.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Opens a socket to the server and makes it non-blocking. `number` counts the connections: see [`Self::source`].
    ///
    /// # Errors
    /// What `connect(2)` and its kin give.
    pub fn connect(&self, number: usize) -> Result<OwnedFd> {
        let socket = self.socket(SocketFlags::CLOEXEC)?;
        if let Some(source) = self.source(number) {
            bind(&socket, &source)?;
        }
        // On loopback this waits for nothing but room in the server's backlog.
        connect(&socket, &self.place).context("cannot connect to the server")?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(socket)
    }

    /// Opens the server's socket, which is non-blocking.
    ///
    /// # Errors
    /// What `bind(2)` and its kin give.
    pub fn listen(&self) -> Result<OwnedFd> {
        let socket = self.socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        if self.protocol != Protocol::Unix {
            sockopt::set_socket_reuseaddr(&socket, true)?;
        }
        bind(&socket, &self.place).context("cannot bind the server's address")?;
        if self.protocol != Protocol::Udp {
            listen(&socket, BACKLOG)?;
        }
        Ok(socket)
    }

    fn socket(&self, flags: SocketFlags) -> Result<OwnedFd> {
        let (family, kind) = match self.protocol {
            Protocol::Unix => (AddressFamily::UNIX, SocketType::STREAM),
            Protocol::Udp => (self.place.address_family(), SocketType::DGRAM),
            Protocol::Tcp | Protocol::Tls => (self.place.address_family(), SocketType::STREAM),
        };
        let socket = socket_with(family, kind, flags, None)?;
        match self.protocol {
            Protocol::Tcp | Protocol::Tls => sockopt::set_tcp_nodelay(&socket, true)?,
            // Without the privilege to exceed the system's limit, what the system gives has to do.
            Protocol::Udp => sockopt::set_socket_recv_buffer_size_force(&socket, DATAGRAM_BUFFER)
                .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, DATAGRAM_BUFFER))?,
            Protocol::Unix => {}
        }
        Ok(socket)
    }

    /// The address that connection `number` comes from. A closed connection keeps its pair of ports for a minute, and
    /// one source address has 28,000 ports: the many connections of a minute take turns at many addresses.
    fn source(&self, number: usize) -> Option<SocketAddrV4> {
        const SOURCES: usize = 250;
        let server = SocketAddrV4::try_from(self.place.clone()).ok()?;
        let last = u8::try_from(2 + number % SOURCES).expect("250 addresses from 2 on end at 251");
        server.ip().is_loopback().then(|| SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0))
    }
}

/// Says where a listening socket is, as [`Address::parse`] reads it.
///
/// # Errors
/// What `getsockname(2)` gives.
pub fn name_of(socket: &OwnedFd) -> Result<String> {
    let place = getsockname(socket)?;
    if let Ok(address) = SocketAddr::try_from(place.clone()) {
        return Ok(address.to_string());
    }
    let unix = SocketAddrUnix::try_from(place)?;
    Ok(unix.path().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default())
}
