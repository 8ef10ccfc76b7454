//! Attributes that a program sets on a group, before Python 3.13.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::TaskGroup;
use crate::program_attributes::{TakesAttributes, program_attributes};

impl TakesAttributes for TaskGroup {
    fn kept<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyDict>> {
        let py = slf.py();
        slf.get().state.with(py, |state| state.attributes.as_ref().map(|attributes| attributes.bind(py).clone()))
    }

    fn keep(slf: &Bound<'_, Self>, made: Py<PyDict>) -> Option<Py<PyDict>> {
        slf.get().state.with(slf.py(), |state| state.attributes.replace(made))
    }
}

program_attributes!(TaskGroup);
