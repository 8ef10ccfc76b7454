//! What a reader has received and nobody has read yet.
//!
//! It is *whole* (the very object that came, from a position on) or *joined* (several that came, in memory of ours). As soon
//! as the program asks for the `bytearray` that asyncio's reader has, it is *shared*: that is the buffer then, for the
//! program may go on looking at it and change it. Once it is empty and nobody else has it, what comes next is whole again.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};

use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::{bytearray, ownership};

/// Memory up to this size, in bytes, is kept when it is empty.
const KEPT_CAPACITY: usize = 2048;

/// The bytes that wait to be read.
pub struct Buffer(AttachedCell<Inner>);

struct Inner {
    content: Content,
    /// Where what is unread begins. Zero while it is shared.
    start: usize,
}

enum Content {
    Whole(Py<PyBytes>),
    Joined(Vec<u8>),
    Shared(Py<PyByteArray>),
}

impl Inner {
    /// What is unread, unless that is shared.
    fn unread<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        match &self.content {
            Content::Whole(bytes) => &bytes.as_bytes(py)[self.start..],
            Content::Joined(bytes) => &bytes[self.start..],
            Content::Shared(_) => &[],
        }
    }

    /// Puts `data` behind what is unread. Returns what it replaces, for the caller to drop.
    fn join(&mut self, py: Python<'_>, data: &[u8]) -> Option<Content> {
        if let Content::Joined(bytes) = &mut self.content {
            // As much is moved at most as was read since the last time.
            if self.start * 2 >= bytes.len() {
                bytes.drain(..self.start);
                self.start = 0;
            }
            bytes.extend_from_slice(data);
            return None;
        }
        let unread = self.unread(py);
        let mut joined = Vec::with_capacity((unread.len() + data.len()).max(unread.len() * 2));
        joined.extend_from_slice(unread);
        joined.extend_from_slice(data);
        self.start = 0;
        Some(std::mem::replace(&mut self.content, Content::Joined(joined)))
    }

    /// Takes `count` bytes away from the front. Returns what is no longer needed, for the caller to drop.
    fn advance(&mut self, py: Python<'_>, count: usize) -> Option<Content> {
        self.start += count;
        if !self.unread(py).is_empty() {
            return None;
        }
        self.start = 0;
        if let Content::Joined(bytes) = &mut self.content
            && bytes.capacity() <= KEPT_CAPACITY
        {
            bytes.clear();
            return None;
        }
        Some(std::mem::replace(&mut self.content, Content::Joined(Vec::new())))
    }
}

impl Buffer {
    /// Nothing.
    pub const fn new() -> Self {
        Self(AttachedCell::new(Inner { content: Content::Joined(Vec::new()), start: 0 }))
    }

    /// How many bytes wait.
    pub fn len(&self, py: Python<'_>) -> usize {
        self.look(py, <[u8]>::len)
    }

    /// Whether none do.
    pub fn is_empty(&self, py: Python<'_>) -> bool {
        self.len(py) == 0
    }

    /// Lends the bytes to `look`, which doesn't call into Python.
    pub fn look<R>(&self, py: Python<'_>, look: impl FnOnce(&[u8]) -> R) -> R {
        match self.shared(py) {
            Some(array) => bytearray::read(&array, look),
            None => self.0.with(py, |inner| look(inner.unread(py))),
        }
    }

    /// Takes up to `count` bytes from the front.
    ///
    /// # Errors
    /// `BufferError` while somebody holds a view of the shared array.
    pub fn take<'py>(&self, py: Python<'py>, count: usize) -> PyResult<Bound<'py, PyBytes>> {
        if let Some(array) = self.shared(py) {
            let taken = bytearray::read(&array, |bytes| PyBytes::new(py, &bytes[..count.min(bytes.len())]));
            bytearray::remove_front(&array, count)?;
            return Ok(taken);
        }
        let (taken, gone) = self.0.with(py, |inner| {
            let count = count.min(inner.unread(py).len());
            let taken = match &inner.content {
                Content::Whole(bytes) if count == bytes.as_bytes(py).len() => bytes.bind(py).clone(),
                // `bytes` isn't tracked by the garbage collector, so making one within the borrow runs no other code.
                _ => PyBytes::new(py, &inner.unread(py)[..count]),
            };
            (taken, inner.advance(py, count))
        });
        drop(gone);
        Ok(taken)
    }

    /// Forgets up to `count` bytes of the front.
    ///
    /// # Errors
    /// `BufferError` while somebody holds a view of the shared array.
    pub fn discard(&self, py: Python<'_>, count: usize) -> PyResult<()> {
        if let Some(array) = self.shared(py) {
            return bytearray::remove_front(&array, count);
        }
        let gone = self.0.with(py, |inner| inner.advance(py, count.min(inner.unread(py).len())));
        drop(gone);
        Ok(())
    }

    /// Puts an object behind what is there, without a copy if that is nothing.
    ///
    /// # Errors
    /// `BufferError` while somebody holds a view of the shared array.
    pub fn push(&self, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let py = data.py();
        if let Some(array) = self.shared(py) {
            // Nobody else has it: one reference is the buffer's, one is held here.
            if array.len() > 0 || !ownership::is_held_by(&array, 2) {
                return bytearray::extend(&array, data.as_bytes());
            }
        }
        let kept = data.clone().unbind();
        let gone = self.0.with(py, |inner| {
            if inner.unread(py).is_empty() {
                inner.start = 0;
                return (Some(std::mem::replace(&mut inner.content, Content::Whole(kept))), None);
            }
            (inner.join(py, data.as_bytes()), Some(kept))
        });
        drop(gone);
        Ok(())
    }

    /// Puts bytes behind what is there.
    ///
    /// # Errors
    /// `BufferError` while somebody holds a view of the shared array.
    pub fn extend(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        if let Some(array) = self.shared(py) {
            return bytearray::extend(&array, data);
        }
        let gone = self.0.with(py, |inner| inner.join(py, data));
        drop(gone);
        Ok(())
    }

    /// The array that is the buffer from now on.
    pub fn share<'py>(&self, py: Python<'py>) -> Bound<'py, PyByteArray> {
        if let Some(array) = self.shared(py) {
            return array;
        }
        let array = self.0.with(py, |inner| PyByteArray::new(py, inner.unread(py)));
        self.replace(&array);
        array
    }

    /// Has another array be the buffer.
    pub fn replace(&self, array: &Bound<'_, PyByteArray>) {
        let content = Content::Shared(array.clone().unbind());
        drop(self.0.replace(array.py(), Inner { content, start: 0 }));
    }

    fn shared<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyByteArray>> {
        self.0.with(py, |inner| match &inner.content {
            Content::Shared(array) => Some(array.bind(py).clone()),
            Content::Whole(_) | Content::Joined(_) => None,
        })
    }

    /// Shows the array to the garbage collector: it may be of a class derived from `bytearray`.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.traverse(|inner| match &inner.content {
            Content::Shared(array) => visit.call(array),
            Content::Whole(_) | Content::Joined(_) => Ok(()),
        })
    }

    /// Forgets all, for the garbage collector.
    pub fn clear(&self, py: Python<'_>) {
        drop(self.0.replace(py, Inner { content: Content::Joined(Vec::new()), start: 0 }));
    }
}
