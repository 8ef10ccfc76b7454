//! `asyncio.TimerHandle`: a callback that was scheduled for a time.

use ioxide::TimerKey;
use pyo3::basic::CompareOp;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyNotImplemented};

use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::free_list::{self, free_list};
use crate::cpython::traversal::Traverse;
use crate::event_loop::EventLoop;
use crate::handle::{Arguments, Handle};
use crate::item::Item;

/// What `call_later` and `call_at` return.
#[pyclass(frozen, extends = Handle, module = "ioxide")]
pub struct TimerHandle {
    when: When,
    /// Where the loop keeps the timer. It names nothing once the timer is out of the loop's hands.
    key: AttachedCell<Option<TimerKey>>,
}

/// The time of a timer, by the loop's clock.
pub enum When {
    /// A `float`: most are, and needn't be kept as an object.
    Seconds(f64),
    /// As the program gave it: an `int` stays an `int`.
    Given(Py<PyAny>),
}

impl When {
    /// The time that is an object.
    pub fn of(when: &Bound<'_, PyAny>) -> Self {
        match when.cast_exact::<PyFloat>() {
            Ok(seconds) => Self::Seconds(seconds.value()),
            Err(_) => Self::Given(when.clone().unbind()),
        }
    }

    fn to_object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self {
            Self::Seconds(seconds) => PyFloat::new(py, *seconds).into_any(),
            Self::Given(when) => when.bind(py).clone(),
        }
    }

    fn seconds(&self, py: Python<'_>) -> PyResult<f64> {
        match self {
            Self::Seconds(seconds) => Ok(*seconds),
            Self::Given(when) => when.bind(py).extract(),
        }
    }

    fn show<E>(&self, show: &mut impl FnMut(&Py<PyAny>) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::Seconds(_) => Ok(()),
            Self::Given(when) => show(when),
        }
    }
}

impl TimerHandle {
    /// Makes a handle and arms its timer.
    ///
    /// # Errors
    /// `TypeError` if `when` isn't a number.
    pub fn arm<'py>(
        event_loop: &Bound<'py, EventLoop>,
        when: When,
        callback: &Bound<'py, PyAny>,
        arguments: Arguments,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let deadline = ioxide::clock::from_seconds(when.seconds(py)?);
        let handle = Handle::new(event_loop, callback, arguments, context)?;
        let is_seen = event_loop.get().shows_handles_at_once();
        let timer = Self::make(py, handle, Self { when, key: AttachedCell::new(None) }, is_seen)?;
        let item = Item::Handle(timer.as_super().clone().unbind());
        let key = event_loop.get().arm(py, deadline, item);
        timer.get().key.set(py, Some(key));
        Ok(timer)
    }

    /// As [`Handle::run_and_drop`], of a timer whose time has come.
    ///
    /// # Errors
    /// As [`Handle::run`].
    pub fn run_and_drop(slf: Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        match free_list::take_apart_derived::<Handle, Self>(slf) {
            Ok((handle, timer)) => {
                handle.run_alone(py, |handle| Self::make(py, handle, timer, true).map(Bound::into_super))
            }
            Err(slf) => Handle::run_seen(slf.as_super()),
        }
    }

    fn make(py: Python<'_>, handle: Handle, timer: Self, is_seen: bool) -> PyResult<Bound<'_, Self>> {
        free_list::make_derived(py, handle, timer, is_seen, |handle, timer| {
            Bound::new(py, PyClassInitializer::from(handle).add_subclass(timer))
        })
    }

    /// The time, as the program gave it.
    pub fn when_object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.when.to_object(py)
    }
}

free_list!(TimerHandle);

impl Traverse for TimerHandle {
    fn each<E>(slf: &Bound<'_, Self>, show: &mut impl FnMut(&Py<PyAny>) -> Result<(), E>) -> Result<(), E> {
        slf.as_super().get().show(show)?;
        slf.get().when.show(show)
    }
}

#[pymethods]
impl TimerHandle {
    /// Makes sure that the callback doesn't run, and lets go of it, of its arguments and of the timer.
    fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let key = slf.get().key.replace(py, None);
        if let Some(key) = key {
            let event_loop = slf.as_super().get().event_loop(py);
            drop(event_loop.get().disarm(py, key));
        }
        Handle::cancel(slf.as_super())
    }

    /// The time that the callback is scheduled for, by the loop's clock, in seconds.
    fn when<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.when_object(py)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.when_object(py).hash()
    }

    /// Timers are ordered by their times; they are equal when everything about them is.
    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        how: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let Ok(other) = other.cast::<Self>() else {
            return Ok(PyNotImplemented::get(py).to_owned().into_any());
        };
        let (mine, theirs) = (slf.get().when_object(py), other.get().when_object(py));
        let result = match how {
            CompareOp::Lt => mine.lt(&theirs)?,
            CompareOp::Gt => mine.gt(&theirs)?,
            CompareOp::Le => mine.lt(&theirs)? || is_equal(slf, other)?,
            CompareOp::Ge => mine.gt(&theirs)? || is_equal(slf, other)?,
            CompareOp::Eq => is_equal(slf, other)?,
            CompareOp::Ne => !is_equal(slf, other)?,
        };
        Ok(result.into_pyobject(py)?.to_owned().into_any())
    }

    /// To `isinstance`, a timer handle of asyncio's.
    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        asyncio::TIMER_HANDLE.get(py).cloned()
    }

    /// Whether the timer is still armed.
    #[getter]
    fn _scheduled(slf: &Bound<'_, Self>) -> bool {
        let py = slf.py();
        let key = slf.get().key.get(py);
        key.is_some_and(|key| slf.as_super().get().event_loop(py).get().is_armed(py, key))
    }

    #[getter]
    fn _when<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.when_object(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.when.show(&mut |referred| visit.call(referred))
    }
}

fn is_equal(left: &Bound<'_, TimerHandle>, right: &Bound<'_, TimerHandle>) -> PyResult<bool> {
    let py = left.py();
    if !left.get().when_object(py).eq(right.get().when_object(py))? {
        return Ok(false);
    }
    for attribute in ["_callback", "_args", "_cancelled"] {
        if !left.getattr(attribute)?.eq(right.getattr(attribute)?)? {
            return Ok(false);
        }
    }
    Ok(true)
}
