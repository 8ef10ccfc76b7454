//! What a transport still has to write.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use pyo3::prelude::*;
#[cfg(not(Py_3_12))]
use pyo3::types::PyBytes;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};

use crate::cpython::buffer::Contiguous;

/// How many pieces go to the kernel in one call: as many as it takes (`IOV_MAX`), and as asyncio gives it.
const MAX_PIECES: usize = 1024;

/// Pieces of data in the order in which they are to be sent.
pub struct WriteBuffer {
    pieces: VecDeque<Piece>,
    /// The sum of the pieces' lengths.
    size: usize,
}

/// A piece, of which the first `position` bytes have been sent.
pub struct Piece {
    data: Contiguous,
    position: usize,
}

impl Piece {
    /// What is left of `data` when its first `sent` bytes have gone.
    ///
    /// What can change keeps being shown as it is, and can't be resized, as in asyncio from 3.12 on. Before, asyncio
    /// took a copy.
    pub fn rest_of(py: Python<'_>, data: Contiguous, sent: usize) -> Self {
        #[cfg(not(Py_3_12))]
        if let Contiguous::Buffer(_) = data {
            let copy = PyBytes::new(py, &data.as_slice(py)[sent..]).unbind();
            return Self { data: Contiguous::Bytes(copy), position: 0 };
        }
        let _ = py;
        Self { data, position: sent }
    }

    fn bytes<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        self.data.as_slice(py).get(self.position..).unwrap_or_default()
    }
}

impl WriteBuffer {
    pub const fn new() -> Self {
        Self { pieces: VecDeque::new(), size: 0 }
    }

    /// How many bytes there are.
    pub fn size(&self) -> usize {
        self.size
    }

    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Puts a piece behind the others.
    pub fn push(&mut self, py: Python<'_>, piece: Piece) {
        self.size += piece.bytes(py).len();
        self.pieces.push_back(piece);
    }

    /// Takes everything out, for the caller to drop.
    #[must_use]
    pub fn take(&mut self) -> VecDeque<Piece> {
        self.size = 0;
        std::mem::take(&mut self.pieces)
    }

    /// Sends as much as the kernel takes in one call. Returns the pieces that have gone, for the caller to drop.
    ///
    /// # Errors
    /// The kernel's, `EAGAIN` among them.
    pub fn send(&mut self, py: Python<'_>, socket: BorrowedFd<'_>) -> Result<Vec<Piece>, Errno> {
        let slices: Vec<_> = self.pieces.iter().take(MAX_PIECES).map(|piece| IoSlice::new(piece.bytes(py))).collect();
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let sent = rustix::net::sendmsg(socket, &slices, &mut SendAncillaryBuffer::default(), flags)?;
        Ok(self.sent(py, sent))
    }

    fn sent(&mut self, py: Python<'_>, mut count: usize) -> Vec<Piece> {
        self.size -= count;
        let mut gone = Vec::new();
        while let Some(mut piece) = self.pieces.pop_front() {
            let length = piece.bytes(py).len();
            if length > count {
                piece.position += count;
                self.pieces.push_front(piece);
                break;
            }
            count -= length;
            gone.push(piece);
        }
        gone
    }
}
