//! Child processes: starting them, talking to them through pipes, and waiting for their ends.
//!
//! A child is watched by a descriptor of its own (`pidfd_open(2)`), which the loop waits for as for any other: no
//! `SIGCHLD`, no thread. A child that nobody waits for is waited for by its loop, or as a later one is started, so that
//! it doesn't stay a zombie.

mod child;
mod command;
mod orphans;
mod pipes;

pub use std::process::{ExitStatus, Output, Stdio};

pub use child::Child;
pub use command::Command;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};
