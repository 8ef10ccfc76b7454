//! What all classes here have: they can be derived from, belong to a loop, and take attributes.

use pyo3::prelude::*;
use pyo3::types::PyType;

/// Whether a class has the methods of `native`, from which it is derived, and none of its own by these names. If so an
/// object needn't call them by name.
///
/// # Errors
/// What looking up a method raises.
pub fn are_native(class: &Bound<'_, PyType>, native: &Bound<'_, PyType>, names: &[&str]) -> PyResult<bool> {
    if class.is(native) {
        return Ok(true);
    }
    for name in names {
        if !class.getattr(*name)?.is(&native.getattr(*name)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What `object.__repr__` says of an object, with `extra` behind it.
///
/// # Errors
/// What naming its class raises.
pub fn describe(object: &Bound<'_, PyAny>, extra: &str) -> PyResult<String> {
    let plain = object.py().get_type::<PyAny>().getattr("__repr__")?.call1((object,))?.extract::<String>()?;
    let plain = plain.strip_prefix('<').unwrap_or(&plain);
    let plain = plain.strip_suffix('>').unwrap_or(plain);
    Ok(format!("<{plain} [{extra}]>"))
}

/// What is said of those who wait, in a repr: nothing if nobody does.
pub fn describe_waiters(count: usize) -> String {
    if count == 0 { String::new() } else { format!(", waiters:{count}") }
}

/// Gives a class, whose field `event_loop` is a [`super::loop_bound::LoopBound`], what asyncio's has of its loop; and the
/// attributes that a program sets, in the field `attributes` that it has before Python 3.13.
macro_rules! loop_bound_object {
    ($class:ty) => {
        #[pyo3::pymethods]
        impl $class {
            /// The loop that it belongs to.
            #[getter]
            fn _loop<'py>(&self, py: pyo3::Python<'py>) -> Option<pyo3::Bound<'py, pyo3::PyAny>> {
                self.event_loop.get(py)
            }

            #[setter(_loop)]
            fn set_loop(&self, py: pyo3::Python<'_>, event_loop: Option<pyo3::Bound<'_, pyo3::PyAny>>) {
                self.event_loop.set(py, event_loop);
            }

            /// The running loop, to which it belongs from now on. Raises `RuntimeError` if it belongs to another.
            fn _get_loop<'py>(slf: &pyo3::Bound<'py, Self>) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                slf.get().event_loop.bind(slf.as_any())
            }
        }

        #[cfg(not(Py_3_13))]
        impl $crate::program_attributes::TakesAttributes for $class {
            fn kept<'py>(slf: &pyo3::Bound<'py, Self>) -> Option<pyo3::Bound<'py, pyo3::types::PyDict>> {
                let py = slf.py();
                slf.get().attributes.with(py, |kept| kept.as_ref().map(|kept| kept.bind(py).clone()))
            }

            fn keep(
                slf: &pyo3::Bound<'_, Self>,
                made: pyo3::Py<pyo3::types::PyDict>,
            ) -> Option<pyo3::Py<pyo3::types::PyDict>> {
                slf.get().attributes.replace(slf.py(), Some(made))
            }
        }

        #[cfg(not(Py_3_13))]
        $crate::program_attributes::program_attributes!($class);
    };
}
pub(crate) use loop_bound_object;
