//! The network: for now, names and addresses.

pub mod lookup;
