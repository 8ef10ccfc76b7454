//! `asyncio.gather`: the results of several awaitables as one future's.

use std::sync::OnceLock;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use super::any_future::{self, loop_of};
use super::awaiting_task;
use super::creating_tasks::future_of;
use super::observer::Observer;
use super::running_loop_or_none;
use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::finalizer::Finalize;
use crate::future::{Future, Outlook};
use crate::task::Task;

/// The future that `gather` returns. To cancel it is to cancel its children.
#[pyclass(frozen, extends = Future, name = "_GatheringFuture", module = "ioxide")]
pub struct GatheringFuture {
    return_exceptions: bool,
    state: AttachedCell<State>,
}

struct State {
    /// In the order of the arguments, `None` until all are there. A child that was given twice is in it twice.
    children: Option<Vec<Py<PyAny>>>,
    /// How many different children aren't done.
    unfinished: usize,
    is_cancel_requested: bool,
    /// The task that has called `gather`, until the future is done: see `awaiting_task`.
    awaiting_task: Option<Py<PyAny>>,
}

/// Returns a future for the list of the results of all arguments, in their order. Coroutines become tasks. The first
/// exception becomes the future's, unless `return_exceptions` has exceptions stand in the list. To cancel the future
/// cancels all that aren't done.
#[pyfunction]
#[pyo3(signature = (*coros_or_futures, return_exceptions = None), text_signature = "(*coros_or_futures, return_exceptions=False)")]
pub fn gather<'py>(
    coros_or_futures: &Bound<'py, PyTuple>,
    return_exceptions: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = coros_or_futures.py();
    let mut arguments = coros_or_futures.iter();
    let Some(first) = arguments.next() else {
        let outer = any_future::create(&asyncio::GET_EVENT_LOOP.get(py)?.call0()?)?;
        outer.call_method1(pyo3::intern!(py, "set_result"), (PyList::empty(py),))?;
        return Ok(outer);
    };
    let return_exceptions = return_exceptions.map_or(Ok(false), PyAnyMethods::is_truthy)?;
    let mut gather = Gather::begin(&first, return_exceptions)?;
    for argument in arguments {
        gather.add(&argument)?;
    }
    gather.complete()
}

/// A `gather` whose arguments are being taken in.
struct Gather<'py> {
    outer: Bound<'py, GatheringFuture>,
    event_loop: Bound<'py, PyAny>,
    by_argument: Bound<'py, PyDict>,
    children: Vec<Py<PyAny>>,
    /// Those that were done when they came. From Python 3.12 on they count at once, before that in the next turn.
    done: Vec<Bound<'py, PyAny>>,
}

impl<'py> Gather<'py> {
    fn begin(first: &Bound<'py, PyAny>, return_exceptions: bool) -> PyResult<Self> {
        let py = first.py();
        let running = if cfg!(Py_3_14) { running_loop_or_none(py)? } else { py.None().into_bound(py) };
        let child = future_of(first, Some(&running).filter(|running| !running.is_none()))?;
        let event_loop = loop_of(&child)?;
        let outer = GatheringFuture::make(&event_loop, return_exceptions)?;
        let awaiting_task = awaiting_task::current_if_running(&running)?;
        outer.get().state.with(py, |state| state.awaiting_task = awaiting_task);
        let by_argument = PyDict::new(py);
        let mut gather = Self { outer, event_loop, by_argument, children: Vec::new(), done: Vec::new() };
        gather.take_in(first, child)?;
        Ok(gather)
    }

    fn add(&mut self, argument: &Bound<'py, PyAny>) -> PyResult<()> {
        if let Some(known) = self.by_argument.get_item(argument)? {
            self.children.push(known.unbind());
            return Ok(());
        }
        let child = future_of(argument, Some(&self.event_loop))?;
        self.take_in(argument, child)
    }

    fn take_in(&mut self, argument: &Bound<'py, PyAny>, child: Bound<'py, PyAny>) -> PyResult<()> {
        let py = child.py();
        if !child.is(argument) {
            // Nobody but `gather` knows it: there is no use in a report that it was forgotten.
            match child.cast_exact::<Task>() {
                Ok(task) => task.get().is_destroyed_silently(py),
                Err(_) => child.setattr(pyo3::intern!(py, "_log_destroy_pending"), false)?,
            }
        }
        self.by_argument.set_item(argument, &child)?;
        self.children.push(child.clone().unbind());
        self.outer.get().state.with(py, |state| state.unfinished += 1);
        if cfg!(Py_3_12) && any_future::is_done(&child)? {
            self.done.push(child);
            return Ok(());
        }
        any_future::observe(&child, Observer::Gathering(self.outer.clone().unbind()))
    }

    fn complete(self) -> PyResult<Bound<'py, PyAny>> {
        self.outer.get().state.with(self.outer.py(), |state| state.children = Some(self.children));
        for child in self.done {
            GatheringFuture::child_is_done(&self.outer, &child)?;
        }
        Ok(self.outer.into_any())
    }
}

