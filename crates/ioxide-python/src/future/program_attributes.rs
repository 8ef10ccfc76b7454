//! Attributes that a program sets on futures and tasks, before Python 3.13: from then on they are in a `__dict__`.
//!
//! Python 3.11 and 3.12 make the `__dict__` of an object while they allocate it, whether it is used or not. That costs
//! memory and time per future; and it may start the garbage collector, which then looks at an object whose fields have
//! not been written. So here the dictionary is ours, and made when the first attribute is set.

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::Future;
use crate::cpython::attributes;

impl Future {
    fn program_attributes<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyDict>> {
        self.state.with(py, |state| {
            let rare = state.rare.as_ref()?;
            rare.attributes.as_ref().map(|attributes| attributes.bind(py).clone())
        })
    }

    fn make_program_attributes<'py>(&self, py: Python<'py>) -> Bound<'py, PyDict> {
        if let Some(attributes) = self.program_attributes(py) {
            return attributes;
        }
        let made = PyDict::new(py);
        let kept = made.clone().unbind();
        drop(self.state.with(py, |state| state.rare().attributes.replace(kept)));
        made
    }
}

fn no_such_attribute(object: &Bound<'_, Future>, name: &Bound<'_, PyString>) -> PyResult<PyErr> {
    let class = object.get_type().name()?;
    Ok(PyAttributeError::new_err(format!("'{class}' object has no attribute '{name}'")))
}

#[pymethods]
impl Future {
    fn __getattr__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let found = match slf.get().program_attributes(slf.py()) {
            Some(attributes) => attributes.get_item(name)?,
            None => None,
        };
        found.map_or_else(|| Err(no_such_attribute(slf, name)?), Ok)
    }

    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match attributes::set(slf.as_any(), name, Some(value)) {
            Err(error) if error.is_instance_of::<PyAttributeError>(slf.py()) && !slf.get_type().hasattr(name)? => {
                slf.get().make_program_attributes(slf.py()).set_item(name, value)
            }
            result => result,
        }
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        match slf.get().program_attributes(slf.py()) {
            Some(attributes) if attributes.contains(name)? => attributes.del_item(name),
            _ => attributes::set(slf.as_any(), name, None),
        }
    }

    /// The attributes that the program has set.
    #[getter(__dict__)]
    fn attributes<'py>(&self, py: Python<'py>) -> Bound<'py, PyDict> {
        self.make_program_attributes(py)
    }
}
