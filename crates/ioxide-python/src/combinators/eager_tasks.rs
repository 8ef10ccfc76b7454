//! `asyncio.eager_task_factory` and `asyncio.create_eager_task_factory` (3.12 and later): tasks that take their first step
//! while they are made.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::cpython::attached_cell::AttachedCell;
use crate::task::Task;

/// A task factory, for the loop's `set_task_factory`: makes a task that takes its first step at once, before this returns,
/// unless `eager_start` is false.
#[cfg(Py_3_14)]
#[pyfunction]
#[pyo3(signature = (r#loop, coro, **kwargs), text_signature = "(loop, coro, *, eager_start=True, **kwargs)")]
pub fn eager_task_factory<'py>(
    r#loop: &Bound<'py, PyAny>,
    coro: &Bound<'py, PyAny>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    if kwargs.is_none() {
        return Task::start(r#loop, coro, None, None).map(Bound::into_any);
    }
    coro.py().get_type::<Task>().call((coro,), Some(&keywords_of(r#loop, kwargs)?))
}

/// What a task's class gets.
#[cfg(Py_3_14)]
fn keywords_of<'py>(
    event_loop: &Bound<'py, PyAny>,
    further: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = event_loop.py();
    let keywords = PyDict::new(py);
    keywords.set_item(pyo3::intern!(py, "eager_start"), true)?;
    if let Some(further) = further {
        keywords.update(further.as_mapping())?;
    }
    keywords.set_item(pyo3::intern!(py, "loop"), event_loop)?;
    Ok(keywords)
}

/// A task factory, for the loop's `set_task_factory`: makes a task that takes its first step at once, before this returns.
#[cfg(not(Py_3_14))]
#[pyfunction]
#[pyo3(signature = (r#loop, coro, *, name = None, context = None))]
pub fn eager_task_factory<'py>(
    r#loop: &Bound<'py, PyAny>,
    coro: &Bound<'py, PyAny>,
    name: Option<&Bound<'py, PyAny>>,
    context: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, Task>> {
    Task::start(r#loop, coro, name, context)
}

/// Returns a task factory that calls `custom_task_constructor`, which takes what `asyncio.Task` does, `eager_start`
/// included.
#[pyfunction]
pub fn create_eager_task_factory(custom_task_constructor: Py<PyAny>) -> EagerTaskFactory {
    EagerTaskFactory { constructor: AttachedCell::new(Some(custom_task_constructor)) }
}

/// A task factory for tasks of the program's own class.
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
        let keywords = keywords_of(r#loop, kwargs)?;
        self.constructor(coro.py()).call((coro,), Some(&keywords))
    }

    #[cfg(not(Py_3_14))]
    #[pyo3(signature = (r#loop, coro, *, name = None, context = None))]
    fn __call__<'py>(
        &self,
        r#loop: &Bound<'py, PyAny>,
        coro: &Bound<'py, PyAny>,
        name: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = coro.py();
        let keywords = PyDict::new(py);
        keywords.set_item(pyo3::intern!(py, "loop"), r#loop)?;
        keywords.set_item(pyo3::intern!(py, "name"), name)?;
        keywords.set_item(pyo3::intern!(py, "context"), context)?;
        keywords.set_item(pyo3::intern!(py, "eager_start"), true)?;
        self.constructor(py).call((coro,), Some(&keywords))
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
        let function = pyo3::wrap_pyfunction!(eager_task_factory, py)?;
        py.import("inspect")?.getattr("signature")?.call1((function,))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.constructor.traverse(|constructor| visit.call(constructor))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.constructor.replace(py, None));
    }
}