impl GatheringFuture {
    fn make<'py>(event_loop: &Bound<'py, PyAny>, return_exceptions: bool) -> PyResult<Bound<'py, Self>> {
        let state = State { children: None, unfinished: 0, is_cancel_requested: false, awaiting_task: None };
        let future = Future::of_loop(event_loop)?;
        let gathering = Self { return_exceptions, state: AttachedCell::new(state) };
        Bound::new(event_loop.py(), PyClassInitializer::from(future).add_subclass(gathering))
    }

    /// A child is done: passes on its exception, or the list of the results if it was the last.
    ///
    /// # Errors
    /// What scheduling the callbacks of the future raises, and what asking a child that isn't ours raises.
    pub fn child_is_done(slf: &Bound<'_, Self>, child: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let outer = slf.as_super();
        awaiting_task::take_back(child, slf.get().awaiting_task(py).as_ref())?;
        let (is_last, is_begun) = slf.get().state.with(py, |state| {
            state.unfinished = state.unfinished.saturating_sub(1);
            (state.unfinished == 0, state.children.is_some())
        });
        if !is_begun || outer.get().done(py) {
            // It comes too late: an exception counts as seen.
            return any_future::outlook(child).map(drop);
        }
        if !slf.get().return_exceptions {
            match any_future::outlook(child)? {
                Outlook::Cancelled => {
                    let error = any_future::cancelled_error(child)?;
                    slf.get().leave_children(py)?;
                    return Future::fail(outer, &error);
                }
                Outlook::Exception(exception) => {
                    slf.get().leave_children(py)?;
                    return Future::fail(outer, &exception);
                }
                Outlook::Result(_) | Outlook::Pending => {}
            }
        }
        if is_last { Self::finish(slf, child) } else { Ok(()) }
    }

    /// The last child is done, and none has failed that was to end it all.
    fn finish(slf: &Bound<'_, Self>, last_to_end: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let outer = slf.as_super();
        let (results, children) = (PyList::empty(py), slf.get().children(py));
        for child in &children {
            results.append(result_or_exception(child.bind(py))?)?;
        }
        drop(slf.get().state.with(py, |state| state.awaiting_task.take()));
        if slf.get().state.with(py, |state| state.is_cancel_requested) {
            // That of the last in the list, whichever ended last.
            let last = children.last().map_or(last_to_end, |last| last.bind(py));
            return Future::fail(outer, &any_future::cancelled_error(last)?);
        }
        Future::finish(outer, results.into_any())
    }

    /// Cancels every child. Returns whether one was left to cancel.
    ///
    /// # Errors
    /// What cancelling a child raises.
    pub fn cancel_children(slf: &Bound<'_, Self>, message: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let py = slf.py();
        if slf.as_super().get().done(py) {
            return Ok(false);
        }
        let mut is_requested = false;
        for child in slf.get().children(py) {
            is_requested |= any_future::cancel(child.bind(py), message.cloned())?;
        }
        if is_requested {
            slf.get().state.with(py, |state| state.is_cancel_requested = true);
        }
        Ok(is_requested)
    }

    /// The task that waits for the children.
    pub fn awaiting_task<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |state| state.awaiting_task.as_ref().map(|task| task.bind(py).clone()))
    }

    /// The future is about to fail: children that go on aren't waited for any more.
    fn leave_children(&self, py: Python<'_>) -> PyResult<()> {
        let Some(task) = self.state.with(py, |state| state.awaiting_task.take()) else { return Ok(()) };
        let task = task.into_bound(py);
        self.children(py).iter().try_for_each(|child| awaiting_task::take_back(child.bind(py), Some(&task)))
    }

    fn children(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        self.state.with(py, |state| state.children.iter().flatten().map(|child| child.clone_ref(py)).collect())
    }
}

/// What stands in the list for a child that is done.
fn result_or_exception<'py>(child: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = child.py();
    match any_future::outlook(child)? {
        Outlook::Result(result) => Ok(result),
        Outlook::Exception(exception) => Ok(exception),
        // The error that the child keeps for whoever awaits it isn't taken: only the message is looked at.
        Outlook::Cancelled => {
            let message = child.getattr(pyo3::intern!(py, "_cancel_message"))?;
            let message = if message.is_none() { PyString::new(py, "").into_any() } else { message };
            asyncio::CANCELLED_ERROR.get(py)?.call1((message,))
        }
        Outlook::Pending => Err(crate::future::invalid_state(py, "Result is not set.")?),
    }
}

#[pymethods]
impl GatheringFuture {
    /// Cancels every child that isn't done. Returns `False` if none is left.
    #[pyo3(signature = (msg = None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        Self::cancel_children(slf, msg)
    }

    /// What a future that isn't ours calls when it is done.
    fn __call__(slf: &Bound<'_, Self>, child: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::child_is_done(slf, child)
    }

    #[getter]
    fn _children(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        self.children(py)
    }

    #[getter]
    fn _cancel_requested(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_cancel_requested)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.traverse(|state| {
            visit.call(&state.awaiting_task)?;
            state.children.iter().flatten().try_for_each(|child| visit.call(child))
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.state.with(py, |state| (state.children.take(), state.awaiting_task.take())));
    }
}

impl Finalize for GatheringFuture {
    fn deallocation() -> &'static OnceLock<pyo3::ffi::destructor> {
        static DEALLOCATION: OnceLock<pyo3::ffi::destructor> = OnceLock::new();
        &DEALLOCATION
    }

    fn has_nothing_to_do(slf: &Bound<'_, Self>) -> bool {
        Future::has_nothing_to_do(slf.as_super())
    }

    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()> {
        Future::report_unseen_exception(slf.as_super())
    }
}
