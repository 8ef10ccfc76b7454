//! The queue of `as_completed`: futures that are done, and whoever waits for the next one.
//!
//! Who finds it empty waits for a future of his own, a *getter*. Getters are released in the order in which they came. One
//! that was released, and is cancelled before it could take anything, has the next one released: nothing is lost.

use std::collections::VecDeque;

use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration, PyTimeoutError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::any_future;
use super::as_completed::AsCompletedIterator;
use super::awaiting::Awaiting;
use super::operation::{Resumption, Step};
use super::running_loop;
use crate::cpython::attached_cell::AttachedCell;

/// What stands in the queue.
pub enum Completion {
    /// A future that is done.
    Done(Py<PyAny>),
    /// In the place of a future that wasn't done in time.
    TimeIsUp,
}

/// Futures that are done.
pub struct CompletionQueue {
    state: AttachedCell<Queue>,
}

struct Queue {
    done: VecDeque<Completion>,
    getters: VecDeque<Py<PyAny>>,
    /// The loop on which somebody waited first.
    event_loop: Option<Py<PyAny>>,
}

impl Queue {
    const fn new() -> Self {
        Self { done: VecDeque::new(), getters: VecDeque::new(), event_loop: None }
    }
}

impl CompletionQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { state: AttachedCell::new(Queue::new()) }
    }

    /// Queues what the next who asks will get.
    ///
    /// # Errors
    /// What a getter that isn't ours raises.
    pub fn put(&self, py: Python<'_>, completion: Completion) -> PyResult<()> {
        self.state.with(py, |queue| queue.done.push_back(completion));
        self.release_next(py)
    }

    fn take(&self, py: Python<'_>) -> Option<Completion> {
        self.state.with(py, |queue| queue.done.pop_front())
    }

    fn release_next(&self, py: Python<'_>) -> PyResult<()> {
        while let Some(getter) = self.state.with(py, |queue| queue.getters.pop_front()) {
            let getter = getter.bind(py);
            if !any_future::is_done(getter)? {
                return any_future::release(getter);
            }
        }
        Ok(())
    }

    fn make_getter<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let event_loop = running_loop(py)?;
        let is_same = self
            .state
            .with(py, |queue| queue.event_loop.get_or_insert_with(|| event_loop.clone().unbind()).is(&event_loop));
        if !is_same {
            let message = format!("<Queue at {self:p}> is bound to a different event loop");
            return Err(PyRuntimeError::new_err(message));
        }
        let getter = any_future::create(&event_loop)?;
        self.state.with(py, |queue| queue.getters.push_back(getter.clone().unbind()));
        Ok(getter)
    }

    /// Whoever waited for `getter` doesn't any more.
    fn give_up(&self, getter: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = getter.py();
        any_future::cancel(getter, None)?;
        let (removed, has_any) = self.state.with(py, |queue| {
            let position = queue.getters.iter().position(|other| other.is(getter));
            (position.and_then(|position| queue.getters.remove(position)), !queue.done.is_empty())
        });
        drop(removed);
        if has_any && !any_future::is_cancelled(getter)? {
            return self.release_next(py);
        }
        Ok(())
    }

    /// Forgets everything.
    pub fn clear(&self, py: Python<'_>) {
        drop(self.state.replace(py, Queue::new()));
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.traverse(|queue| {
            for completion in &queue.done {
                if let Completion::Done(future) = completion {
                    visit.call(future)?;
                }
            }
            queue.getters.iter().try_for_each(|getter| visit.call(getter))?;
            visit.call(&queue.event_loop)
        })
    }
}

/// What awaiting the next one gives.
#[derive(Clone, Copy)]
pub enum Gives {
    /// The future itself, for `async for`. Its turn is claimed at the first step.
    #[cfg_attr(not(Py_3_13), expect(dead_code, reason = "there is no asynchronous iterator before 3.13"))]
    Future,
    /// The future's result.
    Result,
}

/// The coroutine that awaits the next one.
pub struct NextCompleted {
    iterator: Py<AsCompletedIterator>,
    gives: Gives,
    state: State,
}

enum State {
    Created,
    /// For a getter, which is there twice: what awaiting it means, and itself.
    Waiting(Awaiting, Py<PyAny>),
}

/// What a try to take the next one comes to.
enum Taken<'py> {
    Completion(Completion),
    /// Nothing yet: what is yielded meanwhile.
    Waits(Step<'py>),
}

impl NextCompleted {
    pub(super) const fn new(iterator: Py<AsCompletedIterator>, gives: Gives) -> Self {
        Self { iterator, gives, state: State::Created }
    }

    pub(super) fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        let is_first = matches!(self.state, State::Created);
        if is_first && matches!(self.gives, Gives::Future) && !self.iterator.get().claim(py) {
            return Err(PyStopAsyncIteration::new_err(()));
        }
        match self.take_or_wait(py, resumption) {
            Ok(Taken::Completion(completion)) => self.give(py, completion),
            Ok(Taken::Waits(step)) => Ok(step),
            Err(error) => {
                if cfg!(Py_3_14) {
                    self.iterator.get().give_back(py);
                }
                Err(error)
            }
        }
    }

    fn take_or_wait<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Taken<'py>> {
        if let State::Waiting(awaiting, getter) = &self.state {
            let step = awaiting.resume(py, resumption);
            if let Some(step) = self.still_waits(getter.bind(py), step)? {
                return Ok(Taken::Waits(step));
            }
        }
        loop {
            if let Some(completion) = self.iterator.get().queue.take(py) {
                return Ok(Taken::Completion(completion));
            }
            let getter = self.iterator.get().queue.make_getter(py)?;
            let awaiting = Awaiting::of(&getter)?;
            let step = awaiting.resume(py, Resumption::Next);
            let step = self.still_waits(&getter, step)?;
            self.state = State::Waiting(awaiting, getter.unbind());
            if let Some(step) = step {
                return Ok(Taken::Waits(step));
            }
        }
    }

    /// `None` if the getter was released.
    fn still_waits<'py>(&self, getter: &Bound<'py, PyAny>, step: PyResult<Step<'py>>) -> PyResult<Option<Step<'py>>> {
        match step {
            Ok(Step::Returned(_)) => Ok(None),
            Ok(step) => Ok(Some(step)),
            Err(error) => {
                self.iterator.get().queue.give_up(getter)?;
                Err(error)
            }
        }
    }

    fn give<'py>(&self, py: Python<'py>, completion: Completion) -> PyResult<Step<'py>> {
        let Completion::Done(future) = completion else { return Err(PyTimeoutError::new_err(())) };
        let future = future.into_bound(py);
        match self.gives {
            Gives::Future => Ok(Step::Returned(future)),
            Gives::Result => any_future::result(&future).map(Step::Returned),
        }
    }

    pub(super) fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &self.state {
            State::Created => None,
            State::Waiting(awaiting, _) => Some(awaiting.object(py)),
        }
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.iterator)?;
        let State::Waiting(awaiting, getter) = &self.state else { return Ok(()) };
        awaiting.traverse(visit)?;
        visit.call(getter)
    }
}
