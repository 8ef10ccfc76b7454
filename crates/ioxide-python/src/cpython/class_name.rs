//! What the interpreter calls a class of an extension in its messages: by module and name. A class of Python's is called by its
//! name alone, and programs and their tests know messages such as "'Lock' object has no attribute 'x'".

use std::ffi::CStr;

use pyo3::PyClass;
use pyo3::prelude::*;

/// Has messages call the class by its name alone. Its `__module__` and what is made of that stay.
pub fn leave_out_module<T: PyClass>(py: Python<'_>) {
    // SAFETY: the type object lives as long as the interpreter. The module's initialisation calls this before the class can
    // be reached by anybody else, and holds the GIL.
    let class = unsafe { &mut *T::type_object_raw(py) };
    // SAFETY: the name of a class is a string that ends with a NUL, and lives as long as the class.
    let name = unsafe { CStr::from_ptr(class.tp_name) };
    let module = name.to_bytes().iter().rposition(|byte| *byte == b'.').map_or(0, |dot| dot + 1);
    // The interpreter frees the string by another pointer to its start.
    class.tp_name = class.tp_name.wrapping_add(module);
}
