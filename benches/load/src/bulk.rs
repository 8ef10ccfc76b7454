//! Bytes in one direction, as fast as they go.
//!
//! Up, the server answers every whole mebibyte that it has received with a byte. Down, every byte that the client sends
//! asks for a mebibyte of [`PATTERN`]. So both ends agree on what arrived without anybody closing anything.

use anyhow::{Result, ensure};

use crate::channel::Channel;
use crate::conversation::{Conversation, Progress, Stage, Turn};
use crate::messages::repeats;

/// What is acknowledged, or asked for, with one byte.
pub const BLOCK: usize = 1 << 20;

/// What a server sends over and over: the bytes from 0 to 255.
pub const PATTERN: [u8; 256] = {
    let mut pattern = [0; 256];
    let mut byte: u8 = 0;
    while byte < 255 {
        pattern[byte as usize] = byte;
        byte += 1;
    }
    pattern[255] = 255;
    pattern
};

/// Bytes towards the server.
#[derive(Default)]
pub struct Up {
    sent: usize,
    acknowledged: usize,
}

impl Conversation for Up {
    fn advance(&mut self, channel: &mut Channel, turn: &mut Turn<'_>) -> Result<Progress> {
        channel.flush()?;
        while let Some(count) = channel.read(turn.buffer)? {
            ensure!(count > 0, "the server closed a connection");
            self.acknowledged += count * BLOCK;
            ensure!(self.acknowledged <= self.sent, "the server counts more than it was sent");
            for _ in 0..count {
                turn.tally.transferred(BLOCK);
            }
        }
        self.write(channel, turn)?;
        let is_quiet = self.acknowledged == self.sent;
        Ok(if turn.stage == Stage::Draining && is_quiet { Progress::Finished } else { Progress::Ready })
    }
}

impl Up {
    /// Writes a mebibyte at most, to look for acknowledgements in between.
    fn write(&mut self, channel: &mut Channel, turn: &Turn<'_>) -> Result<()> {
        let end_of_block = self.sent.next_multiple_of(BLOCK);
        let end = match turn.stage {
            Stage::Opening => return Ok(()),
            Stage::WarmUp | Stage::Measuring => self.sent + BLOCK,
            Stage::Draining => end_of_block,
        };
        while self.sent < end {
            let message = turn.messages.rest_of_message(self.sent);
            self.sent += channel.write(&message[..message.len().min(end - self.sent)])?;
            if channel.waits_to_write() {
                return Ok(());
            }
        }
        if turn.stage != Stage::Draining {
            channel.wait_to_write();
        }
        Ok(())
    }
}

/// Bytes from the server.
pub struct Down {
    asked: usize,
    received: usize,
    ahead: usize,
}

impl Down {
    /// Asks for `ahead` blocks before the first has arrived, so that the server never has to wait.
    #[must_use]
    pub fn new(ahead: usize) -> Self {
        Self { asked: 0, received: 0, ahead }
    }
}

impl Conversation for Down {
    fn advance(&mut self, channel: &mut Channel, turn: &mut Turn<'_>) -> Result<Progress> {
        channel.flush()?;
        while let Some(count) = channel.read(turn.buffer)? {
            ensure!(count > 0, "the server closed a connection");
            ensure!(self.received + count <= self.asked * BLOCK, "the server sent more than was asked for");
            ensure!(repeats(&PATTERN, self.received, &turn.buffer[..count]), "the server sent something else");
            let blocks = (self.received + count) / BLOCK - self.received / BLOCK;
            self.received += count;
            for _ in 0..blocks {
                turn.tally.transferred(BLOCK);
            }
            if !channel.may_have_more(count, turn.buffer.len()) {
                break;
            }
        }
        if matches!(turn.stage, Stage::WarmUp | Stage::Measuring) {
            while self.asked * BLOCK < self.received + self.ahead * BLOCK && channel.write(b".")? == 1 {
                self.asked += 1;
            }
        }
        let is_quiet = self.received == self.asked * BLOCK;
        Ok(if turn.stage == Stage::Draining && is_quiet { Progress::Finished } else { Progress::Ready })
    }
}
