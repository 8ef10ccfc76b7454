//! The kinds of queues: which item is next.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use super::Queue;
use crate::cpython::asyncio;

/// Which item is next.
#[derive(Clone, Copy)]
pub enum Kind {
    /// The one that came first.
    Fifo,
    /// The one that came last.
    Lifo,
    /// The least.
    Priority,
}

impl Kind {
    /// That of a class, or of the native class that it is derived from.
    ///
    /// # Errors
    /// What looking at the class raises.
    pub fn of_class(class: &Bound<'_, PyType>) -> PyResult<Self> {
        if class.is(class.py().get_type::<Queue>()) {
            Ok(Self::Fifo)
        } else if class.is_subclass_of::<LifoQueue>()? {
            Ok(Self::Lifo)
        } else if class.is_subclass_of::<PriorityQueue>()? {
            Ok(Self::Priority)
        } else {
            Ok(Self::Fifo)
        }
    }

    /// The native class.
    pub fn class(self, py: Python<'_>) -> Bound<'_, PyType> {
        match self {
            Self::Fifo => py.get_type::<Queue>(),
            Self::Lifo => py.get_type::<LifoQueue>(),
            Self::Priority => py.get_type::<PriorityQueue>(),
        }
    }

    /// What `_queue` holds at first.
    ///
    /// # Errors
    /// Out of memory.
    pub fn empty_container(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        match self {
            Self::Fifo => asyncio::DEQUE.get(py)?.call0(),
            Self::Lifo | Self::Priority => Ok(PyList::empty(py).into_any()),
        }
    }
}

/// A queue that hands out first what was put last.
#[pyclass(frozen, subclass, extends = Queue, module = "ioxide")]
pub struct LifoQueue;

#[pymethods]
impl LifoQueue {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(maxsize=0)")]
    fn new(
        cls: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        Ok(PyClassInitializer::from(Queue::of_class(cls)?).add_subclass(Self))
    }

    fn _init(slf: &Bound<'_, Self>, maxsize: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = maxsize;
        Queue::begin_items(slf.as_super(), Kind::Lifo)
    }

    fn _put<'py>(slf: &Bound<'py, Self>, item: Bound<'py, PyAny>) -> PyResult<()> {
        Queue::append_item(slf.as_super(), item)
    }

    fn _get<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Queue::pop_item(slf.as_super(), Kind::Lifo)
    }
}

/// A queue that hands out the least item first. The items are compared, by `<`, as `heapq` does; pairs of a number and
/// something else are common.
#[pyclass(frozen, subclass, extends = Queue, module = "ioxide")]
pub struct PriorityQueue;

#[pymethods]
impl PriorityQueue {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(maxsize=0)")]
    fn new(
        cls: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        Ok(PyClassInitializer::from(Queue::of_class(cls)?).add_subclass(Self))
    }

    fn _init(slf: &Bound<'_, Self>, maxsize: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = maxsize;
        Queue::begin_items(slf.as_super(), Kind::Priority)
    }

    fn _put<'py>(slf: &Bound<'py, Self>, item: &Bound<'py, PyAny>) -> PyResult<()> {
        Queue::push_on_heap(slf.as_super(), item)
    }

    fn _get<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Queue::pop_item(slf.as_super(), Kind::Priority)
    }
}
