//! The underscored methods and attributes: programs replace the former, and read and set the latter.

use pyo3::prelude::*;
use pyo3::types::PyList;

use super::kinds::Kind;
use super::state::{Limit, State};
use super::{Queue, items};
use crate::combinators::any_future;
use crate::sync::own_methods::Method;

impl Queue {
    pub(super) fn initialise(slf: &Bound<'_, Self>, maxsize: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, queue) = (slf.py(), slf.get());
        drop(queue.state.replace(py, State::new(maxsize)));
        queue.getters.clear(py);
        queue.putters.clear(py);
        queue.finished.reset(py);
        if queue.replaces(py, Method::Init) {
            slf.call_method1(Method::Init.name(py), (maxsize,))?;
        } else {
            Self::begin_items(slf, queue.kind)?;
        }
        #[cfg(Py_3_13)]
        queue.state.with(py, |state| state.is_shutdown = false);
        Ok(())
    }

    /// As `self._format()`.
    pub(super) fn format(slf: &Bound<'_, Self>) -> PyResult<String> {
        if slf.get().replaces(slf.py(), Method::Format) {
            return Ok(slf.call_method0(Method::Format.name(slf.py()))?.str()?.to_string());
        }
        Self::_format(slf)
    }

    /// The items as a list, if there are any.
    fn contents<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyList>>> {
        let py = slf.py();
        if !slf.get().replaces(py, Method::Container)
            && let Some(items) = slf.get().items.to_list(py)?
        {
            return Ok((!items.is_empty()).then_some(items));
        }
        match slf.getattr_opt(Method::Container.name(py))? {
            Some(container) if container.is_truthy()? => {
                let items = PyList::empty(py);
                items.as_any().call_method1(pyo3::intern!(py, "extend"), (container,))?;
                Ok(Some(items))
            }
            _ => Ok(None),
        }
    }
}

#[pymethods]
impl Queue {
    fn _init(slf: &Bound<'_, Self>, maxsize: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = maxsize;
        Self::begin_items(slf, Kind::Fifo)
    }

    fn _get<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::pop_item(slf, Kind::Fifo)
    }

    fn _put<'py>(slf: &Bound<'py, Self>, item: Bound<'py, PyAny>) -> PyResult<()> {
        Self::append_item(slf, item)
    }

    /// Lets the first of a deque of futures go on who still waits.
    fn _wakeup_next(&self, waiters: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = waiters.py();
        while waiters.is_truthy()? {
            let waiter = waiters.call_method0(pyo3::intern!(py, "popleft"))?;
            if !any_future::is_done(&waiter)? {
                return any_future::release(&waiter);
            }
        }
        Ok(())
    }

    fn _format(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (py, queue) = (slf.py(), slf.get());
        let mut parts = vec![format!("maxsize={}", queue.maxsize(py).repr()?)];
        if let Some(items) = Self::contents(slf)? {
            parts.push(format!("_queue={}", items.repr()?));
        }
        for (line, label) in [(&queue.getters, "_getters"), (&queue.putters, "_putters")] {
            let count = line.len(py)?;
            if count > 0 {
                parts.push(format!("{label}[{count}]"));
            }
        }
        let unfinished = queue._unfinished_tasks(py);
        if unfinished != 0 {
            parts.push(format!("tasks={unfinished}"));
        }
        if queue.is_shutdown(py) {
            parts.push("shutdown".to_owned());
        }
        Ok(parts.join(" "))
    }

    #[getter]
    fn _queue<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().items.container(slf.py())?.ok_or_else(|| items::missing(slf))
    }

    #[setter(_queue)]
    fn set_queue(&self, value: &Bound<'_, PyAny>) {
        self.items.set(value);
    }

    #[getter]
    fn _maxsize<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.maxsize(py)
    }

    #[setter(_maxsize)]
    fn set_maxsize(&self, value: &Bound<'_, PyAny>) {
        let (limit, value) = (Limit::of(value), value.clone());
        let py = value.py();
        let value = value.unbind();
        let before = self.state.with(py, |state| {
            state.limit = limit;
            std::mem::replace(&mut state.maxsize, value)
        });
        drop(before);
    }

    #[getter]
    fn _getters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.getters.share(py)
    }

    #[setter(_getters)]
    fn set_getters(&self, py: Python<'_>, value: Option<Bound<'_, PyAny>>) {
        self.getters.set(py, value);
    }

    #[getter]
    fn _putters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.putters.share(py)
    }

    #[setter(_putters)]
    fn set_putters(&self, py: Python<'_>, value: Option<Bound<'_, PyAny>>) {
        self.putters.set(py, value);
    }

    #[getter]
    pub(super) fn _unfinished_tasks(&self, py: Python<'_>) -> i64 {
        self.state.with(py, |state| state.unfinished)
    }

    #[setter(_unfinished_tasks)]
    fn set_unfinished_tasks(&self, py: Python<'_>, value: i64) {
        self.state.with(py, |state| state.unfinished = value);
    }

    #[getter]
    fn _finished<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.finished.share(py)
    }

    #[setter(_finished)]
    fn set_finished(&self, value: &Bound<'_, PyAny>) {
        self.finished.set_event(value);
    }
}
