//! What a callback is called with. Most have no argument or one, and need no tuple for that.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// The arguments of a callback.
pub enum Arguments {
    /// It has none.
    None,
    /// It has one.
    One(Py<PyAny>),
    /// Two or more.
    Several(Py<PyTuple>),
}

impl Arguments {
    /// Those that a tuple has in it.
    pub fn of_tuple(arguments: &Bound<'_, PyTuple>) -> Self {
        if arguments.is_empty() {
            return Self::None;
        }
        match arguments.get_item(0) {
            Ok(argument) if arguments.len() == 1 => Self::One(argument.unbind()),
            _ => Self::Several(arguments.clone().unbind()),
        }
    }

    /// All of them, as Python code sees them.
    ///
    /// # Errors
    /// Out of memory.
    pub fn to_tuple<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match self {
            Self::None => Ok(PyTuple::empty(py)),
            Self::One(argument) => PyTuple::new(py, [argument]),
            Self::Several(arguments) => Ok(arguments.bind(py).clone()),
        }
    }

    /// Calls `function` with them.
    ///
    /// # Errors
    /// What it raises.
    pub fn pass_to<'py>(&self, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::None => function.call0(),
            Self::One(argument) => function.call1((argument,)),
            Self::Several(arguments) => function.call1(arguments.bind(function.py())),
        }
    }

    /// Further references to the same.
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::None => Self::None,
            Self::One(argument) => Self::One(argument.clone_ref(py)),
            Self::Several(arguments) => Self::Several(arguments.clone_ref(py)),
        }
    }

    /// Drops them, where the drop of a `Py` would have to find out first whether the thread is attached.
    pub fn let_go(self, py: Python<'_>) {
        match self {
            Self::None => {}
            Self::One(argument) => argument.drop_ref(py),
            Self::Several(arguments) => arguments.drop_ref(py),
        }
    }

    /// Shows them, for the garbage collector.
    ///
    /// # Errors
    /// What `show` returns.
    pub fn show<E>(&self, show: &mut impl FnMut(&Py<PyAny>) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::None => Ok(()),
            Self::One(argument) => show(argument),
            Self::Several(arguments) => show(arguments.as_any()),
        }
    }
}
