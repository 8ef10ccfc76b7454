//! Threads, as `threading` numbers them.

use pyo3::{Python, ffi};

/// What `threading.get_ident()` returns on this thread; never zero.
#[must_use]
pub fn ident(_py: Python<'_>) -> u64 {
    // SAFETY: the function takes nothing and can be called on any thread.
    #[allow(clippy::useless_conversion, reason = "a C long isn't 64 bits wide everywhere")]
    u64::from(unsafe { ffi::PyThread_get_thread_ident() })
}

/// Whether this is the only thread that Python knows of, so that nobody can be waiting for the GIL.
#[must_use]
pub fn is_alone(_py: Python<'_>) -> bool {
    // SAFETY: the thread is attached, so that it has a state, and the state an interpreter.
    let own = unsafe { ffi::PyThreadState_Get() };
    // SAFETY: as above.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: the interpreter is alive while a thread is attached to it. The list's head is only compared.
    let first = unsafe { ffi::PyInterpreterState_ThreadHead(interpreter) };
    // SAFETY: `own` is in the list for as long as this thread is attached; the function takes the list's lock.
    let next = unsafe { ffi::PyThreadState_Next(own) };
    first == own && next.is_null()
}
