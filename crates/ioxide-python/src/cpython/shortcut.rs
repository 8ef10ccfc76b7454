//! Shortcuts: how most calls of a method, and most steps of a coroutine, end, without the general way there.
//!
//! At each call from the interpreter `PyO3` counts that the thread is attached, looks for references whose drop was put off,
//! and goes through the layers that a signature needs. Beside an operation that only changes a field, that is most of the
//! work. A shortcut stands before the general way. It does the whole thing by fields of ours, or nothing; then the call goes
//! on as if there were no shortcut.
//!
//! A shortcut isn't counted by `PyO3`, so that a `Py` dropped in it may be put off until the next call. **It releases
//! references by `Bound` or `Py::drop_ref`, raises nothing, and doesn't call into Python.** Making an object may, before Python
//! 3.12, start a collection, and that runs finalizers: nothing is borrowed then.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{NonNull, null_mut};
use std::slice;
use std::sync::OnceLock;

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;

use super::coroutine::Sent;
use super::exception;

/// A shortcut of a method. [`method_shortcut`](super::shortcut::method_shortcut) makes one.
pub trait MethodShortcut: 'static {
    /// The class that has the method.
    type Class: PyClass;
    /// The method's name.
    const NAME: &'static str;

    /// Whether it may be taken for calls with so many arguments. It isn't taken for calls with keywords.
    fn fits(count: usize) -> bool;

    /// Where the general way is kept.
    fn general() -> &'static OnceLock<General>;

    /// The shortcut: the method's result, or `None` if nothing was done.
    fn take<'py>(slf: &Bound<'py, Self::Class>, arguments: Arguments<'_, 'py>) -> Option<Bound<'py, PyAny>>;
}

/// The arguments of a call, by position.
#[derive(Clone, Copy)]
pub struct Arguments<'a, 'py> {
    objects: &'a [NonNull<ffi::PyObject>],
    py: Python<'py>,
}

impl<'a, 'py> Arguments<'a, 'py> {
    /// # Safety
    /// From `first` on there are `count` pointers to live objects, which stay there and alive for `'a`.
    unsafe fn new(py: Python<'py>, first: *const *mut ffi::PyObject, count: usize) -> Self {
        // SAFETY: the caller's promise; and a pointer to a live object isn't null.
        let objects = unsafe { slice::from_raw_parts(first.cast(), count) };
        Self { objects, py }
    }

    const fn none(py: Python<'py>) -> Self {
        Self { objects: &[], py }
    }

    /// The argument at a position.
    pub fn get(self, position: usize) -> Option<Borrowed<'a, 'py, PyAny>> {
        let object = self.objects.get(position)?;
        // SAFETY: whoever made this has promised that the object lives for `'a`.
        Some(unsafe { Borrowed::from_ptr(self.py, object.as_ptr()) })
    }
}

/// The general way of a method.
#[derive(Clone, Copy)]
pub enum General {
    /// Of one without arguments.
    WithoutArguments(ffi::PyCFunction),
    /// Of one with arguments.
    WithArguments(ffi::PyCFunctionFastWithKeywords),
}

/// Makes a type that is the shortcut of a method:
/// `method_shortcut!(Type: Class, "method", how many arguments, |slf, arguments| …)`.
macro_rules! method_shortcut {
    ($name:ident: $class:ty, $method:literal, $count:pat, $take:expr) => {
        #[doc = concat!("The shortcut of `", $method, "`.")]
        pub struct $name;

        impl $crate::cpython::shortcut::MethodShortcut for $name {
            type Class = $class;
            const NAME: &'static str = $method;

            fn fits(count: usize) -> bool {
                matches!(count, $count)
            }

            fn general() -> &'static std::sync::OnceLock<$crate::cpython::shortcut::General> {
                static GENERAL: std::sync::OnceLock<$crate::cpython::shortcut::General> = std::sync::OnceLock::new();
                &GENERAL
            }

            fn take<'py>(
                slf: &pyo3::Bound<'py, $class>,
                arguments: $crate::cpython::shortcut::Arguments<'_, 'py>,
            ) -> Option<pyo3::Bound<'py, pyo3::PyAny>> {
                type Take = for<'py> fn(
                    &pyo3::Bound<'py, $class>,
                    $crate::cpython::shortcut::Arguments<'_, 'py>,
                ) -> Option<pyo3::Bound<'py, pyo3::PyAny>>;
                let take: Take = $take;
                take(slf, arguments)
            }
        }
    };
}
pub(crate) use method_shortcut;

/// Puts a shortcut before its method, which keeps its name and documentation.
///
/// # Errors
/// What looking at the class raises.
pub fn install<M: MethodShortcut>(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<M::Class>();
    let method = class.getattr(M::NAME)?;
    let descriptor_type = &raw mut ffi::PyMethodDescr_Type;
    // SAFETY: the argument is a live object; the function only looks at its type.
    if unsafe { ffi::Py_IS_TYPE(method.as_ptr(), descriptor_type) } == 0 {
        return Ok(());
    }
    let descriptor = method.as_ptr().cast::<ffi::PyMethodDescrObject>();
    // SAFETY: the check above says that this is what the object is.
    let definition = unsafe { (*descriptor).d_method };
    // SAFETY: a descriptor's definition lives as long as the descriptor.
    let definition = unsafe { *definition };
    let Some((general, entry)) = entry_of::<M>(&definition) else { return Ok(()) };
    if M::general().set(general).is_err() {
        return Ok(());
    }
    let definition = Box::leak(Box::new(ffi::PyMethodDef { ml_meth: entry, ..definition }));
    // SAFETY: the thread is attached, the class is alive, and the definition lives for ever, as its strings do, which are
    // constants of the other one. The entry has the signature that the flags say, and its `self` is what the class makes.
    let shortened = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) };
    // SAFETY: the function returns a new reference, or null with an error set.
    let shortened = unsafe { Bound::from_owned_ptr_or_err(py, shortened) }?;
    class.setattr(M::NAME, shortened)
}

