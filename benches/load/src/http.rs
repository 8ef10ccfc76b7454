//! GET requests on connections that are kept, one at a time, and answers that have to be the same every time.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::channel::Channel;
use crate::conversation::{Conversation, Progress, Stage, Turn};

/// The body of the first answer, which all others have to have.
pub type Expected = Rc<OnceCell<Vec<u8>>>;

/// A connection that asks for one path over and over.
pub struct Client {
    request: Rc<[u8]>,
    expected: Expected,
    answer: Vec<u8>,
    began: Option<Instant>,
    unsent: usize,
    answered: usize,
}

/// The request for a path.
#[must_use]
pub fn request(path: &str) -> Rc<[u8]> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n").into_bytes().into()
}

impl Client {
    /// Asks with that request, and expects that body once it is known.
    #[must_use]
    pub fn new(request: Rc<[u8]>, expected: Expected) -> Self {
        Self { request, expected, answer: Vec::new(), began: None, unsent: 0, answered: 0 }
    }

    fn read(&mut self, channel: &mut Channel, turn: &mut Turn<'_>) -> Result<()> {
        while let Some(count) = channel.read(turn.buffer)? {
            ensure!(count > 0, "the server closed a connection after {} answers", self.answered);
            self.answer.extend_from_slice(&turn.buffer[..count]);
            if let Some(body) = body_of(&self.answer)? {
                let began = self.began.take().context("the server answered nothing that it was asked")?;
                let expected = self.expected.get_or_init(|| body.to_vec());
                ensure!(body == expected.as_slice(), "the server gave two answers to one question");
                turn.tally.answered(body.len(), turn.now.duration_since(began));
                self.answered += 1;
                self.answer.clear();
            }
            if !channel.may_have_more(count, turn.buffer.len()) {
                break;
            }
        }
        Ok(())
    }
}

impl Conversation for Client {
    fn advance(&mut self, channel: &mut Channel, turn: &mut Turn<'_>) -> Result<Progress> {
        channel.flush()?;
        self.read(channel, turn)?;
        let may_begin = match turn.stage {
            Stage::Opening => self.answered == 0,
            Stage::WarmUp | Stage::Measuring => true,
            Stage::Draining => false,
        };
        if self.began.is_none() && may_begin {
            self.began = Some(turn.now);
            self.unsent = self.request.len();
        }
        if self.unsent > 0 {
            self.unsent -= channel.write(&self.request[self.request.len() - self.unsent..])?;
        }
        Ok(match (turn.stage, self.began) {
            (Stage::Draining, None) => Progress::Finished,
            _ if self.answered == 0 => Progress::Opening,
            _ => Progress::Ready,
        })
    }
}

/// Where the header ends and the body begins, once the header is complete.
#[must_use]
pub fn end_of_header(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|place| place + 4)
}

/// The body of an answer, once it is complete.
///
/// # Errors
/// If the answer isn't a success, doesn't say how long it is, or is longer than it says.
fn body_of(answer: &[u8]) -> Result<Option<&[u8]>> {
    let Some(end) = end_of_header(answer) else { return Ok(None) };
    let (header, body) = answer.split_at(end);
    let header = str::from_utf8(header).context("the header isn't text")?;
    let mut lines = header.split("\r\n");
    let status = lines.next().unwrap_or_default();
    ensure!(status.starts_with("HTTP/1.1 200"), "the server answered {status}");
    let length =
        lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let Some((_, length)) = length else { bail!("the answer doesn't say how long it is") };
    let length: usize = length.trim().parse().context("the answer's length isn't a number")?;
    ensure!(body.len() <= length, "the answer is longer than it says");
    Ok((body.len() == length).then_some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_known_when_it_is_complete() {
        let answer = b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-LENGTH:  3\r\n\r\nabc";
        for end in 0..answer.len() {
            assert_eq!(body_of(&answer[..end]).unwrap(), None);
        }
        assert_eq!(body_of(answer).unwrap(), Some(&b"abc"[..]));
    }

    #[test]
    fn wrong_answers_are_refused() {
        for answer in [
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\n\r\nabc",
        ] {
            assert!(body_of(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
