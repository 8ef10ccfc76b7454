//! What the benchmarks' two native programs share: `load`, which drives a server and checks every byte that it answers,
//! and `floor`, the plain epoll server that shows what the kernel allows.
//!
//! Each is one thread with level-triggered epoll. Nothing here knows of Python or of ioxide.

pub mod address;
pub mod bulk;
pub mod channel;
pub mod conversation;
pub mod driver;
pub mod echo;
pub mod floor;
pub mod http;
pub mod messages;
pub mod process;
pub mod tally;
pub mod tls;
