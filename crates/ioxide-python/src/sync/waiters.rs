//! Those who wait for an object, in the order in which they came: futures, of whatever kind the loop makes.
//!
//! Programs look at them, as `_waiters` of a lock or `_getters` of a queue, put futures in and take them out. So the first
//! look moves them into a `collections.deque`, which is used from then on. Until then they are kept natively.

use std::collections::VecDeque;

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::combinators::any_future;
use crate::combinators::awaiting::Awaiting;
use crate::combinators::operation::{Resumption, Step};
use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;

/// The futures of those who wait.
pub struct Waiters(AttachedCell<Line>);

enum Line {
    /// Nobody but us has seen them.
    Native(VecDeque<Py<PyAny>>),
    /// The deque that the program has.
    Shared(Py<PyAny>),
}

impl Line {
    /// The deque, if the program has one.
    fn shared<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self {
            Self::Native(_) => None,
            Self::Shared(deque) => Some(deque.bind(py).clone()),
        }
    }
}

impl Waiters {
    /// Nobody.
    pub const fn new() -> Self {
        Self(AttachedCell::new(Line::Native(VecDeque::new())))
    }

    /// Looks at them where they are kept natively. `Err` is the program's deque.
    fn natively<'py, R>(
        &self,
        py: Python<'py>,
        access: impl FnOnce(&mut VecDeque<Py<PyAny>>) -> R,
    ) -> Result<R, Bound<'py, PyAny>> {
        self.0.with(py, |line| match line {
            Line::Native(waiters) => Ok(access(waiters)),
            Line::Shared(deque) => Err(deque.bind(py).clone()),
        })
    }

    /// Puts a future at the end.
    ///
    /// # Errors
    /// What the program's deque raises. So for the others.
    pub fn push(&self, waiter: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, kept) = (waiter.py(), waiter.clone().unbind());
        let refused = self.0.with(py, |line| match line {
            Line::Native(waiters) => {
                waiters.push_back(kept);
                None
            }
            Line::Shared(deque) => Some((deque.bind(py).clone(), kept)),
        });
        let Some((deque, kept)) = refused else { return Ok(()) };
        deque.call_method1(pyo3::intern!(py, "append"), (kept,)).map(drop)
    }

    /// Takes a future out, wherever it stands, if it is there.
    ///
    /// # Errors
    /// See [`Self::push`].
    pub fn remove(&self, waiter: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = waiter.py();
        let removed = self.natively(py, |waiters| {
            let position = waiters.iter().position(|known| known.is(waiter))?;
            waiters.remove(position)
        });
        let Err(deque) = removed else { return Ok(()) };
        match deque.call_method1(pyo3::intern!(py, "remove"), (waiter,)) {
            Err(error) if !error.is_instance_of::<PyValueError>(py) => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes out the one that came first.
    ///
    /// # Errors
    /// See [`Self::push`].
    pub fn pop<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.natively(py, VecDeque::pop_front) {
            Ok(waiter) => Ok(waiter.map(|waiter| waiter.into_bound(py))),
            Err(deque) if deque.is_truthy()? => deque.call_method0(pyo3::intern!(py, "popleft")).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The one at a position, left where it is. Others may come and go as soon as Python code runs.
    ///
    /// # Errors
    /// See [`Self::push`].
    pub fn at<'py>(&self, py: Python<'py>, position: usize) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.natively(py, |waiters| waiters.get(position).map(|waiter| waiter.bind(py).clone())) {
            Ok(waiter) => Ok(waiter),
            Err(deque) => match deque.get_item(position) {
                Err(error) if error.is_instance_of::<PyIndexError>(py) => Ok(None),
                found => found.map(Some),
            },
        }
    }

    /// Whether it is known without asking anybody that nobody waits.
    pub fn is_surely_empty(&self, py: Python<'_>) -> bool {
        self.0.with(py, |line| matches!(line, Line::Native(waiters) if waiters.is_empty()))
    }

    /// How many wait.
    ///
    /// # Errors
    /// See [`Self::push`].
    pub fn len(&self, py: Python<'_>) -> PyResult<usize> {
        self.natively(py, |waiters| waiters.len()).or_else(|deque| deque.len())
    }

    /// Lets the first go on who still waits.
    ///
    /// # Errors
    /// What letting a future go on raises that isn't ours. So for the next.
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
    ///
    /// # Errors
    /// Out of memory.
    pub fn share<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(deque) = self.0.with(py, |line| line.shared(py)) {
            return Ok(deque);
        }
        let deque = asyncio::DEQUE.get(py)?.call0()?;
        let kept = deque.clone().unbind();
        // To make it may have run a finalizer of the program's, which has looked, too.
        let moved = self.0.with(py, |line| match line {
            Line::Native(_) => Ok(std::mem::replace(line, Line::Shared(kept))),
            Line::Shared(earlier) => Err((earlier.bind(py).clone(), kept)),
        });
        match moved {
            Ok(Line::Native(waiters)) => {
                for waiter in waiters {
                    deque.call_method1(pyo3::intern!(py, "append"), (waiter,))?;
                }
                Ok(deque)
            }
            Ok(Line::Shared(_)) => Ok(deque),
            Err((earlier, _)) => Ok(earlier),
        }
    }

    /// As [`Self::share`]; `None` as long as nobody has ever waited, where asyncio makes the deque for the first who does.
    ///
    /// # Errors
    /// Out of memory.
    pub fn share_if_used<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        // Whoever waited has left behind the room to wait in.
        match self.natively(py, |waiters| waiters.capacity() == 0) {
            Ok(true) => Ok(None),
            Ok(false) => self.share(py).map(Some),
            Err(deque) => Ok(Some(deque)),
        }
    }

    /// Uses a deque of the program's from now on. `None` is as if nobody had ever waited.
    pub fn set(&self, py: Python<'_>, deque: Option<Bound<'_, PyAny>>) {
        let line = deque.map_or_else(|| Line::Native(VecDeque::new()), |deque| Line::Shared(deque.unbind()));
        drop(self.0.replace(py, line));
    }

    /// Shows the futures to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.traverse(|line| match line {
            Line::Native(waiters) => waiters.iter().try_for_each(|waiter| visit.call(waiter)),
            Line::Shared(deque) => visit.call(deque),
        })
    }

    /// Forgets all: nobody has ever waited.
    pub fn clear(&self, py: Python<'_>) {
        self.set(py, None);
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
        let waiting = Self::prepare(event_loop)?;
        waiting.join(event_loop.py(), waiters)?;
        Ok(waiting)
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
    ///
    /// # Errors
    /// What the program's deque raises.
    pub fn join(&self, py: Python<'_>, waiters: &Waiters) -> PyResult<()> {
        waiters.push(self.future(py))
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
