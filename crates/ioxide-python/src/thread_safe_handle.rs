//! `asyncio.events._ThreadSafeHandle` (Python 3.14): what `call_soon_threadsafe` returns.
//!
//! Another thread that cancels it, or asks whether it is cancelled, waits while the callback runs: by then the callback
//! has either ended or will not run.

use pyo3::prelude::*;

use crate::cpython::asyncio;
use crate::cpython::free_list::{self, free_list};
use crate::cpython::traversal::{self, Traverse};
use crate::event_loop::EventLoop;
use crate::handle::{Arguments, Handle};
use crate::reentrant_lock::ReentrantLock;

/// A handle that any thread may cancel.
#[pyclass(frozen, extends = Handle, name = "_ThreadSafeHandle", module = "ioxide")]
pub struct ThreadSafeHandle {
    /// The callback itself may cancel its handle.
    lock: ReentrantLock,
}

impl ThreadSafeHandle {
    /// Makes a handle that isn't scheduled yet.
    ///
    /// # Errors
    /// Out of memory.
    pub fn make<'py>(
        event_loop: &Bound<'py, EventLoop>,
        callback: &Bound<'py, PyAny>,
        arguments: Arguments,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let handle = Handle::new(event_loop, callback, arguments, context)?;
        Self::of_handle(py, handle, event_loop.get().shows_handles_at_once())
    }

    fn of_handle(py: Python<'_>, handle: Handle, is_seen: bool) -> PyResult<Bound<'_, Self>> {
        free_list::make_derived(py, handle, Self { lock: ReentrantLock::new() }, is_seen, |handle, derived| {
            Bound::new(py, PyClassInitializer::from(handle).add_subclass(derived))
        })
    }

    /// As [`Handle::run_and_drop`]. Nobody can cancel what nobody has, so that no lock is needed then.
    ///
    /// # Errors
    /// As [`Handle::run`].
    pub fn run_and_drop(slf: Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        match free_list::take_apart_derived::<Handle, Self>(slf) {
            Ok((handle, _)) => handle.run_alone(py, |handle| Self::of_handle(py, handle, true).map(Bound::into_super)),
            Err(slf) => {
                traversal::show_to_collector(&slf);
                Self::run(&slf)
            }
        }
    }

    /// Runs the callback under the lock, unless it was cancelled.
    ///
    /// # Errors
    /// As [`Handle::run`].
    pub fn run(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().lock.locked(slf.py(), || Handle::run_unless_cancelled(slf.as_super()))
    }
}

free_list!(ThreadSafeHandle);

impl Traverse for ThreadSafeHandle {
    fn each<E>(slf: &Bound<'_, Self>, show: &mut impl FnMut(&Py<PyAny>) -> Result<(), E>) -> Result<(), E> {
        slf.as_super().get().show(show)
    }
}

#[pymethods]
impl ThreadSafeHandle {
    /// Makes sure that the callback doesn't run, and lets go of it and of its arguments. Waits while it runs.
    fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().lock.locked(slf.py(), || Handle::cancel(slf.as_super()))
    }

    /// Whether the handle was cancelled. Waits while the callback runs.
    fn cancelled(slf: &Bound<'_, Self>) -> PyResult<bool> {
        slf.get().lock.locked(slf.py(), || Ok(slf.as_super().get().cancelled(slf.py())))
    }

    fn _run(slf: &Bound<'_, Self>) -> PyResult<()> {
        // From Python 3.14 on the reference that the caller has needn't be counted.
        let held = slf.clone();
        Self::run(&held)
    }

    /// To `isinstance`, a handle of asyncio's.
    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::THREAD_SAFE_HANDLE.get(py).cloned()
    }
}
