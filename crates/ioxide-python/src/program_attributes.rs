//! Attributes that a program sets on native objects, before Python 3.13: from then on they are in a `__dict__`.
//!
//! Python 3.11 and 3.12 make the `__dict__` of an object while they allocate it, whether it is used or not. That costs
//! memory and time per object; and it may start the garbage collector, which then looks at an object whose fields have
//! not been written. So here the dictionary is ours, and made when the first attribute is set.

use pyo3::PyClass;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::cpython::attributes;

/// A class whose objects take attributes. [`program_attributes!`] gives it the methods.
pub trait TakesAttributes: PyClass {
    /// The dictionary, if there is one.
    fn kept<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyDict>>;

    /// Keeps a dictionary. Returns what was kept before.
    fn keep(slf: &Bound<'_, Self>, made: Py<PyDict>) -> Option<Py<PyDict>>;

    /// The program sets an attribute of that name.
    ///
    /// # Errors
    /// What stands against it.
    fn note(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let _ = (slf, name);
        Ok(())
    }
}

/// The dictionary: made, if need be.
pub fn dictionary<'py, T: TakesAttributes>(slf: &Bound<'py, T>) -> Bound<'py, PyDict> {
    if let Some(attributes) = T::kept(slf) {
        return attributes;
    }
    let made = PyDict::new(slf.py());
    drop(T::keep(slf, made.clone().unbind()));
    made
}

/// `__getattr__`: what the class doesn't have.
///
/// # Errors
/// `AttributeError` if there is none.
pub fn get<'py, T: TakesAttributes>(slf: &Bound<'py, T>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    let found = match T::kept(slf) {
        Some(attributes) => attributes.get_item(name)?,
        None => None,
    };
    let Some(found) = found else {
        let class = slf.as_any().get_type().name()?;
        return Err(PyAttributeError::new_err(format!("'{class}' object has no attribute '{name}'")));
    };
    Ok(found)
}

/// `__setattr__`: by the class's own way, and into the dictionary if it has none.
///
/// # Errors
/// What setting it raises.
pub fn set<T: TakesAttributes>(
    slf: &Bound<'_, T>,
    name: &Bound<'_, PyString>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    T::note(slf, name)?;
    match attributes::set(slf.as_any(), name, Some(value)) {
        Err(error)
            if error.is_instance_of::<PyAttributeError>(slf.py()) && !slf.as_any().get_type().hasattr(name)? =>
        {
            dictionary(slf).set_item(name, value)
        }
        result => result,
    }
}

/// `__delattr__`.
///
/// # Errors
/// `AttributeError` if there is none.
pub fn delete<T: TakesAttributes>(slf: &Bound<'_, T>, name: &Bound<'_, PyString>) -> PyResult<()> {
    match T::kept(slf) {
        Some(attributes) if attributes.contains(name)? => attributes.del_item(name),
        _ => attributes::set(slf.as_any(), name, None),
    }
}

/// Gives a class the methods by which programs set attributes.
macro_rules! program_attributes {
    ($class:ty) => {
        #[pyo3::pymethods]
        impl $class {
            fn __getattr__<'py>(
                slf: &pyo3::Bound<'py, Self>,
                name: &pyo3::Bound<'py, pyo3::types::PyString>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                $crate::program_attributes::get(slf, name)
            }

            fn __setattr__(
                slf: &pyo3::Bound<'_, Self>,
                name: &pyo3::Bound<'_, pyo3::types::PyString>,
                value: &pyo3::Bound<'_, pyo3::PyAny>,
            ) -> pyo3::PyResult<()> {
                $crate::program_attributes::set(slf, name, value)
            }

            fn __delattr__(
                slf: &pyo3::Bound<'_, Self>,
                name: &pyo3::Bound<'_, pyo3::types::PyString>,
            ) -> pyo3::PyResult<()> {
                $crate::program_attributes::delete(slf, name)
            }

            /// The attributes that the program has set.
            #[getter(__dict__)]
            fn program_attributes<'py>(slf: &pyo3::Bound<'py, Self>) -> pyo3::Bound<'py, pyo3::types::PyDict> {
                $crate::program_attributes::dictionary(slf)
            }
        }
    };
}
pub(crate) use program_attributes;
