//! `asyncio.sleep`.

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyInt;

use super::any_future;
use super::awaiting::Awaiting;
use super::native_coroutine::NativeCoroutine;
use super::operation::{Operation, Resumption, Step};
use super::running_loop;
use super::timer::Timer;
use crate::cpython::asyncio;
use crate::cpython::coroutine::Sent;
use crate::item::Item;

/// The coroutine of one `sleep`.
pub struct Sleep {
    delay: Py<PyAny>,
    result: Py<PyAny>,
    state: State,
}

enum State {
    Created,
    /// For one turn.
    Yielded,
    Waiting(Awaiting, Timer),
}

/// Suspends the task for `delay` seconds, and returns `result` then. A delay of zero or less lets the others run for one
/// turn.
#[pyfunction]
#[pyo3(signature = (delay, result = None))]
pub fn sleep<'py>(
    py: Python<'py>,
    delay: Bound<'py, PyAny>,
    result: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, NativeCoroutine>> {
    let result = result.map_or_else(|| py.None(), Bound::unbind);
    let sleep = Sleep { delay: delay.unbind(), result, state: State::Created };
    NativeCoroutine::make(py, "sleep", Operation::Sleep(sleep))
}

impl Sleep {
    pub(super) fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        match (&self.state, resumption) {
            (State::Created, _) => self.begin(py),
            (State::Yielded, Resumption::Next) => Ok(Step::Returned(self.result.bind(py).clone())),
            (State::Yielded, Resumption::Throw(error)) => Err(error),
            (State::Waiting(awaiting, timer), resumption) => {
                let step = awaiting.resume(py, resumption);
                if !matches!(step, Ok(Step::Yielded(_))) {
                    timer.cancel(py)?;
                }
                step
            }
        }
    }

    /// Takes a step of a sleep for one turn.
    pub(super) fn step_at_once<'py>(&mut self, py: Python<'py>) -> Option<Sent<'py>> {
        match self.state {
            // There is one zero.
            State::Created if self.delay.is(PyInt::new(py, 0)) => {
                self.state = State::Yielded;
                Some(Sent::Yielded(py.None().into_bound(py)))
            }
            State::Yielded => Some(Sent::Returned(self.result.bind(py).clone())),
            State::Created | State::Waiting(..) => None,
        }
    }

    pub(super) fn release(self, py: Python<'_>) {
        self.delay.drop_ref(py);
        self.result.drop_ref(py);
    }

    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        let delay = self.delay.bind(py);
        if delay.le(0)? {
            self.state = State::Yielded;
            return Ok(Step::Yielded(py.None().into_bound(py)));
        }
        if cfg!(Py_3_13) && delay.extract::<f64>().is_ok_and(f64::is_nan) {
            return Err(PyValueError::new_err("Invalid delay: NaN (not a number)"));
        }
        let event_loop = running_loop(py)?;
        let future = any_future::create(&event_loop)?;
        let timer = self.arm(&event_loop, &future)?;
        let awaiting = Awaiting::of(&future)?;
        let step = awaiting.resume(py, Resumption::Next);
        self.state = State::Waiting(awaiting, timer);
        step
    }

    fn arm(&self, event_loop: &Bound<'_, PyAny>, future: &Bound<'_, PyAny>) -> PyResult<Timer> {
        let py = event_loop.py();
        let (delay, result) = (self.delay.bind(py), self.result.bind(py));
        if let Ok(future) = future.cast_exact() {
            let item = || Item::Settle(Box::new((future.clone().unbind(), result.clone().unbind())));
            if let Some(timer) = Timer::without_handle(event_loop, delay, item)? {
                return Ok(timer);
            }
        }
        let settle = asyncio::SET_RESULT_UNLESS_CANCELLED.get(py)?;
        Timer::with_handle(event_loop, (delay, settle, future, result))
    }

    pub(super) fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &self.state {
            State::Created | State::Yielded => None,
            State::Waiting(awaiting, _) => Some(awaiting.object(py)),
        }
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.delay)?;
        visit.call(&self.result)?;
        let State::Waiting(awaiting, timer) = &self.state else { return Ok(()) };
        awaiting.traverse(visit)?;
        timer.traverse(visit)
    }
}
