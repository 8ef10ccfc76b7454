//! Those who wait for an object, in the order in which they came: futures, of whatever kind the loop makes.

use std::collections::VecDeque;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::combinators::any_future;
use crate::combinators::awaiting::Awaiting;
use crate::combinators::operation::{Resumption, Step};
use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;

/// The futures of those who wait.
pub struct Waiters(AttachedCell<VecDeque<Py<PyAny>>>);

impl Waiters {
    /// Nobody.
    pub const fn new() -> Self {
        Self(AttachedCell::new(VecDeque::new()))
    }

    /// Puts a future at the end.
    pub fn push(&self, waiter: &Bound<'_, PyAny>) {
        let kept = waiter.clone().unbind();
        self.0.with(waiter.py(), |waiters| waiters.push_back(kept));
    }

    /// Takes a future out, wherever it stands. Returns whether it was there.
    pub fn remove(&self, waiter: &Bound<'_, PyAny>) -> bool {
        let removed = self.0.with(waiter.py(), |waiters| {
            let position = waiters.iter().position(|known| known.is(waiter))?;
            waiters.remove(position)
        });
        removed.is_some()
    }

    /// Takes out the one that came first.
    pub fn pop<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.with(py, VecDeque::pop_front).map(|waiter| waiter.into_bound(py))
    }

    /// The one at a position, left where it is. Others may come and go as soon as Python code runs.
    pub fn at<'py>(&self, py: Python<'py>, position: usize) -> Option<Bound<'py, PyAny>> {
        self.0.with(py, |waiters| waiters.get(position).map(|waiter| waiter.bind(py).clone()))
    }

    /// How many wait.
    pub fn len(&self, py: Python<'_>) -> usize {
        self.0.with(py, |waiters| waiters.len())
    }

    /// A copy, as the `collections.deque` that asyncio's classes have in a private attribute.
    ///
    /// # Errors
    /// Out of memory.
    pub fn to_deque<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let waiters: Vec<_> = self.0.with(py, |waiters| waiters.iter().map(|waiter| waiter.bind(py).clone()).collect());
        asyncio::DEQUE.get(py)?.call1((PyTuple::new(py, waiters)?,))
    }

    /// As [`Self::to_deque`]; `None` as long as nobody has ever waited, where asyncio makes the deque for the first who does.
    ///
    /// # Errors
    /// Out of memory.
    pub fn to_deque_if_used<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        // Whoever waited has left behind the room to wait in.
        if self.0.with(py, |waiters| waiters.capacity() == 0) { Ok(None) } else { self.to_deque(py).map(Some) }
    }

    /// Shows the futures to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.traverse(|waiters| waiters.iter().try_for_each(|waiter| visit.call(waiter)))
    }

    /// Forgets all, for the garbage collector.
    pub fn clear(&self, py: Python<'_>) {
        drop(self.0.replace(py, VecDeque::new()));
    }
}

/// One who waits: the part of a native coroutine between making the future and its end.
pub struct Waiting {
    future: Py<PyAny>,
    awaiting: Awaiting,
}

impl Waiting {
    /// Makes a future of `event_loop` and puts it at the end of `waiters`. The first step follows by [`Self::resume`].
    ///
    /// # Errors
    /// What a loop's `create_future` raises.
    pub fn begin(event_loop: &Bound<'_, PyAny>, waiters: &Waiters) -> PyResult<Self> {
        Self::prepare(event_loop).inspect(|waiting| waiting.join(event_loop.py(), waiters))
    }

    /// Makes a future of `event_loop`, which isn't among the waiters yet: [`Self::join`] puts it there.
    ///
    /// # Errors
    /// What a loop's `create_future` raises.
    pub fn prepare(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let future = any_future::create(event_loop)?;
        let awaiting = Awaiting::of(&future)?;
        Ok(Self { future: future.unbind(), awaiting })
    }

    /// Puts the future at the end of `waiters`.
    pub fn join(&self, py: Python<'_>, waiters: &Waiters) {
        waiters.push(self.future(py));
    }

    /// Waits on. When this is no `Step::Yielded`, the wait is over, one way or the other, and the future is still among
    /// the waiters.
    ///
    /// # Errors
    /// What was thrown in, and what the future ended with.
    pub fn resume<'py>(&self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        self.awaiting.resume(py, resumption)
    }

    /// The future.
    pub fn future<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.future.bind(py)
    }

    /// What is awaited.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.awaiting.object(py)
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.future)?;
        self.awaiting.traverse(visit)
    }
}
