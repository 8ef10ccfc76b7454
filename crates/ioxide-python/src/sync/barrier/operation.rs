//! The coroutines of a barrier. Each takes the condition's lock first and lets it go in the end, however that comes.
//!
//! `wait` then *blocks* as long as the barrier drains or is reset, is counted in, and *waits* for the others.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::{Barrier, Phase};
use crate::combinators::operation::{Resumption, Step};
use crate::cpython::{asyncio, exception};
use crate::sync::acquiring::Acquiring;
use crate::sync::condition::Condition;
use crate::sync::condition_waits::ConditionWait;

/// One `wait`, `reset` or `abort`.
pub struct BarrierOperation {
    barrier: Py<Barrier>,
    action: Action,
    stage: Stage,
}

/// What is done under the lock.
#[derive(Clone, Copy)]
pub enum Action {
    /// Waits for the others.
    Wait,
    /// Empties the barrier.
    Reset,
    /// Breaks it.
    Abort,
}

enum Stage {
    Created,
    Entering(Acquiring),
    /// Until the barrier can be entered.
    Blocked(ConditionWait),
    /// As the one of that number, for the others.
    Waiting(ConditionWait, i64),
}

impl BarrierOperation {
    /// An operation that hasn't begun.
    pub const fn new(barrier: Py<Barrier>, action: Action) -> Self {
        Self { barrier, action, stage: Stage::Created }
    }