fn entry_of<M: MethodShortcut>(definition: &ffi::PyMethodDef) -> Option<(General, ffi::PyMethodDefPointer)> {
    const FAST: i32 = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
    match definition.ml_flags {
        ffi::METH_NOARGS => {
            // SAFETY: the flags say that the union has this in it.
            let general = unsafe { definition.ml_meth.PyCFunction };
            let entry = ffi::PyMethodDefPointer { PyCFunction: call_without_arguments::<M> };
            Some((General::WithoutArguments(general), entry))
        }
        FAST => {
            // SAFETY: as above.
            let general = unsafe { definition.ml_meth.PyCFunctionFastWithKeywords };
            let entry = ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: call_with_arguments::<M> };
            Some((General::WithArguments(general), entry))
        }
        _ => None,
    }
}

unsafe extern "C" fn call_without_arguments<M: MethodShortcut>(
    slf: *mut ffi::PyObject,
    nothing: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: and with a live object.
    let object = unsafe { Borrowed::from_ptr(py, slf) };
    // SAFETY: whose class the method's descriptor has checked.
    let object = unsafe { object.cast_unchecked::<M::Class>() };
    match catch_unwind(AssertUnwindSafe(|| M::take(&object, Arguments::none(py)))) {
        Ok(Some(result)) => result.into_ptr(),
        Ok(None) => match M::general().get() {
            // SAFETY: this is what the interpreter would have called, with these arguments.
            Some(General::WithoutArguments(general)) => unsafe { general(slf, nothing) },
            _ => unreachable!("the entry was made for such a method"),
        },
        Err(payload) => raise_panic(py, &payload),
    }
}

unsafe extern "C" fn call_with_arguments<M: MethodShortcut>(
    slf: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    let count_by_position = count.cast_unsigned();
    if count_by_position > 0 && M::fits(count_by_position) && keywords.is_null() {
        // SAFETY: and with a live object.
        let object = unsafe { Borrowed::from_ptr(py, slf) };
        // SAFETY: whose class the method's descriptor has checked.
        let object = unsafe { object.cast_unchecked::<M::Class>() };
        // SAFETY: arguments are so many live objects, which the caller keeps meanwhile.
        let by_position = unsafe { Arguments::new(py, arguments, count_by_position) };
        match catch_unwind(AssertUnwindSafe(|| M::take(&object, by_position))) {
            Ok(Some(result)) => return result.into_ptr(),
            Ok(None) => {}
            Err(payload) => return raise_panic(py, &payload),
        }
    }
    match M::general().get() {
        // SAFETY: this is what the interpreter would have called, with these arguments.
        Some(General::WithArguments(general)) => unsafe { general(slf, arguments, count, keywords) },
        _ => unreachable!("the entry was made for such a method"),
    }
}

/// A class that is iterated over, with a shortcut of its steps.
pub trait StepShortcut: PyClass {
    /// Where the general way is kept.
    fn general() -> &'static OnceLock<ffi::iternextfunc>;

    /// The shortcut: what the step comes to, or `None` if nothing was done.
    fn take<'py>(slf: &Bound<'py, Self>) -> Option<Sent<'py>>;
}

/// Puts the shortcut before a class's `__next__`, as the interpreter calls it.
pub fn install_step<T: StepShortcut>(py: Python<'_>) {
    // SAFETY: the type object lives as long as the interpreter. The module's initialisation calls this before there is an
    // instance, and holds the GIL.
    let class = unsafe { &mut *T::type_object_raw(py) };
    assert_eq!(class.tp_flags & ffi::Py_TPFLAGS_BASETYPE, 0, "the step takes every object for one of this very class");
    if let Some(general) = class.tp_iternext
        && T::general().set(general).is_ok()
    {
        class.tp_iternext = Some(step::<T>);
    }
}

unsafe extern "C" fn step<T: StepShortcut>(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: and with a live object.
    let slf = unsafe { Borrowed::from_ptr(py, object) };
    // SAFETY: of the class `T`, which can't be derived from.
    let slf = unsafe { slf.cast_unchecked::<T>() };
    match catch_unwind(AssertUnwindSafe(|| T::take(&slf))) {
        Ok(Some(Sent::Yielded(object))) => object.into_ptr(),
        Ok(Some(Sent::Returned(value))) => {
            exception::end_iteration(value);
            null_mut()
        }
        Ok(None) => {
            let general = T::general().get().expect("put there when this function was");
            // SAFETY: this is what the interpreter would have called.
            unsafe { general(object) }
        }
        Err(payload) => raise_panic(py, &payload),
    }
}

/// Raises what `PyO3` raises for a panic.
#[cold]
fn raise_panic(py: Python<'_>, payload: &Box<dyn Any + Send>) -> *mut ffi::PyObject {
    let message = payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "panic from Rust code".to_owned());
    PanicException::new_err((message,)).restore(py);
    null_mut()
}
