//! Which of a loop's methods are ours.
//!
//! What is native calls nothing but itself, as long as a program has put no method of its own in the place of ours: a clock
//! for tests, a `call_soon` that counts. It may do so at any time, in a derived class or in one loop. The first is noticed
//! by the class's version. The second is noticed as it is done, so that a loop's `__dict__` needn't be looked at, nor be
//! made: while there is none the interpreter finds the loop's methods without a look-up.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

use super::EventLoop;
use crate::cpython::attributes;
use crate::cpython::class_version::ClassVersion;

/// A method that native code would otherwise go past.
#[derive(Clone, Copy)]
pub enum Method {
    /// `call_at`
    CallAt,
    /// `call_later`
    CallLater,
    /// `call_soon`
    CallSoon,
    /// `create_future`
    CreateFuture,
    /// `create_task`
    CreateTask,
    /// `time`
    Time,
}

const METHODS: [Method; 6] =
    [Method::CallAt, Method::CallLater, Method::CallSoon, Method::CreateFuture, Method::CreateTask, Method::Time];

/// Their names, by the number of each.
const NAMES: [&str; METHODS.len()] = ["call_at", "call_later", "call_soon", "create_future", "create_task", "time"];

/// The methods by which an attribute is found and set: as long as they are ours, one that is put into a loop is noticed.
const ACCESS: [&str; 2] = ["__getattribute__", "__setattr__"];

/// What the native class has under these names before a program can have put something else there.
static NATIVE: PyOnceLock<Native> = PyOnceLock::new();

struct Native {
    methods: [Py<PyAny>; NAMES.len()],
    access: [Py<PyAny>; ACCESS.len()],
}

/// Remembers the methods. To be called as the module is made, when the class has all of its own.
///
/// # Errors
/// What looking at the class raises.
pub fn remember(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<EventLoop>();
    let named = |name: &str| class.getattr(name).map(Bound::unbind);
    let [call_at, call_later, call_soon, create_future, create_task, time] = NAMES.map(named);
    let [get, set] = ACCESS.map(named);
    let methods = [call_at?, call_later?, call_soon?, create_future?, create_task?, time?];
    let native = Native { methods, access: [get?, set?] };
    NATIVE.get_or_init(py, || native);
    Ok(())
}

/// Which methods are ours, a bit for each, in a class that was so when they were looked at.
#[derive(Clone, Copy)]
pub struct Seen {
    class: ClassVersion,
    methods: u32,
}

impl Seen {
    /// Nothing was looked at.
    pub const NOTHING: u64 = 0;

    fn of(class: &Bound<'_, PyType>) -> PyResult<Self> {
        let py = class.py();
        let Some(native) = NATIVE.get(py) else { return Ok(Self { class: ClassVersion::NONE, methods: 0 }) };
        let is_still = |name: &str, method: &Py<PyAny>| Ok::<_, PyErr>(class.getattr(name)?.is(method));
        // The interpreter counts a class's versions once it has looked something up in it.
        class.getattr(ACCESS[0])?;
        let version = ClassVersion::of(class);
        let mut seen = 0;
        for (number, (name, method)) in NAMES.iter().zip(&native.methods).enumerate() {
            seen |= u32::from(is_still(name, method)?) << number;
        }
        for (name, method) in ACCESS.iter().zip(&native.access) {
            if !is_still(name, method)? {
                seen = 0;
            }
        }
        // A metaclass may run the program's code as it is asked.
        let version = version.filter(|version| ClassVersion::of(class) == Some(*version));
        Ok(Self { class: version.unwrap_or(ClassVersion::NONE), methods: seen })
    }

    fn has(self, method: Method) -> bool {
        self.methods & (1 << method as u32) != 0
    }

    fn to_bits(self) -> u64 {
        u64::from(u32::from(self.class)) << 32 | u64::from(self.methods)
    }

    #[expect(clippy::cast_possible_truncation, reason = "each half is a number of its own")]
    fn from_bits(bits: u64) -> Self {
        Self { class: ClassVersion::from((bits >> 32) as u32), methods: bits as u32 }
    }
}

impl EventLoop {
    /// Whether a method is ours, so that native code may do what it does without calling it.
    ///
    /// # Errors
    /// What looking up the method raises.
    pub(super) fn is_native(slf: &Bound<'_, Self>, method: Method) -> PyResult<bool> {
        if slf.get().has_own_methods() {
            return Ok(false);
        }
        if let Some(seen) = Self::seen(slf) {
            return Ok(seen.has(method));
        }
        let seen = Seen::of(&slf.get_type())?;
        slf.get().seen_methods.store(seen.to_bits(), Ordering::Relaxed);
        Ok(seen.has(method))
    }

    /// Whether it is known without asking anybody that a method is ours.
    pub(super) fn is_surely_native(slf: &Bound<'_, Self>, method: Method) -> bool {
        !slf.get().has_own_methods() && Self::seen(slf).is_some_and(|seen| seen.has(method))
    }

    /// What was seen of the class, if it is still as it was.
    fn seen(slf: &Bound<'_, Self>) -> Option<Seen> {
        let seen = Seen::from_bits(slf.get().seen_methods.load(Ordering::Relaxed));
        (ClassVersion::of(&slf.get_type()) == Some(seen.class)).then_some(seen)
    }

    fn has_own_methods(&self) -> bool {
        self.has_own_methods.load(Ordering::Relaxed)
    }
}

#[pymethods]
impl EventLoop {
    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        attributes::set(slf.as_any(), name, Some(value))?;
        if NAMES.contains(&name.to_str()?) {
            slf.get().has_own_methods.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Those of the methods which native code may go past that it does go past.
    #[getter]
    fn _native_methods(slf: &Bound<'_, Self>) -> PyResult<Vec<&'static str>> {
        let mut names = Vec::new();
        for (method, name) in METHODS.into_iter().zip(NAMES) {
            if Self::is_native(slf, method)? {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        attributes::set(slf.as_any(), name, None)
    }
}
