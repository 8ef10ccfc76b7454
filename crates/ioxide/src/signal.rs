//! Signals: waiting for them in tasks.
//!
//! A handler runs between any two instructions of a program, so it may do next to nothing. This one writes a byte to a
//! pipe, which the loop watches as it does any descriptor. The handlers are `signal-hook`'s, which keeps those of
//! several listeners apart, also those that other crates install by it.

use std::io::{self, PipeReader, Read};

use signal_hook::SigId;
use signal_hook::consts;
use signal_hook::low_level::{pipe, unregister};

use crate::event_loop::{Direction, Registration};

/// A signal, by the number that the system knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal(i32);

impl Signal {
    /// Ctrl-C in a terminal.
    pub const INTERRUPT: Self = Self(consts::SIGINT);
    /// What asks a program to end.
    pub const TERMINATE: Self = Self(consts::SIGTERM);
    /// The terminal is gone; what asks a server to read its configuration anew.
    pub const HANGUP: Self = Self(consts::SIGHUP);
    /// Ctrl-\ in a terminal.
    pub const QUIT: Self = Self(consts::SIGQUIT);
    /// A child process has changed its state.
    pub const CHILD: Self = Self(consts::SIGCHLD);
    /// For a program's own use.
    pub const USER_1: Self = Self(consts::SIGUSR1);
    /// For a program's own use.
    pub const USER_2: Self = Self(consts::SIGUSR2);
    /// The terminal has another size.
    pub const WINDOW_CHANGE: Self = Self(consts::SIGWINCH);

    /// A signal by its number.
    #[must_use]
    pub fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// The signal's number.
    #[must_use]
    pub fn as_raw(self) -> i32 {
        self.0
    }
}

/// Listens for a signal for as long as it lives.
///
/// From the first listener of a process on, the signal doesn't do any more what it does by default, such as ending the
/// process; also not once there is no listener.
///
/// # Examples
/// ```
/// use ioxide::signal::{Listener, Signal};
///
/// # fn main() -> std::io::Result<()> {
/// ioxide::run(async {
///     let listener = Listener::new(Signal::USER_1)?;
///     signal_hook::low_level::raise(Signal::USER_1.as_raw())?;
///     listener.recv().await
/// })?
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    handler: SigId,
    pipe: Registration<PipeReader>,
}

impl Listener {
    /// Begins to listen.
    ///
    /// # Errors
    /// `InvalidInput` for a signal that can't be handled or mustn't be (`SIGKILL`, `SIGSTOP`, and those of broken
    /// programs, such as `SIGSEGV`) or doesn't exist, and what `pipe(2)` gives.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub fn new(signal: Signal) -> io::Result<Self> {
        if consts::FORBIDDEN.contains(&signal.0) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this signal can't be listened for"));
        }
        let (reader, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        let pipe = Registration::new(reader)?;
        Ok(Self { handler: pipe::register(signal.0, writer)?, pipe })
    }

    /// Waits for the signal. Signals that come while nobody waits count as one, as in the kernel.
    ///
    /// # Errors
    /// When it is awaited while the loop in which the listener was made doesn't run.
    ///
    /// # Cancel safety
    /// What is given up has taken no signal.
    pub async fn recv(&self) -> io::Result<()> {
        self.pipe.io(Direction::Read, take_all).await
    }
}

/// Takes a byte for each signal that came.
fn take_all(mut pipe: &PipeReader) -> io::Result<()> {
    const AT_A_TIME: usize = 4096;
    let mut has_taken = false;
    loop {
        match pipe.read(&mut [0; AT_A_TIME]) {
            Ok(AT_A_TIME) => has_taken = true,
            Ok(_) => return Ok(()),
            Err(error) if has_taken && error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        unregister(self.handler);
    }
}

/// Waits for Ctrl-C, once. Who wants to hear of it again keeps a [`Listener`].
///
/// # Errors
/// What `pipe(2)` gives.
///
/// # Panics
/// When no loop runs on this thread.
///
/// # Cancel safety
/// What is given up has taken no signal; but one that comes before the next call ends nothing any more.
///
/// # Examples
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// ioxide::run(async {
///     println!("working until Ctrl-C");
///     ioxide::signal::ctrl_c().await
/// })?
/// # }
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    Listener::new(Signal::INTERRUPT)?.recv().await
}
