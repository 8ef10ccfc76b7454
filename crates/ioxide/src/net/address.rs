//! What can stand for addresses: addresses, and names that are resolved to them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::lookup::{self, Failure, Hints};
use crate::task::spawn_blocking;

/// What a socket can be bound or connected to: a socket address, an IP address and a port, a host's name and a port, a
/// string of the form `host:port`, or several addresses, which are tried in turn.
///
/// # Examples
/// ```
/// ioxide::run(async {
///     let addresses = ioxide::net::resolve(("localhost", 80)).await?;
///     assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
///     let addresses = ioxide::net::resolve("[::1]:80").await?;
///     assert_eq!(addresses, ["[::1]:80".parse().expect("an address")]);
///     Ok(())
/// })?
/// # as std::io::Result<()>;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ToAddresses: sealed::Sealed {}

mod sealed {
    pub trait Sealed {
        fn target(&self) -> std::io::Result<super::Target>;
    }
}

/// Where to go, or what to ask the resolver.
#[derive(Debug)]
pub enum Target {
    Addresses(Vec<SocketAddr>),
    Host(String, u16),
}

impl Target {
    fn host(host: &str, port: u16) -> Self {
        match host.parse::<IpAddr>() {
            Ok(address) => Self::Addresses(vec![SocketAddr::new(address, port)]),
            Err(_) => Self::Host(host.to_owned(), port),
        }
    }
}

macro_rules! implement {
    ($($kind:ty, |$value:ident| $target:expr;)+) => {$(
        impl ToAddresses for $kind {}
        impl sealed::Sealed for $kind {
            fn target(&self) -> io::Result<Target> {
                let $value = self;
                $target
            }
        }
    )+};
}

implement! {
    SocketAddr, |address| Ok(Target::Addresses(vec![*address]));
    SocketAddrV4, |address| Ok(Target::Addresses(vec![(*address).into()]));
    SocketAddrV6, |address| Ok(Target::Addresses(vec![(*address).into()]));
    [SocketAddr], |addresses| Ok(Target::Addresses(addresses.to_vec()));
    Vec<SocketAddr>, |addresses| Ok(Target::Addresses(addresses.clone()));
    (IpAddr, u16), |pair| Ok(Target::Addresses(vec![(*pair).into()]));
    (Ipv4Addr, u16), |pair| Ok(Target::Addresses(vec![(*pair).into()]));
    (Ipv6Addr, u16), |pair| Ok(Target::Addresses(vec![(*pair).into()]));
    (&str, u16), |pair| Ok(Target::host(pair.0, pair.1));
    (String, u16), |pair| Ok(Target::host(&pair.0, pair.1));
    str, |text| host_and_port(text);
    String, |text| host_and_port(text);
}

impl<T: ToAddresses + ?Sized> ToAddresses for &T {}

impl<T: ToAddresses + ?Sized> sealed::Sealed for &T {
    fn target(&self) -> io::Result<Target> {
        (**self).target()
    }
}

fn host_and_port(text: &str) -> io::Result<Target> {
    if let Ok(address) = text.parse() {
        return Ok(Target::Addresses(vec![address]));
    }
    text.rsplit_once(':')
        .and_then(|(host, port)| Some(Target::host(host, port.parse().ok()?)))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "an address has the form host:port"))
}

/// Resolves a name to its addresses, in the order in which they should be tried: asyncio's `getaddrinfo`.
///
/// # Errors
/// `InvalidInput` for a string that isn't of the form `host:port`, `NotFound` with the resolver's words for a name that
/// it doesn't know, and what keeps the pool from starting a thread.
///
/// # Panics
/// When no loop runs on this thread.
///
/// # Cancel safety
/// What is given up leaves the resolver at work, on its thread, and nobody hears of the result.
///
/// # Examples
/// See [`ToAddresses`].
pub async fn resolve(addresses: impl ToAddresses) -> io::Result<Vec<SocketAddr>> {
    match addresses.target()? {
        Target::Addresses(addresses) => Ok(addresses),
        Target::Host(host, port) => {
            let found = spawn_blocking(move || {
                let hints = Hints { kind: SOCK_STREAM, ..Hints::default() };
                lookup::address_info(Some(&host), Some(&port.to_string()), hints)
                    .map_err(|failure| error_of(failure, &host))
            });
            Ok(found.await??.into_iter().map(|info| info.address).collect())
        }
    }
}

/// One answer per address, not one for each kind of socket. The number is the same on every Linux but MIPS's, where it
/// names the other kind that TCP and UDP have.
const SOCK_STREAM: i32 = 1;

fn error_of(failure: Failure, host: &str) -> io::Error {
    match failure {
        Failure::Resolver { text, .. } => io::Error::new(io::ErrorKind::NotFound, format!("{host}: {text}")),
        Failure::System(error) => error,
    }
}

/// Tries `open` with each address in turn. If none works the error tells of all of them.
pub(super) async fn first_that_works<T>(
    addresses: impl ToAddresses,
    open: impl AsyncFn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    for address in resolve(addresses).await? {
        match open(address).await {
            Ok(opened) => return Ok(opened),
            Err(error) => failures.push((address, error)),
        }
    }
    Err(match failures.len() {
        0 => io::Error::new(io::ErrorKind::InvalidInput, "there is no address"),
        1 => failures.swap_remove(0).1,
        _ => {
            let texts: Vec<String> = failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
            io::Error::new(failures[0].1.kind(), texts.join("; "))
        }
    })
}
