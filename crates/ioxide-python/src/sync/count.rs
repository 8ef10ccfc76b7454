//! Numbers that a program gives: of permits, of parties. Nearly all are small integers; but a semaphore of `math.inf` works
//! with asyncio, and so does whatever else can be counted with.

use std::convert::Infallible;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyInt;

/// A number.
pub enum Count {
    /// An integer that fits.
    Small(i64),
    /// Any other object. To do something with it runs Python code.
    Object(Py<PyAny>),
}

/// As an argument: whatever object it is.
impl<'py> FromPyObject<'_, 'py> for Count {
    type Error = Infallible;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> Result<Self, Infallible> {
        Ok(Self::of(&object))
    }
}

impl Count {
    /// The number that an object is.
    pub fn of(object: &Bound<'_, PyAny>) -> Self {
        let small = if object.is_exact_instance_of::<PyInt>() { object.extract().ok() } else { None };
        small.map_or_else(|| Self::Object(object.clone().unbind()), Self::Small)
    }

    /// The number as Python has it.
    ///
    /// # Errors
    /// Out of memory.
    pub fn to_object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Small(number) => Ok(number.into_pyobject(py)?.into_any()),
            Self::Object(object) => Ok(object.bind(py).clone()),
        }
    }

    /// The same number. Only increments a count: called within a borrow.
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Small(number) => Self::Small(*number),
            Self::Object(object) => Self::Object(object.clone_ref(py)),
        }
    }

    /// The number and `change` together.
    ///
    /// # Errors
    /// What adding to an object raises.
    pub fn plus(&self, py: Python<'_>, change: i64) -> PyResult<Self> {
        if let Self::Small(number) = self
            && let Some(sum) = number.checked_add(change)
        {
            return Ok(Self::Small(sum));
        }
        Ok(Self::of(&self.to_object(py)?.add(change)?))
    }

    /// Whether it equals `number`.
    ///
    /// # Errors
    /// What comparing an object raises.
    pub fn equals(&self, py: Python<'_>, number: i64) -> PyResult<bool> {
        match self {
            Self::Small(small) => Ok(*small == number),
            Self::Object(object) => object.bind(py).eq(number),
        }
    }

    /// Whether it is more than `number`.
    ///
    /// # Errors
    /// What comparing an object raises.
    pub fn is_above(&self, py: Python<'_>, number: i64) -> PyResult<bool> {
        match self {
            Self::Small(small) => Ok(*small > number),
            Self::Object(object) => object.bind(py).gt(number),
        }
    }

    /// Whether it is less than `number`.
    ///
    /// # Errors
    /// What comparing an object raises.
    pub fn is_below(&self, py: Python<'_>, number: i64) -> PyResult<bool> {
        match self {
            Self::Small(small) => Ok(*small < number),
            Self::Object(object) => object.bind(py).lt(number),
        }
    }

    /// Whether it is as much as `other`, or more.
    ///
    /// # Errors
    /// What comparing objects raises.
    pub fn reaches(&self, py: Python<'_>, other: &Self) -> PyResult<bool> {
        match (self, other) {
            (Self::Small(small), Self::Small(other)) => Ok(small >= other),
            _ => self.to_object(py)?.ge(other.to_object(py)?),
        }
    }

    /// Shows an object to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Small(_) => Ok(()),
            Self::Object(object) => visit.call(object),
        }
    }
}
