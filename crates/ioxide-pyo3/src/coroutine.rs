//! A Python coroutine whose body is a Rust future.
//!
//! Its first step polls the future on the spot: one that is ready costs no task, no turn and no future of Python's. One
//! that is pending yields a future of the loop to the task, as `await` does; the waker finishes that one, in a turn of the
//! guest, and the task comes back to poll again.
//!
//! States: *created*, *suspended*, *running*, *finished*. The Rust future stands in the guest of the loop that the coroutine
//! was made for, from *created* until *finished*, and only that loop's thread touches it there.

use std::any::{TypeId, type_name};
use std::ffi::CString;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use ioxide::guest::PolledWaker;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyStopIteration, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::guest::{self, Guest, Step};
use crate::pending_exception::PendingException;

const CREATED: u8 = 0;
const SUSPENDED: u8 = 1;
const RUNNING: u8 = 2;
const FINISHED: u8 = 3;

/// Gives Python a coroutine that runs `future`: to be awaited, or made a task of.
///
/// The future runs on the thread of the running loop, within the task that awaits it, and so with that task's context
/// variables. It needn't be `Send`. Its first poll is the coroutine's first step; until then nothing of it runs, and a
/// coroutine that is never awaited warns, as Python's do.
///
/// What it gives becomes a Python object as a function's return value does: `()` is `None`.
///
/// When the task is cancelled, the future is dropped where it waits, and then `CancelledError` is raised. A panic raises
/// [`RustPanic`](crate::RustPanic).
///
/// # Errors
/// `RuntimeError` when no loop runs on this thread, or one that isn't ioxide's; `ImportError` when the ioxide that is
/// installed has another version of the loop API.
///
/// # Examples
/// ```no_run
/// use pyo3::prelude::*;
///
/// #[pyfunction]
/// fn answer(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
///     ioxide_pyo3::future_into_py(py, async { Ok(42) })
/// }
/// ```
pub fn future_into_py<F, T>(py: Python<'_>, future: F) -> PyResult<Bound<'_, PyAny>>
where
    F: Future<Output = PyResult<T>> + 'static,
    T: for<'py> IntoPyObject<'py> + 'static,
{
    let guest = Guest::running(py)?;
    let waker = guest.keep(Box::pin(async move {
        let value = future.await?;
        // What a function returns that returns nothing. As a value it would be an empty tuple.
        let is_nothing = TypeId::of::<T>() == TypeId::of::<()>();
        Python::attach(|py| if is_nothing { Ok(py.None()) } else { value.into_py_any(py) })
    }));
    let coroutine = Coroutine { name: name_of::<F>(), waker, state: AtomicU8::new(CREATED) };
    Ok(Bound::new(py, coroutine)?.into_any())
}

/// The name of the function that an `async` block stands in, or else of the future's type.
fn name_of<F>() -> &'static str {
    let path = type_name::<F>().split(['<', '{']).next().unwrap_or_default().trim_end_matches("::");
    path.rsplit("::").next().unwrap_or(path)
}

/// What [`future_into_py`] makes: a Python coroutine whose body is a Rust future.
#[pyclass(frozen, weakref, name = "coroutine", module = "ioxide_pyo3")]
#[derive(Debug)]
pub struct Coroutine {
    name: &'static str,
    waker: Arc<PolledWaker>,
    state: AtomicU8,
}

impl Coroutine {
    fn state(&self) -> u8 {
        self.state.load(Ordering::Relaxed)
    }

    fn check(&self) -> PyResult<()> {
        match self.state() {
            RUNNING => Err(PyValueError::new_err("coroutine already executing")),
            FINISHED => Err(PyRuntimeError::new_err("cannot reuse already awaited coroutine")),
            _ => Ok(()),
        }
    }

    /// Polls the future.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Step<'py>> {
        self.check()?;
        let guest = Guest::running(py)?;
        if !guest.has_made(&self.waker) {
            let message = format!("the Rust future of {:?} is attached to a different loop", self.name);
            return Err(PyRuntimeError::new_err(message));
        }
        self.state.store(RUNNING, Ordering::Relaxed);
        let step = guest.poll(py, &self.waker).map_err(|error| no_end_of_iteration(py, error));
        let state = if matches!(step, Ok(Step::Yielded(_))) { SUSPENDED } else { FINISHED };
        self.state.store(state, Ordering::Relaxed);
        step
    }

    /// Drops the future where it waits; on a thread that isn't its own, has it dropped there.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.state.store(FINISHED, Ordering::Relaxed);
        if let Some(guest) = guest::of_waker(&self.waker) {
            return guest.forget(py, &self.waker);
        }
        self.waker.abandon();
        Ok(())
    }

    fn warn_that_it_was_never_awaited(&self, py: Python<'_>) -> PyResult<()> {
        let message = CString::new(format!("coroutine '{}' was never awaited", self.name))?;
        PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1)
    }
}

