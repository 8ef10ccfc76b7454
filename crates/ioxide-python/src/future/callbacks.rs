//! Who is told that a future is done.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::Future;
use super::state::{Outcome, Owner};
use crate::combinators::observer::Observer;
use crate::cpython::context;
use crate::event_loop::EventLoop;
use crate::item::Item;
use crate::task::Task;

/// Somebody who is told.
pub enum Callback {
    /// A task that waits for the future: it goes on.
    Wakeup(Py<Task>),
    /// A native object that is told in the next turn, and runs no code of the program's.
    Observer(Observer),
    /// A function, called with the future in a context.
    Function(Py<PyAny>, Py<PyAny>),
}

/// All who are told, in order. Most futures have one.
pub enum Callbacks {
    None,
    One(Callback),
    Many(Vec<Callback>),
}

impl Callback {
    fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Wakeup(task) => Self::Wakeup(task.clone_ref(py)),
            Self::Observer(observer) => Self::Observer(observer.clone_ref(py)),
            Self::Function(function, context) => Self::Function(function.clone_ref(py), context.clone_ref(py)),
        }
    }

    /// Whether both are one and the same entry.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Wakeup(task), Self::Wakeup(other)) => task.is(other),
            (Self::Observer(observer), Self::Observer(other)) => observer.as_any().is(other.as_any()),
            (Self::Function(function, context), Self::Function(other, other_context)) => {
                function.is(other) && context.is(other_context)
            }
            _ => false,
        }
    }

    /// What Python code sees of it: a function and a context.
    pub fn to_python<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        match self {
            Self::Wakeup(task) => {
                let task = task.bind(py);
                Ok((task.getattr(pyo3::intern!(py, "task_wakeup"))?, task.get().context(py)))
            }
            Self::Observer(observer) => Ok((observer.callable(py)?, context::copy_current(py)?.into_bound(py))),
            Self::Function(function, context) => Ok((function.bind(py).clone(), context.bind(py).clone())),
        }
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Wakeup(task) => visit.call(task),
            Self::Observer(observer) => observer.traverse(visit),
            Self::Function(function, context) => {
                visit.call(function)?;
                visit.call(context)
            }
        }
    }
}

impl Callbacks {
    fn push(&mut self, callback: Callback) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(callback),
            Self::One(first) => Self::Many(vec![first, callback]),
            Self::Many(mut all) => {
                all.push(callback);
                Self::Many(all)
            }
        }
    }

    /// All of them, in order.
    pub fn as_slice(&self) -> &[Callback] {
        match self {
            Self::None => &[],
            Self::One(callback) => std::slice::from_ref(callback),
            Self::Many(all) => all,
        }
    }

    pub fn clone_refs(&self, py: Python<'_>) -> Vec<Callback> {
        self.as_slice().iter().map(|callback| callback.clone_ref(py)).collect()
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.as_slice().iter().try_for_each(|callback| callback.traverse(visit))
    }

    /// Takes out one entry, if it is still there.
    fn remove(&mut self, entry: &Callback) -> Option<Callback> {
        match self {
            Self::One(callback) if callback.is_same(entry) => match std::mem::replace(self, Self::None) {
                Self::One(callback) => Some(callback),
                _ => None,
            },
            Self::Many(all) => {
                let position = all.iter().position(|callback| callback.is_same(entry))?;
                Some(all.remove(position))
            }
            Self::None | Self::One(_) => None,
        }
    }
}

impl Future {
    /// Has `task` go on once the future is done.
    ///
    /// # Errors
    /// What scheduling it raises, if the future is done already.
    pub fn add_waiter(slf: &Bound<'_, Self>, task: &Bound<'_, Task>) -> PyResult<()> {
        Self::add_callback(slf, Callback::Wakeup(task.clone().unbind()))
    }

    /// Has `observer` told once the future is done.
    ///
    /// # Errors
    /// What scheduling it raises, if the future is done already.
    pub fn add_observer(slf: &Bound<'_, Self>, observer: Observer) -> PyResult<()> {
        Self::add_callback(slf, Callback::Observer(observer))
    }

