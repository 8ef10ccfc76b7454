//! What is sent: an endless series of lines of one length, so that a server may echo bytes or lines.
//!
//! The lines repeat after a while, and each connection begins at another one. What is lost, doubled, or taken from
//! another connection therefore shows as a wrong byte, unless the lines are too short to differ.

/// How many different lines there are at most. A prime, so that it falls into step with nothing.
const MOST_LINES: usize = 61;

/// How much memory the lines take at most, unless two take more: it has to stay in the processor's cache.
const MOST_BYTES: usize = 256 * 1024;

/// The lines, one after the other.
#[derive(Debug)]
pub struct Messages {
    bytes: Vec<u8>,
    size: usize,
}

impl Messages {
    /// Makes lines of `size` bytes each, the line feed included.
    ///
    /// # Panics
    /// If `size` is 0.
    #[must_use]
    pub fn new(size: usize) -> Self {
        assert!(size > 0, "a line has a line feed at least");
        let lines = (MOST_BYTES / size).clamp(2, MOST_LINES);
        let mut bytes: Vec<u8> = printable().take(lines * size).collect();
        for line in bytes.chunks_exact_mut(size) {
            line[size - 1] = b'\n';
        }
        Self { bytes, size }
    }

    /// How long each message is.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Where connection `number` begins: the offset of a message.
    #[must_use]
    pub fn beginning(&self, number: usize) -> usize {
        number % (self.bytes.len() / self.size) * self.size
    }

    /// What remains of the message that has the byte at `offset` of the series.
    #[must_use]
    pub fn rest_of_message(&self, offset: usize) -> &[u8] {
        let place = offset % self.bytes.len();
        &self.bytes[place..][..self.size - offset % self.size]
    }

    /// Whether `bytes` are what the series has from `offset` on.
    #[must_use]
    pub fn continues_with(&self, offset: usize, bytes: &[u8]) -> bool {
        repeats(&self.bytes, offset, bytes)
    }
}

/// Whether `bytes` are what an endless repetition of `pattern` has from `offset` on.
#[must_use]
pub fn repeats(pattern: &[u8], offset: usize, bytes: &[u8]) -> bool {
    let mut place = offset % pattern.len();
    let mut remaining = bytes;
    while !remaining.is_empty() {
        let expected = &pattern[place..];
        let count = expected.len().min(remaining.len());
        if expected[..count] != remaining[..count] {
            return false;
        }
        remaining = &remaining[count..];
        place = 0;
    }
    true
}

/// An endless row of printable characters that looks random and is always the same (xorshift).
fn printable() -> impl Iterator<Item = u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'!' + state.to_le_bytes()[3] % 90
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_one_line() {
        for size in [1, 2, 64, 1024, 262_144] {
            let messages = Messages::new(size);
            let mut offset = messages.beginning(3);
            for _ in 0..100 {
                let message = messages.rest_of_message(offset);
                assert_eq!(message.len(), size);
                assert_eq!(message.iter().position(|byte| *byte == b'\n'), Some(size - 1));
                offset += size;
            }
        }
    }

    #[test]
    fn a_series_continues_with_itself_in_any_pieces() {
        let messages = Messages::new(64);
        let series: Vec<u8> = (0..200).flat_map(|number| messages.rest_of_message(number * 64).to_vec()).collect();
        for (begin, end) in [(0, 1), (63, 65), (1, 12_800), (3904, 3905), (3903, 12_000)] {
            assert!(messages.continues_with(begin, &series[begin..end]));
        }
    }

    #[test]
    fn a_lost_message_and_a_wrong_byte_show() {
        let messages = Messages::new(64);
        let second = messages.rest_of_message(64).to_vec();
        assert!(!messages.continues_with(0, &second));
        for place in 0..64 {
            let mut wrong = second.clone();
            wrong[place] ^= 1;
            assert!(!messages.continues_with(64, &wrong));
        }
    }

    #[test]
    fn neighbours_begin_at_different_messages() {
        let messages = Messages::new(64);
        assert_ne!(messages.rest_of_message(messages.beginning(0)), messages.rest_of_message(messages.beginning(1)));
    }
}