#[pymethods]
impl Coroutine {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.step(py)? {
            Step::Yielded(waiter) => Ok(Some(waiter)),
            Step::Returned(value) if value.is_none(py) => Ok(None),
            Step::Returned(value) => Err(PyStopIteration::new_err((value,))),
        }
    }

    /// Goes on. What is sent is of no concern, but the first time it has to be `None`.
    fn send<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if self.state() == CREATED && !value.is_none() {
            return Err(PyTypeError::new_err("can't send non-None value to a just-started coroutine"));
        }
        match self.step(py)? {
            Step::Yielded(waiter) => Ok(waiter),
            Step::Returned(value) => Err(PyStopIteration::new_err((value,))),
        }
    }

    /// Drops the Rust future where it waits, and raises the exception.
    #[pyo3(signature = (r#type, val = None, tb = None))]
    fn throw(
        &self,
        py: Python<'_>,
        r#type: &Bound<'_, PyAny>,
        val: Option<&Bound<'_, PyAny>>,
        tb: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.check()?;
        let error = error_of(r#type, val, tb)?;
        match self.finish(py) {
            Ok(()) => Err(no_end_of_iteration(py, error)),
            Err(panic) => {
                panic.set_cause(py, Some(error));
                Err(panic)
            }
        }
    }

    /// Drops the Rust future where it waits.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.state() {
            FINISHED => Ok(()),
            RUNNING => self.check(),
            _ => self.finish(py),
        }
    }

    #[getter]
    fn __name__(&self) -> &'static str {
        self.name
    }

    #[getter]
    fn __qualname__(&self) -> &'static str {
        self.name
    }

    /// Whether the future is being polled.
    #[getter]
    fn cr_running(&self) -> bool {
        self.state() == RUNNING
    }

    /// It has none, which is what call graphs ask of each coroutine.
    #[getter]
    fn cr_frame(&self) -> Option<Py<PyAny>> {
        None
    }

    /// It waits for nothing that Python could look into.
    #[getter]
    fn cr_await(&self) -> Option<Py<PyAny>> {
        None
    }

    fn __repr__(slf: &Bound<'_, Self>) -> String {
        format!("<coroutine object {} at {:p}>", slf.get().name, slf.as_ptr())
    }
}

impl Drop for Coroutine {
    /// One that is forgotten before its first step gets a warning; one that waits is closed.
    fn drop(&mut self) {
        if self.state() == FINISHED {
            return;
        }
        let attached = Python::try_attach(|py| {
            // What is dropped may be so while an exception is on its way.
            let _on_its_way = PendingException::set_aside(py);
            let warned = if self.state() == CREATED { self.warn_that_it_was_never_awaited(py) } else { Ok(()) };
            for error in [warned, self.finish(py)].into_iter().filter_map(Result::err) {
                error.write_unraisable(py, None);
            }
        });
        if attached.is_none() {
            self.waker.abandon();
        }
    }
}

/// What a coroutine fails with. A `StopIteration` would be taken for its result: see PEP 479.
fn no_end_of_iteration(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let raised = PyRuntimeError::new_err("coroutine raised StopIteration");
    raised.set_context(py, Some(error.clone_ref(py)));
    raised.set_cause(py, Some(error));
    raised
}

/// The exception of `throw(type, val, tb)`.
fn error_of(
    r#type: &Bound<'_, PyAny>,
    val: Option<&Bound<'_, PyAny>>,
    tb: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyErr> {
    let val = val.filter(|val| !val.is_none());
    let exception = match val {
        Some(val) if val.is_instance(r#type)? => val.clone(),
        Some(val) => r#type.call1((val,))?,
        None if r#type.is_callable() && r#type.is_instance_of::<pyo3::types::PyType>() => r#type.call0()?,
        None => r#type.clone(),
    };
    if let Some(tb) = tb.filter(|tb| !tb.is_none()) {
        exception.setattr("__traceback__", tb)?;
    }
    // What is no exception becomes a `TypeError`.
    Ok(PyErr::from_value(exception))
}
