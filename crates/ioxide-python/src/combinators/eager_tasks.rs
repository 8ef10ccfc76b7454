//! `asyncio.eager_task_factory` and `asyncio.create_eager_task_factory` (3.12 and later): tasks that take their first step
//! while they are made.
//!
//! In the standard library both factories are closures of one function, over the class of the tasks. `anyio` knows them by
//! that: by the function's code, and by what is in the closure. So they show both; the code is never run.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::task::Task;

/// Returns a task factory that calls `custom_task_constructor`, which takes what `asyncio.Task` does, `eager_start`
/// included.
#[pyfunction]
pub fn create_eager_task_factory(custom_task_constructor: Py<PyAny>) -> EagerTaskFactory {
    EagerTaskFactory { constructor: AttachedCell::new(Some(custom_task_constructor)) }
}

/// The task factory for native tasks, for the loop's `set_task_factory`.
///
/// # Errors
/// Out of memory.
pub fn eager_task_factory(py: Python<'_>) -> PyResult<Bound<'_, EagerTaskFactory>> {
    // Remembered from now on: under its name in asyncio there may be this factory before long.
    asyncio::EAGER_TASK_FACTORY.get(py)?;
    Bound::new(py, create_eager_task_factory(py.get_type::<Task>().into_any().unbind()))
}

/// A task factory: makes tasks of one class that take their first step at once, before it returns.
#[pyclass(frozen, weakref, name = "factory", module = "ioxide")]
pub struct EagerTaskFactory {
    /// Until this object is cleared.
    constructor: AttachedCell<Option<Py<PyAny>>>,
}

impl EagerTaskFactory {
    fn constructor<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        let constructor = self.constructor.with(py, |constructor| constructor.as_ref().map(|it| it.bind(py).clone()));
        constructor.unwrap_or_else(|| py.None().into_bound(py))
    }

    /// Calls the constructor with a loop, and what else it takes.
    fn construct<'py>(
        &self,
        event_loop: &Bound<'py, PyAny>,
        coroutine: &Bound<'py, PyAny>,
        keywords: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        keywords.set_item(pyo3::intern!(keywords.py(), "loop"), event_loop)?;
        self.constructor(coroutine.py()).call((coroutine,), Some(keywords))
    }
}

#[pymethods]
impl EagerTaskFactory {
    #[cfg(Py_3_14)]
    #[pyo3(signature = (r#loop, coro, **kwargs))]
    fn __call__<'py>(
        &self,
        r#loop: &Bound<'py, PyAny>,
        coro: &Bound<'py, PyAny>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = coro.py();
        if kwargs.is_none() && self.constructor(py).is(py.get_type::<Task>()) {
            return Task::start(r#loop, coro, None, None).map(Bound::into_any);
        }
        let keywords = PyDict::new(py);
        keywords.set_item(pyo3::intern!(py, "eager_start"), true)?;
        if let Some(further) = kwargs {
            keywords.update(further.as_mapping())?;
        }
        self.construct(r#loop, coro, &keywords)
    }

    #[cfg(not(Py_3_14))]
    #[pyo3(signature = (r#loop, coro, *, name = None, context = None))]
    fn __call__<'py>(
        &self,
        r#loop: &Bound<'py, PyAny>,
        coro: &Bound<'py, PyAny>,
        name: Option<&Bound<'py, PyAny>>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = coro.py();
        if self.constructor(py).is(py.get_type::<Task>()) {
            return Task::start(r#loop, coro, name, context).map(Bound::into_any);
        }
        let keywords = PyDict::new(py);
        keywords.set_item(pyo3::intern!(py, "name"), name)?;
        keywords.set_item(pyo3::intern!(py, "context"), context)?;
        keywords.set_item(pyo3::intern!(py, "eager_start"), true)?;
        self.construct(r#loop, coro, &keywords)
    }

    #[getter]
    fn __name__(&self) -> &'static str {
        "factory"
    }

    #[getter]
    fn __qualname__(&self) -> &'static str {
        "create_eager_task_factory.<locals>.factory"
    }

    /// What `inspect.signature` shows.
    #[getter]
    fn __signature__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("inspect")?.getattr("signature")?.call1((asyncio::EAGER_TASK_FACTORY.get(py)?,))
    }

    #[getter]
    fn __code__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::EAGER_TASK_FACTORY.get(py)?.getattr("__code__")
    }

    #[getter]
    fn __closure__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let cell = py.import("types")?.getattr("CellType")?.call1((self.constructor(py),))?;
        PyTuple::new(py, [cell])
    }

    /// Like a function, it is its own copy. So for the next.
    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.constructor.traverse(|constructor| visit.call(constructor))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.constructor.replace(py, None));
    }
}
