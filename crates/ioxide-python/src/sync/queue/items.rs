//! What is in a queue.
//!
//! As long as nobody has looked at `_queue`, the items are kept natively. The first look puts them into the container that
//! asyncio's class has there, and that one is used from then on: programs look at it, and change it. A heap is a list from
//! the beginning, for the standard library's functions work on lists.

use std::collections::VecDeque;

use pyo3::exceptions::PyAttributeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::Queue;
use super::kinds::Kind;
use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::sync::own_methods::Method;

/// What is in a queue.
pub struct Items(AttachedCell<Stored>);

enum Stored {
    /// Nothing was ever put in the attribute `_queue`.
    Missing,
    /// The items of a queue of a kind, in the order in which they came.
    Native(VecDeque<Py<PyAny>>, Kind),
    /// What `_queue` holds.
    Container(Py<PyAny>),
}

impl Items {
    pub const fn new() -> Self {
        Self(AttachedCell::new(Stored::Missing))
    }

    /// Begins with no items.
    pub fn begin(&self, py: Python<'_>, kind: Kind) {
        let stored = match kind {
            Kind::Fifo | Kind::Lifo => Stored::Native(VecDeque::new(), kind),
            Kind::Priority => Stored::Container(PyList::empty(py).into_any().unbind()),
        };
        drop(self.0.replace(py, stored));
    }

    /// Puts a container of the program's in.
    pub fn set(&self, container: &Bound<'_, PyAny>) {
        drop(self.0.replace(container.py(), Stored::Container(container.clone().unbind())));
    }

    /// What `_queue` holds. `None` if there is no such attribute.
    ///
    /// # Errors
    /// Out of memory.
    pub fn container<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let kind = match self.0.with(py, |stored| match stored {
            Stored::Missing => Err(None),
            Stored::Native(_, kind) => Ok(*kind),
            Stored::Container(container) => Err(Some(container.bind(py).clone())),
        }) {
            Ok(kind) => kind,
            Err(found) => return Ok(found),
        };
        let container = kind.empty_container(py)?;
        let kept = container.clone().unbind();
        let taken = self.0.with(py, |stored| match stored {
            Stored::Native(items, _) => {
                let items = std::mem::take(items);
                *stored = Stored::Container(kept);
                Ok(items)
            }
            Stored::Missing | Stored::Container(_) => Err(kept),
        });
        let Ok(items) = taken else {
            // To make the container may have run a finalizer of the program's, which has looked, too.
            return self.container(py);
        };
        for item in items {
            append(&container, item.bind(py))?;
        }
        Ok(Some(container))
    }

    /// How many there are, if they are kept natively.
    pub fn native_len(&self, py: Python<'_>) -> Option<usize> {
        self.0.with(py, |stored| match stored {
            Stored::Native(items, _) => Some(items.len()),
            Stored::Missing | Stored::Container(_) => None,
        })
    }

    /// Puts an item at the end if the items are kept natively and are fewer than `limit`. Returns whether it has.
    pub fn push_below(&self, item: &Bound<'_, PyAny>, limit: usize) -> bool {
        self.0.with(item.py(), |stored| match stored {
            Stored::Native(items, _) if items.len() < limit => {
                items.push_back(item.clone().unbind());
                true
            }
            Stored::Native(..) | Stored::Missing | Stored::Container(_) => false,
        })
    }

    /// Puts an item at the end. Gives it back if the items aren't kept natively.
    fn push<'py>(&self, item: Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let (py, item) = (item.py(), item.unbind());
        let refused = self.0.with(py, |stored| match stored {
            Stored::Native(items, _) => {
                items.push_back(item);
                None
            }
            Stored::Missing | Stored::Container(_) => Some(item),
        });
        refused.map(|item| item.into_bound(py))
    }

    /// Takes the item out that is next in a queue of this kind, if there is one, and it is kept natively.
    pub fn pop<'py>(&self, py: Python<'py>, kind: Kind) -> Option<Bound<'py, PyAny>> {
        let item = self.0.with(py, |stored| match (stored, kind) {
            (Stored::Native(items, Kind::Fifo), Kind::Fifo) => items.pop_front(),
            (Stored::Native(items, Kind::Lifo), Kind::Lifo) => items.pop_back(),
            _ => None,
        });
        item.map(|item| item.into_bound(py))
    }

    /// A list of the items, if they are kept natively.
    pub fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let items: Option<Vec<_>> = self.0.with(py, |stored| match stored {
            Stored::Native(items, _) => Some(items.iter().map(|item| item.bind(py).clone()).collect()),
            Stored::Missing | Stored::Container(_) => None,
        });
        items.map(|items| PyList::new(py, items)).transpose()
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.traverse(|stored| match stored {
            Stored::Missing => Ok(()),
            Stored::Native(items, _) => items.iter().try_for_each(|item| visit.call(item)),
            Stored::Container(container) => visit.call(container),
        })
    }

    pub fn clear(&self, py: Python<'_>) {
        drop(self.0.replace(py, Stored::Missing));
    }
}

