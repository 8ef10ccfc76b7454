//! Threads, as `threading` numbers them.

use pyo3::{Python, ffi};

/// What `threading.get_ident()` returns on this thread; never zero.
#[must_use]
pub fn ident(_py: Python<'_>) -> u64 {
    // SAFETY: the function takes nothing and can be called on any thread.
    #[allow(clippy::useless_conversion, reason = "a C long isn't 64 bits wide everywhere")]
    u64::from(unsafe { ffi::PyThread_get_thread_ident() })
}