    /// Takes back every [`Future::add_observer`] of `observer`.
    pub fn remove_observer(&self, py: Python<'_>, observer: &Observer) {
        let entry = Callback::Observer(observer.clone_ref(py));
        while let Some(removed) = self.state.with(py, |state| state.callbacks.remove(&entry)) {
            drop(removed);
        }
    }

    fn add_callback(slf: &Bound<'_, Self>, callback: Callback) -> PyResult<()> {
        let py = slf.py();
        let ready = slf.get().state.with(py, |state| {
            if !matches!(state.outcome, Outcome::Pending) {
                return Some(callback);
            }
            state.callbacks.push(callback);
            None
        });
        ready.map_or(Ok(()), |callback| Self::schedule(slf, callback))
    }

    /// The future is done: schedules everybody who is told of it.
    pub(super) fn schedule_callbacks(slf: &Bound<'_, Self>) -> PyResult<()> {
        let callbacks =
            slf.get().state.with(slf.py(), |state| std::mem::replace(&mut state.callbacks, Callbacks::None));
        match callbacks {
            Callbacks::None => Ok(()),
            Callbacks::One(callback) => Self::schedule(slf, callback),
            Callbacks::Many(all) => all.into_iter().try_for_each(|callback| Self::schedule(slf, callback)),
        }
    }

    fn schedule(slf: &Bound<'_, Self>, callback: Callback) -> PyResult<()> {
        let py = slf.py();
        let native = match slf.get().native_loop(py) {
            Some(event_loop) if EventLoop::takes_items(&event_loop)? => Some(event_loop),
            _ => None,
        };
        match (native, callback) {
            (Some(event_loop), Callback::Wakeup(task)) => {
                event_loop.get().push(py, Item::Wakeup(task));
                Ok(())
            }
            (Some(event_loop), Callback::Observer(observer)) => {
                event_loop.get().push(py, Item::Notify(Box::new((observer, slf.clone().unbind()))));
                Ok(())
            }
            (Some(event_loop), Callback::Function(function, context)) => {
                let context = Some(context.into_bound(py));
                EventLoop::call_soon(&event_loop, function.bind(py), &PyTuple::new(py, [slf])?, context).map(drop)
            }
            (None, callback) => {
                let (function, context) = callback.to_python(py)?;
                let keywords = PyDict::new(py);
                keywords.set_item(pyo3::intern!(py, "context"), context)?;
                let call_soon = slf.get().event_loop(py)?.getattr(pyo3::intern!(py, "call_soon"))?;
                call_soon.call((function, slf), Some(&keywords)).map(drop)
            }
        }
    }

    /// Whether the future belongs to `event_loop`.
    pub fn belongs_to(&self, py: Python<'_>, event_loop: &Bound<'_, PyAny>) -> bool {
        self.state
            .with(py, |state| state.event_loop.as_ref().is_some_and(|owner: &Owner| owner.as_any().is(event_loop)))
    }
}

#[pymethods]
impl Future {
    /// Has `fn` called with the future once that is done, in `context` or else in a copy of the current one.
    #[pyo3(name = "add_done_callback", signature = (r#fn, /, *, context = None))]
    fn add_done_callback(
        slf: &Bound<'_, Self>,
        r#fn: Bound<'_, PyAny>,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        slf.get().check_initialised(slf.py())?;
        let context = match context {
            Some(context) => context.unbind(),
            None => context::copy_current(slf.py())?,
        };
        Self::add_callback(slf, Callback::Function(r#fn.unbind(), context))
    }

    /// Takes out every callback that equals `fn`. Returns how many.
    #[pyo3(signature = (r#fn, /))]
    fn remove_done_callback(slf: &Bound<'_, Self>, r#fn: &Bound<'_, PyAny>) -> PyResult<usize> {
        let py = slf.py();
        slf.get().check_initialised(py)?;
        // Comparing runs the program's code, which may change the list: what it finds is looked for again.
        let entries = slf.get().state.with(py, |state| state.callbacks.clone_refs(py));
        let mut count = 0;
        for entry in entries {
            let (function, _) = entry.to_python(py)?;
            if function.is(r#fn) || function.eq(r#fn)? {
                let removed = slf.get().state.with(py, |state| state.callbacks.remove(&entry));
                count += usize::from(removed.is_some());
                drop(removed);
            }
        }
        Ok(count)
    }
}
