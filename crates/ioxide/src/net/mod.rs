//! The network, asynchronously: streams, listeners, datagrams.
//!
//! The types are those of `std::net` and `std::os::unix::net` as far as that goes, and each can be made from its
//! namesake there with `TryFrom`, for what options a program may want to set. They belong to the loop that runs as they
//! are made, and wait on it: what would have to wait while that one doesn't run is an error.
//!
//! Streams implement the traits of `futures-io`, also for references, so that one task may read while another writes;
//! with the feature `hyper`, they implement hyper's as well.
//!
//! A host's name is resolved by the C library, on a thread of the loop's pool.

mod address;
mod connection;
pub mod lookup;
mod socket;
mod tcp;
mod udp;
mod unix;
mod unix_datagram;

pub use address::{ToAddresses, resolve};
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixListener, UnixStream};
pub use unix_datagram::UnixDatagram;

pub(crate) use connection::{Connection, implement_reading, implement_writing};
