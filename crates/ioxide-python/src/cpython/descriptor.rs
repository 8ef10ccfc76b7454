//! File descriptors that come from Python as numbers.

use std::os::fd::{BorrowedFd, RawFd};

use pyo3::PyResult;
use pyo3::exceptions::PyValueError;

/// Looks at a number as a descriptor, for one system call.
///
/// # Errors
/// `ValueError` for a negative number, which is no descriptor.
pub fn borrow<'fd>(number: RawFd) -> PyResult<BorrowedFd<'fd>> {
    if number < 0 {
        return Err(PyValueError::new_err(format!("Invalid file descriptor: {number}")));
    }
    // SAFETY: -1 is excluded above, which is the one value that must never be in a `BorrowedFd`. That the descriptor is
    // open, the program has to see to, as with every number that it gives to `os` or `select`; if it isn't, or is by
    // now another file, the system call fails or concerns that file, and no memory of ours is involved.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}
