//! Those who wait for a queue: [`Waiters`] of ours, until the program looks at them.
//!
//! Programs look at `_getters` and `_putters`, and put futures in and take them out. So the first look moves the waiters
//! into a `collections.deque`, which is used from then on.

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::combinators::any_future;
use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::sync::waiters::Waiters;

/// Those who wait, in the order in which they came.
pub struct Line {
    waiters: Waiters,
    /// The deque, once the program has it. The other field is empty then.
    shared: AttachedCell<Option<Py<PyAny>>>,
}

impl Line {
    /// Nobody.
    pub const fn new() -> Self {
        Self { waiters: Waiters::new(), shared: AttachedCell::new(None) }
    }

    fn shared<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.shared.with(py, |shared| shared.as_ref().map(|deque| deque.bind(py).clone()))
    }

    /// Puts a future at the end.
    ///
    /// # Errors
    /// What the program's deque raises. So for the others.
    pub fn push(&self, waiter: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(deque) = self.shared(waiter.py()) else {
            self.waiters.push(waiter);
            return Ok(());
        };
        deque.call_method1(pyo3::intern!(waiter.py(), "append"), (waiter,)).map(drop)
    }

    /// Takes a future out, if it is there.
    pub fn remove(&self, waiter: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = waiter.py();
        let Some(deque) = self.shared(py) else {
            self.waiters.remove(waiter);
            return Ok(());
        };
        match deque.call_method1(pyo3::intern!(py, "remove"), (waiter,)) {
            Err(error) if !error.is_instance_of::<PyValueError>(py) => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes out the future that came first.
    pub fn pop<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.shared(py) {
            None => Ok(self.waiters.pop(py)),
            Some(deque) if deque.is_truthy()? => deque.call_method0(pyo3::intern!(py, "popleft")).map(Some),
            Some(_) => Ok(None),
        }
    }

    /// How many wait.
    pub fn len(&self, py: Python<'_>) -> PyResult<usize> {
        self.shared(py).map_or_else(|| Ok(self.waiters.len(py)), |deque| deque.len())
    }

    /// The future at a position.
    pub fn at<'py>(&self, py: Python<'py>, position: usize) -> Option<Bound<'py, PyAny>> {
        self.waiters.at(py, position)
    }

    /// Lets the first go on who still waits.
    pub fn wake_next(&self, py: Python<'_>) -> PyResult<()> {
        while let Some(waiter) = self.pop(py)? {
            if !any_future::is_done(&waiter)? {
                return any_future::release(&waiter);
            }
        }
        Ok(())
    }

    /// Lets all go on.
    #[cfg(Py_3_13)]
    pub fn wake_all(&self, py: Python<'_>) -> PyResult<()> {
        while let Some(waiter) = self.pop(py)? {
            any_future::release(&waiter)?;
        }
        Ok(())
    }

    /// The deque, for the program.
    pub fn share<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(deque) = self.shared(py) {
            return Ok(deque);
        }
        let deque = asyncio::DEQUE.get(py)?.call0()?;
        // To make it may have run a finalizer of the program's, which has looked, too.
        if let Some(deque) = self.shared(py) {
            return Ok(deque);
        }
        let kept = deque.clone().unbind();
        drop(self.shared.replace(py, Some(kept)));
        while let Some(waiter) = self.waiters.pop(py) {
            deque.call_method1(pyo3::intern!(py, "append"), (waiter,))?;
        }
        Ok(deque)
    }

    /// Uses a deque of the program's from now on.
    pub fn set(&self, deque: &Bound<'_, PyAny>) {
        let py = deque.py();
        let kept = deque.clone().unbind();
        drop(self.shared.replace(py, Some(kept)));
        self.waiters.clear(py);
    }

    /// Shows the futures to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.waiters.traverse(visit)?;
        self.shared.traverse(|shared| visit.call(shared))
    }

    /// Forgets all.
    pub fn clear(&self, py: Python<'_>) {
        drop(self.shared.replace(py, None));
        self.waiters.clear(py);
    }
}
