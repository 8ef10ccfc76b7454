//! Panics, as Python sees them.

use std::any::Any;

use pyo3::exceptions::PyException;
use pyo3::{PyErr, create_exception};

create_exception!(
    ioxide_pyo3,
    RustPanic,
    PyException,
    "A Rust future has panicked. Its message is the panic's.\n\nUnlike PyO3's `PanicException` it is an `Exception`: it ends \
     the task that awaits the future, and not the loop."
);

/// The exception for what a panic has thrown.
pub(crate) fn raise(payload: &(dyn Any + Send)) -> PyErr {
    let message = payload
        .downcast_ref::<&'static str>()
        .map(|message| (*message).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    RustPanic::new_err(message)
}
