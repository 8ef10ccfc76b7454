//! `asyncio.wait`: until the first, the first that fails, or all of several futures are done, or time is up.
//!
//! The coroutine waits for a future of its own. A [`Waiting`] is told of each of the others, counts, and releases it.

use pyo3::exceptions::{PyAssertionError, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PySet, PyString};

use super::any_future::{self, is_future};
use super::awaiting::Awaiting;
use super::awaiting_task;
use super::native_coroutine::NativeCoroutine;
use super::observer::Observer;
use super::operation::{Operation, Resumption, Step};
use super::running_loop;
use super::timer::Timer;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::coroutine;
use crate::future::{Future, Outlook};
use crate::item::Item;

/// What ends the wait, besides the time.
#[derive(Clone, Copy)]
enum ReturnWhen {
    FirstCompleted,
    FirstException,
    AllCompleted,
}

/// Waits for the futures and tasks in `fs`, which mustn't be empty, and returns two sets: those that are done, and those
/// that aren't.
///
/// The wait ends after `timeout` seconds, never for `None`, and nothing is cancelled or raised then; or earlier, as
/// `return_when` has it: `FIRST_COMPLETED`, `FIRST_EXCEPTION` (all must be done if none fails) or `ALL_COMPLETED`.
///
/// Raises `TypeError` for a single future and for coroutines, and `ValueError` for nothing to wait for and another
/// `return_when`.
#[pyfunction]
#[pyo3(
    signature = (fs, *, timeout = None, return_when = all_completed()),
    text_signature = "(fs, *, timeout=None, return_when='ALL_COMPLETED')"
)]
pub fn wait(
    py: Python<'_>,
    fs: Py<PyAny>,
    timeout: Option<Py<PyAny>>,
    return_when: Py<PyAny>,
) -> PyResult<Bound<'_, NativeCoroutine>> {
    let wait = Wait { fs, timeout, return_when, state: State::Created };
    NativeCoroutine::make(py, "wait", Operation::Wait(Box::new(wait)))
}

fn all_completed() -> Py<PyAny> {
    Python::attach(|py| PyString::intern(py, "ALL_COMPLETED").into_any().unbind())
}

/// The coroutine of one `wait`.
pub struct Wait {
    fs: Py<PyAny>,
    timeout: Option<Py<PyAny>>,
    return_when: Py<PyAny>,
    state: State,
}

enum State {
    Created,
    Waiting(Awaiting, Waited),
}

/// What is waited for.
struct Waited {
    /// The program never sees this set while it is gone through.
    futures: Py<PySet>,
    waiting: Py<Waiting>,
}

impl Wait {
    pub(super) fn resume<'py>(&mut self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        if matches!(self.state, State::Created) {
            self.begin(py)?;
        }
        let State::Waiting(awaiting, waited) = &self.state else { return Ok(Step::Returned(py.None().into_bound(py))) };
        let step = awaiting.resume(py, resumption);
        if let Ok(Step::Yielded(_)) = step {
            return step;
        }
        waited.leave(py)?;
        step?;
        waited.done_and_pending(py).map(Step::Returned)
    }

    fn begin(&mut self, py: Python<'_>) -> PyResult<()> {
        let (futures, return_when) = self.checked_arguments(py)?;
        let event_loop = running_loop(py)?;
        if futures.is_empty() {
            return Err(PyAssertionError::new_err("Set of Futures is empty."));
        }
        let waiter = any_future::create(&event_loop)?;
        let count = Count {
            unfinished: futures.len(),
            waiter: Some(waiter.clone().unbind()),
            timer: None,
            awaiting_task: awaiting_task::current(&event_loop)?,
        };
        let waiting = Bound::new(py, Waiting { return_when, state: AttachedCell::new(count) })?;
        if let Some(timeout) = &self.timeout {
            Waiting::arm(&waiting, &event_loop, &waiter, timeout.bind(py))?;
        }
        for future in &futures {
            any_future::observe(&future, Observer::Waiting(waiting.clone().unbind()))?;
        }
        let waited = Waited { futures: futures.unbind(), waiting: waiting.unbind() };
        self.state = State::Waiting(Awaiting::of(&waiter)?, waited);
        Ok(())
    }

    fn checked_arguments<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PySet>, ReturnWhen)> {
        let fs = self.fs.bind(py);
        if !any_future::is_plain_collection(fs) && (is_future(fs)? || coroutine::is_coroutine(fs)?) {
            let class = fs.get_type();
            return Err(PyTypeError::new_err(format!("expect a list of futures, not {}", class.name()?)));
        }
        if !fs.is_truthy()? {
            return Err(PyValueError::new_err("Set of Tasks/Futures is empty."));
        }
        let return_when = ReturnWhen::of(self.return_when.bind(py))?;
        let futures = py.get_type::<PySet>().call1((fs,))?.cast_into::<PySet>()?;
        for future in &futures {
            if Future::as_native(&future).is_none() && coroutine::is_coroutine(&future)? {
                return Err(PyTypeError::new_err("Passing coroutines is forbidden, use tasks explicitly."));
            }
        }
        Ok((futures, return_when))
    }

    pub(super) fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match &self.state {
            State::Created => None,
            State::Waiting(awaiting, _) => Some(awaiting.object(py)),
        }
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.fs)?;
        visit.call(&self.timeout)?;
        visit.call(&self.return_when)?;
        let State::Waiting(awaiting, waited) = &self.state else { return Ok(()) };
        awaiting.traverse(visit)?;
        visit.call(&waited.futures)?;
        visit.call(&waited.waiting)
    }
}

