//! `asyncio.Queue`: tasks hand items to tasks, in the order in which they were put.
//!
//! Whoever finds the queue empty, or full, waits among one of two [`Waiters`] for a future of its own. To put an item
//! releases the first who waits for one, to take one the first who waits for room. Who was released looks again: somebody
//! else may have come first.
//!
//! Programs derive classes from this one. What they replace is called by name, as asyncio's own class would call it:
//! [`OwnMethods`] knows what that is. What isn't replaced is called directly.

mod at_once;
mod calling;
mod finished;
mod items;
mod kinds;
mod passing;
mod private_attributes;
#[cfg(Py_3_13)]
mod shutdown;
mod state;

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyTuple, PyType};

use super::loop_bound::LoopBound;
use super::own_methods::{HasOwnMethods, Method, OwnMethods, loop_bound_object};
use super::waiters::Waiters;
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::combinators::operation::Operation;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::{asyncio, exception};
pub use at_once::install_shortcuts;
use finished::Finished;
pub use finished::Joining;
use items::Items;
use kinds::Kind;
pub use kinds::{LifoQueue, PriorityQueue};
pub use passing::{Getting, Putting};
use state::{Maxsize, State};

/// A queue of tasks for tasks. With a `maxsize` above zero, it holds so many items, and `put` waits while it is full.
#[cfg_attr(Py_3_13, pyclass(frozen, subclass, dict, weakref, module = "ioxide"))]
#[cfg_attr(not(Py_3_13), pyclass(frozen, subclass, weakref, module = "ioxide"))]
pub struct Queue {
    kind: Kind,
    items: Items,
    state: AttachedCell<State>,
    /// Those who wait for an item.
    getters: Waiters,
    /// Those who wait for room.
    putters: Waiters,
    finished: Finished,
    event_loop: LoopBound,
    own_methods: OwnMethods,
    #[cfg(not(Py_3_13))]
    attributes: AttachedCell<Option<Py<PyDict>>>,
}

impl HasOwnMethods for Queue {
    const METHODS: &'static [Method] = &[
        Method::Full,
        Method::Empty,
        Method::Qsize,
        Method::PutNowait,
        Method::GetNowait,
        Method::Init,
        Method::Put,
        Method::Get,
        Method::WakeupNext,
        Method::GetLoop,
        Method::Format,
    ];
    const ATTRIBUTES: &'static [Method] = &[Method::Container];

    fn own_methods(&self) -> &OwnMethods {
        &self.own_methods
    }
}

impl Queue {
    /// An object that isn't initialised, of a class that may be derived from this one.
    fn of_class(class: &Bound<'_, PyType>) -> PyResult<Self> {
        let kind = Kind::of_class(class)?;
        Ok(Self {
            kind,
            items: Items::new(),
            state: AttachedCell::new(State::cleared(class.py())),
            getters: Waiters::new(),
            putters: Waiters::new(),
            finished: Finished::new(),
            event_loop: LoopBound::new(),
            own_methods: OwnMethods::of_class::<Self>(class, &kind.class(class.py()))?,
            #[cfg(not(Py_3_13))]
            attributes: AttachedCell::new(None),
        })
    }
}

#[pymethods]
impl Queue {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(maxsize=0)")]
    fn new(cls: &Bound<'_, PyType>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::of_class(cls)
    }

    #[pyo3(signature = (maxsize = Maxsize::default()))]
    fn __init__(slf: &Bound<'_, Self>, maxsize: Maxsize<'_>) -> PyResult<()> {
        let maxsize = maxsize.0.unwrap_or_else(|| PyInt::new(slf.py(), 0).into_any());
        Self::initialise(slf, &maxsize)
    }

    /// Returns how many items are in the queue.
    fn qsize(slf: &Bound<'_, Self>) -> PyResult<usize> {
        Self::size(slf)
    }

