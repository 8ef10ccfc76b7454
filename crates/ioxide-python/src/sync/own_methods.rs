//! What all classes here have: they can be derived from, belong to a loop, and take attributes.
//!
//! asyncio's classes call some methods of themselves by name, so that a program can have its own: in a class derived from
//! them, or set on one object. [`OwnMethods`] knows which are the program's. Those that aren't needn't be called by name.

use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::{PyString, PyType};

use crate::cpython::attached_cell::AttachedCell;

/// Declares [`Method`], so that each name stands in one place.
macro_rules! methods {
    ($($method:ident = $name:literal),* $(,)?) => {
        /// What objects call or read of themselves by name.
        #[derive(Clone, Copy)]
        pub enum Method {
            $(#[doc = concat!("`", $name, "`")] $method,)*
        }

        impl Method {
            /// Its name.
            pub fn name(self, py: Python<'_>) -> &Bound<'_, PyString> {
                match self {
                    $(Self::$method => pyo3::intern!(py, $name),)*
                }
            }
        }
    };
}

methods! {
    Acquire = "acquire",
    Container = "_queue",
    Empty = "empty",
    Format = "_format",
    Full = "full",
    Get = "_get",
    GetLoop = "_get_loop",
    GetNowait = "get_nowait",
    Init = "_init",
    Locked = "locked",
    Notify = "notify",
    NotifySome = "_notify",
    Put = "_put",
    PutNowait = "put_nowait",
    Qsize = "qsize",
    Release = "release",
    Wait = "wait",
    WakeUpFirst = "_wake_up_first",
    WakeUpNext = "_wake_up_next",
    WakeupNext = "_wakeup_next",
}

impl Method {
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A class whose objects call methods of themselves by name if they are the program's.
pub trait HasOwnMethods: PyClass<Frozen = True> + Sync {
    /// The methods.
    const METHODS: &'static [Method];
    /// What a derived class may have replaced besides. On an object these are attributes of ours, which replace nothing.
    const ATTRIBUTES: &'static [Method] = &[];

    /// Which of them are the program's.
    fn own_methods(&self) -> &OwnMethods;
}

/// Which methods of an object are the program's: a bit for each.
pub struct OwnMethods(AttachedCell<u32>);

impl OwnMethods {
    /// None.
    pub const fn none() -> Self {
        Self(AttachedCell::new(0))
    }

    /// Those that a class has in the place of those of the native one that it is derived from.
    ///
    /// # Errors
    /// What looking at the class raises.
    pub fn of_class<T: HasOwnMethods>(class: &Bound<'_, PyType>, native: &Bound<'_, PyType>) -> PyResult<Self> {
        let (py, mut bits) = (class.py(), 0);
        if !class.is(native) {
            for method in T::METHODS.iter().chain(T::ATTRIBUTES) {
                if !class.getattr(method.name(py))?.is(&native.getattr(method.name(py))?) {
                    bits |= method.bit();
                }
            }
        }
        Ok(Self(AttachedCell::new(bits)))
    }

    /// Whether one is the program's.
    pub fn has(&self, py: Python<'_>, method: Method) -> bool {
        self.0.get(py) & method.bit() != 0
    }

    /// Whether all are ours.
    pub fn are_none(&self, py: Python<'_>) -> bool {
        self.0.get(py) == 0
    }

    /// The program sets an attribute of an object.
    ///
    /// # Errors
    /// None: strings are compared.
    pub fn note<T: HasOwnMethods>(object: &Bound<'_, T>, attribute: &Bound<'_, PyString>) -> PyResult<()> {
        let py = object.py();
        for method in T::METHODS {
            if attribute.as_any().eq(method.name(py))? {
                object.get().own_methods().0.with(py, |bits| *bits |= method.bit());
            }
        }
        Ok(())
    }
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
/// attributes that a program sets, in the field `attributes` that it has before Python 3.13. A method that is among them is
/// noted: the class [`HasOwnMethods`].
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

        #[cfg(Py_3_13)]
        #[pyo3::pymethods]
        impl $class {
            fn __setattr__(
                slf: &pyo3::Bound<'_, Self>,
                name: &pyo3::Bound<'_, pyo3::types::PyString>,
                value: &pyo3::Bound<'_, pyo3::PyAny>,
            ) -> pyo3::PyResult<()> {
                $crate::sync::own_methods::OwnMethods::note(slf, name)?;
                $crate::cpython::attributes::set(slf.as_any(), name, Some(value))
            }

            fn __delattr__(
                slf: &pyo3::Bound<'_, Self>,
                name: &pyo3::Bound<'_, pyo3::types::PyString>,
            ) -> pyo3::PyResult<()> {
                $crate::cpython::attributes::set(slf.as_any(), name, None)
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

            fn note(slf: &pyo3::Bound<'_, Self>, name: &pyo3::Bound<'_, pyo3::types::PyString>) -> pyo3::PyResult<()> {
                $crate::sync::own_methods::OwnMethods::note(slf, name)
            }
        }

        #[cfg(not(Py_3_13))]
        $crate::program_attributes::program_attributes!($class);
    };
}
pub(crate) use loop_bound_object;
