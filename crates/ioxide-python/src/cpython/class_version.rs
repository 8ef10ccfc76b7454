//! Whether a class is as it was.
//!
//! The interpreter gives a class a number when it first looks up an attribute of it, and takes it away when the class, or
//! one that it is derived from, changes; the next one is another. Its own caches of methods rely on that.

use pyo3::prelude::*;
use pyo3::types::PyType;

/// What a class was when something was found out about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassVersion(u32);

impl ClassVersion {
    /// No class has been looked at: equal to none that [`ClassVersion::of`] gives.
    pub const NONE: Self = Self(0);

    /// What a class is now. `None` if the interpreter doesn't keep count of it.
    pub fn of(class: &Bound<'_, PyType>) -> Option<Self> {
        // SAFETY: the class is alive, and its number changes only under the GIL.
        let version = unsafe { (*class.as_type_ptr()).tp_version_tag };
        (version != 0).then_some(Self(version))
    }
}

impl From<u32> for ClassVersion {
    fn from(version: u32) -> Self {
        Self(version)
    }
}

impl From<ClassVersion> for u32 {
    fn from(version: ClassVersion) -> Self {
        version.0
    }
}
