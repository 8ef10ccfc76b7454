//! What a connection of the load generator does whenever its channel is ready.

use std::time::Instant;

use anyhow::Result;

use crate::channel::Channel;
use crate::messages::Messages;
use crate::tally::Tally;

/// The stages of a run, for all connections at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Connections are opened, a few at a time; each makes sure that it was accepted.
    Opening,
    /// Everything runs, and nothing counts yet.
    WarmUp,
    /// What is answered counts.
    Measuring,
    /// Nothing new is begun; what is under way has to arrive.
    Draining,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The server hasn't answered yet.
    Opening,
    /// It works.
    Ready,
    /// It is to be replaced by a new one.
    Over,
    /// Draining, and everything has arrived.
    Finished,
}

/// What a conversation finds when it is its turn.
pub struct Turn<'a> {
    /// The stage of the run.
    pub stage: Stage,
    /// When this turn began.
    pub now: Instant,
    /// What is sent and expected.
    pub messages: &'a Messages,
    /// Where results go.
    pub tally: &'a mut Tally,
    /// Room to read into.
    pub buffer: &'a mut [u8],
}

/// One connection's doings.
pub trait Conversation {
    /// Reads and writes as much as can be at once.
    ///
    /// # Errors
    /// The connection failed, or the server answered wrongly.
    fn advance(&mut self, channel: &mut Channel, turn: &mut Turn<'_>) -> Result<Progress>;
}
