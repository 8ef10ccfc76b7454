//! `asyncio.shield`: an outer future that can be cancelled without the inner one.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::any_future::{self, loop_of};
use super::awaiting_task;
use super::creating_tasks::future_of;
use super::observer::Observer;
use crate::cpython::attached_cell::AttachedCell;
use crate::future::{Future, Outlook};

/// Returns a future that ends as `arg` does, a coroutine's task or a future. To cancel it doesn't cancel `arg`.
///
/// If `arg` is done already, that itself is returned. Raises `TypeError` for what can't be awaited.
#[pyfunction]
pub fn shield<'py>(arg: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = arg.py();
    let inner = future_of(arg, None)?;
    if any_future::is_done(&inner)? {
        return Ok(inner);
    }
    let event_loop = loop_of(&inner)?;
    let outer = any_future::create(&event_loop)?;
    let awaiting_task = awaiting_task::current_if_running(&event_loop)?;
    let pair = Pair { inner: inner.clone().unbind(), outer: outer.clone().unbind(), awaiting_task };
    let shielding = Bound::new(py, Shielding { pair: AttachedCell::new(Some(pair)) })?.unbind();
    any_future::observe(&inner, Observer::Shielding(shielding.clone_ref(py)))?;
    any_future::observe(&outer, Observer::Shielding(shielding))?;
    Ok(outer)
}

/// What stands between the two futures of a `shield`, and is told of both.
#[pyclass(frozen, module = "ioxide")]
pub struct Shielding {
    /// Until this object is cleared.
    pair: AttachedCell<Option<Pair>>,
}

struct Pair {
    inner: Py<PyAny>,
    outer: Py<PyAny>,
    /// The task that has called `shield`: see `awaiting_task`.
    awaiting_task: Option<Py<PyAny>>,
}

impl Shielding {
    /// The task that waits for `future`, if that is the inner one. The outer one has whoever awaits it.
    pub fn awaiting_task<'py>(&self, future: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let py = future.py();
        self.pair.with(py, |pair| {
            let pair = pair.as_ref().filter(|pair| pair.inner.is(future))?;
            pair.awaiting_task.as_ref().map(|task| task.bind(py).clone())
        })
    }

    /// One of the two is done.
    ///
    /// # Errors
    /// `InvalidStateError` if both have results, and what asking a future that isn't ours raises.
    pub fn future_is_done(slf: &Bound<'_, Self>, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let pair = slf
            .get()
            .pair
            .with(py, |pair| pair.as_ref().map(|pair| (pair.inner.bind(py).clone(), pair.outer.bind(py).clone())));
        let Some((inner, outer)) = pair else { return Ok(()) };
        if !future.is(&outer) {
            awaiting_task::take_back(future, slf.get().awaiting_task(future).as_ref())?;
            return pass_on(future, &outer);
        }
        if any_future::is_done(&inner)? {
            return Ok(());
        }
        any_future::ignore(&inner, &Observer::Shielding(slf.clone().unbind()))
    }
}

/// The inner future is done: so is the outer one.
fn pass_on(inner: &Bound<'_, PyAny>, outer: &Bound<'_, PyAny>) -> PyResult<()> {
    if cfg!(Py_3_14) && any_future::is_cancelled(outer)? {
        return Ok(());
    }
    // Whatever becomes of it, an exception counts as seen.
    let outlook = any_future::outlook(inner)?;
    if any_future::is_cancelled(outer)? {
        return Ok(());
    }
    let py = outer.py();
    let native = outer.cast_exact::<Future>().ok();
    match (outlook, native) {
        (Outlook::Cancelled, Some(outer)) => Future::cancel_with(outer, None).map(drop),
        (Outlook::Cancelled, None) => outer.call_method0(pyo3::intern!(py, "cancel")).map(drop),
        (Outlook::Exception(exception), Some(outer)) => Future::fail(outer, &exception),
        (Outlook::Exception(exception), None) => {
            outer.call_method1(pyo3::intern!(py, "set_exception"), (exception,)).map(drop)
        }
        (Outlook::Result(result), Some(outer)) => Future::finish(outer, result),
        (Outlook::Result(result), None) => outer.call_method1(pyo3::intern!(py, "set_result"), (result,)).map(drop),
        (Outlook::Pending, _) => Err(crate::future::invalid_state(py, "Exception is not set.")?),
    }
}

#[pymethods]
impl Shielding {
    /// What a future that isn't ours calls when it is done.
    fn __call__(slf: &Bound<'_, Self>, future: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::future_is_done(slf, future)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.pair.traverse(|pair| {
            let Some(pair) = pair else { return Ok(()) };
            visit.call(&pair.inner)?;
            visit.call(&pair.awaiting_task)?;
            visit.call(&pair.outer)
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.pair.replace(py, None));
    }
}
