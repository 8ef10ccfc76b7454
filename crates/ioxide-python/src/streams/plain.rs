//! Whether a class has replaced methods that native code would otherwise go past.

use pyo3::PyTypeInfo;
use pyo3::prelude::*;

use crate::cpython::asyncio::Name;

/// Whether an object has all of `methods` as the native class `T` has them. `known` is a class for which that is so.
///
/// # Errors
/// What looking up a method raises.
pub fn is_plain<T: PyTypeInfo>(object: &Bound<'_, T>, known: &Name, methods: &[&str]) -> PyResult<bool> {
    let py = object.py();
    let class = object.as_any().get_type();
    if class.is(known.get(py)?) {
        return Ok(true);
    }
    let native = py.get_type::<T>();
    for method in methods {
        if !class.getattr(*method)?.is(&native.getattr(*method)?) {
            return Ok(false);
        }
    }
    Ok(true)
}