    /// Runs to where it waits, or to its end.
    ///
    /// # Errors
    /// `BrokenBarrierError`, and what is raised where it waits.
    pub fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        let condition = &self.barrier.get().condition(py)?;
        let resumption = match &self.stage {
            Stage::Created => {
                self.stage = Stage::Entering(Condition::acquiring(condition));
                Resumption::Next
            }
            _ => resumption,
        };
        if let Stage::Entering(acquiring) = &mut self.stage {
            if let Step::Yielded(future) = acquiring.resume(py, resumption)? {
                return Ok(Step::Yielded(future));
            }
            return leave(condition, self.act(condition));
        }
        leave(condition, self.go_on(condition, resumption))
    }

    /// The lock is taken.
    fn act<'py>(&mut self, condition: &Bound<'py, Condition>) -> PyResult<Step<'py>> {
        let py = condition.py();
        let barrier = self.barrier.get();
        match self.action {
            Action::Wait => return self.come_in(condition),
            Action::Reset => barrier.state.with(py, |state| {
                state.phase = if state.count > 0 { Phase::Resetting } else { Phase::Filling };
            }),
            Action::Abort => barrier.enter_phase(py, Phase::Broken),
        }
        Condition::notify_everybody(condition)?;
        Ok(Step::Returned(py.None().into_bound(py)))
    }

    /// Goes on where it waited for the condition.
    fn go_on<'py>(&mut self, condition: &Bound<'py, Condition>, resumption: Resumption) -> PyResult<Step<'py>> {
        let py = condition.py();
        match &mut self.stage {
            Stage::Blocked(wait) => match wait.resume(py, resumption)? {
                Step::Yielded(future) => Ok(Step::Yielded(future)),
                Step::Returned(_) => self.come_in(condition),
            },
            Stage::Waiting(wait, index) => {
                let (step, index) = (wait.resume(py, resumption), *index);
                self.have_waited(condition, step, index)
            }
            Stage::Created | Stage::Entering(_) => Ok(Step::Returned(py.None().into_bound(py))),
        }
    }

    fn come_in<'py>(&mut self, condition: &Bound<'py, Condition>) -> PyResult<Step<'py>> {
        let py = condition.py();
        let barrier = self.barrier.get();
        while matches!(barrier.phase(py), Phase::Draining | Phase::Resetting) {
            let mut wait = ConditionWait::new(condition.clone().unbind());
            let step = wait.resume(py, Resumption::Next)?;
            if matches!(step, Step::Yielded(_)) {
                self.stage = Stage::Blocked(wait);
                return Ok(step);
            }
        }
        if barrier.phase(py) == Phase::Broken {
            return Err(broken(py, "Barrier aborted")?);
        }
        let (index, parties) = barrier.state.with(py, |state| {
            state.count += 1;
            (state.count - 1, state.parties.clone_ref(py))
        });
        match parties.equals(py, index + 1) {
            Ok(false) => self.wait_for_the_others(condition, index),
            Ok(true) => {
                barrier.enter_phase(py, Phase::Draining);
                let notified = Condition::notify_everybody(condition);
                go_out(barrier, condition, index, notified)
            }
            Err(error) => go_out(barrier, condition, index, Err(error)),
        }
    }

    fn wait_for_the_others<'py>(&mut self, condition: &Bound<'py, Condition>, index: i64) -> PyResult<Step<'py>> {
        let py = condition.py();
        if self.barrier.get().phase(py) != Phase::Filling {
            return self.stop_waiting(condition, index);
        }
        let mut wait = ConditionWait::new(condition.clone().unbind());
        let step = wait.resume(py, Resumption::Next);
        self.stage = Stage::Waiting(wait, index);
        self.have_waited(condition, step, index)
    }

    fn have_waited<'py>(
        &mut self,
        condition: &Bound<'py, Condition>,
        step: PyResult<Step<'py>>,
        index: i64,
    ) -> PyResult<Step<'py>> {
        match step {
            Ok(Step::Yielded(future)) => Ok(Step::Yielded(future)),
            Ok(Step::Returned(_)) => self.wait_for_the_others(condition, index),
            Err(error) => go_out(self.barrier.get(), condition, index, Err(error)),
        }
    }

    fn stop_waiting<'py>(&self, condition: &Bound<'py, Condition>, index: i64) -> PyResult<Step<'py>> {
        let py = condition.py();
        let ended = match self.barrier.get().phase(py) {
            Phase::Broken | Phase::Resetting => broken(py, "Abort or reset of barrier").and_then(Err),
            Phase::Filling | Phase::Draining => Ok(()),
        };
        go_out(self.barrier.get(), condition, index, ended)
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &self.stage {
            Stage::Created => None,
            Stage::Entering(acquiring) => acquiring.awaits(py),
            Stage::Blocked(wait) | Stage::Waiting(wait, _) => wait.awaits(py),
        }
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.barrier)?;
        match &self.stage {
            Stage::Created => Ok(()),
            Stage::Entering(acquiring) => acquiring.traverse(visit),
            Stage::Blocked(wait) | Stage::Waiting(wait, _) => wait.traverse(visit),
        }
    }
}

/// One party leaves, with an error or without. The last one opens the barrier for those that are blocked.
fn go_out<'py>(
    barrier: &Barrier,
    condition: &Bound<'py, Condition>,
    index: i64,
    ended: PyResult<()>,
) -> PyResult<Step<'py>> {
    let py = condition.py();
    let is_last = barrier.state.with(py, |state| {
        state.count -= 1;
        if state.count == 0 && matches!(state.phase, Phase::Resetting | Phase::Draining) {
            state.phase = Phase::Filling;
        }
        state.count == 0
    });
    if is_last {
        Condition::notify_everybody(condition)?;
    }
    ended?;
    Ok(Step::Returned(index.into_pyobject(py)?.into_any()))
}

/// Lets the lock go if the operation has ended.
fn leave<'py>(condition: &Bound<'py, Condition>, step: PyResult<Step<'py>>) -> PyResult<Step<'py>> {
    if !matches!(step, Ok(Step::Yielded(_))) {
        Condition::let_go(condition)?;
    }
    step
}

fn broken(py: Python<'_>, message: &str) -> PyResult<PyErr> {
    Ok(exception::raised(&asyncio::BROKEN_BARRIER_ERROR.get(py)?.call1((message,))?))
}
