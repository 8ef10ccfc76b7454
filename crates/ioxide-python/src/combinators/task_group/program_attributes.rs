//! Attributes that a program sets on a group, before Python 3.13: from then on they are in a `__dict__`. Why they aren't
//! before, see `future::program_attributes`.

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::TaskGroup;
use crate::cpython::attributes;

impl TaskGroup {
    fn program_attributes<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyDict>> {
        self.state.with(py, |state| state.attributes.as_ref().map(|attributes| attributes.bind(py).clone()))
    }
}

#[pymethods]
impl TaskGroup {
    fn __getattr__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let found = match slf.get().program_attributes(slf.py()) {
            Some(attributes) => attributes.get_item(name)?,
            None => None,
        };
        let class = slf.get_type().name()?;
        found.ok_or_else(|| PyAttributeError::new_err(format!("'{class}' object has no attribute '{name}'")))
    }

    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match attributes::set(slf.as_any(), name, Some(value)) {
            Err(error) if error.is_instance_of::<PyAttributeError>(slf.py()) && !slf.get_type().hasattr(name)? => {
                slf.get().attributes(slf.py()).set_item(name, value)
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
        if let Some(attributes) = self.program_attributes(py) {
            return attributes;
        }
        let made = PyDict::new(py);
        let kept = made.clone().unbind();
        drop(self.state.with(py, |state| state.attributes.replace(kept)));
        made
    }
}
