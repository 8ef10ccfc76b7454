//! A reader's limit, as the program gave it and as a number of bytes.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

/// asyncio's default, in bytes.
pub const DEFAULT: usize = 64 * 1024;

/// How long a line may be.
pub struct Limit {
    /// What the program gave: any number, infinity too. `None` for the default.
    pub object: Option<Py<PyAny>>,
    /// What is longer is too long.
    pub bytes: usize,
    /// Twice the limit.
    pub twice: usize,
}

impl Limit {
    /// The default.
    pub const fn default(_py: Python<'_>) -> Self {
        Self { object: None, bytes: DEFAULT, twice: DEFAULT * 2 }
    }

    /// The limit that `object` is.
    ///
    /// # Errors
    /// `TypeError` for what is no number.
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            bytes: saturated(object)?,
            twice: saturated(&object.mul(2)?)?,
            object: Some(object.clone().unbind()),
        })
    }

    /// As the program sees it.
    pub fn to_python<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.object.as_ref().map(|object| object.bind(py).clone())
    }
}

/// The whole part of a number, as near as it comes.
#[expect(clippy::cast_possible_truncation, reason = "a conversion of a float saturates, as is wanted")]
#[expect(clippy::cast_sign_loss, reason = "what is negative becomes zero")]
fn saturated(number: &Bound<'_, PyAny>) -> PyResult<usize> {
    match number.extract::<usize>() {
        Ok(number) => Ok(number),
        Err(error) if error.is_instance_of::<PyOverflowError>(number.py()) => {
            Ok(if number.lt(0)? { 0 } else { usize::MAX })
        }
        Err(_) => Ok(number.extract::<f64>()? as usize),
    }
}
