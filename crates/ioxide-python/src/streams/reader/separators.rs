//! What `readuntil` looks for, and finding it.

use std::io::BufRead;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
#[cfg(Py_3_13)]
use pyo3::types::PyTuple;

use crate::cpython::buffer::Contiguous;

/// One or several separators. The shortest chunk that ends with any of them is wanted.
pub enum Separators {
    /// As mostly.
    One(Contiguous),
    /// Several, from Python 3.13 on.
    #[cfg(Py_3_13)]
    Several(Box<[Contiguous]>),
}

/// Where a chunk ends.
#[derive(Clone, Copy)]
pub struct Match {
    /// Where the separator begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

impl Separators {
    /// Looks at what the program gave.
    ///
    /// # Errors
    /// `ValueError` for none and for empty ones, `TypeError` for what isn't bytes-like.
    pub fn of(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = given.py();
        #[cfg(Py_3_13)]
        if let Ok(several) = given.cast::<PyTuple>() {
            let several = several.iter().map(|separator| one(&separator)).collect::<PyResult<Box<[_]>>>()?;
            if several.is_empty() {
                return Err(PyValueError::new_err("Separator should contain at least one element"));
            }
            return Self::Several(several).check(py);
        }
        Self::One(one(given)?).check(py)
    }

    fn check(self, py: Python<'_>) -> PyResult<Self> {
        if self.lengths(py).0 == 0 {
            return Err(PyValueError::new_err("Separator should be at least one-byte string"));
        }
        Ok(self)
    }

    /// That of the shortest, and that of the longest.
    fn lengths(&self, py: Python<'_>) -> (usize, usize) {
        match self {
            Self::One(separator) => (separator.len(py), separator.len(py)),
            #[cfg(Py_3_13)]
            Self::Several(several) => {
                let lengths = several.iter().map(|separator| separator.len(py));
                (lengths.clone().min().unwrap_or(0), lengths.max().unwrap_or(0))
            }
        }
    }

    /// Looks for the match that ends first. What is before `offset` has been looked at.
    pub fn find(&self, py: Python<'_>, bytes: &[u8], offset: usize) -> Option<Match> {
        if bytes.len() < offset + self.lengths(py).0 {
            return None;
        }
        match self {
            Self::One(separator) => find(bytes, separator.as_slice(py), offset),
            #[cfg(Py_3_13)]
            Self::Several(several) => {
                let found = several.iter().filter_map(|separator| find(bytes, separator.as_slice(py), offset));
                // Of those that end at the same place the shortest counts.
                found.min_by_key(|found| (found.end, std::cmp::Reverse(found.start)))
            }
        }
    }

    /// How much of `length` bytes in which none was found needn't be looked at again.
    pub fn searched(&self, py: Python<'_>, length: usize, offset: usize) -> usize {
        let (min_length, max_length) = self.lengths(py);
        if length < offset + min_length { offset } else { (length + 1).saturating_sub(max_length) }
    }
}

fn one(separator: &Bound<'_, PyAny>) -> PyResult<Contiguous> {
    separator.len()?;
    Contiguous::of(separator).map_err(|_| match separator.get_type().name() {
        Ok(kind) => PyTypeError::new_err(format!("argument should be integer or bytes-like object, not '{kind}'")),
        Err(error) => error,
    })
}

/// Looks for `separator`, which isn't empty, from `offset` on.
pub fn find(bytes: &[u8], separator: &[u8], offset: usize) -> Option<Match> {
    let (first, rest) = separator.split_first()?;
    let mut position = offset;
    loop {
        // The standard library's search for one byte is the platform's `memchr`.
        let mut unseen = bytes.get(position..)?;
        let skipped = unseen.skip_until(*first).ok()?;
        position += skipped;
        if skipped == 0 || bytes[position - 1] != *first {
            return None;
        }
        if bytes[position..].starts_with(rest) {
            return Some(Match { start: position - 1, end: position + rest.len() });
        }
    }
}
