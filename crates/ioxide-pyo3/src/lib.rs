//! Rust futures on Python's running ioxide loop, for extensions made with [`PyO3`](pyo3).
//!
//! An extension's futures run on the loop's own thread, as Python's tasks do: no other thread, no runtime beside the loop,
//! and no hop between the two. They needn't be `Send`. Timers, sockets and tasks are those of the [`ioxide`] crate.
//!
//! - [`future_into_py`] gives Python a coroutine whose body is a Rust future.
//! - [`into_future`] awaits something of Python's in Rust.
//! - [`spawn`] makes a task of a Rust future, from a function that Python has called, and [`enter`] runs there what else needs
//!   a running loop.
//!
//! ```no_run
//! use pyo3::prelude::*;
//!
//! /// Awaited in Python: `await double(21)`.
//! #[pyfunction]
//! fn double(py: Python<'_>, number: i64) -> PyResult<Bound<'_, PyAny>> {
//!     ioxide_pyo3::future_into_py(py, async move { Ok(2 * number) })
//! }
//! ```
//!
//! The extension is built apart from ioxide: it needs no more of it than that it is installed. The two find each other by
//! a versioned C table (the crate `ioxide-abi`), so that neither has to know how the other was compiled.
//!
//! # Rules
//!
//! - A future is polled by a thread that is attached to the interpreter, so that [`Python::attach`](pyo3::Python::attach)
//!   within it costs next to nothing. Work that takes long belongs on another thread, or in
//!   [`Python::detach`](pyo3::Python::detach) at least: the loop stands still meanwhile.
//! - Python's garbage collector doesn't see what a Rust future holds. A future that holds what holds the future's coroutine
//!   is never freed; cancel it.
//! - Cancelling is Python's: the task that awaits the coroutine is cancelled, and the Rust future is dropped where it
//!   waits, before `CancelledError` is raised.

#![allow(clippy::unused_self, reason = "a method of a Python class has a self, whether it looks at it or not")]

mod awaited;
mod context;
mod coroutine;
mod door;
mod entering;
mod guest;
mod panic;
mod pending_exception;
mod spawning;

pub use awaited::{Awaited, into_future};
pub use coroutine::{Coroutine, future_into_py};
pub use entering::enter;
pub use panic::RustPanic;
pub use spawning::spawn;
