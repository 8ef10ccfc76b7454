//! Attributes that a program sets on futures and tasks, before Python 3.13.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::Future;
use crate::program_attributes::{TakesAttributes, program_attributes};

impl TakesAttributes for Future {
    fn kept<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyDict>> {
        slf.get().state.with(slf.py(), |state| {
            let rare = state.rare.as_ref()?;
            rare.attributes.as_ref().map(|attributes| attributes.bind(slf.py()).clone())
        })
    }

    fn keep(slf: &Bound<'_, Self>, made: Py<PyDict>) -> Option<Py<PyDict>> {
        slf.get().state.with(slf.py(), |state| state.rare().attributes.replace(made))
    }
}

program_attributes!(Future);
