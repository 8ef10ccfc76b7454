//! Name resolution: `getaddrinfo(3)` and `getnameinfo(3)`, through dns-lookup.
//!
//! Both block, for seconds if a name server doesn't answer. They are meant for a [`BlockingPool`].
//!
//! [`BlockingPool`]: crate::blocking_pool::BlockingPool

use std::io;
use std::net::SocketAddr;

use dns_lookup::{AddrInfoHints, LookupError};

/// What to look for, in the C library's numbers (`AF_*`, `SOCK_*`, `IPPROTO_*`, `AI_*`); zero stands for any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints {
    /// The address family.
    pub family: i32,
    /// The socket type.
    pub kind: i32,
    /// The protocol.
    pub protocol: i32,
    /// The `AI_*` flags.
    pub flags: i32,
}

/// One way to reach a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressInfo {
    /// The address family.
    pub family: i32,
    /// The socket type.
    pub kind: i32,
    /// The protocol.
    pub protocol: i32,
    /// The host's official name, if `AI_CANONNAME` asked for it.
    pub canonical_name: Option<String>,
    /// The address.
    pub address: SocketAddr,
}

/// Why a look-up failed.
#[derive(Debug)]
pub enum Failure {
    /// The resolver's answer.
    Resolver {
        /// One of the C library's `EAI_*` numbers.
        number: i32,
        /// The C library's text for it.
        text: String,
    },
    /// The operating system's.
    System(io::Error),
}

/// Resolves a host and a service to addresses, in the order in which they should be tried.
///
/// # Errors
/// [`Failure`], as the C library reports it.
pub fn address_info(host: Option<&str>, service: Option<&str>, hints: Hints) -> Result<Vec<AddressInfo>, Failure> {
    let hints =
        AddrInfoHints { flags: hints.flags, address: hints.family, socktype: hints.kind, protocol: hints.protocol };
    dns_lookup::getaddrinfo(host, service, Some(hints))?
        .map(|found| {
            let found = found.map_err(Failure::System)?;
            Ok(AddressInfo {
                family: found.address,
                kind: found.socktype,
                protocol: found.protocol,
                canonical_name: found.canonname,
                address: found.sockaddr,
            })
        })
        .collect()
}

/// Resolves an address to the names of its host and service. `flags` are the C library's `NI_*`.
///
/// # Errors
/// [`Failure`], as the C library reports it.
pub fn name_info(address: &SocketAddr, flags: i32) -> Result<(String, String), Failure> {
    Ok(dns_lookup::getnameinfo(address, flags)?)
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        match error.error_num() {
            // EAI_SYSTEM and what never reached the resolver, such as a name with a NUL byte in it.
            number if number == EAI_SYSTEM || number == 0 => Self::System(error.into()),
            number => {
                let text = error.to_string();
                let text = text.strip_prefix(TEXT_PREFIX).unwrap_or(&text).to_owned();
                Self::Resolver { number, text }
            }
        }
    }
}

/// What dns-lookup puts before the C library's text.
const TEXT_PREFIX: &str = "failed to lookup address information: ";

/// "Look at errno": the same number in glibc and musl.
const EAI_SYSTEM: i32 = -11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeric_address_needs_no_name_server() {
        let found = address_info(Some("127.0.0.1"), Some("80"), Hints { kind: 1, ..Hints::default() }).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address, "127.0.0.1:80".parse().unwrap());
    }

    #[test]
    fn a_name_that_cannot_be_is_the_resolvers_failure() {
        const EAI_NONAME: i32 = -2;
        let failure = address_info(Some("no such name"), None, Hints::default()).unwrap_err();
        let Failure::Resolver { number, text } = failure else { panic!("{failure:?}") };
        assert_eq!((number, text.as_str()), (EAI_NONAME, "Name or service not known"));
    }

    #[test]
    fn an_address_has_a_numeric_name() {
        const NUMERIC_HOST_AND_SERVICE: i32 = 1 | 2;
        let names = name_info(&"127.0.0.1:80".parse().unwrap(), NUMERIC_HOST_AND_SERVICE).unwrap();
        assert_eq!(names, ("127.0.0.1".to_owned(), "80".to_owned()));
    }
}
