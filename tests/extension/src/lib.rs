//! What the tests of `ioxide-pyo3` ask of Rust futures: each function gives Python a coroutine that does one thing.
//!
//! For an extension as one would write it see `examples/rust-extension`.

use std::future::{pending, poll_fn};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use ioxide::net::UnixStream;
use ioxide_pyo3::{future_into_py, into_future};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Is ready at once, with `value`.
#[pyfunction]
#[pyo3(signature = (value = None))]
fn ready(py: Python<'_>, value: Option<Py<PyAny>>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move { Ok(value) })
}

/// Raises `ValueError(message)`.
#[pyfunction]
fn fail(py: Python<'_>, message: String) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move { Err::<(), _>(PyValueError::new_err(message)) })
}

/// Panics, after `turns` turns.
#[pyfunction]
#[pyo3(signature = (message, turns = 0))]
fn panics(py: Python<'_>, message: String, turns: usize) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move {
        take_turns(turns).await;
        if turns < usize::MAX {
            panic!("{message}");
        }
        Ok(())
    })
}

/// Panics before there is a future.
#[pyfunction]
fn panic_at_once() {
    panic!("a panic on purpose");
}

/// Lets the others run so many times.
#[pyfunction]
fn turns(py: Python<'_>, count: usize) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move {
        take_turns(count).await;
        Ok(count)
    })
}

async fn take_turns(count: usize) {
    for _ in 0..count {
        let mut has_waited = false;
        poll_fn(|context| {
            if has_waited {
                return Poll::Ready(());
            }
            has_waited = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

#[pyfunction]
fn sleep(py: Python<'_>, seconds: f64) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move {
        ioxide::sleep(Duration::from_secs_f64(seconds)).await;
        Ok(())
    })
}

/// Waits for a thread that it starts, and returns what that gives: the waker is used `wake_ups` times.
#[pyfunction]
#[pyo3(signature = (value, wake_ups = 1))]
fn from_thread(py: Python<'_>, value: i64, wake_ups: usize) -> PyResult<Bound<'_, PyAny>> {
    let slot: Arc<Mutex<(Option<i64>, Option<Waker>)>> = Arc::default();
    future_into_py(py, async move {
        let mut is_started = false;
        poll_fn(move |context| {
            let mut state = slot.lock().expect("nothing panics under the lock");
            state.1 = Some(context.waker().clone());
            if let Some(value) = state.0 {
                return Poll::Ready(Ok(value));
            }
            drop(state);
            if !std::mem::replace(&mut is_started, true) {
                let slot = Arc::clone(&slot);
                thread::spawn(move || {
                    let mut state = slot.lock().expect("nothing panics under the lock");
                    state.0 = Some(value);
                    let waker = state.1.take();
                    drop(state);
                    for _ in 0..wake_ups {
                        waker.iter().for_each(Waker::wake_by_ref);
                    }
                });
            }
            Poll::Pending
        })
        .await
    })
}

/// Calls a Python function when it is dropped.
struct CallsWhenDropped(Py<PyAny>);

impl Drop for CallsWhenDropped {
    fn drop(&mut self) {
        let called = Python::try_attach(|py| self.0.call0(py).map(drop));
        if let Some(Err(error)) = called {
            panic!("{error}");
        }
    }
}

/// Waits for ever. Calls `dropped` as it is dropped; if that raises, the drop panics.
#[pyfunction]
fn wait_for_ever(py: Python<'_>, dropped: Py<PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let guard = CallsWhenDropped(dropped);
    future_into_py(py, async move {
        let _guard = guard;
        pending::<PyResult<()>>().await
    })
}

/// Awaits what `function()` returns.
#[pyfunction]
fn call(py: Python<'_>, function: Py<PyAny>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move {
        let awaited = Python::attach(|py| into_future(&function.bind(py).call0()?))?;
        awaited.await
    })
}

/// Has a Rust task await what `function()` returns, and doesn't wait for it.
#[pyfunction]
fn spawn_call(py: Python<'_>, function: Py<PyAny>) -> PyResult<()> {
    let task = ioxide_pyo3::spawn(py, async move {
        let awaited = Python::attach(|py| into_future(&function.bind(py).call0()?));
        if let Ok(awaited) = awaited {
            let _ = awaited.await;
        }
    })?;
    drop(task);
    Ok(())
}

/// Has a Rust task wait for ever, which calls `dropped` as it is dropped.
#[pyfunction]
fn spawn_for_ever(py: Python<'_>, dropped: Py<PyAny>) -> PyResult<()> {
    let guard = CallsWhenDropped(dropped);
    drop(ioxide_pyo3::spawn(py, async move {
        let _guard = guard;
        pending::<()>().await;
    })?);
    Ok(())
}

/// Has a Rust task panic, and awaits it.
#[pyfunction]
fn await_task_that_panics(py: Python<'_>, message: String) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move {
        let task = ioxide::spawn(async move {
            if !message.is_empty() {
                panic!("{message}");
            }
        });
        task.await.map_err(|_| PyValueError::new_err("cancelled"))
    })
}

/// A stream socket that Rust reads.
#[pyclass(unsendable)]
struct Connection(Rc<UnixStream>);

#[pymethods]
impl Connection {
    /// Takes a duplicate of a descriptor.
    #[new]
    fn new(py: Python<'_>, descriptor: i32) -> PyResult<Self> {
        // SAFETY: the caller's socket is open while this runs.
        let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let stream = StdUnixStream::from(descriptor.try_clone_to_owned()?);
        let stream = ioxide_pyo3::enter(py, || UnixStream::try_from(stream))??;
        Ok(Self(Rc::new(stream)))
    }

    /// Reads up to `size` bytes.
    fn read<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyAny>> {
        let stream = Rc::clone(&self.0);
        future_into_py(py, async move {
            let mut buffer = vec![0; size];
            let count = stream.read(&mut buffer).await?;
            Ok(Python::attach(|py| PyBytes::new(py, &buffer[..count]).unbind()))
        })
    }
}

#[pymodule]
mod rust_futures {
    #[pymodule_export]
    use super::{
        Connection, await_task_that_panics, call, fail, from_thread, panic_at_once, panics, ready, sleep, spawn_call,
        spawn_for_ever, turns, wait_for_ever,
    };

    use ioxide_pyo3::RustPanic;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("RustPanic", module.py().get_type::<RustPanic>())
    }
}
