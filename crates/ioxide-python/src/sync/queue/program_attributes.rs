//! Attributes that a program sets on a queue. One that replaces a method is noted, so that it is called from then on.
//!
//! Before Python 3.13 they are kept by us: see [`crate::program_attributes`].

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::Queue;
#[cfg(Py_3_13)]
use crate::cpython::attributes;

#[cfg(Py_3_13)]
#[pymethods]
impl Queue {
    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.get().overrides.note(name)?;
        attributes::set(slf.as_any(), name, Some(value))
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        attributes::set(slf.as_any(), name, None)
    }
}

#[cfg(not(Py_3_13))]
mod before_3_13 {
    use pyo3::types::PyDict;

    use super::{Bound, Py, PyAny, PyResult, PyString, Queue, pymethods};
    use crate::program_attributes::{self, TakesAttributes};

    impl TakesAttributes for Queue {
        fn kept<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyDict>> {
            let py = slf.py();
            slf.get().state.with(py, |state| state.attributes.as_ref().map(|attributes| attributes.bind(py).clone()))
        }

        fn keep(slf: &Bound<'_, Self>, made: Py<PyDict>) -> Option<Py<PyDict>> {
            slf.get().state.with(slf.py(), |state| state.attributes.replace(made))
        }
    }

    #[pymethods]
    impl Queue {
        fn __getattr__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
            program_attributes::get(slf, name)
        }

        fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
            slf.get().overrides.note(name)?;
            program_attributes::set(slf, name, value)
        }

        fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
            program_attributes::delete(slf, name)
        }

        /// The attributes that the program has set.
        #[getter(__dict__)]
        fn program_attributes<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyDict> {
            program_attributes::dictionary(slf)
        }
    }
}
