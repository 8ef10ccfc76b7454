//! A coroutine whose body is Rust: what `sleep`, `wait` and their kin return.
//!
//! It has a coroutine's methods (`send`, `throw`, `close`, `__await__`), so that it can be awaited, made a task of, or
//! driven by hand, and warns when it is forgotten before its first step. Its body is an [`Operation`], a state machine
//! that is resumed as a coroutine's frame would be.
//!
//! States: *created*, *suspended* (it has yielded something to the task), *running* (the operation is on the stack, out of
//! the cell), *finished*.

use std::cell::Cell;
use std::sync::OnceLock;

use pyo3::exceptions::{
    PyGeneratorExit, PyRecursionError, PyRuntimeError, PyRuntimeWarning, PyStopIteration, PyTypeError, PyValueError,
};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::operation::{Operation, Resumption, Step};
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::coroutine::{self, Awaitable, Sent};
use crate::cpython::exception;
use crate::cpython::finalizer::Finalize;
use crate::cpython::free_list::{self, free_list};
use crate::cpython::light_deallocation::LightDeallocation;
use crate::cpython::shortcut::StepShortcut;

/// A coroutine whose body is Rust.
#[pyclass(frozen, weakref, name = "coroutine", module = "ioxide._ioxide")]
pub struct NativeCoroutine {
    qualified_name: &'static str,
    state: AttachedCell<State>,
}

enum State {
    Created(Operation),
    Suspended(Operation),
    Running,
    Finished,
}

impl NativeCoroutine {
    /// Makes a coroutine that hasn't begun.
    ///
    /// # Errors
    /// Out of memory.
    pub fn make<'py>(
        py: Python<'py>,
        qualified_name: &'static str,
        operation: Operation,
    ) -> PyResult<Bound<'py, Self>> {
        free_list::make(py, Self { qualified_name, state: AttachedCell::new(State::Created(operation)) })
    }

    /// As [`coroutine::send_none`], by a shorter way if the coroutine is one of these.
    ///
    /// # Errors
    /// What the coroutine raises.
    pub fn send_none_to<'py>(coroutine: &Bound<'py, PyAny>) -> PyResult<Sent<'py>> {
        let Ok(native) = coroutine.cast_exact::<Self>() else { return coroutine::send_none(coroutine) };
        Ok(match native.get().resume(coroutine.py(), Resumption::Next)? {
            Step::Yielded(object) => Sent::Yielded(object),
            Step::Returned(value) => Sent::Returned(value),
        })
    }

    /// Runs the operation to where it suspends next, or to its end.
    fn resume<'py>(&self, py: Python<'py>, resumption: Resumption) -> PyResult<Step<'py>> {
        let (mut operation, resumption) = match (self.state.replace(py, State::Running), resumption) {
            (State::Created(operation), Resumption::Throw(error)) => {
                drop(self.state.replace(py, State::Finished));
                drop(operation);
                let error = if cfg!(Py_3_12) { error } else { exception::not_the_end_of_iteration(py, error) };
                return Err(error);
            }
            (State::Created(operation) | State::Suspended(operation), resumption) => (operation, resumption),
            (State::Running, _) => return Err(PyValueError::new_err("coroutine already executing")),
            (State::Finished, _) => {
                drop(self.state.replace(py, State::Finished));
                return Err(PyRuntimeError::new_err("cannot reuse already awaited coroutine"));
            }
        };
        let step = match Nesting::enter() {
            Ok(_level) => operation.resume(py, resumption),
            Err(error) => Err(error),
        };
        let step = step.map_err(|error| exception::not_the_end_of_iteration(py, error));
        let suspended = match step {
            Ok(Step::Yielded(_)) => State::Suspended(operation),
            Ok(Step::Returned(_)) | Err(_) => {
                operation.release(py);
                State::Finished
            }
        };
        drop(self.state.replace(py, suspended));
        step
    }

    fn is_created(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| matches!(state, State::Created(_)))
    }

    fn name(&self) -> &'static str {
        self.qualified_name.rsplit('.').next().unwrap_or(self.qualified_name)
    }
}

/// Native coroutines that await one another are on the stack together, and each counts for as long as this lives.
struct Nesting(());

/// So many may be: the interpreter's own limit, unless a program has raised that. It counts frames of Python's, of which
/// there is none here, and a stack holds some thousands of these.
const MOST_NESTED: u32 = 1000;

thread_local! {
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

impl Nesting {
    fn enter() -> PyResult<Self> {
        let nested = NESTED.get();
        if nested == MOST_NESTED {
            return Err(PyRecursionError::new_err("maximum recursion depth exceeded"));
        }
        NESTED.set(nested + 1);
        Ok(Self(()))
    }
}

impl Drop for Nesting {
    fn drop(&mut self) {
        NESTED.set(NESTED.get() - 1);
    }
}

free_list!(NativeCoroutine);

impl Awaitable for NativeCoroutine {
    fn is_awaited(slf: &Bound<'_, Self>) -> bool {
        slf.get().state.with(slf.py(), |state| matches!(state, State::Suspended(_)))
    }
}

impl StepShortcut for NativeCoroutine {
    fn general() -> &'static OnceLock<pyo3::ffi::iternextfunc> {
        static GENERAL: OnceLock<pyo3::ffi::iternextfunc> = OnceLock::new();
        &GENERAL
    }

    /// The step of an operation that needn't wait.
    fn take<'py>(slf: &Bound<'py, Self>) -> Option<Sent<'py>> {
        let py = slf.py();
        let (sent, before) = slf.get().state.with(py, |state| {
            let (State::Created(operation) | State::Suspended(operation)) = state else { return None };
            let sent = operation.step_at_once(py)?;
            match sent {
                Sent::Returned(_) => Some((sent, std::mem::replace(state, State::Finished))),
                Sent::Yielded(_) => {
                    let before = std::mem::replace(state, State::Running);
                    if let State::Created(operation) | State::Suspended(operation) = before {
                        *state = State::Suspended(operation);
                    }
                    Some((sent, State::Running))
                }
            }
        })?;
        if let State::Created(operation) | State::Suspended(operation) = before {
            operation.release(py);
        }
        Some(sent)
    }
}

