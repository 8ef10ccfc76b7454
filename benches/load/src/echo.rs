//! Messages that come back as they were sent: on lasting connections, or each on a connection of its own.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::channel::Channel;
use crate::conversation::{Conversation, Progress, Stage, Turn};
use crate::messages::Messages;

/// A connection that sends messages and checks what comes back. Offsets count bytes of the series of messages.
pub struct Echo {
    sent: usize,
    received: usize,
    begun: usize,
    under_way: VecDeque<Instant>,
    most_under_way: usize,
    is_idle: bool,
}

impl Echo {
    /// A connection that has up to `in_flight` messages under way. An idle one sends a first message, to see that it was
    /// accepted, and a last one, to see that it wasn't forgotten.
    #[must_use]
    pub fn new(messages: &Messages, number: usize, in_flight: usize, is_idle: bool) -> Self {
        let beginning = messages.beginning(number);
        let under_way = VecDeque::with_capacity(in_flight);
        Self { sent: beginning, received: beginning, begun: 0, under_way, most_under_way: in_flight, is_idle }
    }

    fn read(&mut self, channel: &mut Channel, turn: &mut Turn<'_>) -> Result<()> {
        while let Some(count) = channel.read(turn.buffer)? {
            ensure!(count > 0, "the server closed a connection after {} messages", self.begun);
            let bytes = &turn.buffer[..count];
            ensure!(self.received + count <= self.sent, "the server sent more than it was sent");
            ensure!(turn.messages.continues_with(self.received, bytes), "the server sent back something else");
            let size = turn.messages.size();
            let completed = (self.received + count) / size - self.received / size;
            self.received += count;
            for began in self.under_way.drain(..completed) {
                turn.tally.answered(size, turn.now.duration_since(began));
            }
            if !channel.may_have_more(count, turn.buffer.len()) {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, channel: &mut Channel, turn: &Turn<'_>) -> Result<()> {
        loop {
            let is_new = self.sent.is_multiple_of(turn.messages.size());
            if is_new && !self.may_begin(turn.stage) {
                return Ok(());
            }
            let count = channel.write(turn.messages.rest_of_message(self.sent))?;
            if is_new && count > 0 {
                self.begun += 1;
                self.under_way.push_back(turn.now);
            }
            self.sent += count;
            if channel.waits_to_write() {
                return Ok(());
            }
        }
    }

    fn may_begin(&self, stage: Stage) -> bool {
        match stage {
            Stage::Opening => self.begun == 0,
            Stage::WarmUp | Stage::Measuring => !self.is_idle && self.under_way.len() < self.most_under_way,
            Stage::Draining => self.is_idle && self.begun == 1,
        }
    }
}

impl Conversation for Echo {
    fn advance(&mut self, channel: &mut Channel, turn: &mut Turn<'_>) -> Result<Progress> {
        channel.flush()?;
        self.read(channel, turn)?;
        self.write(channel, turn)?;
        let is_quiet = self.sent == self.received;
        Ok(match turn.stage {
            Stage::Draining if is_quiet && !self.may_begin(turn.stage) => Progress::Finished,
            _ if self.begun == 0 || (self.begun == 1 && !is_quiet) => Progress::Opening,
            _ => Progress::Ready,
        })
    }
}

/// Connects, sends one message, awaits it, closes. The latency counts from the connecting on.
pub struct Visit {
    echo: Echo,
    began: Instant,
}

impl Visit {
    /// A visit that begins now.
    #[must_use]
    pub fn new(messages: &Messages, number: usize) -> Self {
        Self { echo: Echo::new(messages, number, 1, false), began: Instant::now() }
    }
}

impl Conversation for Visit {
    fn advance(&mut self, channel: &mut Channel, turn: &mut Turn<'_>) -> Result<Progress> {
        if self.echo.begun == 0 {
            self.echo.under_way.push_back(self.began);
            self.send(channel, turn)?;
            return Ok(Progress::Opening);
        }
        channel.flush()?;
        self.echo.read(channel, turn)?;
        if !self.echo.sent.is_multiple_of(turn.messages.size()) {
            self.send(channel, turn)?;
        }
        if !self.echo.under_way.is_empty() {
            return Ok(Progress::Opening);
        }
        Ok(match turn.stage {
            Stage::Opening => Progress::Ready,
            Stage::WarmUp | Stage::Measuring => Progress::Over,
            Stage::Draining => Progress::Finished,
        })
    }
}

impl Visit {
    fn send(&mut self, channel: &mut Channel, turn: &Turn<'_>) -> Result<()> {
        let count = channel.write(turn.messages.rest_of_message(self.echo.sent))?;
        if count == 0 && self.echo.begun == 0 {
            bail!("a new connection takes nothing");
        }
        self.echo.begun = 1;
        self.echo.sent += count;
        Ok(())
    }
}