impl Queue {
    /// Puts an empty container in, as `self._init(maxsize)` does.
    pub(super) fn begin_items(slf: &Bound<'_, Self>, kind: Kind) -> PyResult<()> {
        let (py, queue) = (slf.py(), slf.get());
        if queue.replaces(py, Method::Container) {
            return slf.setattr(Method::Container.name(py), kind.empty_container(py)?);
        }
        queue.items.begin(py, kind);
        Ok(())
    }

    /// What `self._queue` is.
    pub(super) fn container<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if slf.get().replaces(py, Method::Container) {
            return slf.getattr(Method::Container.name(py));
        }
        slf.get().items.container(py)?.ok_or_else(|| missing(slf))
    }

    /// How many items there are, if they are kept natively, and nothing else stands for `_queue`.
    pub(super) fn native_size(slf: &Bound<'_, Self>) -> Option<usize> {
        let (py, queue) = (slf.py(), slf.get());
        if queue.replaces(py, Method::Container) { None } else { queue.items.native_len(py) }
    }

    /// As `len(self._queue)`.
    pub(super) fn size(slf: &Bound<'_, Self>) -> PyResult<usize> {
        match Self::native_size(slf) {
            Some(size) => Ok(size),
            None => Self::container(slf)?.len(),
        }
    }

    /// As `self._put(item)`.
    pub(super) fn put_item<'py>(slf: &Bound<'py, Self>, item: Bound<'py, PyAny>) -> PyResult<()> {
        let (py, queue) = (slf.py(), slf.get());
        if queue.replaces(py, Method::Put) {
            return slf.call_method1(Method::Put.name(py), (item,)).map(drop);
        }
        match queue.kind {
            Kind::Fifo | Kind::Lifo => Self::append_item(slf, item),
            Kind::Priority => Self::push_on_heap(slf, &item),
        }
    }

    /// As `self._get()`.
    pub(super) fn get_item<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, queue) = (slf.py(), slf.get());
        if queue.replaces(py, Method::Get) {
            return slf.call_method0(Method::Get.name(py));
        }
        Self::pop_item(slf, queue.kind)
    }

    /// Puts an item at the end.
    pub(super) fn append_item<'py>(slf: &Bound<'py, Self>, item: Bound<'py, PyAny>) -> PyResult<()> {
        let refused =
            if slf.get().replaces(slf.py(), Method::Container) { Some(item) } else { slf.get().items.push(item) };
        refused.map_or(Ok(()), |item| append(&Self::container(slf)?, &item))
    }

    /// Puts an item among the others of a heap.
    pub(super) fn push_on_heap(slf: &Bound<'_, Self>, item: &Bound<'_, PyAny>) -> PyResult<()> {
        asyncio::HEAP_PUSH.get(slf.py())?.call1((Self::container(slf)?, item)).map(drop)
    }

    /// Takes the item out that is next in a queue of this kind.
    pub(super) fn pop_item<'py>(slf: &Bound<'py, Self>, kind: Kind) -> PyResult<Bound<'py, PyAny>> {
        let (py, queue) = (slf.py(), slf.get());
        if !queue.replaces(py, Method::Container)
            && let Some(item) = queue.items.pop(py, kind)
        {
            return Ok(item);
        }
        let container = Self::container(slf)?;
        match kind {
            Kind::Fifo => container.call_method0(pyo3::intern!(py, "popleft")),
            Kind::Lifo => container.call_method0(pyo3::intern!(py, "pop")),
            Kind::Priority => asyncio::HEAP_POP.get(py)?.call1((container,)),
        }
    }
}

fn append(container: &Bound<'_, PyAny>, item: &Bound<'_, PyAny>) -> PyResult<()> {
    match container.cast_exact::<PyList>() {
        Ok(list) => list.append(item),
        Err(_) => container.call_method1(pyo3::intern!(container.py(), "append"), (item,)).map(drop),
    }
}

/// The error for a queue whose class doesn't put anything into `_queue`.
pub(super) fn missing(slf: &Bound<'_, Queue>) -> PyErr {
    match slf.get_type().name() {
        Ok(class) => PyAttributeError::new_err(format!("'{class}' object has no attribute '_queue'")),
        Err(error) => error,
    }
}
