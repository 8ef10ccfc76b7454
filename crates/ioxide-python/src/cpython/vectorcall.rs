//! Calls that are passed on as they come (PEP 590): an object that is called as the function that it stands for, without a
//! tuple or a dictionary of the arguments in between.

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::prelude::*;

/// A class whose objects each stand for a function.
pub trait StandsForFunction: PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync {
    /// The field that the interpreter looks for: its value is [`Entry::new`].
    fn entry(&self) -> &Entry;

    /// The function.
    fn function(&self) -> &Py<PyAny>;
}

/// What the interpreter calls.
#[repr(transparent)]
pub struct Entry(ffi::vectorcallfunc);

impl Entry {
    /// The entry of objects of the class `T`.
    pub fn new<T: StandsForFunction>() -> Self {
        Self(call::<T>)
    }
}

/// Makes objects of the class callable, `object` being the first of them.
pub fn install<T: StandsForFunction>(object: &Bound<'_, T>) {
    let start = object.as_ptr().addr();
    let field = std::ptr::from_ref(object.get().entry()).addr();
    let offset = ffi::Py_ssize_t::try_from(field - start).expect("a field is within its object");
    // SAFETY: the type object lives as long as the interpreter. The module's initialisation calls this, which holds the
    // GIL, before the object can be reached by anybody else. Every object of the class has its fields at the same place,
    // and the entry, which the class's constructor needs, is a valid function.
    let class = unsafe { &mut *T::type_object_raw(object.py()) };
    class.tp_vectorcall_offset = offset;
    class.tp_call = Some(ffi::PyVectorcall_Call);
    class.tp_flags |= ffi::Py_TPFLAGS_HAVE_VECTORCALL;
}

unsafe extern "C" fn call<T: StandsForFunction>(
    callable: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: and with a live object.
    let callable = unsafe { Borrowed::from_ptr(py, callable) };
    // SAFETY: of the class that the entry was put into, which can't be derived from.
    let callable = unsafe { callable.cast_unchecked::<T>() };
    let function = callable.get().function().as_ptr();
    // SAFETY: the arguments are the interpreter's own, passed on as they are. Whoever calls keeps `callable` meanwhile, and
    // that the function.
    unsafe { ffi::PyObject_Vectorcall(function, arguments, count, keywords) }
}
