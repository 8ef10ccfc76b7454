//! The coroutines that wait at a condition.
//!
//! `wait` is *created*, *waiting* to be notified without the lock, then *reacquiring* the lock: that happens whatever ended
//! the wait, and goes on when it is cancelled itself. Only then is the end of the wait what the coroutine ends with.

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBool;

use super::acquiring::Acquiring;
use super::condition::Condition;
use super::count::Count;
use super::is_cancellation;
use super::waiters::Waiting;
use crate::combinators::awaiting::Awaiting;
use crate::combinators::operation::{Resumption, Step};
use crate::cpython::asyncio;
use crate::errors;

/// One `wait`.
pub struct ConditionWait {
    condition: Py<Condition>,
    state: State,
}

enum State {
    Created,
    Waiting(Waiting),
    Reacquiring(Reacquiring),
}

struct Reacquiring {
    acquiring: Acquiring,
    /// What has ended the wait.
    raised: Option<Py<PyAny>>,
    /// The last `CancelledError` that came meanwhile.
    cancelled: Option<Py<PyAny>>,
}

impl ConditionWait {
    /// A `wait` that hasn't begun.
    pub const fn new(condition: Py<Condition>) -> Self {
        Self { condition, state: State::Created }
    }

    /// Runs to where it waits, or to its end.
    ///
    /// # Errors
    /// What is raised where it waits; `RuntimeError` if nobody holds the lock, or if it belongs to another loop.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        match &mut self.state {
            State::Created => self.begin(py),
            State::Waiting(_) => self.wait(py, resumption),
            State::Reacquiring(_) => self.reacquire(py, resumption),
        }
    }

    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        let slf = self.condition.bind(py);
        if !Condition::is_locked(slf)? {
            return Err(PyRuntimeError::new_err("cannot wait on un-acquired lock"));
        }
        let prepare = || {
            let event_loop = super::loop_of(slf.as_any(), &slf.get().event_loop, slf.get().is_plain(py))?;
            Waiting::prepare(&event_loop)
        };
        // From 3.13 on what can fail comes first. Before, the lock is let go and taken again.
        let prepared = if cfg!(Py_3_13) {
            let waiting = prepare()?;
            Condition::let_go(slf)?;
            Ok(waiting)
        } else {
            Condition::let_go(slf)?;
            prepare()
        };
        match prepared {
            Ok(waiting) => {
                waiting.join(py, &slf.get().waiters)?;
                self.state = State::Waiting(waiting);
                self.wait(py, Resumption::Next)
            }
            Err(error) => self.begin_to_reacquire(py, Some(error)),
        }
    }

    fn wait<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        let State::Waiting(waiting) = &self.state else { return Ok(returned(py)) };
        let step = waiting.resume(py, resumption);
        if matches!(step, Ok(Step::Yielded(_))) {
            return step;
        }
        self.condition.get().waiters.remove(waiting.future(py))?;
        self.begin_to_reacquire(py, step.err())
    }

    fn begin_to_reacquire<'py>(&mut self, py: Python<'py>, raised: Option<PyErr>) -> PyResult<Step<'py>> {
        self.state = State::Reacquiring(Reacquiring {
            acquiring: Condition::acquiring(self.condition.bind(py)),
            raised: raised.map(|error| errors::exception(py, &error).unbind()),
            cancelled: None,
        });
        self.reacquire(py, Resumption::Next)
    }

    fn reacquire<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        let slf = self.condition.bind(py);
        let State::Reacquiring(state) = &mut self.state else { return Ok(returned(py)) };
        let ended = match state.resume(slf, resumption) {
            Ok(Step::Returned(_)) => state.end(py),
            Ok(Step::Yielded(future)) => return Ok(Step::Yielded(future)),
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            if cfg!(Py_3_13) {
                // It may have been notified: then that is for another.
                notify_another(slf)?;
            }
            return Err(error);
        }
        Ok(returned(py))
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &self.state {
            State::Created => None,
            State::Waiting(waiting) => Some(waiting.awaits(py)),
            State::Reacquiring(state) => state.acquiring.awaits(py),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.condition)?;
        match &self.state {
            State::Created => Ok(()),
            State::Waiting(waiting) => waiting.traverse(visit),
            State::Reacquiring(state) => {
                visit.call(&state.raised)?;
                visit.call(&state.cancelled)?;
                state.acquiring.traverse(visit)
            }
        }
    }
}

