//! `fetching`: what an extension with Rust futures looks like.
//!
//! Each function returns a coroutine, which runs on the thread of Python's running ioxide loop, beside Python's tasks.

mod request;

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Fetches the body of an `http` URL: `await fetch("http://…", timeout=10)`.
///
/// Raises `ValueError` for what is no such URL, `OSError` for what goes wrong on the way or for a status that says so, and
/// `TimeoutError`. The connection is closed when the task is cancelled.
#[pyfunction]
#[pyo3(signature = (url, *, timeout = 30.0))]
fn fetch(py: Python<'_>, url: String, timeout: f64) -> PyResult<Bound<'_, PyAny>> {
    let timeout = seconds(timeout)?;
    ioxide_pyo3::future_into_py(py, async move {
        let body = request::fetch(&url, timeout).await?;
        // A `Vec<u8>` would become a list of numbers.
        Ok(Python::attach(|py| pyo3::types::PyBytes::new(py, &body).unbind()))
    })
}

/// Waits: `await sleep(0.5)`.
#[pyfunction]
fn sleep(py: Python<'_>, delay: f64) -> PyResult<Bound<'_, PyAny>> {
    let delay = seconds(delay)?;
    ioxide_pyo3::future_into_py(py, async move {
        ioxide::sleep(delay).await;
        Ok(())
    })
}

/// Counts the words of a text. It has nothing to wait for, and costs little more than a call: a future that is ready
/// needs neither a task nor a turn of the loop.
#[pyfunction]
fn count_words(py: Python<'_>, text: String) -> PyResult<Bound<'_, PyAny>> {
    ioxide_pyo3::future_into_py(py, async move { Ok(text.split_whitespace().count()) })
}

/// Calls `function(number)`, which may be an `async def`'s, every so many seconds, until it returns `False`.
///
/// The other direction: Rust awaits what Python returns, and Rust's timers run beside it.
#[pyfunction]
fn every(py: Python<'_>, interval: f64, function: Py<PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let interval = seconds(interval)?;
    ioxide_pyo3::future_into_py(py, async move {
        for number in 0_u64.. {
            let awaited = Python::attach(|py| ioxide_pyo3::into_future(&function.bind(py).call1((number,))?))?;
            let answer = awaited.await?;
            if Python::attach(|py| answer.is(&*pyo3::types::PyBool::new(py, false))) {
                break;
            }
            ioxide::sleep(interval).await;
        }
        Ok(())
    })
}

fn seconds(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Rust futures that Python awaits.
#[pymodule(name = "fetching")]
mod extension {
    #[pymodule_export]
    use super::{count_words, every, fetch, sleep};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // So that Python code can say `except fetching.RustPanic`.
        module.add("RustPanic", module.py().get_type::<ioxide_pyo3::RustPanic>())
    }
}