#[pymethods]
impl NativeCoroutine {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.resume(py, Resumption::Next)? {
            Step::Yielded(object) => Ok(Some(object)),
            Step::Returned(value) => {
                exception::end_iteration(value);
                Ok(None)
            }
        }
    }

    /// Goes on. What is sent is of no concern, but the first time it has to be `None`.
    fn send<'py>(slf: &Bound<'py, Self>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().is_created(slf.py()) && !value.is_none() {
            return Err(PyTypeError::new_err("can't send non-None value to a just-started coroutine"));
        }
        match slf.get().resume(slf.py(), Resumption::Next)? {
            Step::Yielded(object) => Ok(object),
            Step::Returned(value) if value.is_none() => Err(PyStopIteration::new_err(())),
            Step::Returned(value) => Err(exception::stop_iteration(&value)?),
        }
    }

    /// Raises an exception where the coroutine waits.
    #[pyo3(signature = (r#type, val = None, tb = None))]
    fn throw<'py>(
        &self,
        r#type: &Bound<'py, PyAny>,
        val: Option<Bound<'py, PyAny>>,
        tb: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = r#type.py();
        let error = exception::of_throw_arguments(r#type, val, tb)?;
        match self.resume(py, Resumption::Throw(error))? {
            Step::Yielded(object) => Ok(object),
            Step::Returned(value) => Err(exception::stop_iteration(&value)?),
        }
    }

    /// Ends the coroutine where it waits.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.state.with(py, |state| matches!(state, State::Created(_) | State::Finished)) {
            drop(self.state.replace(py, State::Finished));
            return Ok(());
        }
        // An instance: what `new_err` puts off can't be made any more while the interpreter shuts down.
        let exit = PyErr::from_value(py.get_type::<PyGeneratorExit>().call0()?);
        match self.resume(py, Resumption::Throw(exit)) {
            Ok(Step::Yielded(_)) => Err(PyRuntimeError::new_err("coroutine ignored GeneratorExit")),
            Ok(Step::Returned(_)) => Ok(()),
            Err(error) if error.is_instance_of::<PyGeneratorExit>(py) => Ok(()),
            Err(error) => Err(error),
        }
    }

    #[getter]
    fn __name__(&self) -> &'static str {
        self.name()
    }

    #[getter]
    fn __qualname__(&self) -> &'static str {
        self.qualified_name
    }

    /// Whether the coroutine is on the stack.
    #[getter]
    fn cr_running(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| matches!(state, State::Running))
    }

    /// It has none, which is what call graphs ask of each coroutine.
    #[cfg(Py_3_14)]
    #[getter]
    fn cr_frame(&self) -> Option<Py<PyAny>> {
        None
    }

    /// What the coroutine waits for.
    #[getter]
    fn cr_await<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |state| match state {
            State::Suspended(operation) => operation.awaits(py),
            State::Created(_) | State::Running | State::Finished => None,
        })
    }

    fn __repr__(slf: &Bound<'_, Self>) -> String {
        format!("<coroutine object {} at {:p}>", slf.get().qualified_name, slf.as_ptr())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state.traverse(|state| match state {
            State::Created(operation) | State::Suspended(operation) => operation.traverse(&visit),
            State::Running | State::Finished => Ok(()),
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.state.replace(py, State::Finished));
    }
}

impl LightDeallocation for NativeCoroutine {
    fn deallocation() -> &'static OnceLock<pyo3::ffi::destructor> {
        static DEALLOCATION: OnceLock<pyo3::ffi::destructor> = OnceLock::new();
        &DEALLOCATION
    }

    fn holds_nothing(slf: &Bound<'_, Self>) -> bool {
        Self::has_nothing_to_do(slf)
    }
}

impl Finalize for NativeCoroutine {
    fn deallocation() -> &'static OnceLock<pyo3::ffi::destructor> {
        static DEALLOCATION: OnceLock<pyo3::ffi::destructor> = OnceLock::new();
        &DEALLOCATION
    }

    fn has_nothing_to_do(slf: &Bound<'_, Self>) -> bool {
        slf.get().state.with(slf.py(), |state| matches!(state, State::Finished))
    }

    /// A coroutine that is forgotten before its first step gets a warning; one that waits is closed.
    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if !slf.get().is_created(py) {
            return slf.get().close(py);
        }
        drop(slf.get().state.replace(py, State::Finished));
        let message = format!("coroutine '{}' was never awaited", slf.get().qualified_name);
        let message = std::ffi::CString::new(message).map_err(PyErr::from)?;
        PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1)
    }
}
