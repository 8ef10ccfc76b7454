//! Threads, as `threading` numbers them.

use pyo3::{Python, ffi};

/// What `threading.get_ident()` returns on this thread; never zero.
#[must_use]
pub fn ident(_py: Python<'_>) -> u64 {
    // SAFETY: the function takes nothing and can be called on any thread.
    #[allow(clippy::useless_conversion, reason = "a C long isn't 64 bits wide everywhere")]
    u64::from(unsafe { ffi::PyThread_get_thread_ident() })
}

/// This thread among those that Python knows of. A loop asks about them at every turn.
pub struct Company {
    interpreter: *mut ffi::PyInterpreterState,
    own: *mut ffi::PyThreadState,
    is_oldest: bool,
}

impl Company {
    /// The company of the thread that calls. The value stays on it: pointers aren't `Send`.
    #[must_use]
    pub fn of_this_thread(_py: Python<'_>) -> Self {
        // SAFETY: the thread is attached, so that it has a state, and the state an interpreter.
        let own = unsafe { ffi::PyThreadState_Get() };
        // SAFETY: as above.
        let interpreter = unsafe { ffi::PyInterpreterState_Get() };
        // SAFETY: `own` is in the list for as long as this thread is attached; the function takes the list's lock.
        let next = unsafe { ffi::PyThreadState_Next(own) };
        Self { interpreter, own, is_oldest: next.is_null() }
    }

    /// Whether this is the thread that Python was started on, of those that are left: the one that its signal handlers
    /// run on.
    #[must_use]
    pub fn is_oldest(&self) -> bool {
        self.is_oldest
    }

    /// Whether this is the only thread that Python knows of, so that nobody can be waiting for the GIL.
    #[must_use]
    pub fn is_alone(&self, _py: Python<'_>) -> bool {
        // The interpreter puts new threads at the head of its list: the oldest has company when it isn't the head.
        // SAFETY: the interpreter is alive while a thread is attached to it. The list's head is only compared.
        let newest = unsafe { ffi::PyInterpreterState_ThreadHead(self.interpreter) };
        self.is_oldest && newest == self.own
    }
}