    /// How many items the queue holds. Zero or less is no limit.
    #[getter]
    fn maxsize<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.state.with(py, |state| state.maxsize.bind(py).clone())
    }

    /// Returns whether the queue is empty.
    fn empty(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Self::has_no_items(slf)
    }

    /// Returns whether the queue has as many items as it holds. Without a limit it is never full.
    fn full(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Self::has_maxsize_items(slf)
    }

    /// Puts an item in, and waits for room first if the queue is full. Raises `QueueShutDown` once the queue is shut down.
    fn put<'py>(slf: Bound<'py, Self>, item: Bound<'py, PyAny>) -> PyResult<Bound<'py, NativeCoroutine>> {
        let py = slf.py();
        NativeCoroutine::make(py, "Queue.put", Operation::PutItem(Putting::new(slf, item)))
    }

    /// Puts an item in. Raises `QueueFull` if there is no room, and `QueueShutDown` once the queue is shut down.
    fn put_nowait<'py>(slf: &Bound<'py, Self>, item: Bound<'py, PyAny>) -> PyResult<()> {
        let (py, queue) = (slf.py(), slf.get());
        #[cfg(Py_3_13)]
        if queue.is_shutdown(py) {
            return Err(shutdown::refusal(py)?);
        }
        if Self::is_full(slf)? {
            return Err(exception::raised(&asyncio::QUEUE_FULL.get(py)?.call0()?));
        }
        Self::put_item(slf, item)?;
        queue.state.with(py, |state| state.unfinished += 1);
        queue.finished.clear(py)?;
        Self::wake_next(slf, &queue.getters)
    }

    /// Takes an item out and returns it. Waits for one if the queue is empty. Raises `QueueShutDown` if the queue is shut
    /// down and nothing is left.
    fn get(slf: Bound<'_, Self>) -> PyResult<Bound<'_, NativeCoroutine>> {
        let py = slf.py();
        NativeCoroutine::make(py, "Queue.get", Operation::GetItem(Getting::new(slf)))
    }

    /// Takes an item out and returns it. Raises `QueueEmpty` if there is none, or `QueueShutDown` if the queue is shut
    /// down.
    fn get_nowait<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if Self::is_empty(slf)? {
            #[cfg(Py_3_13)]
            if slf.get().is_shutdown(py) {
                return Err(shutdown::refusal(py)?);
            }
            return Err(exception::raised(&asyncio::QUEUE_EMPTY.get(py)?.call0()?));
        }
        let item = Self::get_item(slf)?;
        Self::wake_next(slf, &slf.get().putters)?;
        Ok(item)
    }

    /// Says that an item that was taken out has been dealt with. Raises `ValueError` when that was said of as many items
    /// as were put in.
    fn task_done(&self, py: Python<'_>) -> PyResult<()> {
        let left = self.state.with(py, |state| {
            (state.unfinished > 0).then(|| {
                state.unfinished -= 1;
                state.unfinished
            })
        });
        match left {
            None => Err(PyValueError::new_err("task_done() called too many times")),
            Some(0) => self.finished.set(py),
            Some(_) => Ok(()),
        }
    }

    /// Waits until `task_done` was called for every item that was put in.
    fn join(slf: Bound<'_, Self>) -> PyResult<Bound<'_, NativeCoroutine>> {
        let py = slf.py();
        NativeCoroutine::make(py, "Queue.join", Operation::JoinQueue(Joining::new(slf)))
    }

    /// `Queue[int]`.
    #[classmethod]
    #[pyo3(signature = (item, /))]
    fn __class_getitem__<'py>(cls: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::GENERIC_ALIAS.get(cls.py())?.call1((cls, item))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(format!("<{} at {:p} {}>", slf.get_type().name()?, slf.as_ptr(), Self::format(slf)?))
    }

    fn __str__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(format!("<{} {}>", slf.get_type().name()?, Self::format(slf)?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        #[cfg(not(Py_3_13))]
        self.attributes.traverse(|attributes| visit.call(attributes))?;
        self.state.traverse(|state| visit.call(&state.maxsize))?;
        self.items.traverse(&visit)?;
        self.getters.traverse(&visit)?;
        self.putters.traverse(&visit)?;
        self.finished.traverse(&visit)?;
        self.event_loop.traverse(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        #[cfg(not(Py_3_13))]
        drop(self.attributes.replace(py, None));
        drop(self.state.replace(py, State::cleared(py)));
        self.items.clear(py);
        self.getters.clear(py);
        self.putters.clear(py);
        self.finished.reset(py);
        self.event_loop.clear(py);
    }
}

loop_bound_object!(Queue);
