//! What of a queue the program has replaced: in a class derived from ours, or in the object itself.

use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use super::kinds::Kind;
use crate::cpython::attached_cell::AttachedCell;

/// What queues call or read of themselves by name.
#[derive(Clone, Copy)]
pub enum Overridable {
    Full,
    Empty,
    Qsize,
    PutNowait,
    GetNowait,
    Init,
    Put,
    Get,
    WakeupNext,
    GetLoop,
    Format,
    /// `_queue`.
    Container,
}

const ALL: [Overridable; 12] = [
    Overridable::Full,
    Overridable::Empty,
    Overridable::Qsize,
    Overridable::PutNowait,
    Overridable::GetNowait,
    Overridable::Init,
    Overridable::Put,
    Overridable::Get,
    Overridable::WakeupNext,
    Overridable::GetLoop,
    Overridable::Format,
    Overridable::Container,
];

impl Overridable {
    /// Its name.
    pub fn name(self, py: Python<'_>) -> &Bound<'_, PyString> {
        match self {
            Self::Full => pyo3::intern!(py, "full"),
            Self::Empty => pyo3::intern!(py, "empty"),
            Self::Qsize => pyo3::intern!(py, "qsize"),
            Self::PutNowait => pyo3::intern!(py, "put_nowait"),
            Self::GetNowait => pyo3::intern!(py, "get_nowait"),
            Self::Init => pyo3::intern!(py, "_init"),
            Self::Put => pyo3::intern!(py, "_put"),
            Self::Get => pyo3::intern!(py, "_get"),
            Self::WakeupNext => pyo3::intern!(py, "_wakeup_next"),
            Self::GetLoop => pyo3::intern!(py, "_get_loop"),
            Self::Format => pyo3::intern!(py, "_format"),
            Self::Container => pyo3::intern!(py, "_queue"),
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// What the program has replaced: a bit for each.
pub struct Overrides(AttachedCell<u16>);

impl Overrides {
    /// What a class has replaced of the native one that it is derived from.
    ///
    /// # Errors
    /// What looking at the class raises.
    pub fn of_class(class: &Bound<'_, PyType>, kind: Kind) -> PyResult<Self> {
        let py = class.py();
        let native = kind.class(py);
        let mut bits = 0;
        if !class.is(&native) {
            for name in ALL {
                if !class.getattr(name.name(py))?.is(&native.getattr(name.name(py))?) {
                    bits |= name.bit();
                }
            }
        }
        Ok(Self(AttachedCell::new(bits)))
    }

    /// Whether something is replaced.
    pub fn has(&self, py: Python<'_>, name: Overridable) -> bool {
        self.0.get(py) & name.bit() != 0
    }

    /// The program sets an attribute of the object. `_queue` is one of ours: it replaces nothing.
    pub fn note(&self, attribute: &Bound<'_, PyString>) -> PyResult<()> {
        let py = attribute.py();
        for name in ALL {
            if !matches!(name, Overridable::Container) && attribute.as_any().eq(name.name(py))? {
                self.0.with(py, |bits| *bits |= name.bit());
            }
        }
        Ok(())
    }
}
