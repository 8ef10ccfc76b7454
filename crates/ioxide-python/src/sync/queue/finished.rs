//! Whether `task_done` was called for every item, and `join`, which waits for that.
//!
//! In asyncio this is an `asyncio.Event`, in the private attribute `_finished`. Ours becomes one when the program looks at
//! it: until then it is a flag and a line.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::Queue;
use crate::combinators::awaiting::Awaiting;
use crate::combinators::operation::{Resumption, Step};
use crate::combinators::{any_future, running_loop_or_none};
use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::sync::loop_bound::LoopBound;
use crate::sync::waiters::{Waiters, Waiting};

/// Whether everything is done, and who waits for that.
pub struct Finished {
    is_set: AttachedCell<bool>,
    joiners: Waiters,
    event_loop: LoopBound,
    /// The `asyncio.Event`, once the program has it. Its waiters are the line's.
    event: AttachedCell<Option<Py<PyAny>>>,
}

/// The coroutine of one `join`.
pub struct Joining {
    queue: Py<Queue>,
    state: State,
}

enum State {
    Created,
    Waiting(Waiting),
    /// Within the event's `wait`.
    Event(Awaiting),
}

impl Finished {
    pub const fn new() -> Self {
        Self {
            is_set: AttachedCell::new(true),
            joiners: Waiters::new(),
            event_loop: LoopBound::new(),
            event: AttachedCell::new(None),
        }
    }

    /// As a new one.
    pub fn reset(&self, py: Python<'_>) {
        self.is_set.set(py, true);
        self.joiners.clear(py);
        self.event_loop.clear(py);
        drop(self.event.replace(py, None));
    }

    fn event<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.event.with(py, |event| event.as_ref().map(|event| event.bind(py).clone()))
    }

    /// Everything is done: lets all go on who wait for that.
    ///
    /// # Errors
    /// What an event of the program's raises, or a future that isn't ours.
    pub fn set(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(event) = self.event(py) {
            return event.call_method0(pyo3::intern!(py, "set")).map(drop);
        }
        if self.is_set.with(py, |is_set| std::mem::replace(is_set, true)) {
            return Ok(());
        }
        // They leave the line themselves.
        let mut position = 0;
        while let Some(waiter) = self.joiners.at(py, position)? {
            any_future::release(&waiter)?;
            position += 1;
        }
        Ok(())
    }

    /// Whether the program hasn't the event.
    pub fn has_no_event(&self, py: Python<'_>) -> bool {
        self.event.with(py, |event| event.is_none())
    }

    /// As [`Self::clear`], where the program hasn't the event.
    pub fn clear_at_once(&self, py: Python<'_>) {
        self.is_set.set(py, false);
    }

    /// Something is to be done.
    ///
    /// # Errors
    /// What an event of the program's raises.
    pub fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.is_set.set(py, false);
        match self.event(py) {
            Some(event) => event.call_method0(pyo3::intern!(py, "clear")).map(drop),
            None => Ok(()),
        }
    }

    /// The event, for the program.
    ///
    /// # Errors
    /// Out of memory.
    pub fn share<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(event) = self.event(py) {
            return Ok(event);
        }
        let event = asyncio::EVENT.get(py)?.call0()?;
        event.setattr(pyo3::intern!(py, "_value"), self.is_set.get(py))?;
        event.setattr(pyo3::intern!(py, "_waiters"), self.joiners.share(py)?)?;
        if let Some(event_loop) = self.event_loop.get(py) {
            event.setattr(pyo3::intern!(py, "_loop"), event_loop)?;
        }
        self.set_event(&event);
        Ok(event)
    }

    /// Uses an event of the program's from now on.
    pub fn set_event(&self, event: &Bound<'_, PyAny>) {
        let kept = event.clone().unbind();
        drop(self.event.replace(event.py(), Some(kept)));
    }

    /// Begins to wait. `None` if there is nothing to wait for.
    fn begin(&self, queue: &Bound<'_, Queue>) -> PyResult<Option<State>> {
        let py = queue.py();
        if self.event(py).is_none() && self.is_set.get(py) {
            return Ok(None);
        }
        if self.event(py).is_some() || self.belongs_elsewhere(py)? {
            // The event says what is wrong with the loop.
            let waiting = self.share(py)?.call_method0(pyo3::intern!(py, "wait"))?;
            return Awaiting::of(&waiting).map(|awaiting| Some(State::Event(awaiting)));
        }
        let event_loop = self.event_loop.bind(queue.as_any())?;
        Waiting::begin(&event_loop, &self.joiners).map(|waiting| Some(State::Waiting(waiting)))
    }

    fn belongs_elsewhere(&self, py: Python<'_>) -> PyResult<bool> {
        match self.event_loop.get(py) {
            Some(event_loop) => Ok(!running_loop_or_none(py)?.is(&event_loop)),
            None => Ok(false),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.joiners.traverse(visit)?;
        self.event_loop.traverse(visit)?;
        self.event.traverse(|event| visit.call(event))
    }
}

impl Joining {
    pub(super) fn new(queue: Bound<'_, Queue>) -> Self {
        Self { queue: queue.unbind(), state: State::Created }
    }

    /// Runs to the next step.
    ///
    /// # Errors
    /// What `join` raises.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        let queue = self.queue.bind(py);
        let finished = &queue.get().finished;
        if matches!(self.state, State::Created) {
            let is_finished = queue.get().state.with(py, |state| state.unfinished <= 0);
            match if is_finished { None } else { finished.begin(queue)? } {
                Some(state) => self.state = state,
                None => return Ok(Step::Returned(py.None().into_bound(py))),
            }
        }
        let step = match &self.state {
            State::Created => return Ok(Step::Returned(py.None().into_bound(py))),
            State::Event(awaiting) => awaiting.resume(py, resumption),
            State::Waiting(waiting) => {
                let step = waiting.resume(py, resumption);
                if !matches!(step, Ok(Step::Yielded(_))) {
                    finished.joiners.remove(waiting.future(py))?;
                }
                step
            }
        };
        match step? {
            yielded @ Step::Yielded(_) => Ok(yielded),
            Step::Returned(_) => Ok(Step::Returned(py.None().into_bound(py))),
        }
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &self.state {
            State::Created => None,
            State::Waiting(waiting) => Some(waiting.awaits(py)),
            State::Event(awaiting) => Some(awaiting.object(py)),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.queue)?;
        match &self.state {
            State::Created => Ok(()),
            State::Waiting(waiting) => waiting.traverse(visit),
            State::Event(awaiting) => awaiting.traverse(visit),
        }
    }
}