impl Waited {
    /// The wait is over, in whatever way: nobody is to be told any more.
    fn leave(&self, py: Python<'_>) -> PyResult<()> {
        self.waiting.get().cancel_timer(py)?;
        let observer = Observer::Waiting(self.waiting.clone_ref(py));
        self.futures.bind(py).iter().try_for_each(|future| any_future::ignore(&future, &observer))
    }

    /// The set itself becomes that of those that are done: mostly there are no others.
    fn done_and_pending<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (done, pending) = (self.futures.bind(py), PySet::empty(py)?);
        for future in done {
            if !any_future::is_done(&future)? {
                pending.add(future)?;
            }
        }
        for future in &pending {
            done.discard(future)?;
        }
        Ok((done, pending).into_pyobject(py)?.into_any())
    }
}

impl ReturnWhen {
    fn of(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let names = [
            (Self::FirstCompleted, "FIRST_COMPLETED"),
            (Self::FirstException, "FIRST_EXCEPTION"),
            (Self::AllCompleted, "ALL_COMPLETED"),
        ];
        for (return_when, name) in names {
            let is_equal = match value.cast_exact::<PyString>() {
                Ok(text) => *text == *name,
                Err(_) => value.eq(name)?,
            };
            if is_equal {
                return Ok(return_when);
            }
        }
        Err(PyValueError::new_err(format!("Invalid return_when value: {}", value.str()?)))
    }
}

/// Counts the futures that a `wait` waits for, and releases it when there are enough.
#[pyclass(frozen, module = "ioxide")]
pub struct Waiting {
    return_when: ReturnWhen,
    state: AttachedCell<Count>,
}

struct Count {
    unfinished: usize,
    /// The future that the coroutine waits for, until this object is cleared.
    waiter: Option<Py<PyAny>>,
    timer: Option<Timer>,
    /// The task that has called `wait`: see `awaiting_task`.
    awaiting_task: Option<Py<PyAny>>,
}

impl Waiting {
    /// The task that waits for the futures.
    pub fn awaiting_task<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |count| count.awaiting_task.as_ref().map(|task| task.bind(py).clone()))
    }

    /// Ends the wait after `timeout` seconds: it is told of the waiter itself then.
    fn arm<'py>(
        slf: &Bound<'py, Self>,
        event_loop: &Bound<'py, PyAny>,
        waiter: &Bound<'py, PyAny>,
        timeout: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let native = match waiter.cast_exact::<Future>() {
            Ok(waiter) => Timer::without_handle(event_loop, timeout, || {
                Item::Notify(Box::new((Observer::Waiting(slf.clone().unbind()), waiter.clone().unbind())))
            })?,
            Err(_) => None,
        };
        let timer = match native {
            Some(timer) => timer,
            None => Timer::with_handle(event_loop, (timeout, slf, waiter))?,
        };
        slf.get().state.with(slf.py(), |count| count.timer = Some(timer));
        Ok(())
    }

    /// One of the futures is done, or the time is up.
    ///
    /// # Errors
    /// What asking a future that isn't ours raises.
    pub fn is_told(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = future.py();
        let waiter = self.state.with(py, |count| count.waiter.as_ref().map(|waiter| waiter.bind(py).clone()));
        let Some(waiter) = waiter else { return Ok(()) };
        if !future.is(&waiter) {
            if !self.is_enough(future)? {
                return Ok(());
            }
            self.cancel_timer(py)?;
        }
        any_future::release(&waiter)
    }

    fn is_enough(&self, future: &Bound<'_, PyAny>) -> PyResult<bool> {
        let is_last = self.state.with(future.py(), |count| {
            count.unfinished = count.unfinished.saturating_sub(1);
            count.unfinished == 0
        });
        match self.return_when {
            _ if is_last => Ok(true),
            ReturnWhen::FirstCompleted => Ok(true),
            ReturnWhen::FirstException => has_failed(future),
            ReturnWhen::AllCompleted => Ok(false),
        }
    }

    fn cancel_timer(&self, py: Python<'_>) -> PyResult<()> {
        let timer = self.state.with(py, |count| count.timer.take());
        timer.map_or(Ok(()), |timer| timer.cancel(py))
    }
}

/// Whether a future that is done has an exception. That counts as seen then.
fn has_failed(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    match Future::as_native(future) {
        Some(native) => Ok(matches!(native.get().outlook(future.py()), Outlook::Exception(_))),
        None if any_future::is_cancelled(future)? => Ok(false),
        None => Ok(!future.call_method0(pyo3::intern!(future.py(), "exception"))?.is_none()),
    }
}

#[pymethods]
impl Waiting {
    /// What a future that isn't ours, or a handle, calls.
    fn __call__(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        self.is_told(future)?;
        awaiting_task::take_back(future, self.awaiting_task(future.py()).as_ref())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.traverse(|count| {
            visit.call(&count.waiter)?;
            visit.call(&count.awaiting_task)?;
            count.timer.as_ref().map_or(Ok(()), |timer| timer.traverse(&visit))
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.state.with(py, |count| (count.waiter.take(), count.timer.take(), count.awaiting_task.take())));
    }
}