impl Reacquiring {
    /// Takes the lock. Who is cancelled while it waits for it begins anew.
    fn resume<'py>(&mut self, condition: &Bound<'py, Condition>, mut resumption: Resumption) -> PyResult<Step<'py>> {
        let py = condition.py();
        loop {
            let error = match self.acquiring.resume(py, resumption) {
                Ok(step) => return Ok(step),
                Err(error) => error,
            };
            self.happens_while_handling(py, &error);
            if !is_cancellation(py, &error)? {
                return Err(error);
            }
            self.cancelled = Some(errors::exception(py, &error).unbind());
            self.acquiring = Condition::acquiring(condition);
            resumption = Resumption::Next;
        }
    }

    /// The lock is taken: what the wait ends with.
    fn end(&mut self, py: Python<'_>) -> PyResult<()> {
        if let Some(cancelled) = self.cancelled.take() {
            if cfg!(Py_3_13) {
                return Err(PyErr::from_value(cancelled.into_bound(py)));
            }
            let error = PyErr::from_value(asyncio::CANCELLED_ERROR.get(py)?.call0()?);
            self.happens_while_handling(py, &error);
            return Err(error);
        }
        match self.raised.take() {
            Some(raised) => Err(PyErr::from_value(raised.into_bound(py))),
            None => Ok(()),
        }
    }

    /// An error that is raised while another waits to go on has that in its history.
    fn happens_while_handling(&self, py: Python<'_>, error: &PyErr) {
        let Some(raised) = &self.raised else { return };
        if !error.value(py).is(raised) && error.context(py).is_none() {
            error.set_context(py, Some(PyErr::from_value(raised.bind(py).clone())));
        }
    }
}

fn notify_another(slf: &Bound<'_, Condition>) -> PyResult<()> {
    if slf.get().is_plain(slf.py()) {
        return slf.get().wake_up(slf.py(), &Count::Small(1));
    }
    slf.call_method1(pyo3::intern!(slf.py(), "_notify"), (1,)).map(drop)
}

fn returned(py: Python<'_>) -> Step<'_> {
    Step::Returned(PyBool::new(py, true).to_owned().into_any())
}

/// One `wait_for`.
pub struct PredicateWait {
    condition: Py<Condition>,
    predicate: Py<PyAny>,
    waiting: Option<OneWait>,
}

/// One `wait` of a `wait_for`.
enum OneWait {
    Native(ConditionWait),
    Awaited(Awaiting),
}

impl PredicateWait {
    /// A `wait_for` that hasn't begun.
    pub const fn new(condition: Py<Condition>, predicate: Py<PyAny>) -> Self {
        Self { condition, predicate, waiting: None }
    }

    /// Runs to where it waits, or to its end.
    ///
    /// # Errors
    /// What `wait` or the predicate raises.
    pub fn resume<'py>(&mut self, py: Python<'py>, mut resumption: Resumption) -> PyResult<Step<'py>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                let step = match waiting {
                    OneWait::Native(wait) => wait.resume(py, resumption)?,
                    OneWait::Awaited(awaiting) => awaiting.resume(py, resumption)?,
                };
                if matches!(step, Step::Yielded(_)) {
                    return Ok(step);
                }
            }
            let result = self.predicate.bind(py).call0()?;
            if result.is_truthy()? {
                return Ok(Step::Returned(result));
            }
            self.waiting = Some(OneWait::begin(self.condition.bind(py))?);
            resumption = Resumption::Next;
        }
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &self.waiting {
            None => None,
            Some(OneWait::Native(wait)) => wait.awaits(py),
            Some(OneWait::Awaited(awaiting)) => Some(awaiting.object(py)),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.condition)?;
        visit.call(&self.predicate)?;
        match &self.waiting {
            None => Ok(()),
            Some(OneWait::Native(wait)) => wait.traverse(visit),
            Some(OneWait::Awaited(awaiting)) => awaiting.traverse(visit),
        }
    }
}

impl OneWait {
    fn begin(condition: &Bound<'_, Condition>) -> PyResult<Self> {
        if condition.get().is_plain(condition.py()) {
            return Ok(Self::Native(ConditionWait::new(condition.clone().unbind())));
        }
        let awaited = condition.call_method0(pyo3::intern!(condition.py(), "wait"))?;
        Awaiting::of(&awaited).map(Self::Awaited)
    }
}
